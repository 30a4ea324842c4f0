// drawn.c - looks at sensors, sites and groups; draws nothing.
#include "common/task/drawn.h"

#include <mujoco/mujoco.h>
#include <string.h>

#include "common/task/hook.h"
#include "common/task/task.h"

// first coordinate that the sensor reads, or -1
static int first_qpos(const struct task *task, int sensor) {
  const mjModel *m = task->model;
  if (m->sensor_type[sensor] == mjSENS_JOINTPOS || m->sensor_type[sensor] == mjSENS_BALLQUAT) {
    return m->jnt_qposadr[m->sensor_objid[sensor]];
  }
  const struct hook *hook = task->hook[sensor];
  if (hook && strcmp(hook->name, "qpos") == 0) {
    return m->nuser_sensor > 0 ? (int)m->sensor_user[sensor * m->nuser_sensor] : 0;
  }
  return -1;
}

struct drawn_goal drawn_goal_of(const struct task *task, int i) {
  const mjModel *m = task->model;
  const int sensor = task->sensors[TASK_GOAL].id[i], dim = m->sensor_dim[sensor];
  const int type = m->sensor_type[sensor];
  struct drawn_goal g = {.qpos = first_qpos(task, sensor), .site = -1};
  if (dim == 2 || dim == 3) {
    g.site = mj_name2id(m, mjOBJ_SITE, m->names + m->name_sensoradr[sensor]);
  }
  g.sphere = g.site < 0 && (type == mjSENS_FRAMEPOS || type == mjSENS_SUBTREECOM);
  g.nothing = g.qpos < 0 && g.site < 0 && !g.sphere;
  return g;
}

static int count_hidden(const int *group, int n) {
  int hidden = 0;
  for (int i = 0; i < n; i++) {
    hidden += group[i] >= DRAWN_GROUPS;
  }
  return hidden;
}

struct drawn_hidden drawn_hidden_of(const mjModel *m) {
  return (struct drawn_hidden){
      .geoms = count_hidden(m->geom_group, (int)m->ngeom),
      .sites = count_hidden(m->site_group, (int)m->nsite),
      .tendons = count_hidden(m->tendon_group, (int)m->ntendon),
  };
}

bool drawn_geom(const mjModel *m, int geom) {
  const int material = m->geom_matid[geom];
  const float alpha = material >= 0 ? m->mat_rgba[4 * material + 3] : m->geom_rgba[4 * geom + 3];
  return m->geom_group[geom] < DRAWN_GROUPS && alpha > 0;
}

bool drawn_any(const mjModel *m, const bool *bodies) {
  for (int i = 0; i < m->ngeom; i++) {
    if (bodies[m->geom_bodyid[i]] && drawn_geom(m, i)) {
      return true;
    }
  }
  return false;
}
