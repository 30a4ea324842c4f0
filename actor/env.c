// env.c - one MuJoCo simulation: reset, step, observe.
//
// mj_step computes forces from the state at its start and then moves, so after it the sensors
// still show the state before. What is missing is the first half of the next step (position and
// velocity stages, mj_step1), so that is where a control step ends, and the next one begins with
// the second half (mj_step2): the same work as a bare loop of mj_step, with sensors of the present.
// The two halves make no sense for RK4, and mj_step1 leaves sensors of the acceleration stage
// (forces, touch) as they were; such models pay for one mj_forward a control step instead.
#include "actor/env.h"

#include <math.h>
#include <mujoco/mujoco.h>
#include <stdlib.h>

#include "common/check.h"

struct env {
  const struct task *task;
  mjData *d;
  bool halves;       // a control step ends between mj_step1 and mj_step2
  bool reset_noise;  // some entry is not 0
};

static bool needs_acceleration(const mjModel *m, const int *sensor, int n) {
  for (int i = 0; i < n; i++) {
    if (m->sensor_needstage[sensor[i]] == mjSTAGE_ACC) {
      return true;
    }
  }
  return false;
}

struct env *env_new(const struct task *task) {
  const mjModel *m = task->model;
  struct env *env = must_alloc(1, sizeof *env);
  env->task = task;
  env->d = mj_makeData(m);
  CHECK(env->d);
  env->halves = m->opt.integrator != mjINT_RK4 &&
                !needs_acceleration(m, task->obs_sensor, task->n_obs_sensor) &&
                !needs_acceleration(m, task->goal_sensor, task->n_goal_sensor);
  for (int i = 0; i < m->nq; i++) {
    env->reset_noise = env->reset_noise || task->reset_noise[i] > 0;
  }
  return env;
}

void env_free(struct env *env) {
  if (env) {
    mj_deleteData(env->d);
    free(env);
  }
}

// brings the sensors to the present state
static void sense(struct env *env) {
  if (env->halves) {
    mj_step1(env->task->model, env->d);
  } else {
    mj_forward(env->task->model, env->d);
  }
}

void env_reset(struct env *env, float *desired, struct rng *reset) {
  const struct task *task = env->task;
  const mjModel *m = task->model;
  if (m->nkey > 0) {
    mj_resetDataKeyframe(m, env->d, 0);
  } else {
    mj_resetData(m, env->d);
  }
  // one draw per goal number and, if there is noise, one per position coordinate
  for (int i = 0; i < task->goal; i++) {
    const double low = task->goal_low[i], high = task->goal_high[i];
    desired[i] = (float)(low + (high - low) * (double)rng_float(reset));
  }
  if (env->reset_noise) {
    for (int i = 0; i < m->nq; i++) {
      env->d->qpos[i] += task->reset_noise[i] * (2.0 * (double)rng_float(reset) - 1.0);
    }
    mj_normalizeQuat(m, env->d->qpos);
  }
  sense(env);
}

enum err env_step(struct env *env, const float *act, struct rng *dynamics) {
  const struct task *task = env->task;
  const mjModel *m = task->model;
  mjData *d = env->d;
  for (int i = 0; i < task->act; i++) {
    double a = (double)act[i];
    if (task->action_noise > 0) {
      a += task->action_noise * (double)rng_normal(dynamics);
    }
    if (!isfinite(a)) {
      return ERR_NUMERIC;
    }
    a = a < -1 ? -1 : a > 1 ? 1 : a;
    d->ctrl[i] = task->action_scale[i] * a;
  }
  int n = task->frame_skip;
  if (env->halves) {
    mj_step2(m, d);
    n--;
  }
  for (; n > 0; n--) {
    mj_step(m, d);
  }
  sense(env);
  // a bad state makes MuJoCo reset itself and go on: only the counters tell
  const bool bad = d->warning[mjWARN_BADQPOS].number || d->warning[mjWARN_BADQVEL].number ||
                   d->warning[mjWARN_BADQACC].number;
  return bad ? ERR_NUMERIC : ERR_OK;
}

static float *copy_sensors(float *x, const mjModel *m, const mjData *d, const int *sensor, int n) {
  for (int i = 0; i < n; i++) {
    const mjtNum *value = d->sensordata + m->sensor_adr[sensor[i]];
    for (int j = 0; j < m->sensor_dim[sensor[i]]; j++) {
      *x++ = (float)value[j];
    }
  }
  return x;
}

void env_observe(struct env *env, float *obs, float *achieved) {
  const struct task *task = env->task;
  copy_sensors(obs, task->model, env->d, task->obs_sensor, task->n_obs_sensor);
  copy_sensors(achieved, task->model, env->d, task->goal_sensor, task->n_goal_sensor);
}
