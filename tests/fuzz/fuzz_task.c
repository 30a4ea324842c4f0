// fuzz_task.c - bytes become a well-formed model of the whole convention; the loader must refuse
// it, or give a task that keeps what task.h promises and can be simulated.
//
// Random text would fail in the XML parser, which is not ours. So each byte picks from a list of
// names, values and elements that are likely to matter, or gives a number or a letter itself.
// After the last byte every choice is 0, which is the plain one: no bytes at all are a good task.
// A task that is refused at once shows little, so most choices are good ones, and what goes with
// the numbers of sensors has their number; mistakes are rare, and few a model.
//
// The corpus is named for what comes of its files: good_* for what a task that is accepted uses,
// refused_* for what the loader says. A change here changes what the bytes mean; then new ones are
// found by fuzzing, merged, and named again.
//
// The table of goals, the frame skip and the horizon are kept small where they cost time together.
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/mj.h"
#include "common/task/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BODIES = 3, MAX_FEATURES = 16, MAX_NUMBERS = 64, STEPS = 3, MAX_STEPPED_SKIP = 100 };

struct source {
  const uint8_t *data;
  size_t n;
};

struct text {
  char xml[32768];
  size_t n;
};

// a sensor, but for its role
struct sensor {
  const char *element, *object;  // object: a format for the number of a body
  int body, dim;
};

// what the generator knows of the model so far
struct model {
  struct source s;
  int bodies;                // with joints j0, j1, ..
  bool is_ball[MAX_BODIES];  // what joint it is
  int nq;
  bool mocap;                            // there is a body "target" and a "hand"
  struct sensor goal[MAX_FEATURES + 1];  // the sensors goal.*
  bool table;                            // there is a table of goals: episodes stay short
  int sensors;                           // written so far: part of their names
  int width[TASK_NROLE + 1];             // numbers of each role
  int count[TASK_NROLE + 1];             // sensors of each role
  int actuators;
};

static const char *const prefixes[TASK_NROLE + 1] = {
    [TASK_OBS] = "obs.",     [TASK_GOAL] = "goal.",   [TASK_REWARD] = "reward.",
    [TASK_RATE] = "rate.",   [TASK_ALIVE] = "alive.", [TASK_ORIGIN] = "origin.",
    [TASK_APART] = "apart.", [TASK_NROLE] = "other."};

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))
#define PICK(s, list) ((list)[take(s) % LENGTH(list)])

// from a list whose first ones are good: mostly one of these
#define PICK_GOOD(s, list, good) ((list)[pick_good(s, good, LENGTH(list))])

static unsigned take(struct source *s) {
  if (s->n == 0) {
    return 0;
  }
  s->n--;
  return *s->data++;
}

static size_t pick_good(struct source *s, size_t good, size_t n) {
  const unsigned b = take(s);
  return b % 32 == 17 ? b / 32 % n : b % good;
}

// true once in a while, and never after the last byte
static bool rarely(struct source *s) {
  return take(s) % 32 == 17;
}

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  const int n = vsnprintf(t->xml + t->n, sizeof t->xml - t->n, fmt, args);
  va_end(args);
  CHECK(n >= 0 && (size_t)n < sizeof t->xml - t->n);
  t->n += (size_t)n;
}

// 0 to 15 letters that need no escape
static void put_word(struct text *t, struct source *s) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzTELOS._-/0123456789 ";
  for (unsigned n = take(s) % 16; n > 0; n--) {
    put(t, "%c", letters[take(s) % (sizeof letters - 1)]);
  }
}

// the plain number is n tenths
static void put_number(struct text *t, struct source *s, int tenths) {
  static const char *const odd[] = {"0",     "-1",    "0.5",  "1e300",     "-1e300", "nan",
                                    "inf",   "65535", "1e-9", "65536",     "1e9",    "1e10",
                                    "10000", "10001", "-0",   "4294967296"};
  const unsigned b = take(s);
  if (b < 64) {
    put(t, "%d.%d", tenths / 10, tenths % 10);
  } else if (b < 208) {
    put(t, "%.2f", 0.01 * (double)(tenths + 1) * (b - 63));
  } else if (b < 240) {
    put(t, "%.2f", -0.02 * (b - 207));
  } else {
    put(t, "%s", odd[b - 240]);
  }
}

static void put_numbers(struct text *t, struct source *s, int n, int tenths) {
  for (int i = 0; i < n; i++) {
    put(t, i ? " " : "");
    put_number(t, s, tenths);
  }
}

static void put_numeric(struct text *t, struct source *s, const char *name, int n, int tenths) {
  put(t, "<custom><numeric name='telos.%s' data='", name);
  put_numbers(t, s, n, tenths);
  put(t, "'/></custom>");
}

static void put_text(struct text *t, const char *name, const char *value) {
  put(t, "<custom><text name='telos.%s' data='%s'/></custom>", name, value);
}

// n numbers; once in a while another number of them, or nothing
static void put_sized(struct text *t, struct source *s, const char *name, int n, int tenths) {
  const unsigned b = take(s);
  if (b % 32 == 17) {
    return;
  }
  n = b % 32 == 18 ? (int)(b / 32) : b % 32 == 19 ? 1 : n;
  put_numeric(t, s, name, n < 1 ? 1 : n < MAX_NUMBERS ? n : MAX_NUMBERS, tenths);
}

// ---- sensors ----

// a user sensor, mostly with its hook; returns its dim
static int put_hook(struct text *t, struct model *m, const char *sensor) {
  static const char *const stages[] = {"pos", "vel", "acc"};
  struct source *s = &m->s;
  const int nbody = m->bodies + 1 + 2 * m->mocap, nv = m->bodies + 3 * m->mocap;
  const struct {
    const char *name;
    int dim;
  } hooks[] = {
      {"qpos", m->nq},       {"qvel", nv},           {"qpos", 1},         {"qvel", 1},
      {"euler", 3},          {"cinert", 10 * nbody}, {"cvel", 6 * nbody}, {"cfrc_ext", 6 * nbody},
      {"qfrc_actuator", nv}, {"position", 1}};
  static const int odd[] = {0, 1, 2, 5000, 4096};
  const size_t i = pick_good(s, 9, LENGTH(hooks));
  const char *stage = PICK(s, stages);
  const int dim = rarely(s) ? PICK(s, odd) : hooks[i].dim;
  put(t, "<sensor><user name='%s' objtype='body' objname='b0' needstage='%s' datatype='real' ",
      sensor, stage);
  put(t, "dim='%d' user='", dim);
  put_number(t, s, 0);
  put(t, "'/></sensor>");
  if (!rarely(s)) {
    char name[64];
    snprintf(name, sizeof name, "hook.%s", sensor);
    put_text(t, name, hooks[i].name);
  }
  return dim;
}

// the sensor in a role; the names count up, so that they differ
static void put_sensor_in(struct text *t, struct model *m, enum task_role role,
                          const struct sensor *sensor) {
  char object[48], name[32];
  snprintf(name, sizeof name, "%s%d", prefixes[role], m->sensors++);
  snprintf(object, sizeof object, "%.*s%d'", (int)strcspn(sensor->object, "%"), sensor->object,
           sensor->body);
  put(t, "<sensor><%s name='%s' %s/></sensor>", sensor->element, name, object);
  if (role == TASK_GOAL && m->count[role] < MAX_FEATURES + 1) {
    m->goal[m->count[role]] = *sensor;
  }
  m->width[role] += sensor->dim;
  m->count[role]++;
  if (take(&m->s) % 16 == 15) {
    char scale[64];
    snprintf(scale, sizeof scale, "scale.%s", name);
    put_sized(t, &m->s, scale, sensor->dim, 10);
  }
}

static void put_sensor(struct text *t, struct model *m, enum task_role role) {
  static const struct sensor kinds[] = {{"jointpos", "joint='j%d'", 0, 1},
                                        {"jointvel", "joint='j%d'", 0, 1},
                                        {"jointlimitfrc", "joint='j%d'", 0, 1},
                                        {"framepos", "objtype='body' objname='b%d'", 0, 3},
                                        {"framelinvel", "objtype='geom' objname='g%d'", 0, 3},
                                        {"framequat", "objtype='body' objname='b%d'", 0, 4},
                                        {"subtreecom", "body='b%d'", 0, 3},
                                        {"subtreelinvel", "body='b%d'", 0, 3},
                                        {"accelerometer", "site='s%d'", 0, 3},
                                        {"touch", "site='s%d'", 0, 1},
                                        {"framelinacc", "objtype='body' objname='b%d'", 0, 3}};
  static const struct sensor balls[] = {{"ballquat", "joint='j%d'", 0, 4},
                                        {"ballangvel", "joint='j%d'", 0, 3},
                                        {"framexaxis", "objtype='body' objname='b%d'", 0, 3}};
  struct source *s = &m->s;
  const unsigned kind = take(s) % (LENGTH(kinds) + 2);
  if (kind >= LENGTH(kinds)) {
    char name[32];
    snprintf(name, sizeof name, "%s%d", prefixes[role], m->sensors++);
    m->width[role] += put_hook(t, m, name);
    m->count[role]++;
    return;
  }
  const int body = (int)(take(s) % (unsigned)m->bodies);
  struct sensor sensor = kind < 3 && m->is_ball[body] && !rarely(s) ? balls[kind] : kinds[kind];
  sensor.body = body;
  put_sensor_in(t, m, role, &sensor);
}

// ---- bodies ----

static void put_bodies(struct text *t, struct model *m) {
  static const char *const types[] = {"slide", "hinge", "slide", "ball"};
  static const char *const ranges[] = {"", "", " limited='true' range='-0.5 0.5'",
                                       " ref='0.3' stiffness='2'"};
  struct source *s = &m->s;
  put(t, "<worldbody><geom type='plane' size='3 3 1'/>");
  for (int i = 0; i < m->bodies; i++) {
    const char *type = PICK(s, types), *range = PICK(s, ranges);
    m->is_ball[i] = type[0] == 'b';
    m->nq += m->is_ball[i] ? 4 : 1;
    const unsigned tenths = 1 + take(s) % 9;
    put(t, "<body name='b%d' pos='0 0 1'><joint name='j%d' type='%s'%s damping='1'/>", i, i, type,
        m->is_ball[i] ? "" : range);
    put(t, "<geom name='g%d' size='0.%u'/><site name='s%d'/>", i, tenths, i);
  }
  for (int i = 0; i < m->bodies; i++) {
    put(t, "</body>");
  }
  if (m->mocap) {
    put(t,
        "<body name='target' mocap='true' pos='1 0 1'/><body name='hand' pos='1 0 1'>"
        "<joint name='hx' type='slide' axis='1 0 0'/><joint name='hy' type='slide' axis='0 1 0'/>"
        "<joint name='hz' type='slide'/><geom name='hand' size='0.1'/></body>");
  }
  put(t, "</worldbody>");
  m->nq += m->mocap ? 3 : 0;
  if (m->mocap) {
    put(t, "<equality><connect body1='target' body2='hand' anchor='0 0 0'/></equality>");
  }
}

static void put_actuators(struct text *t, struct model *m) {
  static const char *const limits[] = {"", " ctrllimited='true' ctrlrange='0 2'",
                                       " ctrllimited='true' ctrlrange='-1 3'"};
  struct source *s = &m->s;
  m->actuators = rarely(s) ? 0 : 1 + (int)(take(s) % 3);
  put(t, "<actuator>");
  for (int i = 0; i < m->actuators; i++) {
    const char *limit = PICK(s, limits);
    put(t, "<motor joint='j%d'%s/>", (int)(take(s) % (unsigned)m->bodies), limit);
  }
  put(t, "</actuator>");
}

static void put_mocap(struct text *t, struct source *s) {
  static const char *const modes[] = {"mocap", "mocap_relative", "ctrl", "velocity"};
  static const char *const targets[] = {"target", "b0", "nobody"};
  static const char *const hands[] = {"hand", "b0", "target", "nobody"};
  static const char *const axes[] = {"xyz", "xy", "zx", "z", "xx", "abc", " "};
  const char *mode = PICK_GOOD(s, modes, 2), *target = PICK_GOOD(s, targets, 1);
  const char *hand = PICK_GOOD(s, hands, 1);
  put_text(t, "action_mode", mode);
  put_text(t, "mocap_body", target);
  put_text(t, "hand", hand);
  put_sized(t, s, "action_scale", 1, 1);
  const unsigned more = take(s);
  if (more & 1) {
    put_text(t, "mocap_axes", PICK_GOOD(s, axes, 4));
  }
  if (more & 2) {
    put_sized(t, s, "mocap_low", 3, 0);
    put_sized(t, s, "mocap_high", 3, 20);
  }
  if (more & 4) {
    put_numeric(t, s, "mocap_lead", 1, 1);
  }
}

// ---- goals ----

static void put_box(struct text *t, struct model *m) {
  const int n = m->width[TASK_GOAL];
  put_sized(t, &m->s, "goal_low", n, 0);
  put_sized(t, &m->s, "goal_high", n, 20);
}

static void put_goal_joints(struct text *t, struct model *m) {
  static const struct {
    const char *names;
    int n;
  } lists[] = {{"j0", 1}, {"j0 j1", 2}, {"hx hy", 2}, {"j0 j0", 2}, {" ", 1}, {"j0 nowhere", 2}};
  const size_t good = m->mocap ? 3 : m->bodies > 1 ? 2 : 1;
  const size_t i = pick_good(&m->s, good, LENGTH(lists));
  put_text(t, "goal_joints", lists[i].names);
  put_sized(t, &m->s, "goal_joint_low", lists[i].n, 0);
  put_sized(t, &m->s, "goal_joint_high", lists[i].n, 4);
}

static void put_goal_table(struct text *t, struct model *m) {
  struct source *s = &m->s;
  const int rows = 1 + (int)(take(s) % 4), wrong = rarely(s);
  put(t, "<asset><hfield name='telos.goal_table' nrow='%d' ncol='%d' size='1 1 1 1'/></asset>",
      rows, m->width[TASK_GOAL] + wrong > 0 ? m->width[TASK_GOAL] + wrong : 1);
  put(t, "<custom><numeric name='telos.goal_table_steps' data='%u'/></custom>", 1 + take(s) % 4);
  m->table = true;
  if (take(s) % 4 == 3) {
    put_numeric(t, s, "goal_table_seed", 1, 10);
  }
}

// the goal's sensors again, as what it is relative to
static void put_origins(struct text *t, struct model *m) {
  const int n = m->count[TASK_GOAL] - rarely(&m->s);
  for (int i = 0; i < n && m->goal[i].element; i++) {
    put_sensor_in(t, m, TASK_ORIGIN, &m->goal[i]);
  }
}

static void put_goal_rules(struct text *t, struct model *m) {
  struct source *s = &m->s;
  const int n = m->width[TASK_GOAL];
  const unsigned rules = take(s);
  if (rules & 1) {
    put_sized(t, s, "goal_hole_low", n, 2);
    put_sized(t, s, "goal_hole_high", n, 8);
  }
  if (rules & 2) {
    put(t, "<custom><numeric name='telos.goal_apart' data='0 %d 1 ", n > 1 ? n - 1 : 0);
    put_number(t, s, 1);
    put(t, "%s'/></custom>", rarely(s) ? " 1" : "");
  }
  if (rules & 4) {
    put_numeric(t, s, "goal_distance", 1, 1);
  }
}

static void put_goal(struct text *t, struct model *m) {
  enum { FIXED, BOX, JOINTS, TABLE, TABLE_AND_BOX, ORIGIN_AND_BOX, FIXED_AND_BOX, NONE };
  struct source *s = &m->s;
  if (m->count[TASK_GOAL] == 0 && !rarely(s)) {
    return;
  }
  const unsigned kind = rarely(s) ? FIXED_AND_BOX + take(s) % 2 : take(s) % FIXED_AND_BOX;
  if (kind == FIXED || kind == FIXED_AND_BOX) {
    put_sized(t, s, "goal", m->width[TASK_GOAL], 5);
  } else if (kind == JOINTS) {
    put_goal_joints(t, m);
  } else if (kind == ORIGIN_AND_BOX) {
    put_origins(t, m);
  }
  if (kind == BOX || kind >= TABLE_AND_BOX) {
    put_box(t, m);
  }
  if (kind == TABLE || kind == TABLE_AND_BOX) {
    put_goal_table(t, m);
  }
  if (kind != FIXED || rarely(s)) {
    put_goal_rules(t, m);
  }
  const unsigned success = take(s);
  if (success & 1) {
    put_numeric(t, s, "success_radius", 1, 1);
  }
  if ((success & 3) == 3 || rarely(s)) {
    put(t, "<custom><text name='telos.success_on' data='goal.%u'/></custom>", 1 + take(s) % 2);
  }
}

// ---- the rest ----

// any name of the convention with any value
static void put_any(struct text *t, struct source *s) {
  static const char *const names[] = {"horizon",
                                      "frame_skip",
                                      "action_scale",
                                      "action_offset",
                                      "action_noise",
                                      "reset_noise",
                                      "reset_velocity_noise",
                                      "reset_velocity_normal",
                                      "max_overlap",
                                      "reward_alive",
                                      "control_cost",
                                      "success_radius",
                                      "goal_distance",
                                      "reset_apart",
                                      "reward_weights",
                                      "rate_weights",
                                      "alive_low",
                                      "alive_high",
                                      "goal_hole_low",
                                      "goal_table_steps",
                                      "goal_joint_low",
                                      "mocap_lead",
                                      "scale.obs.0",
                                      "scale.nothing",
                                      "hook.obs.0",
                                      "action_mode",
                                      "goal_joints",
                                      "success_on",
                                      "mocap_body",
                                      "goal_table_seed",
                                      "",
                                      "horizn"};
  const char *name = PICK(s, names);
  if (rarely(s)) {
    put(t, "<custom><text name='telos.%s' data='x", name);
    put_word(t, s);
    put(t, "'/></custom>");
  } else {
    put_numeric(t, s, name, 1 + (int)(take(s) % 4), 10);
  }
}

static void put_feature(struct text *t, struct model *m) {
  static const enum task_role used[] = {TASK_OBS,   TASK_GOAL,  TASK_REWARD, TASK_RATE,
                                        TASK_ALIVE, TASK_APART, TASK_NROLE};
  static const char *const noises[] = {"reset_noise", "reset_velocity_noise",
                                       "reset_velocity_normal", "action_noise", "max_overlap"};
  struct source *s = &m->s;
  const unsigned kind = take(s) % 16;
  if (rarely(s)) {
    put_any(t, s);
  } else if (kind < 11) {
    put_sensor(t, m, used[kind % LENGTH(used)]);
  } else {
    put_numeric(t, s, noises[kind - 11], 1, 1);
  }
}

// what the roles in use need
static void put_needs(struct text *t, struct model *m) {
  struct source *s = &m->s;
  if (m->count[TASK_ALIVE] > 0) {
    put(t, "<custom><numeric name='telos.alive_low' data='");
    for (int i = 0; i < m->width[TASK_ALIVE] && i < MAX_NUMBERS; i++) {
      put(t, " -%u", 5 + take(s));
    }
    put(t, "%s'/></custom>", m->width[TASK_ALIVE] > 0 ? "" : "0");
    put_sized(t, s, "alive_high", m->width[TASK_ALIVE], 90);
  }
  if (m->count[TASK_APART] > 0) {
    put_sized(t, s, "reset_apart", m->count[TASK_APART], 1);
  }
  const unsigned rewards = take(s);
  if (rewards & 1 && m->width[TASK_REWARD] > 0) {
    put_sized(t, s, "reward_weights", m->width[TASK_REWARD], 10);
  }
  if (rewards & 2 && m->width[TASK_RATE] > 0) {
    put_sized(t, s, "rate_weights", m->width[TASK_RATE], 10);
  }
  if (rewards & 4 && m->width[TASK_REWARD] + m->width[TASK_RATE] > 0) {
    put_numeric(t, s, "control_cost", 1, 1);
  }
}

static void put_key(struct text *t, struct model *m) {
  struct source *s = &m->s;
  const unsigned b = take(s) % 3;
  if (b == 0) {
    return;
  }
  put(t, "<keyframe><key qpos='");
  put_numbers(t, s, m->nq + rarely(s), 1);
  if (m->mocap && b == 2) {
    put(t, "' mpos='");
    put_numbers(t, s, 3, 10);
  }
  put(t, "'/></keyframe>");
}

static void put_timing(struct text *t, struct model *m) {
  static const char *const horizons[] = {"3", "1", "100", "65535", "0", "65536", "2.5", "nan"};
  static const char *const skips[] = {"2", "1", "3", "50", "10000", "0", "10001", "-1"};
  struct source *s = &m->s;
  const char *horizon = PICK_GOOD(s, horizons, 4), *skip = PICK_GOOD(s, skips, 4);
  if (m->table && strlen(skip) > 2) {
    skip = "2";
  }
  if (!rarely(s)) {
    put(t, "<custom><numeric name='telos.horizon' data='%s'/></custom>", horizon);
  }
  if (!rarely(s)) {
    put(t, "<custom><numeric name='telos.frame_skip' data='%s'/></custom>", skip);
  }
}

static void put_model(struct text *t, struct source source) {
  static const char *const stacks[] = {"", " nstack='3000'", " nstack='300'"};
  static const char *const integrators[] = {"Euler", "RK4", "implicit"};
  static const char *const names[] = {"m", "box2d", "", "..", "a b", "../x"};
  struct model m = {.s = source};
  struct source *s = &m.s;
  m.bodies = 1 + (int)(take(s) % MAX_BODIES);
  m.mocap = take(s) % 2 == 1;
  // one choice a statement: arguments have no order
  const char *name = PICK_GOOD(s, names, 2), *stack = PICK_GOOD(s, stacks, 2);
  const char *integrator = PICK(s, integrators);
  put(t, "<mujoco model='%s'><size njmax='60' nconmax='15'%s/>", name, stack);
  put(t, "<option integrator='%s' timestep='0.%03u'/>", integrator, 2 + take(s));
  put_bodies(t, &m);
  put_actuators(t, &m);
  if (m.mocap && !rarely(s)) {
    put_mocap(t, s);
  }
  if (!rarely(s)) {
    put_sensor(t, &m, TASK_OBS);
  }
  const enum task_role asked = take(s) % 4 == 3 ? TASK_REWARD : TASK_GOAL;
  if (!rarely(s)) {
    put_sensor(t, &m, asked);
  }
  for (unsigned n = take(s) % MAX_FEATURES; n > 0; n--) {
    put_feature(t, &m);
  }
  put_goal(t, &m);
  put_needs(t, &m);
  put_key(t, &m);
  put_timing(t, &m);
  put(t, "</mujoco>");
}

// ---- what must hold ----

static void expect_finite(const double *x, int n, double low) {
  for (int i = 0; i < n; i++) {
    CHECK(isfinite(x[i]) && x[i] >= low);
  }
}

static void expect_sensors(const struct task *t) {
  for (int role = 0; role < TASK_NROLE; role++) {
    const struct task_sensors *s = &t->sensors[role];
    CHECK(s->n >= 0 && s->width >= s->n && s->width <= DIMS_MAX_WIDTH);
    for (int i = 0; i < s->width; i++) {
      char name[16];
      CHECK(s->adr[i] >= 0 && s->adr[i] < t->model->nsensordata && isfinite(s->scale[i]));
      task_number_name(name, sizeof name, t, (enum task_role)role, i);
      CHECK(strlen(name) < sizeof name && strchr(name, '.'));
    }
    for (int i = 0; i < s->n; i++) {
      const bool user = t->model->sensor_type[s->id[i]] == mjSENS_USER;
      CHECK(user == (t->hook[s->id[i]] != NULL));
    }
  }
}

static void expect_action(const struct task *t) {
  const struct task_action *a = &t->action;
  CHECK(t->act >= 1 && t->act <= DIMS_MAX_WIDTH && t->act == a->naxis + t->model->nu);
  CHECK((a->mode == TASK_CTRL) == (a->naxis == 0) && a->naxis <= 3);
  CHECK(isfinite(a->noise) && a->noise >= 0);
  expect_finite(a->scale, t->act, 1e-300);
  expect_finite(a->offset, t->act, -TASK_NO_LIMIT);
  for (int i = 0; i < t->act; i++) {
    char name[16];
    task_action_name(name, sizeof name, t, i);
    CHECK(strlen(name) < sizeof name);
  }
  if (a->mode != TASK_CTRL) {
    CHECK(a->mocap >= 0 && a->mocap < t->model->nmocap);
    CHECK(a->hand > 0 && a->hand < t->model->nbody && a->lead > 0);
    for (int i = 0; i < 3; i++) {
      CHECK(a->low[i] <= a->high[i]);
    }
  }
}

static void expect_goal(const struct task *t) {
  const struct task_goal *g = &t->target;
  CHECK((t->goal == 0) == (t->sensors[TASK_GOAL].n == 0) && (t->goal > 0 || t->has_reward));
  CHECK(isfinite(t->success_radius) && t->success_radius >= 0);
  if (t->goal == 0) {
    return;
  }
  for (int i = 0; i < t->goal; i++) {
    CHECK(isfinite(g->low[i]) && isfinite(g->high[i]) && g->low[i] <= g->high[i]);
    CHECK(!g->hole_low || g->hole_low[i] <= g->hole_high[i]);
  }
  for (int i = 0; i < g->njoint; i++) {
    CHECK(g->joint_qpos[i] >= 0 && g->joint_qpos[i] < t->model->nq);
    CHECK(g->joint_low[i] <= g->joint_high[i]);
  }
  for (int i = 0; i < g->napart; i++) {
    const struct task_apart *a = &g->apart[i];
    CHECK(a->a >= 0 && a->b >= 0 && a->n >= 1 && a->a + a->n <= t->goal && a->b + a->n <= t->goal);
  }
  CHECK((g->base == TASK_GOAL_TABLE) == (g->table != NULL));
  CHECK((g->base == TASK_GOAL_JOINTS) == (g->njoint > 0));
  CHECK(g->base != TASK_GOAL_ORIGIN || t->sensors[TASK_ORIGIN].width == t->goal);
  for (int i = 0; g->table && i < g->table_rows * t->goal; i++) {
    CHECK(isfinite(g->table[i]));
  }
}

// what task.h promises of a task that was accepted
static void expect_sound(const struct task *t) {
  const mjModel *m = t->model;
  CHECK(t->name[0] != '\0' && t->name[0] != '.' && !strchr(t->name, '/'));
  CHECK(t->obs >= 1 && t->obs <= DIMS_MAX_WIDTH && t->obs == t->sensors[TASK_OBS].width);
  CHECK(t->goal <= DIMS_MAX_WIDTH && t->goal == t->sensors[TASK_GOAL].width);
  CHECK(t->horizon >= 1 && t->horizon <= DIMS_MAX_HORIZON && t->frame_skip >= 1);
  expect_sensors(t);
  expect_action(t);
  expect_goal(t);
  expect_finite(t->reset_noise, (int)m->nq, 0);
  expect_finite(t->reset_velocity_noise, (int)m->nv, 0);
  expect_finite(t->reset_velocity_normal, (int)m->nv, 0);
  expect_finite(t->reset_apart, t->sensors[TASK_APART].n, 0);
  expect_finite(t->reward_weight, t->sensors[TASK_REWARD].width, -TASK_NO_LIMIT);
  expect_finite(t->rate_weight, t->sensors[TASK_RATE].width, -TASK_NO_LIMIT);
  for (int i = 0; i < t->sensors[TASK_ALIVE].width; i++) {
    CHECK(t->alive_low[i] <= t->alive_high[i]);
  }
}

// a goal is where the task says
static void expect_drawn(const struct task *t, const float *goal) {
  const struct task_goal *g = &t->target;
  bool inside = g->hole_low != NULL;
  for (int i = 0; i < t->goal; i++) {
    const double x = (double)goal[i], slack = 1e-6 * (1 + fabs(x));
    CHECK(isfinite(x));
    CHECK(g->base != TASK_GOAL_PLAIN || (x >= g->low[i] - slack && x <= g->high[i] + slack));
    inside = inside && x > g->hole_low[i] && x < g->hole_high[i];
  }
  CHECK(!inside);
}

// An episode of a few steps; its observations and goal into trace, which is as long as it says.
static size_t simulate(float *trace, struct env *env, const struct task *t, uint64_t seed) {
  struct rng reset, action, dynamics;
  rng_init(&reset, seed, RNG_RESET, 0);
  rng_init(&action, seed, RNG_ACTION, 0);
  rng_init(&dynamics, seed, RNG_DYNAMICS, 0);
  float *goal = trace, *at = trace + t->goal;
  if (env_reset(env, goal, &reset) != ERR_OK) {
    return 0;
  }
  expect_drawn(t, goal);
  static float act[DIMS_MAX_WIDTH];
  for (int i = 0; i < STEPS; i++) {
    env_observe(env, at, at + t->obs);
    at += t->obs + t->goal;
    struct env_step step = {0};
    rng_fill_uniform(&action, act, (size_t)t->act, -1.5f, 1.5f);
    if (t->frame_skip > MAX_STEPPED_SKIP || env_step(env, act, &dynamics, &step) != ERR_OK) {
      break;
    }
    *at++ = step.reward;
  }
  return (size_t)(at - trace) * sizeof *trace;
}

struct episodes {
  const struct task *task;
  struct env *env;
  float *first, *again;
};

static void call_episodes(void *ctx) {
  struct episodes *e = ctx;
  e->env = env_new(e->task);
  const size_t n = simulate(e->first, e->env, e->task, 1);
  (void)simulate(e->again, e->env, e->task, 2);
  CHECK(simulate(e->again, e->env, e->task, 1) == n && memcmp(e->first, e->again, n) == 0);
}

// Nothing of an episode may reach the next: the first one comes again bit for bit after another.
// The stack that <size> asks for may be too small for a state that comes later, which is the one
// fatal error that loading cannot foresee.
static void expect_repeatable(const struct task *t) {
  const size_t room = (size_t)t->goal + STEPS * (size_t)(t->obs + t->goal + 1);
  struct episodes e = {.task = t};
  char text[256];
  e.first = must_alloc(room, sizeof *e.first);
  e.again = must_alloc(room, sizeof *e.again);
  CHECK(mj_try(call_episodes, &e, text, sizeof text) || strstr(text, "tack overflow"));
  env_free(e.env);
  free(e.first);
  free(e.again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct text t;
  // below the lowest level: the messages of a million bad models say nothing
  log_set_level((enum log_level)(LOG_ERROR - 1));
  // no goal table of theirs is worth keeping
  setenv("XDG_CACHE_HOME", "", 1);
  setenv("HOME", "", 1);
  t.n = 0;
  put_model(&t, (struct source){data, size});
  struct task *task = NULL;
  const enum err err = task_from_xml(&task, t.xml, t.n, "fuzz");
  CHECK(err == ERR_OK || (err == ERR_CONFIG && task == NULL));
  if (err == ERR_OK) {
    expect_sound(task);
    expect_repeatable(task);
    struct task *copy = NULL;
    CHECK(task_from_mjb(&copy, task->mjb, task->mjb_size) == ERR_OK);
    CHECK(copy->digest == task->digest && copy->horizon == task->horizon);
    expect_sound(copy);
    task_free(copy);
  }
  task_free(task);
  return 0;
}
