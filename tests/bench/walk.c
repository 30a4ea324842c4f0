// walk.c - what an episode looks like, as CSV: for programs that rebuild a task elsewhere and have
// to be held to this one (tests/bench/peers/check_task.py). No bench, and no part of the product.
//
//   walk TASK [SCRIPT]
//
// A header, then a row a state: the action that led to it (zeros in the first), the observation,
// the achieved and the desired goal. SCRIPT is one of `telos play`; without it the actions are
// uniform random numbers, the same ones every time.
#include <stdio.h>
#include <stdlib.h>

#include "actor/script.h"
#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"

static void print_header(const char *name, int n, const char *before) {
  for (int i = 0; i < n; i++) {
    printf("%s%s.%d", i == 0 ? before : ",", name, i);
  }
}

static void print_numbers(const float *x, int n, const char *before) {
  for (int i = 0; i < n; i++) {
    printf("%s%.9g", i == 0 ? before : ",", (double)x[i]);
  }
}

static enum err walk(const struct task *task, const struct script *script) {
  struct env *env = env_new(task);
  float *act = must_alloc((size_t)task->act, sizeof *act);
  float *obs = must_alloc((size_t)task->obs, sizeof *obs);
  float *achieved = must_alloc((size_t)task->goal + 1, sizeof *achieved);
  float *desired = must_alloc((size_t)task->goal + 1, sizeof *desired);
  struct rng actions, reset, dynamics;
  rng_init(&actions, 1, RNG_ACTION, 0);
  rng_init(&reset, 1, RNG_RESET, 0);
  rng_init(&dynamics, 1, RNG_DYNAMICS, 0);
  enum err err = env_reset(env, desired, &reset);
  for (int t = 0; err == ERR_OK && t <= task->horizon; t++) {
    env_observe(env, obs, achieved);
    print_numbers(act, task->act, "");
    print_numbers(obs, task->obs, ",");
    print_numbers(achieved, task->goal, ",");
    print_numbers(desired, task->goal, ",");
    printf("\n");
    if (script) {
      script_action(script, act, task, env_data(env), t);
    } else {
      rng_fill_uniform(&actions, act, (size_t)task->act, -1, 1);
    }
    struct env_step step;
    if (t < task->horizon) {
      err = env_step(env, act, &dynamics, &step);
    }
  }
  free(act);
  free(obs);
  free(achieved);
  free(desired);
  env_free(env);
  return err;
}

int main(int argc, char **argv) {
  struct task *task = NULL;
  struct script *script = NULL;
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: walk TASK [SCRIPT]\n");
    return 64;
  }
  enum err err = task_load(&task, argv[1]);
  if (err == ERR_OK && argc > 2) {
    err = script_read(&script, argv[2], task->act);
  }
  if (err == ERR_OK) {
    print_header("act", task->act, "");
    print_header("obs", task->obs, ",");
    print_header("achieved", task->goal, ",");
    print_header("desired", task->goal, ",");
    printf("\n");
    err = walk(task, script);
  }
  script_free(script);
  task_free(task);
  return err == ERR_OK ? 0 : 1;
}
