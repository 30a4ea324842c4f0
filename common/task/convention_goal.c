// convention_goal.c - how goals are drawn: by a box, from an origin, from a table, by joints; the
// rules that reject one, and what success is.
#include "common/task/convention_goal.h"

#include <math.h>
#include <mujoco/mujoco.h>
#include <string.h>

#include "common/base/check.h"
#include "common/task/checker.h"
#include "common/task/task.h"

enum {
  MAX_TABLE_ROWS = 100000,  // of a goal table
  MAX_WORDS = 256,          // in one text
};

// how the goal's numbers are drawn, except by joints: telos.goal, or the box; zeros when a table
// stands alone
static void read_goal_box(struct checker *c) {
  static const char *const names[2] = {"telos.goal_low", "telos.goal_high"};
  struct task_goal *g = &c->task->target;
  const int n = c->task->goal;
  const bool fixed = checker_given(c, "telos.goal");
  const bool box = checker_given(c, names[0]) || checker_given(c, names[1]);
  if (fixed && box) {
    checker_mistake(
        c, "the goal is given twice; expected numeric \"telos.goal\", or both \"%s\" and \"%s\"",
        names[0], names[1]);
  } else if (fixed) {
    static const char only[] = "telos.goal";
    checker_range(c, (const char *const[2]){only, only}, n, "the sensors \"goal.*\"", &g->low,
                  &g->high);
  } else if (box) {
    checker_range(c, names, n, "the sensors \"goal.*\"", &g->low, &g->high);
  } else if (g->base != TASK_GOAL_TABLE && g->base != TASK_GOAL_JOINTS) {
    checker_mistake(
        c,
        "the goal is missing; expected numeric \"telos.goal\", or \"%s\" and \"%s\", or text "
        "\"telos.goal_joints\", or <hfield name=\"telos.goal_table\">",
        names[0], names[1]);
  }
  if (!g->low) {
    g->low = must_alloc((size_t)n + 1, sizeof *g->low);
    g->high = must_alloc((size_t)n + 1, sizeof *g->high);
  }
}

// one joint of telos.goal_joints: its place in qpos, or -1
static int goal_joint(struct checker *c, const char *name) {
  const int id = mj_name2id(c->m, mjOBJ_JOINT, name);
  if (id < 0) {
    checker_mistake(c, "text \"telos.goal_joints\": there is no joint \"%s\"", name);
    return -1;
  }
  if (c->m->jnt_type[id] != mjJNT_SLIDE && c->m->jnt_type[id] != mjJNT_HINGE) {
    checker_mistake(c, "text \"telos.goal_joints\": joint \"%s\" is neither a slide nor a hinge",
                    name);
    return -1;
  }
  return id;
}

static void read_goal_joints(struct checker *c) {
  static const char *const names[2] = {"telos.goal_joint_low", "telos.goal_joint_high"};
  struct task_goal *g = &c->task->target;
  const mjModel *m = c->m;
  const char *at = checker_text(c, "telos.goal_joints");
  if (!at) {
    checker_unused(c, names, 2, "there is no text \"telos.goal_joints\"");
    return;
  }
  char word[CHECKER_MAX_WORD];
  int joint[MAX_WORDS] = {0};
  g->base = TASK_GOAL_JOINTS;
  g->joint_qpos = must_alloc(MAX_WORDS, sizeof *g->joint_qpos);
  while (g->njoint < MAX_WORDS && checker_word(&at, word)) {
    const int id = goal_joint(c, word);
    for (int i = 0; i < g->njoint && id >= 0; i++) {
      if (joint[i] == id) {
        checker_mistake(c, "text \"telos.goal_joints\" names joint \"%s\" twice", word);
        break;
      }
    }
    joint[g->njoint] = id;
    g->joint_qpos[g->njoint++] = id < 0 ? 0 : m->jnt_qposadr[id];
  }
  if (g->njoint == 0) {
    checker_mistake(c, "text \"telos.goal_joints\" names no joint");
    return;
  }
  const int got =
      checker_range(c, names, g->njoint, "\"telos.goal_joints\"", &g->joint_low, &g->joint_high);
  if (got == 0) {
    checker_mistake(c, "numerics \"%s\" and \"%s\" are missing; \"telos.goal_joints\" needs them",
                    names[0], names[1]);
  }
  for (int i = 0; i < g->njoint && got == 1; i++) {
    const int id = joint[i];
    if (id >= 0 && m->jnt_limited[id] &&
        (g->joint_low[i] < m->jnt_range[2 * id] || g->joint_high[i] > m->jnt_range[2 * id + 1])) {
      checker_mistake(
          c,
          "numeric \"%s\": joint \"%s\" has range %g to %g; expected goals within it, not %g to %g",
          names[0], mj_id2name(m, mjOBJ_JOINT, id), m->jnt_range[2 * id], m->jnt_range[2 * id + 1],
          g->joint_low[i], g->joint_high[i]);
    }
  }
}

// the table is the data of a height field, which the compiled model carries to actors
static void read_goal_table(struct checker *c) {
  static const char *const names[] = {"telos.goal_table_seed", "telos.goal_table_steps"};
  struct task_goal *g = &c->task->target;
  const mjModel *m = c->m;
  const int id = mj_name2id(m, mjOBJ_HFIELD, "telos.goal_table");
  if (id < 0) {
    checker_unused(c, names, 2, "there is no <hfield name=\"telos.goal_table\">");
    return;
  }
  g->base = TASK_GOAL_TABLE;
  g->table = m->hfield_data + m->hfield_adr[id];
  g->table_rows = m->hfield_nrow[id];
  g->table_seed = (unsigned)checker_whole(c, names[0], 0, (int)CHECKER_MAX_NUMBER, 0);
  g->table_steps = checker_whole(c, names[1], 1, DIMS_MAX_HORIZON, c->task->horizon);
  if (m->hfield_ncol[id] != c->task->goal) {
    checker_mistake(
        c, "<hfield name=\"telos.goal_table\"> has ncol=\"%d\"; the sensors \"goal.*\" have %d",
        m->hfield_ncol[id], c->task->goal);
  }
  if (g->table_rows > MAX_TABLE_ROWS) {
    checker_mistake(c, "<hfield name=\"telos.goal_table\"> has nrow=\"%d\"; expected at most %d",
                    g->table_rows, MAX_TABLE_ROWS);
  }
  const int n = g->table_rows * m->hfield_ncol[id];
  for (int i = 0; i < n; i++) {
    if (!isfinite(g->table[i])) {
      checker_mistake(c, "<hfield name=\"telos.goal_table\">: value %d is not finite", i);
      return;
    }
  }
}

static void read_goal_apart(struct checker *c) {
  struct task_goal *g = &c->task->target;
  int n;
  const double *x = checker_numeric(c, "telos.goal_apart", &n);
  if (!x) {
    return;
  }
  if (n % 4 != 0) {
    checker_mistake(
        c, "numeric \"telos.goal_apart\" has %d values; expected groups of four: A B N DISTANCE",
        n);
    return;
  }
  g->apart = must_alloc((size_t)n / 4, sizeof *g->apart);
  for (int i = 0; i < n; i += 4) {
    const double a = x[i], b = x[i + 1], len = x[i + 2], distance = x[i + 3];
    if (a < 0 || b < 0 || len < 1 || a + len > c->task->goal || b + len > c->task->goal ||
        a != floor(a) || b != floor(b) || len != floor(len) || !(distance > 0)) {
      checker_mistake(
          c,
          "numeric \"telos.goal_apart\": group %d is \"%g %g %g %g\"; expected two places A, B "
          "in a goal of %d numbers, a length N and a positive distance",
          i / 4, a, b, len, distance, c->task->goal);
      continue;
    }
    g->apart[g->napart++] =
        (struct task_apart){.a = (int)a, .b = (int)b, .n = (int)len, .distance = distance};
  }
}

// telos.success_radius, and the goal sensors that it is about
static void read_success(struct checker *c) {
  struct task *t = c->task;
  const struct task_sensors *s = &t->sensors[TASK_GOAL];
  t->success_radius = checker_scalar(c, "telos.success_radius", 0, CHECKER_MAX_NUMBER, 0);
  t->success_counts = must_alloc((size_t)t->goal + 1, sizeof *t->success_counts);
  const char *at = checker_text(c, "telos.success_on");
  for (int i = 0; i < t->goal; i++) {
    t->success_counts[i] = at == NULL;
  }
  char word[CHECKER_MAX_WORD];
  int found = 0;
  while (at && checker_word(&at, word)) {
    int first = 0, i = 0;
    while (i < s->n && strcmp(mj_id2name(c->m, mjOBJ_SENSOR, s->id[i]), word) != 0) {
      first += c->m->sensor_dim[s->id[i++]];
    }
    if (i == s->n) {
      checker_mistake(c, "text \"telos.success_on\": there is no sensor \"%s\" among \"goal.*\"",
                      word);
      continue;
    }
    found++;
    for (int j = 0; j < c->m->sensor_dim[s->id[i]]; j++) {
      t->success_counts[first + j] = true;
    }
  }
  if (checker_text(c, "telos.success_on") && found == 0) {
    checker_mistake(c, "text \"telos.success_on\" names no sensor of \"goal.*\"");
  }
  if (checker_text(c, "telos.success_on") && !checker_given(c, "telos.success_radius")) {
    checker_mistake(
        c, "\"telos.success_on\" is not used: there is no numeric \"telos.success_radius\"");
  }
}

static void check_origin(struct checker *c) {
  struct task *t = c->task;
  const struct task_sensors *s = &t->sensors[TASK_ORIGIN];
  if (s->n == 0) {
    return;
  }
  if (t->target.base != TASK_GOAL_PLAIN) {
    checker_mistake(c, "the sensors \"origin.*\" are not used: the goal comes from %s",
                    t->target.base == TASK_GOAL_TABLE ? "a table" : "joints");
    return;
  }
  if (s->width != t->goal) {
    checker_mistake(c, "the sensors \"origin.*\" have %d numbers; the sensors \"goal.*\" have %d",
                    s->width, t->goal);
  }
  t->target.base = TASK_GOAL_ORIGIN;
}

void convention_read_goal(struct checker *c) {
  static const char *const rules[] = {"telos.goal_hole_low", "telos.goal_hole_high",
                                      "telos.goal_apart", "telos.goal_distance"};
  static const char *const all[] = {"telos.goal",
                                    "telos.goal_low",
                                    "telos.goal_high",
                                    "telos.goal_hole_low",
                                    "telos.goal_hole_high",
                                    "telos.goal_joints",
                                    "telos.goal_joint_low",
                                    "telos.goal_joint_high",
                                    "telos.goal_table_seed",
                                    "telos.goal_table_steps",
                                    "telos.goal_apart",
                                    "telos.goal_distance",
                                    "telos.success_radius",
                                    "telos.success_on"};
  struct task_goal *g = &c->task->target;
  if (c->task->sensors[TASK_GOAL].n == 0) {
    checker_unused(c, all, (int)(sizeof all / sizeof all[0]), "no sensor is named \"goal.*\"");
    return;
  }
  read_goal_joints(c);
  const bool joints = g->base == TASK_GOAL_JOINTS;
  read_goal_table(c);
  if (joints && (g->base == TASK_GOAL_TABLE || checker_given(c, "telos.goal") ||
                 checker_given(c, "telos.goal_low") || checker_given(c, "telos.goal_high"))) {
    checker_mistake(c, "the goal is given twice: by \"telos.goal_joints\" and in another way");
  }
  check_origin(c);
  read_goal_box(c);
  if (checker_given(c, "telos.goal") && g->base != TASK_GOAL_TABLE && g->base != TASK_GOAL_JOINTS) {
    checker_unused(c, rules, 4, "\"telos.goal\" is fixed, and drawing again would not change it");
  }
  checker_range(c, rules, c->task->goal, "the sensors \"goal.*\"", &g->hole_low, &g->hole_high);
  read_goal_apart(c);
  g->min_distance = checker_scalar(c, "telos.goal_distance", 0, CHECKER_MAX_NUMBER, 0);
  read_success(c);
}
