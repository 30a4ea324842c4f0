// race_env.c - rows of libtelos-env on more threads than there may be cores, and two such batches
// at once. Under ThreadSanitizer a plain program; exit code 0 when all is well.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "deploy/python/telos_env.h"

enum { ROWS = 7, THREADS = 4, STEPS = 60, ACT = 2 };

// what the last step observed, and who failed: each thread hears of its own error alone
static void *run(void *arg) {
  const float still[ROWS * ACT] = {0};
  double *sum = arg;
  CHECK(!telos_env_load("no such task", 1, 1) && telos_env_error()[0]);
  struct telos_env *env = telos_env_load("box2d-random", ROWS, THREADS);
  CHECK(env && !telos_env_error()[0]);
  CHECK(telos_env_info(env).act == ACT && telos_env_reset(env, NULL, NULL, NULL) == 0);
  for (int t = 0; t < STEPS; t++) {
    CHECK(telos_env_step(env, still) == 0);
  }
  const struct telos_env_state s = telos_env_state(env);
  for (int i = 0; i < ROWS * telos_env_info(env).obs; i++) {
    *sum += (double)s.obs[i];
  }
  telos_env_free(env);
  return NULL;
}

int main(void) {
  pthread_t other;
  double sum[2] = {0, 0};
  must_thread(&other, run, &sum[1]);
  run(&sum[0]);
  CHECK(pthread_join(other, NULL) == 0);
  CHECK(sum[0] == sum[1]);
  printf("%d rows on %d threads, twice at once: %g\n", ROWS, THREADS, sum[0]);
  return 0;
}
