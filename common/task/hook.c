// hook.c - the table of hooks. Each copies or derives numbers that MuJoCo computes anyway.
#include "common/task/hook.h"

#include <math.h>
#include <string.h>

// the sensor's first user number, from where to copy; 0 when it has none
static int start_of(const mjModel *m, int sensor) {
  if (m->nuser_sensor < 1) {
    return 0;
  }
  const mjtNum x = m->sensor_user[(size_t)sensor * (size_t)m->nuser_sensor];
  return x >= 0 && x <= 1e6 && x == floor(x) ? (int)x : -1;
}

static const char *range_fault(const mjModel *m, int sensor, int n, const char *text) {
  const int start = start_of(m, sensor);
  return start < 0 || start + m->sensor_dim[sensor] > n ? text : NULL;
}

static const char *dim_fault(const mjModel *m, int sensor, int n, const char *text) {
  return m->sensor_dim[sensor] == n ? NULL : text;
}

static void copy(mjtNum *out, const mjtNum *from, const mjModel *m, int sensor) {
  memcpy(out, from, (size_t)m->sensor_dim[sensor] * sizeof *out);
}

static void qpos(const mjModel *m, const mjData *d, int sensor, mjtNum *out) {
  copy(out, d->qpos + start_of(m, sensor), m, sensor);
}

static const char *qpos_fault(const mjModel *m, int sensor) {
  return range_fault(m, sensor, (int)m->nq,
                     "expected user=\"START\" and dim=\"N\" with START + N <= nq");
}

static void qvel(const mjModel *m, const mjData *d, int sensor, mjtNum *out) {
  copy(out, d->qvel + start_of(m, sensor), m, sensor);
}

static const char *qvel_fault(const mjModel *m, int sensor) {
  return range_fault(m, sensor, (int)m->nv,
                     "expected user=\"START\" and dim=\"N\" with START + N <= nv");
}

static void act(const mjModel *m, const mjData *d, int sensor, mjtNum *out) {
  copy(out, d->act + start_of(m, sensor), m, sensor);
}

static const char *act_fault(const mjModel *m, int sensor) {
  return range_fault(m, sensor, (int)m->na,
                     "expected user=\"START\" and dim=\"N\" with START + N <= na");
}

// Angles of a body as Gymnasium-Robotics' Fetch observes them: R = Rx(a) Ry(b) Rz(c) turned
// backwards, from the rows of R (its rotations.mat2euler).
static void euler(const mjModel *m, const mjData *d, int sensor, mjtNum *out) {
  const mjtNum *r = d->xmat + 9 * (size_t)m->sensor_objid[sensor];
  const mjtNum cy = sqrt(r[8] * r[8] + r[5] * r[5]);
  out[1] = -atan2(-r[2], cy);
  if (cy > 4 * 2.220446049250313e-16) {
    out[0] = -atan2(r[5], r[8]);
    out[2] = -atan2(r[1], r[0]);
  } else {
    out[0] = 0;
    out[2] = -atan2(-r[3], r[4]);
  }
}

static const char *euler_fault(const mjModel *m, int sensor) {
  return m->sensor_objtype[sensor] == mjOBJ_BODY
             ? dim_fault(m, sensor, 3, "expected dim=\"3\"")
             : "expected objtype=\"body\" with the name of a body";
}

static void cinert(const mjModel *m, const mjData *d, int sensor, mjtNum *out) {
  copy(out, d->cinert, m, sensor);
}

static const char *cinert_fault(const mjModel *m, int sensor) {
  return dim_fault(m, sensor, 10 * (int)m->nbody, "expected dim=\"10 x bodies, world included\"");
}

static void cvel(const mjModel *m, const mjData *d, int sensor, mjtNum *out) {
  copy(out, d->cvel, m, sensor);
}

static void cfrc_ext(const mjModel *m, const mjData *d, int sensor, mjtNum *out) {
  copy(out, d->cfrc_ext, m, sensor);
}

static const char *six_fault(const mjModel *m, int sensor) {
  return dim_fault(m, sensor, 6 * (int)m->nbody, "expected dim=\"6 x bodies, world included\"");
}

static void qfrc_actuator(const mjModel *m, const mjData *d, int sensor, mjtNum *out) {
  copy(out, d->qfrc_actuator, m, sensor);
}

static const char *nv_fault(const mjModel *m, int sensor) {
  return dim_fault(m, sensor, (int)m->nv, "expected dim=\"degrees of freedom (nv)\"");
}

static const struct hook hooks[] = {
    {"qpos", "joint positions from coordinate user=\"START\" on", false, qpos, qpos_fault},
    {"qvel", "joint velocities from coordinate user=\"START\" on", false, qvel, qvel_fault},
    {"act", "activations of muscles and filters from user=\"START\" on", false, act, act_fault},
    {"euler", "three angles of a body, as Fetch observes them", false, euler, euler_fault},
    {"cinert", "inertia of every body about the centre of mass", false, cinert, cinert_fault},
    {"cvel", "velocity of every body about the centre of mass", false, cvel, six_fault},
    {"qfrc_actuator", "actuator forces of the last physics step, by degree of freedom", false,
     qfrc_actuator, nv_fault},
    {"cfrc_ext", "external forces on every body in the last physics step", true, cfrc_ext,
     six_fault},
};

const struct hook *hook_at(size_t i) {
  return i < sizeof hooks / sizeof hooks[0] ? &hooks[i] : NULL;
}

const struct hook *hook_find(const char *name) {
  for (size_t i = 0; hook_at(i); i++) {
    if (strcmp(hooks[i].name, name) == 0) {
      return &hooks[i];
    }
  }
  return NULL;
}
