// fuzz_task.c - bytes become a well-formed model whose telos.* elements, sensors, actuators and
// keyframe are theirs to choose; the loader must refuse it or give a task that keeps its promises.
//
// Random text would fail in the XML parser, which is not ours. So each byte picks from a list of
// names, values and elements that are likely to matter, or gives a number or a letter itself.
// After the last byte every choice is 0, which is the plain one.
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/log.h"
#include "common/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
  const uint8_t *data;
  size_t n;
};

struct text {
  char xml[16384];
  size_t n;
};

#define PICK(s, list) ((list)[take(s) % (sizeof(list) / sizeof((list)[0]))])

static unsigned take(struct source *s) {
  if (s->n == 0) {
    return 0;
  }
  s->n--;
  return *s->data++;
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

static void put_number(struct text *t, struct source *s) {
  static const char *const odd[] = {"0",     "-1",    "0.5",  "1e300",     "-1e300", "nan",
                                    "inf",   "65535", "1e-9", "65536",     "1e9",    "1e10",
                                    "10000", "10001", "-0",   "4294967296"};
  const unsigned b = take(s);
  if (b < 240) {
    put(t, "%u", b + 1);
  } else {
    put(t, "%s", odd[b - 240]);
  }
}

static void put_numbers(struct text *t, struct source *s, unsigned n) {
  for (unsigned i = 0; i < n; i++) {
    put(t, i ? " " : "");
    put_number(t, s);
  }
}

static const char *const custom_names[] = {"telos.horizon",
                                           "telos.frame_skip",
                                           "telos.goal",
                                           "telos.goal_low",
                                           "telos.goal_high",
                                           "telos.action_scale",
                                           "telos.action_noise",
                                           "telos.reset_noise",
                                           "telos.success_radius",
                                           "telos.action_mode",
                                           "telos.",
                                           "init_qpos"};
static const char *const prefixes[] = {"obs.", "goal.", "", "obs", "reward."};
static const char *const joint_sensors[] = {"jointpos", "jointvel", "jointlimitfrc"};

static void put_custom(struct text *t, struct source *s) {
  const unsigned kind = take(s) % 8;
  put(t, "<%s name='%s", kind == 7 ? "text" : "numeric", PICK(s, custom_names));
  put_word(t, s);
  put(t, "' data='");
  if (kind == 7 && take(s) % 2 == 0) {
    put(t, "ctrl");
  } else {
    put_numbers(t, s, 1 + take(s) % 4);
  }
  put(t, "'/>");
}

static void put_sensor(struct text *t, struct source *s, unsigned joints) {
  const unsigned kind = take(s) % 6;
  const char *prefix = PICK(s, prefixes);
  if (kind == 4) {
    put(t, "<user name='%s", prefix);
    put_word(t, s);
    put(t, "' objtype='body' objname='b0' needstage='pos' datatype='real' dim='%u'/>",
        take(s) * 40 + 1);
  } else if (kind == 5) {
    put(t, "<accelerometer name='%s", prefix);
    put_word(t, s);
    put(t, "' site='s'/>");
  } else {
    put(t, "<%s name='%s", PICK(s, joint_sensors), prefix);
    put_word(t, s);
    put(t, "' joint='j%u'/>", take(s) % (joints + 1));
  }
}

static void put_bodies(struct text *t, struct source *s, unsigned joints) {
  static const char *const types[] = {"slide", "hinge", "ball"};
  put(t, "<worldbody><geom type='plane' size='1 1 1'/>");
  for (unsigned i = 0; i < joints; i++) {
    const char *type = PICK(s, types);
    const unsigned tenths = 1 + take(s) % 9;
    put(t, "<body name='b%u' pos='0 0 1'><joint name='j%u' type='%s'/><geom size='0.%u'/>", i, i,
        type, tenths);
    put(t, i == 0 ? "<site name='s'/>" : "");
  }
  for (unsigned i = 0; i < joints; i++) {
    put(t, "</body>");
  }
  put(t, "</worldbody>");
}

static void put_model(struct text *t, struct source *s) {
  static const char *const stacks[] = {"", "", " nstack='200'", " nstack='400'"};
  static const char *const integrators[] = {"Euler", "RK4", "implicit"};
  static const char *const names[] = {"m", "", "..", "a b", "../x", "box2d"};
  const unsigned joints = 1 + take(s) % 4;
  // one choice a statement: arguments have no order
  const char *name = PICK(s, names), *stack = PICK(s, stacks), *integrator = PICK(s, integrators);
  put(t, "<mujoco model='%s'><size njmax='40' nconmax='10'%s/>", name, stack);
  put(t, "<option integrator='%s' timestep='0.%03u'/>", integrator, 1 + take(s));
  put(t, "<custom>");
  for (unsigned n = take(s) % 12; n > 0; n--) {
    put_custom(t, s);
  }
  put(t, "</custom>");
  put_bodies(t, s, joints);
  put(t, "<actuator>");
  for (unsigned n = take(s) % 4; n > 0; n--) {
    put(t, "<motor joint='j%u'/>", take(s) % joints);
  }
  put(t, "</actuator><sensor>");
  for (unsigned n = take(s) % 8; n > 0; n--) {
    put_sensor(t, s, joints);
  }
  put(t, "</sensor>");
  if (take(s) % 2 == 1) {
    put(t, "<keyframe><key qpos='");
    put_numbers(t, s, joints);
    put(t, "'/></keyframe>");
  }
  put(t, "</mujoco>");
}

// what task.h promises of a task that was accepted
static void expect_sound(const struct task *t) {
  CHECK(t->name[0] != '\0' && t->name[0] != '.' && !strchr(t->name, '/'));
  CHECK(t->obs >= 1 && t->obs <= DIMS_MAX_WIDTH && t->goal >= 1 && t->goal <= DIMS_MAX_WIDTH);
  CHECK(t->act >= 1 && t->act <= DIMS_MAX_WIDTH);
  CHECK(t->horizon >= 1 && t->horizon <= DIMS_MAX_HORIZON && t->frame_skip >= 1);
  CHECK(isfinite(t->action_noise) && t->action_noise >= 0);
  CHECK(isfinite(t->success_radius) && t->success_radius >= 0);
  for (int i = 0; i < t->act; i++) {
    CHECK(isfinite(t->action_scale[i]) && t->action_scale[i] > 0);
  }
  for (int i = 0; i < t->goal; i++) {
    CHECK(isfinite(t->goal_low[i]) && isfinite(t->goal_high[i]));
    CHECK(t->goal_low[i] <= t->goal_high[i]);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct source s = {data, size};
  static struct text t;
  // below the lowest level: the messages of a million bad models say nothing
  log_set_level((enum log_level)(LOG_ERROR - 1));
  t.n = 0;
  put_model(&t, &s);
  struct task *task = NULL;
  const enum err err = task_from_xml(&task, t.xml, t.n, "fuzz");
  CHECK(err == ERR_OK || (err == ERR_CONFIG && task == NULL));
  if (err == ERR_OK) {
    expect_sound(task);
    struct task *copy = NULL;
    CHECK(task_from_mjb(&copy, task->mjb, task->mjb_size) == ERR_OK);
    CHECK(copy->digest == task->digest && copy->horizon == task->horizon);
    task_free(copy);
  }
  task_free(task);
  return 0;
}
