// trial.c - measures first, then says what is out of the ordinary. Bundled tasks give no line.
#include "common/task/trial.h"

#include <math.h>
#include <mujoco/mujoco.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/task/drawn.h"
#include "common/task/env.h"
#include "common/task/mj.h"
#include "common/task/task.h"

enum {
  MAX_PHYSICS = 2000,  // steps of an episode, or one action
  MAX_TEXT = 512,
};

static const double reached = 1e-9,  // a distance that is none [goal units]
    close_by = 0.1,                  // initial distances below this share of those after chance
    far_off = 3,                     // widths of its range by which a joint leaves it
    many_steps = 10,                 // of the set-point's scale, between it and the hand
    turned = 0.2,                    // rad
    tilted = 1e-3;                   // rad between a body's frame and that of its inertia

// what was seen
struct measured {
  const struct task *task;
  struct env *env;
  float *act, *desired, *obs, *achieved;
  int resets, at_goal, within;  // resets; with distance 0; within the radius of success
  double initial, final;        // sums of distances: of the episodes' resets, of their ends
  int episodes, unstable;
  int steps[TRIAL_EPISODES];        // of those that are unstable
  int overflows;                    // episodes in which contacts or constraints had no room
  int worst_joint, left;            // that leaves its range by most; episodes in which one does
  double worst;                     // in widths of the range
  double gap, turn;                 // largest between set-point and hand at reset [m], [rad]
  double want_at[3], want_quat[4];  // where the mocap body would hold the hand, at the first reset
};

static void __attribute__((format(printf, 2, 3))) warn(struct trial *t, const char *fmt, ...) {
  if (t->n < TRIAL_MAX_WARNINGS) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(t->line[t->n++], TRIAL_MAX_LINE, fmt, args);
    va_end(args);
  }
}

// ---- measuring ----

// between achieved and desired goal, over all numbers, as the score has it
static double distance(const struct measured *m) {
  double sum = 0;
  for (int i = 0; i < m->task->goal; i++) {
    const double d = (double)m->achieved[i] - (double)m->desired[i];
    sum += d * d;
  }
  return sqrt(sum);
}

static void measure_set_point(struct measured *m) {
  const struct task_action *a = &m->task->action;
  const mjData *d = env_data(m->env);
  double at[3], quat[4], point[3], turn[3];
  tether_place(at, quat, a, d);
  tether_set_point(point, a, d);
  mju_subQuat(turn, quat, d->mocap_quat + 4 * a->mocap);
  m->gap = fmax(m->gap, mju_dist3(point, d->xpos + 3 * a->hand));
  m->turn = fmax(m->turn, mju_norm3(turn));
  if (m->resets == 0) {
    mju_copy3(m->want_at, at);
    mju_copy4(m->want_quat, quat);
  }
}

static enum err measure_reset(struct measured *m, struct rng *reset) {
  const struct task *task = m->task;
  const enum err err = env_reset(m->env, m->desired, reset);
  if (err != ERR_OK) {
    return err;
  }
  env_observe(m->env, m->obs, m->achieved);
  if (task->action.mode != TASK_CTRL) {
    measure_set_point(m);
  }
  if (task->goal > 0) {
    m->at_goal += distance(m) <= reached;
    m->within += distance(m) < task->success_radius;
  }
  m->resets++;
  return ERR_OK;
}

// by how many widths a joint is out of its range
static double excess(const mjModel *m, const mjData *d, int joint) {
  const double low = m->jnt_range[2 * joint], high = m->jnt_range[2 * joint + 1];
  const bool line = m->jnt_type[joint] == mjJNT_SLIDE || m->jnt_type[joint] == mjJNT_HINGE;
  if (!line || !m->jnt_limited[joint] || high <= low) {
    return 0;
  }
  const double x = d->qpos[m->jnt_qposadr[joint]];
  return fmax(x - high, low - x) / (high - low);
}

static bool measure_joints(struct measured *m) {
  const mjModel *model = m->task->model;
  bool far = false;
  for (int j = 0; j < model->njnt; j++) {
    const double out = excess(model, env_data(m->env), j);
    far = far || out > far_off;
    if (out > m->worst) {
      m->worst = out;
      m->worst_joint = j;
    }
  }
  return far;
}

// random actions from a reset on
static void measure_episode(struct measured *m, int index) {
  const struct task *task = m->task;
  const mjData *d = env_data(m->env);
  struct env_step step = {0};
  struct rng action, dynamics;
  rng_init(&action, 0, RNG_ACTION, (uint64_t)index);
  rng_init(&dynamics, 0, RNG_DYNAMICS, (uint64_t)index);
  bool left = false, full = false;
  int t = 0;
  m->initial += distance(m);
  for (enum err err = ERR_OK; err == ERR_OK && t < task->horizon && !step.terminated &&
                              (t == 0 || t * task->frame_skip < MAX_PHYSICS);
       t++) {
    rng_fill_uniform(&action, m->act, (size_t)task->act, -1.0f, 1.0f);
    err = env_step(m->env, m->act, &dynamics, &step);
    left = measure_joints(m) || left;
    full = full || d->warning[mjWARN_CONTACTFULL].number || d->warning[mjWARN_CNSTRFULL].number;
    if (err != ERR_OK) {
      m->steps[m->unstable++] = t + 1;
    }
  }
  env_observe(m->env, m->obs, m->achieved);
  m->final += distance(m);
  m->left += left;
  m->overflows += full;
  m->episodes++;
}

static void call_measure(void *ctx) {
  struct measured *m = ctx;
  struct rng reset;
  m->env = env_new(m->task);
  rng_init(&reset, 0, RNG_RESET, 0);
  for (int i = 0; i < TRIAL_RESETS && measure_reset(m, &reset) == ERR_OK; i++) {
    if (i < TRIAL_EPISODES) {
      measure_episode(m, i);
    }
  }
}

// ---- saying ----

static void say_goal(struct trial *t, const struct measured *m) {
  const char *note = "the score, 100 x final / initial distance, means nothing";
  if (m->at_goal > 0) {
    warn(t, "the goal is reached at reset in %d of %d resets: %s%s", m->at_goal, m->resets, note,
         m->at_goal < m->resets ? " of these" : "");
  } else if (2 * m->within > m->resets) {
    warn(t, "resets begin within telos.success_radius in %d of %d: %s", m->within, m->resets, note);
  } else if (m->unstable + m->left == 0 && m->initial < close_by * m->final) {
    warn(t,
         "resets begin close to the goal: at %.3g on average, and random actions end at %.3g, so "
         "that the score, 100 x final / initial distance, is large for all but the best",
         m->initial / m->episodes, m->final / m->episodes);
  }
}

static int compare(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}

static void say_stability(struct trial *t, struct measured *m) {
  const mjModel *model = m->task->model;
  if (m->unstable > 0) {
    qsort(m->steps, (size_t)m->unstable, sizeof *m->steps, compare);
    warn(t,
         "%d of %d episodes of random actions become unstable, after about %d of %d steps; a "
         "smaller timestep or action scale helps",
         m->unstable, m->episodes, m->steps[m->unstable / 2], m->task->horizon);
  }
  if (m->left > 0) {
    const char *name = mj_id2name(model, mjOBJ_JOINT, m->worst_joint);
    warn(t,
         "joint \"%s\" leaves its range, %g to %g, by up to %.2g times its width in %d of %d "
         "episodes of random actions; the simulation is unstable: a smaller timestep or control "
         "range helps",
         name ? name : "", model->jnt_range[2 * m->worst_joint],
         model->jnt_range[2 * m->worst_joint + 1], m->worst, m->left, m->episodes);
  }
  if (m->overflows > 0) {
    warn(t,
         "contacts or constraints are left out in %d of %d episodes of random actions, since there "
         "is no room for them; a larger <size nconmax=\"..\" njmax=\"..\"/> has it",
         m->overflows, m->episodes);
  }
}

static void say_set_point(struct trial *t, const struct measured *m) {
  const struct task_action *a = &m->task->action;
  const mjModel *model = m->task->model;
  double scale = 0;
  for (int i = 0; i < a->naxis; i++) {
    scale = fmax(scale, a->scale[i]);
  }
  if (a->mode == TASK_CTRL) {
    return;
  }
  if (!a->tether.exists) {
    warn(t,
         "no <weld> or <connect> between the bodies of telos.mocap_body and telos.hand: \"%s\" "
         "need not follow",
         mj_id2name(model, mjOBJ_BODY, a->hand));
  }
  const bool apart = a->mode == TASK_MOCAP && m->gap > many_steps * scale;
  if (apart || m->turn > turned) {
    warn(t,
         "the set-point and \"%s\" are %.3g m apart and turned by %.3g degrees at reset, and the "
         "first steps tear them together; in the first <key>, mpos=\"%.6g %.6g %.6g\" mquat=\"%.6g "
         "%.6g %.6g %.6g\" of the mocap body holds it",
         mj_id2name(model, mjOBJ_BODY, a->hand), m->gap, m->turn * 180 / mjPI, m->want_at[0],
         m->want_at[1], m->want_at[2], m->want_quat[0], m->want_quat[1], m->want_quat[2],
         m->want_quat[3]);
  }
}

// controls that MuJoCo clips
static void say_controls(struct trial *t, const struct task *task) {
  const mjModel *m = task->model;
  const struct task_action *a = &task->action;
  for (int i = 0; i < m->nu; i++) {
    const int k = a->naxis + i;
    const double low = a->offset[k] - a->scale[k], high = a->offset[k] + a->scale[k];
    const double *range = m->actuator_ctrlrange + 2 * i;
    const double slack = 1e-6 * (range[1] - range[0]);
    if (m->actuator_ctrllimited[i] && (low < range[0] - slack || high > range[1] + slack)) {
      char name[128];
      task_action_name(name, sizeof name, task, k);
      warn(t,
           "action \"%s\" is a control of %g to %g, and its ctrlrange is %g to %g: what is beyond "
           "is cut off",
           name, low, high, range[0], range[1]);
    }
  }
}

// goal sensors that no picture shows, or that read another frame than their name says
static void say_sensors(struct trial *t, const struct task *task) {
  const mjModel *m = task->model;
  const struct task_sensors *s = &task->sensors[TASK_GOAL];
  for (int i = 0; i < s->n; i++) {
    const int id = s->id[i], type = m->sensor_type[id], body = m->sensor_objid[id];
    const char *name = mj_id2name(m, mjOBJ_SENSOR, id);
    if (drawn_goal_of(task, i).nothing) {
      warn(t, "\"%s\" of the goal is not drawn by telos play: it reads neither a place nor joints",
           name);
    }
    const bool axes = type == mjSENS_FRAMEQUAT || type == mjSENS_FRAMEXAXIS ||
                      type == mjSENS_FRAMEYAXIS || type == mjSENS_FRAMEZAXIS;
    if (axes && m->sensor_objtype[id] == mjOBJ_BODY &&
        2 * acos(fmin(1, fabs(m->body_iquat[4 * body]))) > tilted) {
      warn(t,
           "\"%s\" reads the inertial frame of \"%s\", which is turned against the body's own; "
           "objtype=\"xbody\" is the body's",
           name, mj_id2name(m, mjOBJ_BODY, body));
    }
  }
}

void trial_run(struct trial *out, const struct task *task) {
  struct measured m = {.task = task};
  char text[MAX_TEXT];
  *out = (struct trial){0};
  m.act = must_alloc((size_t)task->act, sizeof *m.act);
  m.obs = must_alloc((size_t)task->obs + 1, sizeof *m.obs);
  m.desired = must_alloc((size_t)task->goal + 1, sizeof *m.desired);
  m.achieved = must_alloc((size_t)task->goal + 1, sizeof *m.achieved);
  if (!mj_try(call_measure, &m, text, sizeof text)) {
    warn(out, "MuJoCo ends an episode of random actions, and would end an actor: %s", text);
  }
  say_goal(out, &m);
  say_stability(out, &m);
  say_set_point(out, &m);
  say_controls(out, task);
  say_sensors(out, task);
  free(m.act);
  free(m.obs);
  free(m.desired);
  free(m.achieved);
  env_free(m.env);
}
