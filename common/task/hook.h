// hook.h - what MuJoCo's sensors cannot express: C functions for <user> sensors, found by name.
//
// A <user> sensor S of a task names its hook in a text: <text name="telos.hook.S" data="qpos"/>.
// The environment calls it after each control step (so that no process-wide callback is needed),
// with the sensor's object, its dim and its user="..." numbers to go by; afterwards the sensor's
// cutoff applies as MuJoCo's does. To add one: a function and a row of the table in hook.c.
#ifndef COMMON_TASK_HOOK_H
#define COMMON_TASK_HOOK_H

#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stddef.h>

struct hook {
  const char *name;
  const char *help;     // one line
  bool contact_forces;  // reads what mj_rnePostConstraint computes after the last physics step
  // Fills out (sensor_dim numbers) from the state. Pure: reads m and d only, allocates nothing.
  void (*compute)(const mjModel *m, const mjData *d, int sensor, mjtNum *out);
  // What is wrong with this use of it (static text), or NULL.
  const char *(*fault)(const mjModel *m, int sensor);
};

const struct hook *hook_find(const char *name);  // NULL: unknown

const struct hook *hook_at(size_t i);  // NULL after the last

#endif
