// telos_env.c - rows of a task as others see them: load, reset, step.
//
// Rows are the jobs of a crew. A row keeps what went wrong in it, since the log's lines belong to
// the thread that speaks; the caller's thread then tells the first of them.
#include "deploy/python/telos_env.h"

#include <assert.h>
#include <mujoco/mujoco.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/crew.h"
#include "common/base/log.h"
#include "common/evaluation.h"
#include "common/task/env.h"
#include "common/task/mj.h"
#include "common/task/task.h"
#include "deploy/python/said.h"
#include "deploy/python/telos_row.h"

static_assert((int)TELOS_ENV_MAX_ROWS <= (int)CREW_TASKS, "a crew takes all rows in one job");

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

// ---- all rows ----

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
    if ((!which || which[i]) && !telos_row_finite(goals + (size_t)i * goal, goal)) {
      log_error("task %s: environment %d: a number of its goal is not finite", env->task->name, i);
      return -1;
    }
  }
  env->which = which;
  env->seeds = seeds;
  env->goals = goals;
  env->actions = NULL;
  crew_run(env->crew, telos_row_run, env, env->n);
  return tell_problem(env);
}

int telos_env_step(struct telos_env *env, const float *actions) {
  CHECK(actions);
  said_begin();
  const size_t act = (size_t)env->task->act;
  for (int i = 0; i < env->n; i++) {
    if (!env->row[i].over && !telos_row_finite(actions + (size_t)i * act, act)) {
      log_error("task %s: environment %d: a number of its action is not finite", env->task->name,
                i);
      return -1;
    }
  }
  env->which = NULL;
  env->seeds = NULL;
  env->goals = NULL;
  env->actions = actions;
  crew_run(env->crew, telos_row_run, env, env->n);
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
