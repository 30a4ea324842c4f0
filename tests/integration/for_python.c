// for_python.c - a random policy, and what an actor does with it, row by row.
#include "tests/integration/for_python.h"

#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/nn/policy.h"
#include "common/nn/policy_file.h"
#include "common/nn/rowmlp.h"
#include "common/task/task.h"

enum { MAX_NUMBERS = 512, HIDDEN = 24, LAYERS = 3, ROWS = 50 };

int for_python_run(char *const *argv) {
  pid_t pid;
  int status;
  if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0) {
    printf("skipped: %s is not installed\n", argv[0]);
    return FOR_PYTHON_SKIP;
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void for_python_rows(const char *path, const struct task *task, const struct weights *w) {
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

struct weights *for_python_policy(const char *path, const struct task *task) {
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
