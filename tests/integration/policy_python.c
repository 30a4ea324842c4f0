// policy_python.c - the policy file as others read it: NumPy and PyTorch give the same action.
//
// A random policy is written by common/nn/policy_file.c and its action computed by the code that
// actors run; tests/check_policy.py reads the file with none of our code and must agree. A plain
// program, so that its exit code can be the script's 77, a visible skip, where Python or NumPy is
// missing.
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/nn/policy.h"
#include "common/nn/policy_file.h"
#include "common/nn/rowmlp.h"

enum { OBS = 6, GOAL = 2, ACT = 3, LAYERS = 3, HIDDEN = 24, TEXT = 32, SKIP = 77 };

// decimal places and never an exponent, which the script's parser takes for an option
static void print_number(char *out, float x) {
  int n = snprintf(out, TEXT, "%.10f", (double)x);
  CHECK(n > 0 && n < TEXT);
}

static int run_python(const char *file, const float *x, const float *a) {
  char script[4096];
  char numbers[OBS + GOAL + ACT][TEXT];
  char *argv[OBS + GOAL + ACT + 8];
  const char *source = getenv("TELOS_SOURCE");
  int n = snprintf(script, sizeof script, "%s/tests/check_policy.py", source ? source : ".");
  CHECK(n > 0 && (size_t)n < sizeof script);

  int argc = 0;
  argv[argc++] = (char *)"python3";
  argv[argc++] = script;
  argv[argc++] = (char *)file;
  for (int i = 0; i < OBS + GOAL + ACT; i++) {
    if (i == OBS + GOAL) {
      argv[argc++] = (char *)"--expect";
    }
    print_number(numbers[i], i < OBS + GOAL ? x[i] : a[i - OBS - GOAL]);
    argv[argc++] = numbers[i];
  }
  argv[argc] = NULL;

  pid_t pid;
  int status;
  if (posix_spawnp(&pid, "python3", NULL, NULL, argv, environ) != 0) {
    printf("skipped: python3 is not installed\n");
    return SKIP;
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(void) {
  const int width[LAYERS + 1] = {OBS + GOAL, HIDDEN, HIDDEN, 2 * ACT};
  size_t nparam = 0;
  for (int l = 0; l < LAYERS; l++) {
    nparam += (size_t)width[l + 1] * (size_t)(width[l] + 1);
  }

  // inputs are multiples of 1/1024: ten decimals hold them exactly
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  float *theta = must_alloc(nparam, sizeof *theta);
  rng_fill_uniform(&rng, theta, nparam, -0.4f, 0.4f);
  float x[OBS + GOAL];
  for (int i = 0; i < OBS + GOAL; i++) {
    x[i] = (float)((int)rng_below(&rng, 4096) - 2048) / 1024.0f;
  }
  float head[2 * ACT];
  float a[ACT];
  float *scratch = must_alloc(rowmlp_scratch(width, LAYERS), sizeof *scratch);
  rowmlp_forward(head, theta, width, LAYERS, x, NULL, scratch);
  policy_act(a, head, NULL, ACT);

  const char *base = getenv("TELOS_TEST_TMP");
  char folder[2048];
  char file[4096];
  if (base != NULL) {
    (void)mkdir(base, 0777);
  }
  int n = snprintf(folder, sizeof folder, "%s/telos-XXXXXX", base != NULL ? base : "/tmp");
  CHECK(n > 0 && (size_t)n < sizeof folder && mkdtemp(folder) != NULL);
  snprintf(file, sizeof file, "%s/policy.safetensors", folder);
  struct weights *w = weights_new(1, width, LAYERS, theta);
  enum err err = policy_file_write(file, w, OBS, GOAL, ACT, NULL, 0);
  int code = err == ERR_OK ? run_python(file, x, a) : 1;

  unlink(file);
  rmdir(folder);
  weights_unref(w);
  free(theta);
  free(scratch);
  return code;
}
