// env.c - one MuJoCo simulation: reset, step, observe.
//
// After each control step the sensors are brought to the present state, by common/task/sense.c.
#include "common/task/env.h"

#include <math.h>
#include <mujoco/mujoco.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/task/sense.h"

enum { MAX_DRAWS = 1000 };  // of a reset or a goal that rules reject

struct env {
  const struct task *task;  // with a model of its own, when that differs from episode to episode
  const struct task *given;
  struct task own;
  mjData *d;
  mjData *goal;  // TASK_GOAL_JOINTS: where goals are posed, else NULL
  double *rate;  // rate.* sensors before the step
  struct sense sense;
  int member;  // of a family; negative: none
};

struct env *env_new(const struct task *task) {
  struct env *env = must_alloc(1, sizeof *env);
  env->member = -1;
  env->task = env->given = task;
  if (task->nrandom > 0) {
    env->own = *task;
    env->own.model = mj_copyModel(NULL, task->model);
    CHECK(env->own.model);
    env->task = &env->own;
  }
  env->d = mj_makeData(task->model);
  CHECK(env->d);
  if (task->target.base == TASK_GOAL_JOINTS) {
    env->goal = mj_makeData(task->model);
    CHECK(env->goal);
  }
  env->rate = must_alloc((size_t)task->sensors[TASK_RATE].width + 1, sizeof *env->rate);
  sense_init(&env->sense, env->task);
  return env;
}

void env_free(struct env *env) {
  if (env) {
    mj_deleteData(env->d);
    mj_deleteData(env->goal);
    if (env->own.model) {
      mj_deleteModel(env->own.model);
    }
    free(env->rate);
    free(env);
  }
}

struct mjData_ *env_data(struct env *env) {
  return env->d;
}

// ---- sensors ----

static double number(const struct task_sensors *s, const mjData *d, int i) {
  return d->sensordata[s->adr[i]] * s->scale[i];
}

// where the next step starts from
static void keep_rates(struct env *env) {
  const struct task_sensors *s = &env->task->sensors[TASK_RATE];
  for (int i = 0; i < s->width; i++) {
    env->rate[i] = number(s, env->d, i);
  }
}

void env_refresh(struct env *env) {
  sense_update(&env->sense, env->task, env->d);
  keep_rates(env);
}

static void copy_numbers(float *x, const struct task_sensors *s, const mjData *d) {
  for (int i = 0; i < s->width; i++) {
    x[i] = (float)number(s, d, i);
  }
}

void env_observe(struct env *env, float *obs, float *achieved) {
  copy_numbers(obs, &env->task->sensors[TASK_OBS], env->d);
  copy_numbers(achieved, &env->task->sensors[TASK_GOAL], env->d);
}

// ---- reset ----

static double symmetric(struct rng *rng) {
  return 2.0 * (double)rng_float(rng) - 1.0;
}

static double between(struct rng *rng, double low, double high) {
  return low + (high - low) * (double)rng_float(rng);
}

static bool any(const double *x, int n) {
  for (int i = 0; i < n; i++) {
    if (x[i] != 0) {
      return true;
    }
  }
  return false;
}

// the state before noise; it also clears warm start, controls, time and MuJoCo's warnings
static void reset_state(const mjModel *m, mjData *d) {
  if (m->nkey > 0) {
    mj_resetDataKeyframe(m, d, 0);
  } else {
    mj_resetData(m, d);
  }
}

// one draw a coordinate, for each of the three noises that is not zero all over
static void add_reset_noise(const struct task *task, mjData *d, struct rng *rng) {
  const mjModel *m = task->model;
  if (any(task->reset_noise, m->nq)) {
    for (int i = 0; i < m->nq; i++) {
      d->qpos[i] += task->reset_noise[i] * symmetric(rng);
    }
    mj_normalizeQuat(m, d->qpos);
  }
  if (any(task->reset_velocity_noise, m->nv)) {
    for (int i = 0; i < m->nv; i++) {
      d->qvel[i] += task->reset_velocity_noise[i] * symmetric(rng);
    }
  }
  if (any(task->reset_velocity_normal, m->nv)) {
    for (int i = 0; i < m->nv; i++) {
      d->qvel[i] += task->reset_velocity_normal[i] * (double)rng_normal(rng);
    }
  }
}

// runs collision detection at the state of d
static bool overlaps(const struct task *task, mjData *d) {
  mj_fwdPosition(task->model, d);
  for (int i = 0; i < d->ncon; i++) {
    if (d->contact[i].dist < -task->max_overlap) {
      return true;
    }
  }
  return false;
}

static bool too_close(const struct task *task, const mjData *d) {
  const struct task_sensors *s = &task->sensors[TASK_APART];
  for (int i = 0, at = 0; i < s->n; i++) {
    double sum = 0;
    for (int end = at + task->model->sensor_dim[s->id[i]]; at < end; at++) {
      sum += number(s, d, at) * number(s, d, at);
    }
    if (sqrt(sum) < task->reset_apart[i]) {
      return true;
    }
  }
  return false;
}

// the mocap body where the hand stays as it is
static void place_mocap(const struct task *task, mjData *d) {
  const struct task_action *t = &task->action;
  mj_kinematics(task->model, d);
  tether_place(d->mocap_pos + 3 * t->mocap, d->mocap_quat + 4 * t->mocap, t, d);
}

static enum err draw_state(struct env *env, struct rng *rng) {
  const struct task *task = env->task;
  for (int draw = 0; draw < MAX_DRAWS; draw++) {
    reset_state(task->model, env->d);
    add_reset_noise(task, env->d, rng);
    if (task->action.tether.follows) {
      place_mocap(task, env->d);
    }
    const bool rejected = task->max_overlap < TASK_NO_LIMIT && overlaps(task, env->d);
    sense_update(&env->sense, task, env->d);
    if (!rejected && !too_close(task, env->d)) {
      return ERR_OK;
    }
  }
  return ERR_NUMERIC;
}

// ---- goals ----

// One draw a joint; then what the sensors read with these joints there. False: rejected.
static bool pose_goal(struct env *env, float *goal, struct rng *rng) {
  const struct task *task = env->task;
  const struct task_goal *t = &task->target;
  const mjModel *m = task->model;
  memcpy(env->goal->qpos, env->d->qpos, (size_t)m->nq * sizeof *env->d->qpos);
  memcpy(env->goal->mocap_pos, env->d->mocap_pos, 3 * (size_t)m->nmocap * sizeof(mjtNum));
  memcpy(env->goal->mocap_quat, env->d->mocap_quat, 4 * (size_t)m->nmocap * sizeof(mjtNum));
  for (int i = 0; i < t->njoint; i++) {
    env->goal->qpos[t->joint_qpos[i]] = between(rng, t->joint_low[i], t->joint_high[i]);
  }
  const bool rejected = task->max_overlap < TASK_NO_LIMIT && overlaps(task, env->goal);
  sense_update(&env->sense, task, env->goal);
  copy_numbers(goal, &task->sensors[TASK_GOAL], env->goal);
  return !rejected;
}

// one draw a number, and one for the row of a table
static void place_goal(const struct env *env, float *goal, struct rng *rng) {
  const struct task_goal *t = &env->task->target;
  const int n = env->task->goal;
  const float *row = NULL;
  if (t->base == TASK_GOAL_TABLE) {
    row = t->table + (size_t)rng_below(rng, (uint32_t)t->table_rows) * (size_t)n;
  }
  for (int i = 0; i < n; i++) {
    const double base = row ? (double)row[i]
                        : t->base == TASK_GOAL_ORIGIN
                            ? number(&env->task->sensors[TASK_ORIGIN], env->d, i)
                            : 0;
    goal[i] = (float)(base + between(rng, t->low[i], t->high[i]));
  }
}

static bool in_hole(const struct task_goal *t, const float *goal, int n) {
  if (!t->hole_low) {
    return false;
  }
  for (int i = 0; i < n; i++) {
    if (!((double)goal[i] > t->hole_low[i] && (double)goal[i] < t->hole_high[i])) {
      return false;
    }
  }
  return true;
}

static double distance(const float *a, const float *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    const double d = (double)a[i] - (double)b[i];
    sum += d * d;
  }
  return sqrt(sum);
}

static bool goal_rejected(const struct env *env, const float *goal) {
  const struct task_goal *t = &env->task->target;
  const int n = env->task->goal;
  if (in_hole(t, goal, n)) {
    return true;
  }
  for (int i = 0; i < t->napart; i++) {
    const struct task_apart *apart = &t->apart[i];
    if (distance(goal + apart->a, goal + apart->b, apart->n) < apart->distance) {
      return true;
    }
  }
  double sum = 0;
  for (int i = 0; i < n && t->min_distance > 0; i++) {
    const double d = (double)goal[i] - number(&env->task->sensors[TASK_GOAL], env->d, i);
    sum += d * d;
  }
  return sqrt(sum) < t->min_distance;
}

static enum err draw_goal(struct env *env, float *goal, struct rng *rng) {
  if (env->task->goal == 0) {
    return ERR_OK;
  }
  for (int draw = 0; draw < MAX_DRAWS; draw++) {
    bool rejected = false;
    if (env->goal) {
      rejected = !pose_goal(env, goal, rng);
    } else {
      place_goal(env, goal, rng);
    }
    if (!rejected && !goal_rejected(env, goal)) {
      return ERR_OK;
    }
  }
  return ERR_NUMERIC;
}

void env_set_member(struct env *env, int member) {
  env->member = member;
}

enum err env_reset(struct env *env, float *desired, struct rng *reset) {
  if (env->own.model) {
    struct rng own;
    rng_init(&own, (uint64_t)env->member, RNG_FAMILY, 0);
    randomise(env->own.model, env->d, env->given, env->member < 0 ? reset : &own);
  }
  enum err err = draw_state(env, reset);
  if (err == ERR_OK) {
    err = draw_goal(env, desired, reset);
  }
  keep_rates(env);
  return err;
}

// ---- step ----

// the mocap body's new place [m] for normalised actions a (naxis); it is the set-point meanwhile
static void move_set_point(const struct task *task, mjData *d, const double *a) {
  const struct task_action *t = &task->action;
  mjtNum *point = d->mocap_pos + 3 * t->mocap, offset[3];
  const mjtNum *hand = d->xpos + 3 * t->hand;
  if (t->tether.apart) {
    tether_offset(offset, t, d);
    mju_subFrom3(point, offset);
  }
  if (t->mode == TASK_MOCAP_RELATIVE) {
    mju_copy3(point, hand);
  }
  for (int i = 0; i < t->naxis && i < 3; i++) {
    point[t->axis[i]] += t->scale[i] * a[i] + t->offset[i];
  }
  for (int i = 0; i < 3; i++) {
    point[i] = mju_clip(point[i], t->low[i], t->high[i]);
  }
  mjtNum lead[3];
  mju_sub3(lead, point, hand);
  const mjtNum length = mju_norm3(lead);
  if (length > t->lead) {
    mju_addScl3(point, hand, lead, t->lead / length);
  }
  if (t->tether.apart) {
    mju_addTo3(point, offset);
  }
}

// noise, clip, controls and set-point; ERR_NUMERIC: an action is not finite
static enum err apply(struct env *env, const float *act, struct rng *dynamics) {
  const struct task *task = env->task;
  const struct task_action *t = &task->action;
  double axis[3] = {0, 0, 0};
  for (int i = 0; i < task->act; i++) {
    double a = (double)act[i];
    if (t->noise > 0) {
      a += t->noise * (double)rng_normal(dynamics);
    }
    if (!isfinite(a)) {
      return ERR_NUMERIC;
    }
    a = mju_clip(a, -1, 1);
    if (i < t->naxis) {
      axis[i] = a;
    } else {
      env->d->ctrl[i - t->naxis] = t->offset[i] + t->scale[i] * a;
    }
  }
  if (t->mode != TASK_CTRL) {
    move_set_point(task, env->d, axis);
  }
  return ERR_OK;
}

static double reward(const struct env *env) {
  const struct task *task = env->task;
  const mjModel *m = task->model;
  const struct task_sensors *value = &task->sensors[TASK_REWARD], *rate = &task->sensors[TASK_RATE];
  const double seconds = m->opt.timestep * task->frame_skip;
  double sum = task->reward_alive;
  for (int i = 0; i < value->width; i++) {
    sum += task->reward_weight[i] * number(value, env->d, i);
  }
  for (int i = 0; i < rate->width; i++) {
    sum += task->rate_weight[i] * (number(rate, env->d, i) - env->rate[i]) / seconds;
  }
  double effort = 0;
  for (int i = 0; i < m->nu; i++) {
    effort += env->d->ctrl[i] * env->d->ctrl[i];
  }
  return sum - task->control_cost * effort;
}

static bool alive(const struct env *env) {
  const struct task *task = env->task;
  const struct task_sensors *s = &task->sensors[TASK_ALIVE];
  for (int i = 0; i < s->width; i++) {
    const double x = number(s, env->d, i);
    if (!(x > task->alive_low[i] && x < task->alive_high[i])) {
      return false;
    }
  }
  return true;
}

enum err env_step(struct env *env, const float *act, struct rng *dynamics, struct env_step *out) {
  const struct task *task = env->task;
  const mjModel *m = task->model;
  mjData *d = env->d;
  const enum err err = apply(env, act, dynamics);
  if (err != ERR_OK) {
    return err;
  }
  for (int i = 0; i < task->frame_skip; i++) {
    mj_step(m, d);
  }
  if (env->sense.contact_forces) {
    mj_rnePostConstraint(m, d);
  }
  sense_update(&env->sense, task, d);
  *out = (struct env_step){.terminated = !alive(env)};
  if (task->has_reward) {
    out->reward = (float)reward(env);
    keep_rates(env);
  }
  // a bad state makes MuJoCo reset itself and go on: only the counters tell
  const bool bad = d->warning[mjWARN_BADQPOS].number || d->warning[mjWARN_BADQVEL].number ||
                   d->warning[mjWARN_BADQACC].number;
  return bad ? ERR_NUMERIC : ERR_OK;
}
