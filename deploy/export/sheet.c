// sheet.c - the task's declarations, gathered for whoever runs the policy without telos.
#include "deploy/export/sheet.h"

#include <inttypes.h>
#include <mujoco/mujoco.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/task/hook.h"
#include "deploy/launch/task_show.h"

// ---- units ----

static const char *joint_unit(const mjModel *m, int joint, const char *slide, const char *hinge) {
  return m->jnt_type[joint] == mjJNT_SLIDE ? slide : hinge;
}

// of a sensor of an actuator, which may move a joint or a tendon; of others nothing is known
static const char *actuator_unit(const mjModel *m, int actuator, const char *slide,
                                 const char *hinge) {
  switch (m->actuator_trntype[actuator]) {
    case mjTRN_JOINT:
      return joint_unit(m, m->actuator_trnid[2 * actuator], slide, hinge);
    case mjTRN_TENDON:
      return slide;
    default:
      return "";
  }
}

static const char *unit_of(const mjModel *m, int sensor) {
  const int object = m->sensor_objid[sensor];
  switch (m->sensor_type[sensor]) {
    case mjSENS_JOINTPOS:
      return joint_unit(m, object, "m", "rad");
    case mjSENS_JOINTVEL:
      return joint_unit(m, object, "m/s", "rad/s");
    case mjSENS_ACTUATORPOS:
      return actuator_unit(m, object, "m", "rad");
    case mjSENS_ACTUATORVEL:
      return actuator_unit(m, object, "m/s", "rad/s");
    case mjSENS_ACTUATORFRC:
      return actuator_unit(m, object, "N", "N m");
    case mjSENS_FRAMEPOS:
    case mjSENS_SUBTREECOM:
    case mjSENS_TENDONPOS:
    case mjSENS_RANGEFINDER:
      return "m";
    case mjSENS_FRAMELINVEL:
    case mjSENS_VELOCIMETER:
    case mjSENS_SUBTREELINVEL:
    case mjSENS_TENDONVEL:
      return "m/s";
    case mjSENS_FRAMEANGVEL:
    case mjSENS_GYRO:
    case mjSENS_BALLANGVEL:
      return "rad/s";
    case mjSENS_FRAMELINACC:
    case mjSENS_ACCELEROMETER:
      return "m/s^2";
    case mjSENS_FRAMEANGACC:
      return "rad/s^2";
    case mjSENS_FORCE:
    case mjSENS_TOUCH:
      return "N";
    case mjSENS_TORQUE:
      return "N m";
    case mjSENS_FRAMEQUAT:
    case mjSENS_BALLQUAT:
    case mjSENS_FRAMEXAXIS:
    case mjSENS_FRAMEYAXIS:
    case mjSENS_FRAMEZAXIS:
      return "1";
    default:
      return "";
  }
}

// ---- numbers ----

struct sheet_number sheet_number(const struct task *task, enum task_role role, int i) {
  const mjModel *m = task->model;
  const struct task_sensors *s = &task->sensors[role];
  int sensor = 0, first = 0;
  while (i >= first + m->sensor_dim[s->id[sensor]]) {
    first += m->sensor_dim[s->id[sensor++]];
  }
  const int id = s->id[sensor];
  const struct hook *hook = task->hook[id];
  struct sheet_number number = {.sensor = mj_id2name(m, mjOBJ_SENSOR, id),
                                .index = i - first,
                                .unit = unit_of(m, id),
                                .hook = hook != NULL ? hook->name : NULL,
                                .scale = s->scale[i]};
  task_number_name(number.name, sizeof number.name, task, role, i);
  return number;
}

const char *sheet_rule(const struct task *task) {
  switch (task->action.mode) {
    case TASK_MOCAP:
      return "set-point += offset + scale a for each mocap axis, then its limits and its lead over "
             "the hand; ctrl = offset + scale a for each actuator";
    case TASK_MOCAP_RELATIVE:
      return "set-point = hand + offset + scale a for each mocap axis, then its limits and its "
             "lead; ctrl = offset + scale a for each actuator";
    case TASK_CTRL:
    default:
      return "ctrl = offset + scale a for each actuator";
  }
}

double sheet_control_hz(const struct task *task) {
  return 1 / (task->model->opt.timestep * task->frame_skip);
}

// ---- JSON ----

static void put(json_t *object, const char *key, json_t *value) {
  CHECK(value != NULL && json_object_set_new(object, key, value) == 0);
}

// a name of a model may be no UTF-8, which JSON cannot hold
static json_t *words(const char *text) {
  json_t *value = text != NULL ? json_string(text) : json_null();
  return value != NULL ? value : json_string("(not UTF-8)");
}

static json_t *numbers_json(const struct task *task, enum task_role role) {
  const struct task_sensors *s = &task->sensors[role];
  json_t *array = json_array();
  for (int i = 0; i < s->width; i++) {
    const struct sheet_number n = sheet_number(task, role, i);
    json_t *number = json_object();
    put(number, "name", words(n.name));
    put(number, "sensor", words(n.sensor));
    put(number, "index", json_integer(n.index));
    put(number, "unit", words(n.unit));
    put(number, "scale", json_real(n.scale));
    put(number, "hook", words(n.hook));
    CHECK(json_array_append_new(array, number) == 0);
  }
  return array;
}

static json_t *sheet_json(const struct task *task, const struct policy_file *policy) {
  static const char *const keys[] = {"algorithm", "seed", "steps"};
  char digest[17];
  snprintf(digest, sizeof digest, "%016" PRIx64, task->digest);
  json_t *root = json_object();
  put(root, "task", words(task->name));
  put(root, "task_digest", json_string(digest));
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    put(root, keys[i], words(policy_file_meta(policy, keys[i])));
  }
  put(root, "telos", json_string(TELOS_VERSION));
  put(root, "mujoco", json_string(mj_versionString()));
  put(root, "observation", numbers_json(task, TASK_OBS));
  put(root, "goal", numbers_json(task, TASK_GOAL));
  json_t *action = task_show_action_json(task);
  put(action, "low", json_real(-1));
  put(action, "high", json_real(1));
  put(action, "rule", json_string(sheet_rule(task)));
  put(root, "action", action);
  put(root, "timestep", json_real(task->model->opt.timestep));
  put(root, "frame_skip", json_integer(task->frame_skip));
  put(root, "control_hz", json_real(sheet_control_hz(task)));
  put(root, "horizon", json_integer(task->horizon));
  put(root, "success_radius",
      task->success_radius > 0 ? json_real(task->success_radius) : json_null());
  return root;
}

void sheet_init(struct sheet *s, const struct task *task, const struct policy_file *policy) {
  CHECK(task->obs == policy->obs && task->goal == policy->goal && task->act == policy->act);
  *s = (struct sheet){.task = task, .policy = policy, .json = sheet_json(task, policy)};
  s->ntensor = policy_file_tensors(s->tensor, policy->weights);
}

void sheet_release(struct sheet *s) {
  json_decref(s->json);
}

char *sheet_text(const struct sheet *s) {
  char *text = json_dumps(s->json, JSON_ENSURE_ASCII);
  CHECK(text != NULL);
  return text;
}
