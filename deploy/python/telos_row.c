// telos_row.c - the episodes of one row.
//
// They are keyed as an actor's are: the streams of a ticket with the row's seed, and the number of
// the episode where an actor has that of its attempt. So the first episode after a seed is the
// first attempt of the ticket with that seed.
#include "deploy/python/telos_row.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/task/env.h"
#include "common/task/mj.h"
#include "common/task/task.h"

bool telos_row_finite(const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) {
      return false;
    }
  }
  return true;
}

// The present state of row i into the arrays; false: a number is not finite, and they are as
// before.
static bool observe(struct telos_env *env, int i) {
  const size_t obs = (size_t)env->task->obs, goal = (size_t)env->task->goal;
  float *next = env->next + (size_t)i * (obs + goal);
  env_observe(env->row[i].sim, next, next + obs);
  if (!telos_row_finite(next, obs + goal)) {
    return false;
  }
  memcpy(env->obs + (size_t)i * obs, next, obs * sizeof *next);
  memcpy(env->achieved + (size_t)i * goal, next + obs, goal * sizeof *next);
  return true;
}

static void clear_marks(struct telos_env *env, int i) {
  env->reward[i] = 0;
  env->terminated[i] = env->truncated[i] = env->unstable[i] = env->was_reset[i] = 0;
}

// whatever becomes of it, the row's next reset takes the next episode
static void reset_row(struct telos_env *env, int i) {
  struct row *row = &env->row[i];
  const size_t goal = (size_t)env->task->goal;
  float *desired = env->desired + (size_t)i * goal;
  struct rng reset;
  rng_init(&reset, row->seed, RNG_RESET, row->episode);
  rng_init(&row->dynamics, row->seed, RNG_DYNAMICS, row->episode);
  row->episode++;
  row->t = 0;
  row->over = true;
  clear_marks(env, i);
  if (env_reset(row->sim, desired, &reset) != ERR_OK || !observe(env, i)) {
    snprintf(row->problem, sizeof row->problem,
             "its rules reject every reset; looser reset or goal rules help");
    return;
  }
  if (env->goals) {
    memcpy(desired, env->goals + (size_t)i * goal, goal * sizeof *desired);
  }
  env->was_reset[i] = 1;
  row->over = false;
}

static void step_row(struct telos_env *env, int i) {
  struct row *row = &env->row[i];
  struct env_step step;
  clear_marks(env, i);
  row->t++;
  const float *action = env->actions + (size_t)i * (size_t)env->task->act;
  if (env_step(row->sim, action, &row->dynamics, &step) != ERR_OK || !observe(env, i)) {
    env->unstable[i] = env->truncated[i] = 1;
  } else {
    env->reward[i] = step.reward;
    env->terminated[i] = step.terminated;
    env->truncated[i] = row->t >= env->task->horizon && !step.terminated;
  }
  row->over = env->terminated[i] || env->truncated[i];
}

struct work {
  struct telos_env *env;
  int i;
};

static void work_on(void *ctx) {
  const struct work *work = ctx;
  if (work->env->actions && !work->env->row[work->i].over) {
    step_row(work->env, work->i);
  } else {
    reset_row(work->env, work->i);
  }
}

void telos_row_run(void *ctx, int i) {
  struct telos_env *env = ctx;
  struct row *row = &env->row[i];
  row->problem[0] = '\0';
  if (env->which && !env->which[i]) {
    return;
  }
  if (env->seeds) {
    row->seed = env->seeds[i];
    row->episode = 0;
  }
  struct work work = {.env = env, .i = i};
  char text[400];
  if (!mj_try(work_on, &work, text, sizeof text)) {
    row->over = true;
    snprintf(row->problem, sizeof row->problem, "MuJoCo cannot go on: %s", text);
  }
}
