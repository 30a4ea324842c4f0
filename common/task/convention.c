// convention.c - reads the telos.* convention out of a compiled model and checks every rule.
//
// A check never stops at the first mistake: each one is logged with the element's name and what
// was expected. What can be read is read into the task on the way, so later checks can use it; the
// simulation itself is only tried on a model that is right otherwise.
//
// The order of the file is that of actor/tasks/README.md; actions and goals have files of their
// own.
#include "common/task/convention.h"

#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/words.h"
#include "common/task/checker.h"
#include "common/task/convention_action.h"
#include "common/task/convention_goal.h"
#include "common/task/hook.h"
#include "common/task/mj.h"
#include "common/task/randomise.h"
#include "common/task/task.h"
#include "common/task/tryout.h"

enum { MAX_FRAME_SKIP = 10000 };  // physics steps

// ---- names ----

enum kind { NUMERIC, TEXT };

static const char *const kind_name[] = {"numeric", "text"};

// every name of the convention, for look-up and for the nearest one; one that ends in '.' is
// followed by the name of a sensor, or of another element
static const struct known {
  const char *name;
  enum kind kind;
} known_names[] = {
    {"telos.horizon", NUMERIC},
    {"telos.frame_skip", NUMERIC},
    {"telos.scale.", NUMERIC},
    {"telos.hook.", TEXT},
    {"telos.action_mode", TEXT},
    {"telos.action_scale", NUMERIC},
    {"telos.action_offset", NUMERIC},
    {"telos.action_noise", NUMERIC},
    {"telos.mocap_body", TEXT},
    {"telos.hand", TEXT},
    {"telos.mocap_axes", TEXT},
    {"telos.mocap_low", NUMERIC},
    {"telos.mocap_high", NUMERIC},
    {"telos.mocap_lead", NUMERIC},
    {"telos.reset_noise", NUMERIC},
    {"telos.reset_velocity_noise", NUMERIC},
    {"telos.reset_velocity_normal", NUMERIC},
    {"telos.reset_apart", NUMERIC},
    {"telos.max_overlap", NUMERIC},
    {"telos.random.mass.", NUMERIC},
    {"telos.random.friction.", NUMERIC},
    {"telos.random.damping.", NUMERIC},
    {"telos.random.gain.", NUMERIC},
    {"telos.goal", NUMERIC},
    {"telos.goal_low", NUMERIC},
    {"telos.goal_high", NUMERIC},
    {"telos.goal_hole_low", NUMERIC},
    {"telos.goal_hole_high", NUMERIC},
    {"telos.goal_joints", TEXT},
    {"telos.goal_joint_low", NUMERIC},
    {"telos.goal_joint_high", NUMERIC},
    {"telos.goal_table_seed", NUMERIC},
    {"telos.goal_table_steps", NUMERIC},
    {"telos.goal_apart", NUMERIC},
    {"telos.goal_distance", NUMERIC},
    {"telos.success_radius", NUMERIC},
    {"telos.success_on", TEXT},
    {"telos.reward_weights", NUMERIC},
    {"telos.rate_weights", NUMERIC},
    {"telos.reward_alive", NUMERIC},
    {"telos.control_cost", NUMERIC},
    {"telos.alive_low", NUMERIC},
    {"telos.alive_high", NUMERIC},
};
enum { NKNOWN = sizeof known_names / sizeof known_names[0] };

static const struct role {
  const char *prefix, *what;
} roles[TASK_NROLE] = {
    [TASK_OBS] = {"obs.", "observation"},   [TASK_GOAL] = {"goal.", "achieved goal"},
    [TASK_REWARD] = {"reward.", "reward"},  [TASK_RATE] = {"rate.", "reward by rate"},
    [TASK_ALIVE] = {"alive.", "condition"}, [TASK_ORIGIN] = {"origin.", "goal's origin"},
    [TASK_APART] = {"apart.", "distance"},
};

static bool starts_with(const char *s, const char *prefix) {
  return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_family(const char *name) {
  return name[strlen(name) - 1] == '.';
}

// The known name, or the nearest; *exact tells which.
static const struct known *nearest_known(const char *name, bool *exact) {
  const struct known *best = NULL;
  int least = 0;
  for (int i = 0; i < NKNOWN; i++) {
    const char *word = known_names[i].name;
    *exact = is_family(word) ? starts_with(name, word) : strcmp(name, word) == 0;
    if (*exact) {
      return &known_names[i];
    }
    const int distance = words_distance(name, word);
    if (!best || distance < least) {
      least = distance;
      best = &known_names[i];
    }
  }
  return best;
}

static bool has_role(const char *sensor) {
  for (int role = 0; role < TASK_NROLE; role++) {
    if (starts_with(sensor, roles[role].prefix)) {
      return true;
    }
  }
  return false;
}

// The element whose name follows that of a family; NULL: a sensor.
static const struct randomise_kind *element_of(const struct known *known) {
  for (int i = 0; i < TASK_RANDOM_KINDS; i++) {
    if (strcmp(randomise_kinds[i].prefix, known->name) == 0) {
      return &randomise_kinds[i];
    }
  }
  return NULL;
}

// one custom element: a telos.* name that is unknown, of the other kind, or about no sensor of ours
static void check_name(struct checker *c, const char *name, enum kind kind) {
  if (!name || !starts_with(name, "telos.")) {
    return;
  }
  bool exact;
  const struct known *near = nearest_known(name, &exact);
  const struct randomise_kind *element = element_of(near);
  const int object = element ? element->object : (int)mjOBJ_SENSOR;
  const char *word = element ? element->element : "sensor";
  const char *of = exact ? name + strlen(near->name) : "";
  if (!exact) {
    const bool family = is_family(near->name);
    checker_mistake(c, "%s \"%s\" is unknown; the nearest name is \"%s%s%s%s\"", kind_name[kind],
                    name, near->name, family ? "<" : "", family ? word : "", family ? ">" : "");
  } else if (near->kind != kind) {
    checker_mistake(c, "\"%s\" is a <%s>; expected a <%s>", name, kind_name[kind],
                    kind_name[near->kind]);
  } else if (is_family(near->name) && mj_name2id(c->m, object, of) < 0) {
    checker_mistake(c, "%s \"%s\": there is no %s \"%s\"", kind_name[kind], name, word, of);
  } else if (is_family(near->name) && !element && !has_role(of)) {
    checker_mistake(
        c,
        "%s \"%s\" is not used: expected a sensor named obs.*, goal.*, reward.*, rate.*, "
        "alive.*, origin.* or apart.*",
        kind_name[kind], name);
  }
}

static void check_names(struct checker *c) {
  for (int i = 0; i < c->m->nnumeric; i++) {
    check_name(c, mj_id2name(c->m, mjOBJ_NUMERIC, i), NUMERIC);
  }
  for (int i = 0; i < c->m->ntext; i++) {
    check_name(c, mj_id2name(c->m, mjOBJ_TEXT, i), TEXT);
  }
}

// the run's folder bears the model's name, so it has to be one that is safe there
static void read_model_name(struct checker *c) {
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  const char *name = c->m->names;
  const size_t n = strlen(name);
  if (n == 0 || n > TASK_MAX_NAME || strspn(name, safe) != n || name[0] == '.') {
    checker_mistake(
        c, "<mujoco model=\"%.80s\">: expected a name of 1 to %d letters, digits, '_', '-', '.'",
        name, TASK_MAX_NAME);
    return;
  }
  memcpy(c->task->name, name, n + 1);
}

// ---- sensors ----

// a user sensor needs a hook, and no other sensor may have one
static void read_hook(struct checker *c, int sensor) {
  const mjModel *m = c->m;
  const char *name = mj_id2name(m, mjOBJ_SENSOR, sensor);
  char key[256];
  snprintf(key, sizeof key, "telos.hook.%s", name);
  const char *wanted = checker_text(c, key);
  const bool user = m->sensor_type[sensor] == mjSENS_USER;
  if (!wanted) {
    if (user) {
      checker_mistake(c,
                      "sensor \"%s\" is a user sensor, which a hook computes; expected text \"%s\"",
                      name, key);
    }
    return;
  }
  const struct hook *hook = hook_find(wanted);
  if (!user) {
    checker_mistake(c, "text \"%s\": sensor \"%s\" is not a user sensor", key, name);
  } else if (!hook) {
    char all[256] = "";
    for (size_t i = 0; hook_at(i); i++) {
      const size_t used = strlen(all);
      snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", hook_at(i)->name);
    }
    checker_mistake(c, "text \"%s\": there is no hook \"%.40s\"; expected one of %s", key, wanted,
                    all);
  } else if (hook->fault(m, sensor)) {
    checker_mistake(c, "sensor \"%s\" with hook %s: %s", name, hook->name, hook->fault(m, sensor));
  } else {
    c->task->hook[sensor] = hook;
    c->task->has_hooks = true;
  }
}

// one sensor of a role: its place in sensordata and its scale
static void add_sensor(struct checker *c, struct task_sensors *s, int sensor) {
  const mjModel *m = c->m;
  const char *name = mj_id2name(m, mjOBJ_SENSOR, sensor);
  const int dim = m->sensor_dim[sensor];
  char key[256], what[256];
  snprintf(key, sizeof key, "telos.scale.%s", name);
  snprintf(what, sizeof what, "numbers of sensor \"%s\"", name);
  double *scale = checker_vector(c, key, dim, what, ANY_SIGN, 1);
  s->id[s->n++] = sensor;
  for (int i = 0; i < dim; i++) {
    s->adr[s->width + i] = m->sensor_adr[sensor] + i;
    s->scale[s->width + i] = scale[i];
  }
  s->width += dim;
  free(scale);
  if (dim < 1) {
    checker_mistake(c, "sensor \"%s\" has no numbers; expected dim=\"1\" or more", name);
  }
  read_hook(c, sensor);
}

// The sensors whose names begin with the role's prefix, in file order.
static void read_sensors(struct checker *c, enum task_role role) {
  const mjModel *m = c->m;
  struct task_sensors *s = &c->task->sensors[role];
  const size_t room = (size_t)m->nsensordata + 1;
  s->id = must_alloc((size_t)m->nsensor + 1, sizeof *s->id);
  s->adr = must_alloc(room, sizeof *s->adr);
  s->scale = must_alloc(room, sizeof *s->scale);
  for (int i = 0; i < m->nsensor; i++) {
    const char *name = mj_id2name(m, mjOBJ_SENSOR, i);
    if (!name || !starts_with(name, roles[role].prefix)) {
      continue;
    }
    if (s->width + m->sensor_dim[i] > DIMS_MAX_WIDTH) {
      checker_mistake(c, "sensor \"%s\" brings the %s to %d numbers; expected at most %d", name,
                      roles[role].what, s->width + m->sensor_dim[i], DIMS_MAX_WIDTH);
      return;
    }
    add_sensor(c, s, i);
  }
}

static bool has_sensor(const struct checker *c, enum task_role role) {
  for (int i = 0; i < c->m->nsensor; i++) {
    const char *name = mj_id2name(c->m, mjOBJ_SENSOR, i);
    if (name && starts_with(name, roles[role].prefix)) {
      return true;
    }
  }
  return false;
}

static void read_all_sensors(struct checker *c) {
  struct task *t = c->task;
  t->hook = must_alloc((size_t)c->m->nsensor + 1, sizeof *t->hook);
  for (int role = 0; role < TASK_NROLE; role++) {
    read_sensors(c, (enum task_role)role);
  }
  t->obs = t->sensors[TASK_OBS].width;
  t->goal = t->sensors[TASK_GOAL].width;
  t->has_reward = t->sensors[TASK_REWARD].n > 0 || t->sensors[TASK_RATE].n > 0;
  if (!has_sensor(c, TASK_OBS)) {
    checker_mistake(
        c, "no sensor is named \"obs.*\"; expected at least one, which is the observation");
  }
  if (!has_sensor(c, TASK_GOAL) && !has_sensor(c, TASK_REWARD) && !has_sensor(c, TASK_RATE)) {
    checker_mistake(
        c,
        "no sensor is named \"goal.*\"; expected at least one, which is the achieved goal (or "
        "\"reward.*\" or \"rate.*\" for a task with rewards)");
  }
}

// ---- reset ----

static void read_reset(struct checker *c) {
  struct task *t = c->task;
  const int nq = (int)c->m->nq, nv = (int)c->m->nv;
  t->reset_noise =
      checker_vector(c, "telos.reset_noise", nq, "position coordinates (nq)", NOT_NEGATIVE, 0);
  t->reset_velocity_noise = checker_vector(c, "telos.reset_velocity_noise", nv,
                                           "degrees of freedom (nv)", NOT_NEGATIVE, 0);
  t->reset_velocity_normal = checker_vector(c, "telos.reset_velocity_normal", nv,
                                            "degrees of freedom (nv)", NOT_NEGATIVE, 0);
  const int napart = t->sensors[TASK_APART].n;
  t->reset_apart =
      checker_vector(c, "telos.reset_apart", napart, "sensors named \"apart.*\"", POSITIVE, 0);
  if (napart > 0 && !checker_given(c, "telos.reset_apart")) {
    checker_mistake(c, "numeric \"telos.reset_apart\" is missing; the sensors \"apart.*\" need it");
  }
  t->max_overlap = checker_scalar(c, "telos.max_overlap", 0, CHECKER_MAX_NUMBER, TASK_NO_LIMIT);
}

// ---- reward and termination ----

static void read_reward(struct checker *c) {
  static const char *const names[] = {"telos.reward_alive", "telos.control_cost"};
  struct task *t = c->task;
  t->reward_weight = checker_vector(c, "telos.reward_weights", t->sensors[TASK_REWARD].width,
                                    "numbers of sensors named \"reward.*\"", ANY_SIGN, 1);
  t->rate_weight = checker_vector(c, "telos.rate_weights", t->sensors[TASK_RATE].width,
                                  "numbers of sensors named \"rate.*\"", ANY_SIGN, 1);
  t->reward_alive = checker_scalar(c, names[0], -CHECKER_MAX_NUMBER, CHECKER_MAX_NUMBER, 0);
  t->control_cost = checker_scalar(c, names[1], 0, CHECKER_MAX_NUMBER, 0);
  if (!t->has_reward) {
    checker_unused(c, names, 2, "no sensor is named \"reward.*\" or \"rate.*\"");
  }
}

static void read_alive(struct checker *c) {
  static const char *const names[2] = {"telos.alive_low", "telos.alive_high"};
  struct task *t = c->task;
  if (t->sensors[TASK_ALIVE].n == 0) {
    checker_unused(c, names, 2, "no sensor is named \"alive.*\"");
  } else if (checker_range(c, names, t->sensors[TASK_ALIVE].width, "the sensors \"alive.*\"",
                           &t->alive_low, &t->alive_high) == 0) {
    checker_mistake(c, "numerics \"%s\" and \"%s\" are missing; the sensors \"alive.*\" need them",
                    names[0], names[1]);
  }
}

// ---- options ----

static void check_options(struct checker *c) {
  const mjModel *m = c->m;
  if (!(m->opt.timestep > 0 && m->opt.timestep <= 10)) {
    checker_mistake(c, "<option timestep=\"%g\">: expected seconds in (0, 10]", m->opt.timestep);
  }
  if (mj_has_sensor_noise(m)) {
    checker_mistake(
        c,
        "<flag sensornoise=\"enable\">: its noise does not come from the ticket, so that "
        "episodes could not be repeated; expected \"disable\"");
  }
}

int convention_read(struct task *task, const char *label) {
  struct checker c = {.task = task, .m = task->model, .label = label};
  read_model_name(&c);
  check_options(&c);
  check_names(&c);
  task->horizon = checker_required(&c, "telos.horizon", DIMS_MAX_HORIZON);
  task->frame_skip = checker_required(&c, "telos.frame_skip", MAX_FRAME_SKIP);
  read_all_sensors(&c);
  convention_read_action(&c);
  read_reset(&c);
  randomise_read(&c);
  convention_read_goal(&c);
  read_reward(&c);
  read_alive(&c);
  if (c.mistakes == 0) {
    tryout_reset_state(&c);
  }
  return c.mistakes;
}
