// task_show.c - the sheet of a task: every number that the policy sees, gives or is measured by.
//
// Text says each thing once, in the order in which the convention is documented; JSON has the same
// under names that do not change. Observations can be hundreds of numbers, so the text has one row
// a sensor there, and one row a number for goals and actions.
#include "deploy/launch/task_show.h"

#include <inttypes.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/hook.h"

enum { MAX_NAME = 128, MAX_ROW = 512 };

// ---- cost ----

enum { BATCHES = 9, BATCH_STEPS = 200, BATCH_RESETS = 10, MAX_FAILURES = 100 };

static const double batch_us = 20000;  // a batch of steps ends after this

// The processor's time of this thread: other work on the machine does not count.
static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double x[BATCHES]) {
  qsort(x, BATCHES, sizeof *x, compare);
  return x[BATCHES / 2];
}

struct clocked {
  const struct task *task;
  struct env *env;
  float *act, *desired;
  struct rng rng;
  int failures;  // unstable steps
};

// A reset and one step, or more up to the episode's end; *us and *n are of the steps alone.
static enum err clock_episode(struct clocked *c, int most, double *us, int *n) {
  struct env_step step = {0};
  enum err err = env_reset(c->env, c->desired, &c->rng);
  *n = 0;
  const double start = now_us();
  while (err == ERR_OK && *n < most && *n < c->task->horizon && !step.terminated &&
         now_us() - start < batch_us) {
    rng_fill_uniform(&c->rng, c->act, (size_t)c->task->act, -1.0f, 1.0f);
    err = env_step(c->env, c->act, &c->rng, &step);
    c->failures += err != ERR_OK;
    (*n)++;
  }
  *us = now_us() - start;
  return *n > 0 && c->failures < MAX_FAILURES ? ERR_OK : ERR_NUMERIC;
}

static enum err clock_batches(struct task_cost *cost, struct clocked *c) {
  double step[BATCHES], reset[BATCHES];
  enum err err = ERR_OK;
  for (int b = 0; b < BATCHES && err == ERR_OK; b++) {
    double sum = 0, us;
    int steps = 0, n;
    while (steps < BATCH_STEPS && sum < batch_us && err == ERR_OK) {
      err = clock_episode(c, BATCH_STEPS - steps, &us, &n);
      sum += us;
      steps += n;
    }
    step[b] = sum / steps;
    const double start = now_us();
    for (int i = 0; i < BATCH_RESETS && err == ERR_OK; i++) {
      err = env_reset(c->env, c->desired, &c->rng);
    }
    reset[b] = (now_us() - start) / BATCH_RESETS;
  }
  if (err == ERR_OK) {
    *cost = (struct task_cost){.step = median(step), .reset = median(reset)};
  }
  return err;
}

enum err task_cost_measure(struct task_cost *cost, const struct task *task) {
  struct clocked c = {.task = task, .env = env_new(task)};
  c.act = must_alloc((size_t)task->act, sizeof *c.act);
  c.desired = must_alloc((size_t)task->goal + 1, sizeof *c.desired);
  rng_init(&c.rng, 0, RNG_ACTION, 0);
  const enum err err = clock_batches(cost, &c);
  if (err != ERR_OK) {
    log_error("task %s: %s; no cost can be measured", task->name,
              c.failures > 0 ? "random actions make it unstable; lower its timestep"
                             : "1000 resets or goals in a row are rejected");
  }
  free(c.act);
  free(c.desired);
  env_free(c.env);
  return err;
}

// ---- words ----

static bool is_fixed(const struct task *task) {
  return memcmp(task->target.low, task->target.high,
                (size_t)task->goal * sizeof *task->target.low) == 0;
}

const char *task_show_kind(const struct task *task) {
  if (task->goal == 0) {
    return "reward";
  }
  switch (task->target.base) {
    case TASK_GOAL_ORIGIN:
      return "origin";
    case TASK_GOAL_TABLE:
      return "table";
    case TASK_GOAL_JOINTS:
      return "joints";
    case TASK_GOAL_PLAIN:
    default:
      return is_fixed(task) ? "fixed" : "box";
  }
}

void task_show_title(char *title, size_t n, const char *path) {
  static const char open[] = "<!--", close[] = "-->";
  void *bytes = NULL;
  size_t size = 0;
  title[0] = '\0';
  if (fsio_read(&bytes, &size, path, 64 << 20) != ERR_OK) {
    return;
  }
  const char *p = memmem(bytes, size, open, sizeof open - 1);
  const char *end = (const char *)bytes + size;
  const char *stop = p ? memmem(p, (size_t)(end - p), close, sizeof close - 1) : NULL;
  size_t len = 0;
  // blanks and line ends become one blank
  for (p = p ? p + sizeof open - 1 : NULL; stop && p < stop && len + 1 < n; p++) {
    const bool blank = (unsigned char)*p <= ' ';
    if (*p == '.' && (p + 1 == stop || (unsigned char)p[1] <= ' ')) {
      break;
    }
    if (!blank || (len > 0 && title[len - 1] != ' ')) {
      title[len++] = blank ? ' ' : *p;
    }
  }
  while (len > 0 && title[len - 1] == ' ') {
    len--;
  }
  title[len] = '\0';
  free(bytes);
}

static const char *joint_at(const mjModel *m, int qpos) {
  for (int i = 0; i < m->njnt; i++) {
    if (m->jnt_qposadr[i] == qpos) {
      return mj_id2name(m, mjOBJ_JOINT, i);
    }
  }
  return NULL;
}

static const char *plural(int n) {
  return n == 1 ? "" : "s";
}

// "2", "0.1 to 0.3", or "above 0.7" when there is no other end
static const char *range_words(char row[MAX_ROW], double low, double high) {
  if (low == high) {
    snprintf(row, MAX_ROW, "%g", low);
  } else if (high >= TASK_NO_LIMIT) {
    snprintf(row, MAX_ROW, "above %g", low);
  } else if (low <= -TASK_NO_LIMIT) {
    snprintf(row, MAX_ROW, "below %g", high);
  } else {
    snprintf(row, MAX_ROW, "%g to %g", low, high);
  }
  return row;
}

// the least and the largest of x, in words
static const char *spread_words(char row[MAX_ROW], const double *x, int n) {
  double low = n > 0 ? x[0] : 0, high = low;
  for (int i = 1; i < n; i++) {
    low = fmin(low, x[i]);
    high = fmax(high, x[i]);
  }
  return range_words(row, low, high);
}

static bool any(const double *x, int n) {
  for (int i = 0; i < n; i++) {
    if (x[i] != 0) {
      return true;
    }
  }
  return false;
}

// "offset + scale a"
static const char *action_words(char row[MAX_ROW], const struct task *task, int i) {
  const struct task_action *a = &task->action;
  const bool set_point = i < a->naxis;
  const char *what = !set_point                       ? "ctrl ="
                     : a->mode == TASK_MOCAP_RELATIVE ? "set-point = hand +"
                                                      : "set-point +=";
  char offset[32] = "", scale[32] = "";
  if (a->offset[i] != 0) {
    snprintf(offset, sizeof offset, "%g + ", a->offset[i]);
  }
  if (a->scale[i] != 1) {
    snprintf(scale, sizeof scale, "%g ", a->scale[i]);
  }
  snprintf(row, MAX_ROW, "%s %s%sa", what, offset, scale);
  return row;
}

// what goal number i is drawn from
static const char *goal_words(char row[MAX_ROW], const struct task *task, int i) {
  const struct task_goal *g = &task->target;
  char base[MAX_NAME] = "", range[MAX_ROW];
  range_words(range, g->low[i], g->high[i]);
  if (g->base == TASK_GOAL_ORIGIN) {
    task_number_name(base, sizeof base, task, TASK_ORIGIN, i);
  } else if (g->base != TASK_GOAL_PLAIN) {
    snprintf(base, sizeof base, g->base == TASK_GOAL_TABLE ? "table" : "by joints");
  }
  if (base[0] == '\0') {
    snprintf(row, MAX_ROW, "%.200s", range);
  } else if (g->low[i] == g->high[i]) {
    snprintf(row, MAX_ROW, g->low[i] != 0 ? "%s + %.200s" : "%s", base, range);
  } else {
    snprintf(row, MAX_ROW, "%s + (%.200s)", base, range);
  }
  if (g->hole_low) {
    const size_t n = strlen(row);
    snprintf(row + n, MAX_ROW - n, ", not %g to %g", g->hole_low[i], g->hole_high[i]);
  }
  return row;
}

// ---- text ----

static void head(FILE *out, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void head(FILE *out, const char *what, const char *fmt, ...) {
  va_list args;
  fprintf(out, "%-13s", what);
  va_start(args, fmt);
  vfprintf(out, fmt, args);
  va_end(args);
  fputc('\n', out);
}

static void row(FILE *out, const char *index, const char *name, const char *words) {
  if (words[0] != '\0') {
    fprintf(out, "  %-9s  %-28s  %s\n", index, name, words);
  } else {
    fprintf(out, "  %-9s  %s\n", index, name);
  }
}

static void row_at(FILE *out, int i, const char *name, const char *words) {
  char index[16];
  snprintf(index, sizeof index, "%d", i);
  row(out, index, name, words);
}

// scale and hook of a sensor, "" when it has neither
static const char *sensor_words(char words[MAX_ROW], const struct task *task,
                                const struct task_sensors *s, int sensor, int first, int dim) {
  char spread[MAX_ROW];
  const struct hook *hook = task->hook[sensor];
  bool scaled = false;
  for (int i = first; i < first + dim; i++) {
    scaled = scaled || s->scale[i] != 1;
  }
  spread_words(spread, s->scale + first, dim);
  snprintf(words, MAX_ROW, "%s%s%s%s%.100s", hook ? "hook " : "", hook ? hook->name : "",
           hook && scaled ? ", " : "", scaled ? "x " : "", scaled ? spread : "");
  return words;
}

// one row a sensor
static void show_sensors(FILE *out, const struct task *task, enum task_role role) {
  const mjModel *m = task->model;
  const struct task_sensors *s = &task->sensors[role];
  for (int i = 0, at = 0; i < s->n; i++) {
    const int dim = m->sensor_dim[s->id[i]];
    char index[32], name[MAX_NAME], words[MAX_ROW];
    if (dim == 1) {
      snprintf(index, sizeof index, "%d", at);
      task_number_name(name, sizeof name, task, role, at);
    } else {
      snprintf(index, sizeof index, "%d..%d", at, at + dim - 1);
      snprintf(name, sizeof name, "%s[0..%d]", mj_id2name(m, mjOBJ_SENSOR, s->id[i]), dim - 1);
    }
    row(out, index, name, sensor_words(words, task, s, s->id[i], at, dim));
    at += dim;
  }
}

static void show_goal_rules(FILE *out, const struct task *task) {
  const struct task_goal *g = &task->target;
  for (int i = 0; i < g->njoint; i++) {
    const char *joint = joint_at(task->model, g->joint_qpos[i]);
    char words[MAX_ROW];
    row(out, "joint", joint ? joint : "", range_words(words, g->joint_low[i], g->joint_high[i]));
  }
  if (g->base == TASK_GOAL_TABLE) {
    fprintf(out, "  table      %d goals after 1 to %d steps of random actions, seed %u\n",
            g->table_rows, g->table_steps, g->table_seed);
  }
  for (int i = 0; i < g->napart; i++) {
    const struct task_apart *a = &g->apart[i];
    fprintf(out, "  apart      numbers %d..%d and %d..%d by %g or more\n", a->a, a->a + a->n - 1,
            a->b, a->b + a->n - 1, a->distance);
  }
  if (g->min_distance > 0) {
    fprintf(out, "  distance   at least %g from the achieved goal at reset\n", g->min_distance);
  }
}

static void show_goal(FILE *out, const struct task *task) {
  static const struct {
    const char *kind, *words;
  } kinds[] = {{"fixed", "always the same"},
               {"box", "uniform"},
               {"origin", "relative to where things are at reset"},
               {"table", "drawn from a table of reachable goals"},
               {"joints", "what the sensors read with joints drawn uniformly"}};
  if (task->goal == 0) {
    head(out, "goal", "none: a task with rewards");
    return;
  }
  const char *kind = task_show_kind(task), *words = "";
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    words = strcmp(kinds[i].kind, kind) == 0 ? kinds[i].words : words;
  }
  head(out, "goal", "%d number%s, %s", task->goal, plural(task->goal), words);
  for (int i = 0; i < task->goal; i++) {
    char name[MAX_NAME], drawn[MAX_ROW];
    task_number_name(name, sizeof name, task, TASK_GOAL, i);
    row_at(out, i, name, goal_words(drawn, task, i));
  }
  show_goal_rules(out, task);
}

// the radius, and the numbers that count when these are not all
static void show_success(FILE *out, const struct task *task) {
  int counts = 0;
  for (int i = 0; i < task->goal; i++) {
    counts += task->success_counts[i];
  }
  if (task->goal == 0) {
    return;
  }
  if (task->success_radius <= 0) {
    head(out, "success", "not defined");
    return;
  }
  head(out, "success", "distance below %g%s", task->success_radius,
       counts < task->goal ? ", over" : "");
  for (int i = 0; i < task->goal && counts < task->goal; i++) {
    if (task->success_counts[i]) {
      char name[MAX_NAME];
      task_number_name(name, sizeof name, task, TASK_GOAL, i);
      row_at(out, i, name, "");
    }
  }
}

static void show_action(FILE *out, const struct task *task) {
  const struct task_action *a = &task->action;
  head(out, "action", "%d number%s a in [-1, 1]", task->act, plural(task->act));
  for (int i = 0; i < task->act; i++) {
    char name[MAX_NAME], words[MAX_ROW];
    task_action_name(name, sizeof name, task, i);
    row_at(out, i, name, action_words(words, task, i));
  }
  for (int i = 0; i < 3 && a->mode != TASK_CTRL; i++) {
    if (a->low[i] > -TASK_NO_LIMIT || a->high[i] < TASK_NO_LIMIT) {
      char words[MAX_ROW];
      const char axis[] = {"xyz"[i], '\0'};
      row(out, "set-point", axis, range_words(words, a->low[i], a->high[i]));
    }
  }
  if (a->lead < TASK_NO_LIMIT) {
    fprintf(out, "  lead       at most %g from %s\n", a->lead,
            mj_id2name(task->model, mjOBJ_BODY, a->hand));
  }
  if (a->noise > 0) {
    fprintf(out, "  noise      normal, standard deviation %g of a\n", a->noise);
  }
}

static void show_timing(FILE *out, const struct task *task) {
  const double dt = task->model->opt.timestep, step = dt * task->frame_skip;
  head(out, "timing", "%g s x %d = %g s a step (%.4g Hz); %d steps = %g s", dt, task->frame_skip,
       step, 1 / step, task->horizon, step * task->horizon);
}

static void show_reset(FILE *out, const struct task *task) {
  const mjModel *m = task->model;
  const int nq = (int)m->nq, nv = (int)m->nv;
  const char *key = m->nkey > 0 ? mj_id2name(m, mjOBJ_KEY, 0) : NULL;
  char words[MAX_ROW];
  if (m->nkey > 0) {
    head(out, "reset", "first <key>%s%s", key && key[0] ? " " : "", key ? key : "");
  } else {
    head(out, "reset", "default state (there is no <key>)");
  }
  if (any(task->reset_noise, nq)) {
    fprintf(out, "  positions  +- %s, uniform\n", spread_words(words, task->reset_noise, nq));
  }
  if (any(task->reset_velocity_noise, nv)) {
    fprintf(out, "  velocities +- %s, uniform\n",
            spread_words(words, task->reset_velocity_noise, nv));
  }
  if (any(task->reset_velocity_normal, nv)) {
    fprintf(out, "  velocities normal, standard deviation %s\n",
            spread_words(words, task->reset_velocity_normal, nv));
  }
  for (int i = 0; i < task->sensors[TASK_APART].n; i++) {
    fprintf(out, "  apart      length of %s at least %g\n",
            mj_id2name(m, mjOBJ_SENSOR, task->sensors[TASK_APART].id[i]), task->reset_apart[i]);
  }
  if (task->max_overlap < TASK_NO_LIMIT) {
    fprintf(out, "  overlap    of two geoms at most %g\n", task->max_overlap);
  }
}

static void show_reward(FILE *out, const struct task *task) {
  char name[MAX_NAME], words[MAX_ROW];
  if (!task->has_reward) {
    head(out, "reward", "none: the goal is all there is");
    return;
  }
  head(out, "reward", "the sum of");
  for (int i = 0; i < task->sensors[TASK_REWARD].width; i++) {
    if (task->reward_weight[i] == 0) {
      continue;
    }
    task_number_name(name, sizeof name, task, TASK_REWARD, i);
    snprintf(words, sizeof words, "x %g", task->reward_weight[i]);
    row(out, "value", name, words);
  }
  for (int i = 0; i < task->sensors[TASK_RATE].width; i++) {
    if (task->rate_weight[i] == 0) {
      continue;
    }
    task_number_name(name, sizeof name, task, TASK_RATE, i);
    snprintf(words, sizeof words, "x %g", task->rate_weight[i]);
    row(out, "change/s", name, words);
  }
  if (task->reward_alive != 0) {
    fprintf(out, "  a step     %g\n", task->reward_alive);
  }
  if (task->control_cost != 0) {
    fprintf(out, "  control    - %g x sum of ctrl^2\n", task->control_cost);
  }
}

static void show_end(FILE *out, const struct task *task) {
  head(out, "end", "time limit (truncation) after %d steps%s", task->horizon,
       task->sensors[TASK_ALIVE].n > 0 ? "; termination outside of" : "");
  for (int i = 0; i < task->sensors[TASK_ALIVE].width; i++) {
    char name[MAX_NAME], words[MAX_ROW];
    task_number_name(name, sizeof name, task, TASK_ALIVE, i);
    row_at(out, i, name, range_words(words, task->alive_low[i], task->alive_high[i]));
  }
}

void task_show_text(FILE *out, const struct task *task, const char *path,
                    const struct task_cost *cost) {
  const mjModel *m = task->model;
  char title[MAX_ROW];
  task_show_title(title, sizeof title, path);
  fprintf(out, "%s  %s\n%s%s", task->name, path, title, title[0] ? "\n\n" : "\n");
  head(out, "observation", "%d number%s", task->obs, plural(task->obs));
  show_sensors(out, task, TASK_OBS);
  show_goal(out, task);
  show_success(out, task);
  show_action(out, task);
  show_timing(out, task);
  show_reset(out, task);
  show_reward(out, task);
  show_end(out, task);
  head(out, "cost", "%.1f us a step, %.1f us a reset; %.0f steps/s of one core", cost->step,
       cost->reset, 1e6 / (cost->step + cost->reset / task->horizon));
  head(out, "model", "nq %d, nv %d, nu %d; %zu bytes, digest %016" PRIx64 ", MuJoCo %s", (int)m->nq,
       (int)m->nv, (int)m->nu, task->mjb_size, task->digest, mj_versionString());
}

// ---- JSON ----

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
      char name[MAX_NAME];
      task_number_name(name, sizeof name, task, role, at);
      append(array, json_pack("{s:s, s:f, s:s?}", "name", name, "scale", s->scale[at], "hook",
                              hook ? hook->name : NULL));
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
    const char *name = joint_at(task->model, g->joint_qpos[i]);
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

static json_t *action_json(const struct task *task) {
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
  char title[MAX_ROW], digest[17];
  task_show_title(title, sizeof title, path);
  snprintf(digest, sizeof digest, "%016" PRIx64, task->digest);
  json_t *root = json_pack("{s:s, s:s, s:s}", "name", task->name, "file", path, "title", title);
  CHECK(root);
  put(root, "observation", sensors_json(task, TASK_OBS));
  put(root, "goal", goal_json(task));
  put(root, "action", action_json(task));
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
