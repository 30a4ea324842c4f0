// pushing.h - what the tests of Sawyer Push and Fetch Push share: a running task.
#ifndef TESTS_UNIT_PUSHING_H
#define TESTS_UNIT_PUSHING_H

#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"
#include "tests/unit/source.h"

struct bench {
  struct task *task;
  struct env *env;
  mjModel *m;
  mjData *d;
  struct rng reset, dynamics, rng;
  float goal[4];
};

// the task's start, with everything drawn from seed
static inline void start(struct bench *b, uint64_t seed) {
  rng_init(&b->reset, seed, RNG_RESET, 0);
  rng_init(&b->dynamics, seed, RNG_DYNAMICS, 0);
  rng_init(&b->rng, seed, RNG_TEST, 0);
  cr_assert_eq(env_reset(b->env, b->goal, &b->reset), ERR_OK);
}

static inline struct bench open_task(const char *name) {
  struct bench b = {.task = source_task(name)};
  b.env = env_new(b.task);
  b.m = b.task->model;
  b.d = env_data(b.env);
  start(&b, 1);
  return b;
}

static inline void close_task(struct bench *b) {
  env_free(b->env);
  task_free(b->task);
}

static inline void step(struct bench *b, const float *a) {
  struct env_step out;
  cr_assert_eq(env_step(b->env, a, &b->dynamics, &out), ERR_OK);
  cr_assert(!out.terminated && out.reward == 0);
}

static inline double distance(struct bench *b) {
  float obs[25], achieved[4];
  env_observe(b->env, obs, achieved);
  double sum = 0;
  for (int i = 0; i < b->task->goal; i++) {
    sum += pow((double)achieved[i] - (double)b->goal[i], 2);
  }
  return sqrt(sum);
}

#endif
