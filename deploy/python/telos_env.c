// telos_env.c - rows of a task, each with a simulation and an episode of its own.
//
// A row's episodes are keyed as an actor's are: the streams of a ticket with the row's seed, and
// the number of the episode where an actor has that of its attempt. So the first episode after a
// seed is the first attempt of the ticket with that seed.
//
// Rows share the task, which nobody changes, and are the jobs of a crew. A row keeps what went
// wrong in it, since the log's lines belong to the thread that speaks; the caller's thread then
// tells the first of them.
#include "deploy/python/telos_env.h"

#include <assert.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/crew.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/evaluation.h"
#include "common/task/env.h"
#include "common/task/mj.h"
#include "common/task/task.h"
#include "deploy/python/said.h"

static_assert((int)TELOS_ENV_MAX_ROWS <= (int)CREW_TASKS, "a crew takes all rows in one job");

struct row {
  struct env *sim;
  uint64_t seed, episode;  // of the next reset
  struct rng dynamics;
  int t;              // steps of this episode
  bool over;          // it needs a reset
  char problem[512];  // of the last reset; "": none
};

struct telos_env {
  struct task *task;
  struct crew *crew;
  int n;
  struct row *row;
  float *obs, *achieved, *desired, *reward;
  unsigned char *terminated, *truncated, *unstable, *was_reset;
  float *next;  // (n x (obs + goal)) a state that may not be one

  // of the call that runs
  const unsigned char *which;
  const uint64_t *seeds;
  const float *goals, *actions;
};

int telos_env_abi(void) {
  return TELOS_ENV_ABI;
}

const char *telos_env_error(void) {
  return said_errors();
}

const char *telos_env_warning(void) {
  return said_warnings();
}

// ---- life ----

struct listing {
  void (*each)(void *ctx, const char *name);
  void *ctx;
};

static void list_one(void *ctx, const char *name, const char *path) {
  const struct listing *listing = ctx;
  (void)path;
  listing->each(listing->ctx, name);
}

void telos_env_list(void (*each)(void *ctx, const char *name), void *ctx) {
  struct listing listing = {.each = each, .ctx = ctx};
  said_begin();
  task_list(list_one, &listing);
}

static void make_rows(void *ctx) {
  struct telos_env *env = ctx;
  for (int i = 0; i < env->n; i++) {
    env->row[i].sim = env_new(env->task);
    env->row[i].seed = (uint64_t)i;
    env->row[i].over = true;
  }
}

static void allocate(struct telos_env *env) {
  const size_t n = (size_t)env->n, obs = (size_t)env->task->obs, goal = (size_t)env->task->goal;
  env->row = must_alloc(n, sizeof *env->row);
  env->obs = must_alloc(n * obs, sizeof *env->obs);
  env->achieved = must_alloc(n * goal, sizeof *env->achieved);
  env->desired = must_alloc(n * goal, sizeof *env->desired);
  env->reward = must_alloc(n, sizeof *env->reward);
  env->terminated = must_alloc(n, 1);
  env->truncated = must_alloc(n, 1);
  env->unstable = must_alloc(n, 1);
  env->was_reset = must_alloc(n, 1);
  env->next = must_alloc(n * (obs + goal), sizeof *env->next);
}

static bool sizes_are_good(int n, int threads) {
  if (n < 1 || n > TELOS_ENV_MAX_ROWS) {
    log_error("%d environments; expected 1 to %d", n, TELOS_ENV_MAX_ROWS);
    return false;
  }
  if (threads < 1 || threads > TELOS_ENV_MAX_THREADS) {
    log_error("%d threads; expected 1 to %d", threads, TELOS_ENV_MAX_THREADS);
    return false;
  }
  return true;
}

struct telos_env *telos_env_load(const char *name, int n, int threads) {
  CHECK(name);
  said_begin();
  struct task *task;
  if (!sizes_are_good(n, threads) || task_load(&task, name) != ERR_OK) {
    return NULL;
  }
  struct telos_env *env = must_alloc(1, sizeof *env);
  env->task = task;
  env->n = n;
  allocate(env);
  char text[512];
  if (!mj_try(make_rows, env, text, sizeof text)) {
    log_error("task %s: MuJoCo cannot make %d simulations: %s", task->name, n, text);
    telos_env_free(env);
    return NULL;
  }
  // more would find nothing to do
  env->crew = crew_new(threads < n ? threads : n);
  return env;
}

void telos_env_free(struct telos_env *env) {
  if (!env) {
    return;
  }
  crew_free(env->crew);
  for (int i = 0; i < env->n; i++) {
    env_free(env->row[i].sim);
  }
  free(env->row);
  free(env->obs);
  free(env->achieved);
  free(env->desired);
  free(env->reward);
  free(env->terminated);
  free(env->truncated);
  free(env->unstable);
  free(env->was_reset);
  free(env->next);
  task_free(env->task);
  free(env);
}

struct telos_env_info telos_env_info(const struct telos_env *env) {
  const struct task *t = env->task;
  return (struct telos_env_info){.name = t->name,
                                 .n = env->n,
                                 .obs = t->obs,
                                 .act = t->act,
                                 .goal = t->goal,
                                 .horizon = t->horizon,
                                 .has_reward = t->has_reward,
                                 .success_radius = t->success_radius,
                                 .step_seconds = t->model->opt.timestep * t->frame_skip};
}

struct telos_env_state telos_env_state(const struct telos_env *env) {
  return (struct telos_env_state){.obs = env->obs,
                                  .achieved = env->achieved,
                                  .desired = env->desired,
                                  .reward = env->reward,
                                  .terminated = env->terminated,
                                  .truncated = env->truncated,
                                  .unstable = env->unstable,
                                  .was_reset = env->was_reset};
}

void telos_env_set_member(struct telos_env *env, int member) {
  for (int i = 0; i < env->n; i++) {
    env_set_member(env->row[i].sim, member);
  }
}

// ---- one row ----

static bool all_finite(const float *x, size_t n) {
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
  if (!all_finite(next, obs + goal)) {
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

// ---- all rows ----

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

static void run_row(void *ctx, int i) {
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

// of the first row that has one
static int tell_problem(const struct telos_env *env) {
  for (int i = 0; i < env->n; i++) {
    if (env->row[i].problem[0]) {
      log_error("task %s: environment %d: %s", env->task->name, i, env->row[i].problem);
      return -1;
    }
  }
  return 0;
}

int telos_env_reset(struct telos_env *env, const unsigned char *which, const uint64_t *seeds,
                    const float *goals) {
  said_begin();
  const size_t goal = (size_t)env->task->goal;
  for (int i = 0; goals && i < env->n; i++) {
    if ((!which || which[i]) && !all_finite(goals + (size_t)i * goal, goal)) {
      log_error("task %s: environment %d: a number of its goal is not finite", env->task->name, i);
      return -1;
    }
  }
  env->which = which;
  env->seeds = seeds;
  env->goals = goals;
  env->actions = NULL;
  crew_run(env->crew, run_row, env, env->n);
  return tell_problem(env);
}

int telos_env_step(struct telos_env *env, const float *actions) {
  CHECK(actions);
  said_begin();
  const size_t act = (size_t)env->task->act;
  for (int i = 0; i < env->n; i++) {
    if (!env->row[i].over && !all_finite(actions + (size_t)i * act, act)) {
      log_error("task %s: environment %d: a number of its action is not finite", env->task->name,
                i);
      return -1;
    }
  }
  env->which = NULL;
  env->seeds = NULL;
  env->goals = NULL;
  env->actions = actions;
  crew_run(env->crew, run_row, env, env->n);
  return tell_problem(env);
}

void telos_env_distance(const struct telos_env *env, double *distance, const float *achieved,
                        const float *desired, size_t rows, int counted) {
  const struct task *t = env->task;
  CHECK(t->goal > 0);
  const size_t goal = (size_t)t->goal;
  for (size_t i = 0; i < rows; i++) {
    distance[i] = evaluation_between(achieved + i * goal, desired + i * goal, t->goal,
                                     counted ? t->success_counts : NULL);
  }
}
