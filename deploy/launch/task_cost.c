// task_cost.c - a clock around env_step and env_reset.
//
// Short batches and their median: one batch that another program disturbs does not count.
#include "deploy/launch/task_cost.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/mj.h"

enum { BATCHES = 9, BATCH_STEPS = 200, BATCH_RESETS = 10 };

static const double batch_us = 20000;  // a batch of steps ends after this

static double now_us(void) {
  return 1e6 * now_cpu_s();
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double x[BATCHES]) {
  qsort(x, BATCHES, sizeof *x, compare);
  return x[BATCHES / 2];
}

struct clocked {
  const struct task *task;
  struct env *env;
  float *act, *desired;
  struct rng rng;
  struct task_cost cost;
  enum err err;
};

// A reset and one step, or more up to the episode's end; *us and *n are of the steps alone. An
// unstable step ends the episode, and costs as much as any.
static enum err clock_episode(struct clocked *c, int most, double *us, int *n) {
  struct env_step step = {0};
  enum err err = env_reset(c->env, c->desired, &c->rng);
  *n = 0;
  const double start = now_us();
  while (err == ERR_OK && *n < most && *n < c->task->horizon && !step.terminated &&
         now_us() - start < batch_us) {
    rng_fill_uniform(&c->rng, c->act, (size_t)c->task->act, -1.0f, 1.0f);
    err = env_step(c->env, c->act, &c->rng, &step);
    (*n)++;
  }
  *us = now_us() - start;
  return *n > 0 ? ERR_OK : ERR_NUMERIC;
}

static void clock_batches(void *ctx) {
  struct clocked *c = ctx;
  double step[BATCHES], reset[BATCHES];
  enum err err = ERR_OK;
  for (int b = 0; b < BATCHES && err == ERR_OK; b++) {
    double sum = 0, us;
    int steps = 0, n;
    while (steps < BATCH_STEPS && sum < batch_us && err == ERR_OK) {
      err = clock_episode(c, BATCH_STEPS - steps, &us, &n);
      sum += us;
      steps += n;
    }
    step[b] = sum / steps;
    const double start = now_us();
    for (int i = 0; i < BATCH_RESETS && err == ERR_OK; i++) {
      err = env_reset(c->env, c->desired, &c->rng);
    }
    reset[b] = (now_us() - start) / BATCH_RESETS;
  }
  if (err == ERR_OK) {
    c->cost = (struct task_cost){.step = median(step), .reset = median(reset)};
  }
  c->err = err;
}

enum err task_cost_measure(struct task_cost *cost, const struct task *task) {
  struct clocked c = {.task = task, .env = env_new(task)};
  c.act = must_alloc((size_t)task->act, sizeof *c.act);
  c.desired = must_alloc((size_t)task->goal + 1, sizeof *c.desired);
  rng_init(&c.rng, 0, RNG_ACTION, 0);
  // what MuJoCo warns of is for common/task/trial.h to tell
  char text[512];
  if (!mj_try(clock_batches, &c, text, sizeof text)) {
    log_error("task %s: MuJoCo cannot simulate random actions: %s; no cost can be measured",
              task->name, text);
    c.err = ERR_NUMERIC;
  } else if (c.err != ERR_OK) {
    log_error("task %s: 1000 resets or goals in a row are rejected; no cost can be measured",
              task->name);
  }
  *cost = c.cost;
  free(c.act);
  free(c.desired);
  env_free(c.env);
  return c.err;
}
