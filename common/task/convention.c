// convention.c - reads the telos.* convention out of a compiled model and checks every rule.
//
// A check never stops at the first mistake: each one is logged with the element's name and what
// was expected. What can be read is read into the task on the way, so later checks can use it; the
// simulation itself is only tried on a model that is right otherwise.
//
// The order of the file is that of actor/tasks/README.md.
#include "common/task/convention.h"

#include <math.h>
#include <mujoco/mujoco.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/words.h"
#include "common/task/hook.h"
#include "common/task/mj.h"
#include "common/task/task.h"

enum {
  MAX_FRAME_SKIP = 10000,   // physics steps
  MAX_TABLE_ROWS = 100000,  // of a goal table
  MAX_WORDS = 256,          // in one text
  MAX_WORD = 64,            // characters
};

// a set-point or scale beyond this is a slip of the pen, and float would lose it
static const double max_number = TASK_NO_LIMIT;

struct checker {
  struct task *task;
  const mjModel *m;
  const char *label;
  int mistakes;
};

static void __attribute__((format(printf, 2, 3))) mistake(struct checker *c, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  log_error("task %s: %s", c->label, text);
  c->mistakes++;
}

// ---- names ----

enum kind { NUMERIC, TEXT };

static const char *const kind_name[] = {"numeric", "text"};

// every name of the convention, for look-up and for the nearest one; one that ends in '.' is
// followed by the name of a sensor
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

// one custom element: a telos.* name that is unknown, of the other kind, or about no sensor of ours
static void check_name(struct checker *c, const char *name, enum kind kind) {
  if (!name || !starts_with(name, "telos.")) {
    return;
  }
  bool exact;
  const struct known *near = nearest_known(name, &exact);
  if (!exact) {
    mistake(c, "%s \"%s\" is unknown; the nearest name is \"%s%s\"", kind_name[kind], name,
            near->name, is_family(near->name) ? "<sensor>" : "");
  } else if (near->kind != kind) {
    mistake(c, "\"%s\" is a <%s>; expected a <%s>", name, kind_name[kind], kind_name[near->kind]);
  } else if (is_family(near->name) &&
             mj_name2id(c->m, mjOBJ_SENSOR, name + strlen(near->name)) < 0) {
    mistake(c, "%s \"%s\": there is no sensor \"%s\"", kind_name[kind], name,
            name + strlen(near->name));
  } else if (is_family(near->name) && !has_role(name + strlen(near->name))) {
    mistake(c,
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
    mistake(c,
            "<mujoco model=\"%.80s\">: expected a name of 1 to %d letters, digits, '_', '-', '.'",
            name, TASK_MAX_NAME);
    return;
  }
  memcpy(c->task->name, name, n + 1);
}

// ---- numerics and texts ----

static bool given(const struct checker *c, const char *name) {
  return mj_name2id(c->m, mjOBJ_NUMERIC, name) >= 0 || mj_name2id(c->m, mjOBJ_TEXT, name) >= 0;
}

// The values of a numeric, *n of them, all finite and of sensible size; NULL when it is absent or
// wrong (then *n = -1 and the mistake is logged).
static const double *numeric(struct checker *c, const char *name, int *n) {
  *n = 0;
  const int id = mj_name2id(c->m, mjOBJ_NUMERIC, name);
  if (id < 0) {
    return NULL;
  }
  const double *x = &c->m->numeric_data[c->m->numeric_adr[id]];
  const int size = c->m->numeric_size[id];
  for (int i = 0; i < size; i++) {
    if (!(fabs(x[i]) <= max_number)) {
      mistake(c, "numeric \"%s\": value %d is %g; expected a finite number of at most %g", name, i,
              x[i], max_number);
      *n = -1;
      return NULL;
    }
  }
  *n = size;
  return x;
}

// one value that must lie in [lo, hi]
static double scalar(struct checker *c, const char *name, double lo, double hi, double absent) {
  int n;
  const double *x = numeric(c, name, &n);
  if (!x) {
    return absent;
  }
  if (n != 1) {
    mistake(c, "numeric \"%s\" has %d values; expected one", name, n);
    return absent;
  }
  if (!(x[0] >= lo && x[0] <= hi)) {
    mistake(c, "numeric \"%s\" is %g; expected a number in [%g, %g]", name, x[0], lo, hi);
    return absent;
  }
  return x[0];
}

// a whole number in [lo, hi]
static int whole(struct checker *c, const char *name, int lo, int hi, int absent) {
  const double x = scalar(c, name, lo, hi, absent);
  if (x != floor(x)) {
    mistake(c, "numeric \"%s\" is %g; expected a whole number in [%d, %d]", name, x, lo, hi);
    return absent;
  }
  return (int)x;
}

static int required(struct checker *c, const char *name, int hi) {
  if (!given(c, name)) {
    mistake(c, "numeric \"%s\" is missing; expected a whole number in [1, %d]", name, hi);
    return 1;
  }
  return whole(c, name, 1, hi, 1);
}

enum sign { ANY_SIGN, NOT_NEGATIVE, POSITIVE };

// One value for all, or one for each of n; what says each what. Unset or wrong: all are absent.
static double *vector(struct checker *c, const char *name, int n, const char *what, enum sign sign,
                      double absent) {
  double *out = must_alloc((size_t)(n > 0 ? n : 1), sizeof *out);
  int have;
  const double *x = numeric(c, name, &have);
  if (x && n == 0) {
    mistake(c, "numeric \"%s\" is about %s, and there are none", name, what);
    x = NULL;
  } else if (x && have != 1 && have != n) {
    mistake(c, "numeric \"%s\" has %d values; expected one, or one for each of %d %s", name, have,
            n, what);
    x = NULL;
  }
  for (int i = 0; x && i < have; i++) {
    if (sign == POSITIVE ? x[i] <= 0 : sign == NOT_NEGATIVE && x[i] < 0) {
      mistake(c, "numeric \"%s\": value %d is %g; expected a %s number", name, i, x[i],
              sign == POSITIVE ? "positive" : "non-negative");
      x = NULL;
    }
  }
  for (int i = 0; i < n; i++) {
    out[i] = x ? x[have == 1 ? 0 : i] : absent;
  }
  return out;
}

// Two numerics of n values each, low <= high; one name twice is a box of no size. 1: read into *low
// and *high; 0: neither is given, 2: a mistake; then both are NULL.
static int range(struct checker *c, const char *const name[2], int n, const char *what,
                 double **low, double **high) {
  const double *x[2];
  bool good = true;
  *low = *high = NULL;
  if (!given(c, name[0]) && !given(c, name[1])) {
    return 0;
  }
  const int names = name[0] == name[1] ? 1 : 2;
  for (int i = 0; i < names; i++) {
    int have;
    x[i] = numeric(c, name[i], &have);
    good = good && x[i];
    if (!given(c, name[i])) {
      mistake(c, "numeric \"%s\" is missing; \"%s\" needs it", name[i], name[1 - i]);
    } else if (x[i] && have != n) {
      mistake(c, "numeric \"%s\" has %d values; %s have %d", name[i], have, what, n);
      good = false;
    }
  }
  x[1] = x[names - 1];
  for (int i = 0; good && i < n; i++) {
    if (x[0][i] > x[1][i]) {
      mistake(c, "numeric \"%s\": value %d is %g, above %s's %g", name[0], i, x[0][i], name[1],
              x[1][i]);
      good = false;
    }
  }
  if (!good) {
    return 2;
  }
  *low = must_alloc((size_t)n + 1, sizeof **low);
  *high = must_alloc((size_t)n + 1, sizeof **high);
  memcpy(*low, x[0], (size_t)n * sizeof **low);
  memcpy(*high, x[1], (size_t)n * sizeof **high);
  return 1;
}

// The text of that name, or NULL.
static const char *text(const struct checker *c, const char *name) {
  const int id = mj_name2id(c->m, mjOBJ_TEXT, name);
  return id < 0 ? NULL : c->m->text_data + c->m->text_adr[id];
}

// Next blank-separated word of *at into word; false at the end. A longer one is cut.
static bool next_word(const char **at, char word[MAX_WORD]) {
  const char *p = *at + strspn(*at, " \t\n");
  const size_t n = strcspn(p, " \t\n");
  *at = p + n;
  snprintf(word, MAX_WORD, "%.*s", (int)n, p);
  return n > 0;
}

// the body that a required text names, or -1
static int body(struct checker *c, const char *name, const char *what) {
  const char *value = text(c, name);
  if (!value) {
    mistake(c, "text \"%s\" is missing; expected the name of %s", name, what);
    return -1;
  }
  const int id = mj_name2id(c->m, mjOBJ_BODY, value);
  if (id < 0) {
    mistake(c, "text \"%s\": there is no body \"%.60s\"", name, value);
  }
  return id;
}

// names given although nothing uses them, with the reason
static void unused(struct checker *c, const char *const *names, int n, const char *reason) {
  for (int i = 0; i < n; i++) {
    if (given(c, names[i])) {
      mistake(c, "\"%s\" is not used: %s", names[i], reason);
    }
  }
}

// ---- sensors ----

// a user sensor needs a hook, and no other sensor may have one
static void read_hook(struct checker *c, int sensor) {
  const mjModel *m = c->m;
  const char *name = mj_id2name(m, mjOBJ_SENSOR, sensor);
  char key[256];
  snprintf(key, sizeof key, "telos.hook.%s", name);
  const char *wanted = text(c, key);
  const bool user = m->sensor_type[sensor] == mjSENS_USER;
  if (!wanted) {
    if (user) {
      mistake(c, "sensor \"%s\" is a user sensor, which a hook computes; expected text \"%s\"",
              name, key);
    }
    return;
  }
  const struct hook *hook = hook_find(wanted);
  if (!user) {
    mistake(c, "text \"%s\": sensor \"%s\" is not a user sensor", key, name);
  } else if (!hook) {
    char all[256] = "";
    for (size_t i = 0; hook_at(i); i++) {
      const size_t used = strlen(all);
      snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", hook_at(i)->name);
    }
    mistake(c, "text \"%s\": there is no hook \"%.40s\"; expected one of %s", key, wanted, all);
  } else if (hook->fault(m, sensor)) {
    mistake(c, "sensor \"%s\" with hook %s: %s", name, hook->name, hook->fault(m, sensor));
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
  double *scale = vector(c, key, dim, what, ANY_SIGN, 1);
  s->id[s->n++] = sensor;
  for (int i = 0; i < dim; i++) {
    s->adr[s->width + i] = m->sensor_adr[sensor] + i;
    s->scale[s->width + i] = scale[i];
  }
  s->width += dim;
  free(scale);
  if (dim < 1) {
    mistake(c, "sensor \"%s\" has no numbers; expected dim=\"1\" or more", name);
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
      mistake(c, "sensor \"%s\" brings the %s to %d numbers; expected at most %d", name,
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
    mistake(c, "no sensor is named \"obs.*\"; expected at least one, which is the observation");
  }
  if (!has_sensor(c, TASK_GOAL) && !has_sensor(c, TASK_REWARD) && !has_sensor(c, TASK_RATE)) {
    mistake(c,
            "no sensor is named \"goal.*\"; expected at least one, which is the achieved goal (or "
            "\"reward.*\" or \"rate.*\" for a task with rewards)");
  }
}

// ---- actions ----

// m is the number of actuators; an actuator without telos.action_scale covers its ctrlrange
static void read_action_scale(struct checker *c) {
  const mjModel *m = c->m;
  struct task *t = c->task;
  struct task_action *a = &t->action;
  const bool scaled = given(c, "telos.action_scale") || given(c, "telos.action_offset");
  a->scale = vector(c, "telos.action_scale", t->act, "actions", POSITIVE, 1);
  a->offset = vector(c, "telos.action_offset", t->act, "actions", ANY_SIGN, 0);
  if (a->mode != TASK_CTRL && !given(c, "telos.action_scale")) {
    mistake(c, "numeric \"telos.action_scale\" is missing; mocap modes need metres per step");
  }
  for (int i = 0; i < m->nu && !scaled; i++) {
    if (m->actuator_ctrllimited[i]) {
      const double low = m->actuator_ctrlrange[2 * i], high = m->actuator_ctrlrange[2 * i + 1];
      a->scale[a->naxis + i] = (high - low) / 2;
      a->offset[a->naxis + i] = (high + low) / 2;
    }
  }
}

static void read_mocap_axes(struct checker *c) {
  struct task_action *a = &c->task->action;
  const char *axes = text(c, "telos.mocap_axes");
  axes = axes ? axes : "xyz";
  bool good = axes[0] != '\0';
  for (const char *p = axes; *p && good; p++) {
    good = *p >= 'x' && *p <= 'z' && !strchr(p + 1, *p) && a->naxis < 3;
    if (good) {
      a->axis[a->naxis++] = *p - 'x';
    }
  }
  if (!good) {
    a->naxis = 3;
    mistake(c, "text \"telos.mocap_axes\" is \"%.40s\"; expected some of x, y, z, each once", axes);
  }
}

static void read_mocap(struct checker *c) {
  static const char *const limit[2] = {"telos.mocap_low", "telos.mocap_high"};
  struct task_action *a = &c->task->action;
  const int mocap = body(c, "telos.mocap_body", "a mocap body, which actions move");
  const int hand = body(c, "telos.hand", "the body that follows the mocap body");
  if (mocap >= 0) {
    a->mocap = c->m->body_mocapid[mocap];
    if (a->mocap < 0) {
      mistake(c,
              "text \"telos.mocap_body\": body \"%s\" is not a mocap body; expected mocap=\"true\"",
              mj_id2name(c->m, mjOBJ_BODY, mocap));
      a->mocap = 0;
    }
  }
  a->hand = hand > 0 ? hand : 0;
  if (hand >= 0 && hand == mocap) {
    mistake(c,
            "text \"telos.hand\" names the mocap body itself; expected the body that follows it");
  }
  read_mocap_axes(c);
  double *low, *high;
  if (range(c, limit, 3, "set-points", &low, &high) == 1) {
    memcpy(a->low, low, sizeof a->low);
    memcpy(a->high, high, sizeof a->high);
  }
  free(low);
  free(high);
  a->lead = scalar(c, "telos.mocap_lead", 1e-6, max_number, TASK_NO_LIMIT);
  if (a->mode == TASK_MOCAP_RELATIVE && given(c, "telos.mocap_lead")) {
    mistake(c,
            "\"telos.mocap_lead\" is not used: mocap_relative starts from the hand at every step");
  }
}

static void read_action(struct checker *c) {
  static const char *const modes[] = {
      [TASK_CTRL] = "ctrl", [TASK_MOCAP] = "mocap", [TASK_MOCAP_RELATIVE] = "mocap_relative"};
  static const char *const mocap_names[] = {"telos.mocap_body", "telos.hand",
                                            "telos.mocap_axes", "telos.mocap_low",
                                            "telos.mocap_high", "telos.mocap_lead"};
  struct task *t = c->task;
  struct task_action *a = &t->action;
  const char *mode = text(c, "telos.action_mode");
  a->lead = TASK_NO_LIMIT;
  for (int i = 0; i < 3; i++) {
    a->low[i] = -TASK_NO_LIMIT;
    a->high[i] = TASK_NO_LIMIT;
    if (mode && strcmp(mode, modes[i]) == 0) {
      a->mode = (enum task_action_mode)i;
      mode = NULL;
    }
  }
  if (mode) {
    mistake(c, "text \"telos.action_mode\" is \"%.40s\"; expected ctrl, mocap or mocap_relative",
            mode);
  } else if (a->mode == TASK_CTRL) {
    unused(c, mocap_names, 6, "\"telos.action_mode\" is ctrl");
  } else {
    read_mocap(c);
  }
  t->act = (int)c->m->nu + a->naxis;
  if (t->act < 1 || t->act > DIMS_MAX_WIDTH) {
    mistake(c, "the model has %d actuators; expected 1 to %d", (int)c->m->nu, DIMS_MAX_WIDTH);
  }
  read_action_scale(c);
  a->noise = scalar(c, "telos.action_noise", 0, 100, 0);
}

// ---- reset ----

static void read_reset(struct checker *c) {
  struct task *t = c->task;
  const int nq = (int)c->m->nq, nv = (int)c->m->nv;
  t->reset_noise = vector(c, "telos.reset_noise", nq, "position coordinates (nq)", NOT_NEGATIVE, 0);
  t->reset_velocity_noise =
      vector(c, "telos.reset_velocity_noise", nv, "degrees of freedom (nv)", NOT_NEGATIVE, 0);
  t->reset_velocity_normal =
      vector(c, "telos.reset_velocity_normal", nv, "degrees of freedom (nv)", NOT_NEGATIVE, 0);
  const int napart = t->sensors[TASK_APART].n;
  t->reset_apart = vector(c, "telos.reset_apart", napart, "sensors named \"apart.*\"", POSITIVE, 0);
  if (napart > 0 && !given(c, "telos.reset_apart")) {
    mistake(c, "numeric \"telos.reset_apart\" is missing; the sensors \"apart.*\" need it");
  }
  t->max_overlap = scalar(c, "telos.max_overlap", 0, max_number, TASK_NO_LIMIT);
}

// ---- goal ----

// how the goal's numbers are drawn, except by joints: telos.goal, or the box; zeros when a table
// stands alone
static void read_goal_box(struct checker *c) {
  static const char *const names[2] = {"telos.goal_low", "telos.goal_high"};
  struct task_goal *g = &c->task->target;
  const int n = c->task->goal;
  const bool fixed = given(c, "telos.goal");
  const bool box = given(c, names[0]) || given(c, names[1]);
  if (fixed && box) {
    mistake(c,
            "the goal is given twice; expected numeric \"telos.goal\", or both \"%s\" and \"%s\"",
            names[0], names[1]);
  } else if (fixed) {
    static const char only[] = "telos.goal";
    range(c, (const char *const[2]){only, only}, n, "the sensors \"goal.*\"", &g->low, &g->high);
  } else if (box) {
    range(c, names, n, "the sensors \"goal.*\"", &g->low, &g->high);
  } else if (g->base != TASK_GOAL_TABLE && g->base != TASK_GOAL_JOINTS) {
    mistake(c,
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
    mistake(c, "text \"telos.goal_joints\": there is no joint \"%s\"", name);
    return -1;
  }
  if (c->m->jnt_type[id] != mjJNT_SLIDE && c->m->jnt_type[id] != mjJNT_HINGE) {
    mistake(c, "text \"telos.goal_joints\": joint \"%s\" is neither a slide nor a hinge", name);
    return -1;
  }
  return id;
}

static void read_goal_joints(struct checker *c) {
  static const char *const names[2] = {"telos.goal_joint_low", "telos.goal_joint_high"};
  struct task_goal *g = &c->task->target;
  const mjModel *m = c->m;
  const char *at = text(c, "telos.goal_joints");
  if (!at) {
    unused(c, names, 2, "there is no text \"telos.goal_joints\"");
    return;
  }
  char word[MAX_WORD];
  int joint[MAX_WORDS];
  g->base = TASK_GOAL_JOINTS;
  g->joint_qpos = must_alloc(MAX_WORDS, sizeof *g->joint_qpos);
  while (g->njoint < MAX_WORDS && next_word(&at, word)) {
    const int id = goal_joint(c, word);
    for (int i = 0; i < g->njoint && id >= 0; i++) {
      if (joint[i] == id) {
        mistake(c, "text \"telos.goal_joints\" names joint \"%s\" twice", word);
        break;
      }
    }
    joint[g->njoint] = id;
    g->joint_qpos[g->njoint++] = id < 0 ? 0 : m->jnt_qposadr[id];
  }
  if (g->njoint == 0) {
    mistake(c, "text \"telos.goal_joints\" names no joint");
    return;
  }
  const int got =
      range(c, names, g->njoint, "\"telos.goal_joints\"", &g->joint_low, &g->joint_high);
  if (got == 0) {
    mistake(c, "numerics \"%s\" and \"%s\" are missing; \"telos.goal_joints\" needs them", names[0],
            names[1]);
  }
  for (int i = 0; i < g->njoint && got == 1; i++) {
    const int id = joint[i];
    if (id >= 0 && m->jnt_limited[id] &&
        (g->joint_low[i] < m->jnt_range[2 * id] || g->joint_high[i] > m->jnt_range[2 * id + 1])) {
      mistake(
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
    unused(c, names, 2, "there is no <hfield name=\"telos.goal_table\">");
    return;
  }
  g->base = TASK_GOAL_TABLE;
  g->table = m->hfield_data + m->hfield_adr[id];
  g->table_rows = m->hfield_nrow[id];
  g->table_seed = (unsigned)whole(c, names[0], 0, (int)max_number, 0);
  g->table_steps = whole(c, names[1], 1, DIMS_MAX_HORIZON, c->task->horizon);
  if (m->hfield_ncol[id] != c->task->goal) {
    mistake(c, "<hfield name=\"telos.goal_table\"> has ncol=\"%d\"; the sensors \"goal.*\" have %d",
            m->hfield_ncol[id], c->task->goal);
  }
  if (g->table_rows > MAX_TABLE_ROWS) {
    mistake(c, "<hfield name=\"telos.goal_table\"> has nrow=\"%d\"; expected at most %d",
            g->table_rows, MAX_TABLE_ROWS);
  }
  const int n = g->table_rows * m->hfield_ncol[id];
  for (int i = 0; i < n; i++) {
    if (!isfinite(g->table[i])) {
      mistake(c, "<hfield name=\"telos.goal_table\">: value %d is not finite", i);
      return;
    }
  }
}

static void read_goal_apart(struct checker *c) {
  struct task_goal *g = &c->task->target;
  int n;
  const double *x = numeric(c, "telos.goal_apart", &n);
  if (!x) {
    return;
  }
  if (n % 4 != 0) {
    mistake(c,
            "numeric \"telos.goal_apart\" has %d values; expected groups of four: A B N DISTANCE",
            n);
    return;
  }
  g->apart = must_alloc((size_t)n / 4, sizeof *g->apart);
  for (int i = 0; i < n; i += 4) {
    const double a = x[i], b = x[i + 1], len = x[i + 2], distance = x[i + 3];
    if (a < 0 || b < 0 || len < 1 || a + len > c->task->goal || b + len > c->task->goal ||
        a != floor(a) || b != floor(b) || len != floor(len) || !(distance > 0)) {
      mistake(c,
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
  t->success_radius = scalar(c, "telos.success_radius", 0, max_number, 0);
  t->success_counts = must_alloc((size_t)t->goal + 1, sizeof *t->success_counts);
  const char *at = text(c, "telos.success_on");
  for (int i = 0; i < t->goal; i++) {
    t->success_counts[i] = at == NULL;
  }
  char word[MAX_WORD];
  int found = 0;
  while (at && next_word(&at, word)) {
    int first = 0, i = 0;
    while (i < s->n && strcmp(mj_id2name(c->m, mjOBJ_SENSOR, s->id[i]), word) != 0) {
      first += c->m->sensor_dim[s->id[i++]];
    }
    if (i == s->n) {
      mistake(c, "text \"telos.success_on\": there is no sensor \"%s\" among \"goal.*\"", word);
      continue;
    }
    found++;
    for (int j = 0; j < c->m->sensor_dim[s->id[i]]; j++) {
      t->success_counts[first + j] = true;
    }
  }
  if (text(c, "telos.success_on") && found == 0) {
    mistake(c, "text \"telos.success_on\" names no sensor of \"goal.*\"");
  }
  if (text(c, "telos.success_on") && !given(c, "telos.success_radius")) {
    mistake(c, "\"telos.success_on\" is not used: there is no numeric \"telos.success_radius\"");
  }
}

static void check_origin(struct checker *c) {
  struct task *t = c->task;
  const struct task_sensors *s = &t->sensors[TASK_ORIGIN];
  if (s->n == 0) {
    return;
  }
  if (t->target.base != TASK_GOAL_PLAIN) {
    mistake(c, "the sensors \"origin.*\" are not used: the goal comes from %s",
            t->target.base == TASK_GOAL_TABLE ? "a table" : "joints");
    return;
  }
  if (s->width != t->goal) {
    mistake(c, "the sensors \"origin.*\" have %d numbers; the sensors \"goal.*\" have %d", s->width,
            t->goal);
  }
  t->target.base = TASK_GOAL_ORIGIN;
}

static void read_goal(struct checker *c) {
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
    unused(c, all, (int)(sizeof all / sizeof all[0]), "no sensor is named \"goal.*\"");
    return;
  }
  read_goal_joints(c);
  const bool joints = g->base == TASK_GOAL_JOINTS;
  read_goal_table(c);
  if (joints && (g->base == TASK_GOAL_TABLE || given(c, "telos.goal") ||
                 given(c, "telos.goal_low") || given(c, "telos.goal_high"))) {
    mistake(c, "the goal is given twice: by \"telos.goal_joints\" and in another way");
  }
  check_origin(c);
  read_goal_box(c);
  if (given(c, "telos.goal") && g->base != TASK_GOAL_TABLE && g->base != TASK_GOAL_JOINTS) {
    unused(c, rules, 4, "\"telos.goal\" is fixed, and drawing again would not change it");
  }
  range(c, rules, c->task->goal, "the sensors \"goal.*\"", &g->hole_low, &g->hole_high);
  read_goal_apart(c);
  g->min_distance = scalar(c, "telos.goal_distance", 0, max_number, 0);
  read_success(c);
}

// ---- reward and termination ----

static void read_reward(struct checker *c) {
  static const char *const names[] = {"telos.reward_alive", "telos.control_cost"};
  struct task *t = c->task;
  t->reward_weight = vector(c, "telos.reward_weights", t->sensors[TASK_REWARD].width,
                            "numbers of sensors named \"reward.*\"", ANY_SIGN, 1);
  t->rate_weight = vector(c, "telos.rate_weights", t->sensors[TASK_RATE].width,
                          "numbers of sensors named \"rate.*\"", ANY_SIGN, 1);
  t->reward_alive = scalar(c, names[0], -max_number, max_number, 0);
  t->control_cost = scalar(c, names[1], 0, max_number, 0);
  if (!t->has_reward) {
    unused(c, names, 2, "no sensor is named \"reward.*\" or \"rate.*\"");
  }
}

static void read_alive(struct checker *c) {
  static const char *const names[2] = {"telos.alive_low", "telos.alive_high"};
  struct task *t = c->task;
  if (t->sensors[TASK_ALIVE].n == 0) {
    unused(c, names, 2, "no sensor is named \"alive.*\"");
  } else if (range(c, names, t->sensors[TASK_ALIVE].width, "the sensors \"alive.*\"", &t->alive_low,
                   &t->alive_high) == 0) {
    mistake(c, "numerics \"%s\" and \"%s\" are missing; the sensors \"alive.*\" need them",
            names[0], names[1]);
  }
}

// ---- the simulation ----

static void check_options(struct checker *c) {
  const mjModel *m = c->m;
  if (!(m->opt.timestep > 0 && m->opt.timestep <= 10)) {
    mistake(c, "<option timestep=\"%g\">: expected seconds in (0, 10]", m->opt.timestep);
  }
  if (mj_has_sensor_noise(m)) {
    mistake(c,
            "<flag sensornoise=\"enable\">: its noise does not come from the ticket, so that "
            "episodes could not be repeated; expected \"disable\"");
  }
}

static void check_finite(struct checker *c, const mjData *d, const char *state) {
  const mjModel *m = c->m;
  for (int i = 0; i < m->nsensor; i++) {
    for (int j = 0; j < m->sensor_dim[i]; j++) {
      if (!isfinite(d->sensordata[m->sensor_adr[i] + j])) {
        const char *name = mj_id2name(m, mjOBJ_SENSOR, i);
        mistake(c, "sensor \"%s\" is not finite at %s", name ? name : "(unnamed)", state);
        break;
      }
    }
  }
}

// An episode that begins outside of its ranges would end with its first step. What hooks compute is
// left to the rollout.
static void check_alive(struct checker *c, const mjData *d, const char *state) {
  const struct task *t = c->task;
  const struct task_sensors *s = &t->sensors[TASK_ALIVE];
  for (int i = 0, at = 0; i < s->n; i++) {
    const int end = at + c->m->sensor_dim[s->id[i]];
    for (; at < end; at++) {
      const double x = d->sensordata[s->adr[at]] * s->scale[at];
      if (!t->hook[s->id[i]] && !(x >= t->alive_low[at] && x <= t->alive_high[at])) {
        mistake(c,
                "sensor \"%s\" is %g at %s; expected \"telos.alive_low\" %g to "
                "\"telos.alive_high\" %g",
                mj_id2name(c->m, mjOBJ_SENSOR, s->id[i]), x, state, t->alive_low[at],
                t->alive_high[at]);
      }
    }
  }
}

struct trial {
  const mjModel *m;
  mjData *d;
};

static void try_reset_state(void *ctx) {
  struct trial *t = ctx;
  t->d = mj_makeData(t->m);
  if (t->m->nkey > 0) {
    mj_resetDataKeyframe(t->m, t->d, 0);
  }
  mj_step1(t->m, t->d);
  mj_forward(t->m, t->d);
}

// The reset state must be one that the simulation can start from: everything is computed there
// once. Bad numbers make MuJoCo put its default state in place, which a counter tells; too little
// memory in <size> is a fatal error.
static void check_reset_state(struct checker *c) {
  const char *state = c->m->nkey > 0 ? "the first <key>" : "the default state (there is no <key>)";
  struct trial t = {.m = c->m};
  char why[512];
  if (!mj_try(try_reset_state, &t, why, sizeof why)) {
    mistake(c, "MuJoCo cannot simulate %s: %s", state, why);
  } else if (t.d->warning[mjWARN_BADQPOS].number || t.d->warning[mjWARN_BADQVEL].number) {
    mistake(c, "%s has a position or velocity that is not a number of sensible size", state);
  } else {
    check_finite(c, t.d, state);
    check_alive(c, t.d, state);
  }
  mj_deleteData(t.d);
}

int convention_read(struct task *task, const char *label) {
  struct checker c = {.task = task, .m = task->model, .label = label};
  read_model_name(&c);
  check_options(&c);
  check_names(&c);
  task->horizon = required(&c, "telos.horizon", DIMS_MAX_HORIZON);
  task->frame_skip = required(&c, "telos.frame_skip", MAX_FRAME_SKIP);
  read_all_sensors(&c);
  read_action(&c);
  read_reset(&c);
  read_goal(&c);
  read_reward(&c);
  read_alive(&c);
  if (c.mistakes == 0) {
    check_reset_state(&c);
  }
  return c.mistakes;
}
