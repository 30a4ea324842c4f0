// task_show_json.c - the sheet of a task as one JSON object, under names that do not change.
#include <inttypes.h>
#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/task/hook.h"
#include "deploy/launch/task_show.h"

enum { MAX_NAME = 128, MAX_TITLE = 512 };

static void put(json_t *object, const char *key, json_t *value) {
  CHECK(value && json_object_set_new(object, key, value) == 0);
}

static void append(json_t *array, json_t *value) {
  CHECK(value && json_array_append_new(array, value) == 0);
}

static json_t *numbers(const double *x, int n) {
  json_t *array = json_array();
  for (int i = 0; i < n; i++) {
    append(array, json_real(x[i]));
  }
  return array;
}

static json_t *optional_numbers(const double *x, int n) {
  return x ? numbers(x, n) : json_null();
}

// every number of a role: its name, scale and hook
static json_t *sensors_json(const struct task *task, enum task_role role) {
  const struct task_sensors *s = &task->sensors[role];
  json_t *array = json_array();
  for (int i = 0, at = 0; i < s->n; i++) {
    const struct hook *hook = task->hook[s->id[i]];
    for (const int end = at + task->model->sensor_dim[s->id[i]]; at < end; at++) {
      char name[MAX_NAME], frame[2 * MAX_NAME];
      task_number_name(name, sizeof name, task, role, at);
      task_sensor_frame(frame, sizeof frame, task, s->id[i]);
      append(array, json_pack("{s:s, s:f, s:s?, s:s?}", "name", name, "scale", s->scale[at], "hook",
                              hook ? hook->name : NULL, "frame", frame[0] ? frame : NULL));
    }
  }
  return array;
}

static json_t *goal_json(const struct task *task) {
  const struct task_goal *g = &task->target;
  if (task->goal == 0) {
    return json_null();
  }
  json_t *goal = json_pack("{s:s, s:o}", "kind", task_show_kind(task), "numbers",
                           sensors_json(task, TASK_GOAL));
  const bool box = g->base != TASK_GOAL_JOINTS;
  put(goal, "low", box ? numbers(g->low, task->goal) : json_null());
  put(goal, "high", box ? numbers(g->high, task->goal) : json_null());
  put(goal, "hole_low", optional_numbers(g->hole_low, task->goal));
  put(goal, "hole_high", optional_numbers(g->hole_high, task->goal));
  json_t *joints = json_array();
  for (int i = 0; i < g->njoint; i++) {
    const char *name = task_show_joint(task->model, g->joint_qpos[i]);
    append(joints, json_pack("{s:s, s:f, s:f}", "name", name ? name : "", "low", g->joint_low[i],
                             "high", g->joint_high[i]));
  }
  put(goal, "joints", joints);
  put(goal, "table",
      g->base != TASK_GOAL_TABLE ? json_null()
                                 : json_pack("{s:i, s:i, s:i}", "rows", g->table_rows, "steps",
                                             g->table_steps, "seed", (int)g->table_seed));
  json_t *apart = json_array();
  for (int i = 0; i < g->napart; i++) {
    append(apart, json_pack("{s:i, s:i, s:i, s:f}", "a", g->apart[i].a, "b", g->apart[i].b, "n",
                            g->apart[i].n, "distance", g->apart[i].distance));
  }
  put(goal, "apart", apart);
  put(goal, "min_distance", json_real(g->min_distance));
  put(goal, "success_radius",
      task->success_radius > 0 ? json_real(task->success_radius) : json_null());
  json_t *counts = json_array();
  for (int i = 0; i < task->goal; i++) {
    append(counts, json_boolean(task->success_counts[i]));
  }
  put(goal, "success_on", counts);
  return goal;
}

json_t *task_show_action_json(const struct task *task) {
  static const char *const modes[] = {
      [TASK_CTRL] = "ctrl", [TASK_MOCAP] = "mocap", [TASK_MOCAP_RELATIVE] = "mocap_relative"};
  const struct task_action *a = &task->action;
  json_t *list = json_array();
  for (int i = 0; i < task->act; i++) {
    char name[MAX_NAME];
    task_action_name(name, sizeof name, task, i);
    append(list, json_pack("{s:s, s:f, s:f}", "name", name, "scale", a->scale[i], "offset",
                           a->offset[i]));
  }
  const bool mocap = a->mode != TASK_CTRL;
  json_t *action =
      json_pack("{s:s, s:o, s:f}", "mode", modes[a->mode], "numbers", list, "noise", a->noise);
  put(action, "set_point_low", mocap ? numbers(a->low, 3) : json_null());
  put(action, "set_point_high", mocap ? numbers(a->high, 3) : json_null());
  put(action, "lead", a->lead < TASK_NO_LIMIT ? json_real(a->lead) : json_null());
  return action;
}

static json_t *reset_json(const struct task *task) {
  const mjModel *m = task->model;
  const char *key = m->nkey > 0 ? mj_id2name(m, mjOBJ_KEY, 0) : NULL;
  json_t *reset = json_pack("{s:b, s:s?}", "has_key", m->nkey > 0, "key", key);
  put(reset, "noise", numbers(task->reset_noise, (int)m->nq));
  put(reset, "velocity_noise", numbers(task->reset_velocity_noise, (int)m->nv));
  put(reset, "velocity_normal", numbers(task->reset_velocity_normal, (int)m->nv));
  put(reset, "apart", numbers(task->reset_apart, task->sensors[TASK_APART].n));
  put(reset, "max_overlap",
      task->max_overlap < TASK_NO_LIMIT ? json_real(task->max_overlap) : json_null());
  json_t *random = json_array();
  for (int k = 0; k < task->nrandom; k++) {
    const struct task_random *r = &task->random[k];
    char words[256];
    randomise_words(words, sizeof words, task, r);
    CHECK(json_array_append_new(random, json_pack("{s:s, s:f, s:f}", "what", words, "low", r->low,
                                                  "high", r->high)) == 0);
  }
  put(reset, "random", random);
  return reset;
}

static json_t *reward_json(const struct task *task) {
  if (!task->has_reward) {
    return json_null();
  }
  json_t *reward =
      json_pack("{s:f, s:f}", "alive", task->reward_alive, "control_cost", task->control_cost);
  put(reward, "values", sensors_json(task, TASK_REWARD));
  put(reward, "value_weights", numbers(task->reward_weight, task->sensors[TASK_REWARD].width));
  put(reward, "rates", sensors_json(task, TASK_RATE));
  put(reward, "rate_weights", numbers(task->rate_weight, task->sensors[TASK_RATE].width));
  return reward;
}

json_t *task_show_json(const struct task *task, const char *path, const struct task_cost *cost) {
  const mjModel *m = task->model;
  char title[MAX_TITLE], digest[17];
  task_show_title(title, sizeof title, path);
  snprintf(digest, sizeof digest, "%016" PRIx64, task->digest);
  json_t *root = json_pack("{s:s, s:s, s:s}", "name", task->name, "file", path, "title", title);
  CHECK(root);
  put(root, "observation", sensors_json(task, TASK_OBS));
  put(root, "goal", goal_json(task));
  put(root, "action", task_show_action_json(task));
  put(root, "timestep", json_real(m->opt.timestep));
  put(root, "frame_skip", json_integer(task->frame_skip));
  put(root, "control_hz", json_real(1 / (m->opt.timestep * task->frame_skip)));
  put(root, "horizon", json_integer(task->horizon));
  put(root, "reset", reset_json(task));
  put(root, "reward", reward_json(task));
  const int nalive = task->sensors[TASK_ALIVE].width;
  put(root, "alive", sensors_json(task, TASK_ALIVE));
  put(root, "alive_low", optional_numbers(task->alive_low, nalive));
  put(root, "alive_high", optional_numbers(task->alive_high, nalive));
  put(root, "step_us", json_real(cost->step));
  put(root, "reset_us", json_real(cost->reset));
  put(root, "mjb_bytes", json_integer((json_int_t)task->mjb_size));
  put(root, "digest", json_string(digest));
  put(root, "mujoco", json_string(mj_versionString()));
  return root;
}
