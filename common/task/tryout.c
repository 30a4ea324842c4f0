// tryout.c - the simulation of a model that keeps the convention, tried before anyone relies on it.
#include "common/task/tryout.h"

#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/task/checker.h"
#include "common/task/env.h"
#include "common/task/mj.h"
#include "common/task/task.h"

enum { MAX_TEXT = 1024 };  // bytes of a reason

// ---- the reset state ----

static void check_finite(struct checker *c, const mjData *d, const char *state) {
  const mjModel *m = c->m;
  for (int i = 0; i < m->nsensor; i++) {
    for (int j = 0; j < m->sensor_dim[i]; j++) {
      if (!isfinite(d->sensordata[m->sensor_adr[i] + j])) {
        const char *name = mj_id2name(m, mjOBJ_SENSOR, i);
        checker_mistake(c, "sensor \"%s\" is not finite at %s", name ? name : "(unnamed)", state);
        break;
      }
    }
  }
}

// An episode that begins outside of its ranges would end with its first step. What hooks compute is
// left to the rollout.
static void check_alive(struct checker *c, const mjData *d, const char *state) {
  const struct task *t = c->task;
  const struct task_sensors *s = &t->sensors[TASK_ALIVE];
  for (int i = 0, at = 0; i < s->n; i++) {
    const int end = at + c->m->sensor_dim[s->id[i]];
    for (; at < end; at++) {
      const double x = d->sensordata[s->adr[at]] * s->scale[at];
      if (!t->hook[s->id[i]] && !(x >= t->alive_low[at] && x <= t->alive_high[at])) {
        checker_mistake(c,
                        "sensor \"%s\" is %g at %s; expected \"telos.alive_low\" %g to "
                        "\"telos.alive_high\" %g",
                        mj_id2name(c->m, mjOBJ_SENSOR, s->id[i]), x, state, t->alive_low[at],
                        t->alive_high[at]);
      }
    }
  }
}

struct reset_trial {
  const mjModel *m;
  mjData *d;
};

static void try_reset_state(void *ctx) {
  struct reset_trial *t = ctx;
  t->d = mj_makeData(t->m);
  if (t->m->nkey > 0) {
    mj_resetDataKeyframe(t->m, t->d, 0);
  }
  mj_step1(t->m, t->d);
  mj_forward(t->m, t->d);
}

// The reset state must be one that the simulation can start from: everything is computed there
// once. Bad numbers make MuJoCo put its default state in place, which a counter tells; too little
// memory in <size> is a fatal error.
void tryout_reset_state(struct checker *c) {
  const char *state = c->m->nkey > 0 ? "the first <key>" : "the default state (there is no <key>)";
  struct reset_trial t = {.m = c->m};
  char why[512];
  if (!mj_try(try_reset_state, &t, why, sizeof why)) {
    checker_mistake(c, "MuJoCo cannot simulate %s: %s", state, why);
  } else if (t.d->warning[mjWARN_BADQPOS].number || t.d->warning[mjWARN_BADQVEL].number) {
    checker_mistake(c, "%s has a position or velocity that is not a number of sensible size",
                    state);
  } else {
    check_finite(c, t.d, state);
    check_alive(c, t.d, state);
    if (c->task->action.mode != TASK_CTRL) {
      tether_read(&c->task->action, c->m, t.d);
    }
  }
  mj_deleteData(t.d);
}

// ---- resets ----

enum { TRIAL_RESETS = 20 };

struct trial {
  const struct task *task;
  struct env *env;
  float *act, *desired;
  enum err err;
};

static void try_resets(void *ctx) {
  struct trial *t = ctx;
  struct rng rng;
  rng_init(&rng, 0, RNG_TABLE, UINT64_MAX);
  t->env = env_new(t->task);
  for (int i = 0; i < TRIAL_RESETS && t->err == ERR_OK; i++) {
    t->err = env_reset(t->env, t->desired, &rng);
  }
  // an unstable step is for the rollout to report; here only a fatal error matters
  struct env_step ignored;
  if (env_step(t->env, t->act, &rng, &ignored) != ERR_OK) {
    log_debug("task %s: its first step is unstable", t->task->name);
  }
}

// the rules of this model that may reject a reset or a goal, into text (MAX_TEXT)
static void list_rules(char *text, const mjModel *m) {
  static const char *const names[] = {"telos.reset_apart", "telos.max_overlap",
                                      "telos.goal_hole_low", "telos.goal_apart",
                                      "telos.goal_distance"};
  size_t n = 0;
  text[0] = '\0';
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (mj_name2id(m, mjOBJ_NUMERIC, names[i]) >= 0) {
      n += (size_t)snprintf(text + n, MAX_TEXT - n, "%s\"%s\"", n > 0 ? " and " : "", names[i]);
    }
  }
}

// Resets and goals must be possible, and a step must not end the process.
enum err tryout_resets(const struct task *task, const char *label) {
  struct trial t = {.task = task};
  char text[MAX_TEXT];
  t.act = must_alloc((size_t)task->act, sizeof *t.act);
  t.desired = must_alloc((size_t)task->goal + 1, sizeof *t.desired);
  const bool good = mj_try(try_resets, &t, text, sizeof text);
  if (!good) {
    log_error("task %s: MuJoCo cannot simulate it: %s", label, text);
  } else if (t.err != ERR_OK) {
    char rules[MAX_TEXT];
    list_rules(rules, task->model);
    log_error("task %s: 1000 resets or goals in a row are rejected; expected %s to leave some",
              label, rules);
  }
  free(t.act);
  free(t.desired);
  env_free(t.env);
  return good && t.err == ERR_OK ? ERR_OK : ERR_CONFIG;
}
