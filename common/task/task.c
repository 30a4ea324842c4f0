// task.c - compiles a task's file, and makes a struct task of the model.
//
// The convention is common/task/convention.c's, MuJoCo's versions are common/task/mj.c's, and which
// file a name means is common/task/task_find.c's. What is left here is the order: read the
// convention, draw the goal table into the model when there is one, save the model as MJB, and take
// the digest of these bytes. A model that arrives as MJB has its table already. The bytes hold no
// padding, time or address, so that equal files give equal digests in every process;
// tests/unit/test_task.c compares two.
#include "common/task/task.h"

#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/evaluation.h"
#include "common/task/compile.h"
#include "common/task/convention.h"
#include "common/task/goal_table.h"
#include "common/task/mj.h"
#include "common/task/task_find.h"
#include "common/task/tryout.h"

enum {
  MAX_XML = 64 << 20,  // bytes of MJCF text
  MAX_TEXT = 4096,     // bytes of a reason
};

// ---- from a model ----

// the model as MJB; NULL (logged): it is too large to travel
static void *save(const mjModel *model, size_t *n, const char *label) {
  void *bytes = mj_save_mjb(model, n);
  if (!bytes) {
    log_error(
        "task %s: the compiled model has %zu MiB; expected at most %d, since it travels to every "
        "actor: smaller textures and meshes, or <compiler discardvisual=\"true\"/>, which leaves "
        "out what is only seen",
        label, (*n >> 20) + 1, MJ_MAX_MJB >> 20);
  }
  return bytes;
}

// the goal table, a function of the model with the table still empty
static enum err fill_table(struct task *task, const char *label) {
  size_t n;
  void *key = save(task->model, &n, label);
  const enum err err = key && goal_table_fill(task, key, n, label) == ERR_OK ? ERR_OK : ERR_CONFIG;
  free(key);
  return err;
}

// takes over the model; compiled: it came as MJB, from one who has tried it
static enum err task_from_model(struct task **out, mjModel *model, bool compiled,
                                const char *label) {
  struct task *t = must_alloc(1, sizeof *t);
  t->model = model;
  enum err err = convention_read(t, label) == 0 ? ERR_OK : ERR_CONFIG;
  if (err == ERR_OK && t->target.base == TASK_GOAL_TABLE && !compiled) {
    err = fill_table(t, label);
  }
  if (err == ERR_OK && !compiled) {
    err = tryout_resets(t, label);
  }
  if (err == ERR_OK) {
    t->mjb = save(model, &t->mjb_size, label);
    err = t->mjb ? ERR_OK : ERR_CONFIG;
  }
  if (err != ERR_OK) {
    task_free(t);
    return err;
  }
  t->digest = XXH3_64bits(t->mjb, t->mjb_size);
  *out = t;
  return ERR_OK;
}

// what came of compiling a file or text
static enum err task_from_compiler(struct task **out, mjModel *model, const char *text,
                                   const char *label) {
  if (!model) {
    log_error("task %s: MuJoCo cannot compile it: %s", label, text);
    return ERR_CONFIG;
  }
  if (text[0]) {
    log_warn("task %s: MuJoCo: %s", label, text);
  }
  return task_from_model(out, model, false, label);
}

enum err task_from_xml(struct task **out, const char *xml, size_t n, const char *label) {
  if (n == 0 || n > MAX_XML) {
    log_error("task %s: %zu bytes of text; expected 1 to %d", label, n, MAX_XML);
    return ERR_CONFIG;
  }
  char text[MAX_TEXT];
  mjModel *model = compile_text(xml, n, text, sizeof text);
  return task_from_compiler(out, model, text, label);
}

enum err task_from_mjb(struct task **out, const void *mjb, size_t n) {
  char text[MAX_TEXT], label[128];
  mjModel *model = mj_load_mjb(mjb, n, text, sizeof text);
  if (!model) {
    log_error("task: %zu bytes of a compiled model: %s", n, text);
    return ERR_FORMAT;
  }
  snprintf(label, sizeof label, "%.100s (compiled)", model->names);
  return task_from_model(out, model, true, label);
}

void task_free(struct task *task) {
  if (!task) {
    return;
  }
  mj_deleteModel(task->model);
  for (int role = 0; role < TASK_NROLE; role++) {
    free(task->sensors[role].id);
    free(task->sensors[role].adr);
    free(task->sensors[role].scale);
  }
  free(task->hook);
  free(task->action.scale);
  free(task->action.offset);
  free(task->target.low);
  free(task->target.high);
  free(task->target.hole_low);
  free(task->target.hole_high);
  free(task->target.joint_qpos);
  free(task->target.joint_low);
  free(task->target.joint_high);
  free(task->target.apart);
  free(task->success_counts);
  free(task->reset_noise);
  free(task->reset_velocity_noise);
  free(task->reset_velocity_normal);
  free(task->reset_apart);
  free(task->random);
  free(task->reward_weight);
  free(task->rate_weight);
  free(task->alive_low);
  free(task->alive_high);
  free(task->mjb);
  free(task);
}

struct dims task_dims(const struct task *task, int hindsight) {
  return (struct dims){.obs = task->obs,
                       .act = task->act,
                       .goal = task->goal,
                       .horizon = task->horizon,
                       .hindsight = task->goal > 0 ? hindsight : 0,
                       .reward = task->has_reward};
}

// ---- names of numbers ----

void task_number_name(char *out, size_t n, const struct task *task, enum task_role role, int i) {
  const struct task_sensors *s = &task->sensors[role];
  CHECK(i >= 0 && i < s->width);
  int k = 0;
  for (; i >= task->model->sensor_dim[s->id[k]]; k++) {
    i -= task->model->sensor_dim[s->id[k]];
  }
  const char *name = mj_id2name(task->model, mjOBJ_SENSOR, s->id[k]);
  if (task->model->sensor_dim[s->id[k]] == 1) {
    snprintf(out, n, "%s", name);
  } else {
    snprintf(out, n, "%s[%d]", name, i);
  }
}

int task_goal_parts(struct evaluation_part *parts, int max, const struct task *task) {
  const struct task_sensors *s = &task->sensors[TASK_GOAL];
  const int n = s->n < max ? s->n : max;
  for (int i = 0, first = 0; i < n; i++) {
    const int width = task->model->sensor_dim[s->id[i]];
    parts[i] = (struct evaluation_part){
        .name = mj_id2name(task->model, mjOBJ_SENSOR, s->id[i]), .first = first, .n = width};
    first += width;
  }
  return n;
}

// an object with a frame, in words; false: it has none
static bool frame_words(char *out, size_t n, const mjModel *m, int type, int id) {
  static const struct {
    int type;
    const char *words;
  } kinds[] = {{mjOBJ_BODY, "inertial frame of"},
               {mjOBJ_XBODY, "frame of"},
               {mjOBJ_GEOM, "geom"},
               {mjOBJ_SITE, "site"},
               {mjOBJ_CAMERA, "camera"}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && id >= 0; i++) {
    if (kinds[i].type == type) {
      const char *name = mj_id2name(m, type, id);
      snprintf(out, n, "%s %s", kinds[i].words, name ? name : "(no name)");
      return true;
    }
  }
  return false;
}

void task_sensor_frame(char *out, size_t n, const struct task *task, int sensor) {
  const mjModel *m = task->model;
  out[0] = '\0';
  switch (m->sensor_type[sensor]) {
    case mjSENS_FRAMEPOS:
    case mjSENS_FRAMEQUAT:
    case mjSENS_FRAMEXAXIS:
    case mjSENS_FRAMEYAXIS:
    case mjSENS_FRAMEZAXIS:
    case mjSENS_FRAMELINVEL:
    case mjSENS_FRAMEANGVEL:
    case mjSENS_FRAMELINACC:
    case mjSENS_FRAMEANGACC:
      break;
    default:
      return;
  }
  char reference[256];
  frame_words(out, n, m, m->sensor_objtype[sensor], m->sensor_objid[sensor]);
  if (frame_words(reference, sizeof reference, m, m->sensor_reftype[sensor],
                  m->sensor_refid[sensor])) {
    const size_t used = strlen(out);
    snprintf(out + used, n - used, ", seen from %s", reference);
  }
}

void task_action_name(char *out, size_t n, const struct task *task, int i) {
  CHECK(i >= 0 && i < task->act);
  if (i < task->action.naxis) {
    snprintf(out, n, "mocap %c", "xyz"[task->action.axis[i]]);
    return;
  }
  const int control = i - task->action.naxis;
  const char *name = mj_control_name(task->model, control);
  if (name) {
    snprintf(out, n, "%s", name);
  } else {
    snprintf(out, n, "actuator %d", control);
  }
}

enum err task_load(struct task **out, const char *name) {
  char path[TASK_MAX_PATH], text[MAX_TEXT];
  const enum err err = task_find(path, name);
  if (err != ERR_OK) {
    return err;
  }
  mjModel *model = compile_file(path, text, sizeof text);
  return task_from_compiler(out, model, text, name);
}
