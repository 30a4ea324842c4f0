// sense.c - the sensors of the present state, by no more computation than they need.
//
// mj_step computes forces from the state at its start and then moves, so after it positions and
// sensors still show the state before. What a policy sees has to be the present, so a control step
// ends with the kinematics of the new state and its sensors alone: no collision detection, no
// constraints, no forces (those belong to the next mj_step). Only sensors of the acceleration stage
// and of limits need more than kinematics; models that observe those pay one mj_forward a step.
#include "common/task/sense.h"

#include <mujoco/mujoco.h>

#include "common/task/hook.h"
#include "common/task/task.h"

// ---- which computations the sensors in use need ----

enum need { NEED_KINEMATICS, NEED_VELOCITY, NEED_TENDONS, NEED_FORWARD };

// What is not listed, and so may come with a later MuJoCo, gets the whole computation. So do the
// velocities of subtrees, which MuJoCo 3 computes once a step and not again.
static enum need need_of(const mjModel *m, int sensor) {
  switch (m->sensor_type[sensor]) {
    case mjSENS_JOINTPOS:
    case mjSENS_JOINTVEL:
    case mjSENS_BALLQUAT:
    case mjSENS_BALLANGVEL:
    case mjSENS_FRAMEPOS:
    case mjSENS_FRAMEQUAT:
    case mjSENS_FRAMEXAXIS:
    case mjSENS_FRAMEYAXIS:
    case mjSENS_FRAMEZAXIS:
    case mjSENS_SUBTREECOM:
    case mjSENS_MAGNETOMETER:
    case mjSENS_RANGEFINDER:
      return NEED_KINEMATICS;
    case mjSENS_FRAMELINVEL:
    case mjSENS_FRAMEANGVEL:
    case mjSENS_VELOCIMETER:
    case mjSENS_GYRO:
      return NEED_VELOCITY;
    case mjSENS_TENDONPOS:
    case mjSENS_TENDONVEL:
    case mjSENS_ACTUATORPOS:
    case mjSENS_ACTUATORVEL:
      return NEED_TENDONS;
    case mjSENS_USER:
      return m->sensor_needstage[sensor] == mjSTAGE_POS   ? NEED_KINEMATICS
             : m->sensor_needstage[sensor] == mjSTAGE_VEL ? NEED_VELOCITY
                                                          : NEED_FORWARD;
    default:
      return NEED_FORWARD;
  }
}

static bool of_camera(const mjModel *m, int sensor) {
  return m->sensor_objtype[sensor] == mjOBJ_CAMERA || m->sensor_reftype[sensor] == mjOBJ_CAMERA;
}

void sense_init(struct sense *sense, const struct task *task) {
  *sense = (struct sense){.forward = false};
  for (int role = 0; role < TASK_NROLE; role++) {
    for (int i = 0; i < task->sensors[role].n; i++) {
      const int sensor = task->sensors[role].id[i];
      const enum need need = need_of(task->model, sensor);
      sense->forward = sense->forward || need == NEED_FORWARD;
      sense->tendons = sense->tendons || need == NEED_TENDONS;
      sense->velocity = sense->velocity || need == NEED_VELOCITY;
      sense->cameras = sense->cameras || of_camera(task->model, sensor);
      sense->contact_forces =
          sense->contact_forces || (task->hook[sensor] && task->hook[sensor]->contact_forces);
    }
  }
}

// ---- bringing them up to date ----

// MuJoCo clips to the cutoff by itself, except what a hook computes
static void compute_hooks(const struct task *task, mjData *d) {
  const mjModel *m = task->model;
  for (int i = 0; i < m->nsensor; i++) {
    if (!task->hook[i]) {
      continue;
    }
    mjtNum *out = d->sensordata + m->sensor_adr[i];
    task->hook[i]->compute(m, d, i, out);
    const mjtNum cutoff = m->sensor_cutoff[i];
    for (int j = 0; cutoff > 0 && j < m->sensor_dim[i]; j++) {
      out[j] = mju_clip(out[j], -cutoff, cutoff);
    }
  }
}

void sense_update(const struct sense *sense, const struct task *task, mjData *d) {
  const mjModel *m = task->model;
  if (sense->forward) {
    mj_forward(m, d);
  } else {
    mj_kinematics(m, d);
    mj_comPos(m, d);
    if (sense->cameras) {
      mj_camlight(m, d);
    }
    if (sense->tendons) {
      mj_tendon(m, d);
      mj_transmission(m, d);
    }
    mj_sensorPos(m, d);
    if (sense->tendons) {
      mj_fwdVelocity(m, d);
    } else if (sense->velocity) {
      mj_comVel(m, d);
    }
    mj_sensorVel(m, d);
  }
  if (task->has_hooks) {
    compute_hooks(task, d);
  }
}
