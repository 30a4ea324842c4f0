// export_python.c - exported policies as others read them: NumPy and onnxruntime have to give the
// actor's actions.
//
// Random policies of two tasks, one with a goal and one without, are exported by `telos`, and
// tests/check_export.py reads them with none of our code. The interpreter is $TELOS_PYTHON, else
// python3. A plain program, so that its exit code can be the script's 77, a visible skip, where
// Python, NumPy or onnxruntime is missing.
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/rng.h"
#include "common/nn/policy.h"
#include "common/nn/policy_file.h"
#include "common/nn/rowmlp.h"
#include "common/task/task.h"

enum { MAX_NUMBERS = 512, HIDDEN = 24, LAYERS = 3, ROWS = 50, PATH = 4096, SKIP = 77 };

// exit code of a program; SKIP when it is not there
static int run(char *const *argv) {
  pid_t pid;
  int status;
  if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0) {
    printf("skipped: %s is not installed\n", argv[0]);
    return SKIP;
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// inputs and actions, a row each
static void write_rows(const char *path, const struct task *task, const struct weights *w) {
  float x[MAX_NUMBERS], head[MAX_NUMBERS], a[MAX_NUMBERS];
  float *scratch = must_alloc(rowmlp_scratch(w->width, w->nlayer), sizeof *scratch);
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  FILE *f = fopen(path, "w");
  CHECK(f != NULL);
  for (int row = 0; row < ROWS; row++) {
    rng_fill_normal(&rng, x, (size_t)w->width[0]);
    rowmlp_forward(head, w->data, w->width, w->nlayer, x, NULL, scratch);
    policy_act(a, head, NULL, task->act);
    for (int i = 0; i < w->width[0] + task->act; i++) {
      fprintf(f, "%.9g ", (double)(i < w->width[0] ? x[i] : a[i - w->width[0]]));
    }
    fputc('\n', f);
  }
  CHECK(fclose(f) == 0);
  free(scratch);
}

static struct weights *random_policy(const char *path, const struct task *task) {
  const int width[LAYERS + 1] = {task->obs + task->goal, HIDDEN, HIDDEN, 2 * task->act};
  const size_t n = mlp_nparam(width, LAYERS);
  float *theta = must_alloc(n, sizeof *theta);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  rng_fill_uniform(&rng, theta, n, -0.3f, 0.3f);
  struct weights *w = weights_new(1, width, LAYERS, theta);
  free(theta);
  char digest[17];
  snprintf(digest, sizeof digest, "%016" PRIx64, task->digest);
  const struct st_meta meta[] = {{"task", task->name}, {"task_digest", digest}};
  CHECK(policy_file_write(path, w, task->obs, task->goal, task->act, meta, 2) == ERR_OK);
  return w;
}

static int check_task(const char *folder, const char *name) {
  char model[PATH], policy[PATH], rows[PATH], telos[PATH], script[PATH];
  char export[] = "export", option[] = "--task", format_option[] = "--format", python[PATH];
  char formats[][8] = {"npz", "onnx"};
  struct task *task;
  const char *given = getenv("TELOS_PYTHON"), *bin = getenv("TELOS_BIN");
  snprintf(telos, sizeof telos, "%s/telos", bin);
  snprintf(model, sizeof model, "%s/tasks/%s.xml", bin, name);
  snprintf(policy, sizeof policy, "%s/policy.safetensors", folder);
  snprintf(rows, sizeof rows, "%s/rows.txt", folder);
  snprintf(script, sizeof script, "%s/tests/check_export.py", getenv("TELOS_SOURCE"));
  snprintf(python, sizeof python, "%s", given != NULL ? given : "python3");
  CHECK(task_load(&task, model) == ERR_OK);
  struct weights *w = random_policy(policy, task);
  write_rows(rows, task, w);
  int code = 0;
  for (int i = 0; code == 0 && i < 2; i++) {
    char *argv[] = {telos, export, policy, format_option, formats[i], option, model, NULL};
    code = run(argv);
  }
  if (code == 0) {
    char *argv[] = {python, script, (char *)folder, NULL};
    code = run(argv);
  }
  weights_unref(w);
  task_free(task);
  return code;
}

int main(void) {
  const char *base = getenv("TELOS_TEST_TMP");
  char folder[PATH];
  CHECK(fsio_mkdirs(base) == ERR_OK);
  snprintf(folder, sizeof folder, "%s/export-XXXXXX", base);
  CHECK(mkdtemp(folder) != NULL);
  int code = check_task(folder, "fetch-push");
  if (code == 0) {
    code = check_task(folder, "ant-forward");
  }
  CHECK(fsio_remove_tree(folder) == ERR_OK);
  return code;
}
