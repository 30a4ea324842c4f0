// task_show.c - the sheet of a task: every number that the policy sees, gives or is measured by.
//
// Here as text, in task_show_json.c as JSON. Text says each thing once, in the order in which the
// convention is documented. Observations can be hundreds of numbers, so there is one row a sensor
// for them, and one row a number for goals and actions.
#include "deploy/launch/task_show.h"

#include <inttypes.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/task/drawn.h"
#include "common/task/hook.h"

enum { MAX_NAME = 128, MAX_ROW = 512 };

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

const char *task_show_joint(const mjModel *m, int qpos) {
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

// frame, scale and hook of a sensor, "" when it has none of them
static const char *sensor_words(char words[MAX_ROW], const struct task *task,
                                const struct task_sensors *s, int sensor, int first, int dim) {
  char spread[MAX_ROW], frame[MAX_ROW / 2];
  const struct hook *hook = task->hook[sensor];
  bool scaled = false;
  task_sensor_frame(frame, sizeof frame, task, sensor);
  for (int i = first; i < first + dim; i++) {
    scaled = scaled || s->scale[i] != 1;
  }
  spread_words(spread, s->scale + first, dim);
  snprintf(words, MAX_ROW, "%s%s%s%s%s%.100s", frame, hook ? "hook " : "", hook ? hook->name : "",
           (hook || frame[0]) && scaled ? ", " : "", scaled ? "x " : "", scaled ? spread : "");
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

// what each goal sensor reads, and how telos play shows its goal
static void show_goal_sensors(FILE *out, const struct task *task) {
  const mjModel *m = task->model;
  const struct task_sensors *s = &task->sensors[TASK_GOAL];
  for (int i = 0; i < s->n; i++) {
    const struct drawn_goal drawn = drawn_goal_of(task, i);
    char frame[MAX_ROW / 2], words[MAX_ROW];
    task_sensor_frame(frame, sizeof frame, task, s->id[i]);
    snprintf(words, sizeof words, "%s%sdrawn %s", frame, frame[0] ? "; " : "",
             drawn.site >= 0   ? "as its site"
             : drawn.sphere    ? "as a sphere"
             : drawn.qpos >= 0 ? "as a ghost"
                               : "not at all");
    row(out, "sensor", mj_id2name(m, mjOBJ_SENSOR, s->id[i]), words);
  }
}

// what groups leave out of pictures
static void show_hidden(FILE *out, const mjModel *m) {
  const struct drawn_hidden hidden = drawn_hidden_of(m);
  if (hidden.geoms + hidden.sites + hidden.tendons > 0) {
    head(out, "not drawn", "%d geom%s, %d site%s, %d tendon%s: of groups 3 to 5", hidden.geoms,
         plural(hidden.geoms), hidden.sites, plural(hidden.sites), hidden.tendons,
         plural(hidden.tendons));
  }
}

static void show_goal_rules(FILE *out, const struct task *task) {
  const struct task_goal *g = &task->target;
  for (int i = 0; i < g->njoint; i++) {
    const char *joint = task_show_joint(task->model, g->joint_qpos[i]);
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
  show_goal_sensors(out, task);
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
  for (int i = 0; i < task->nrandom; i++) {
    const struct task_random *r = &task->random[i];
    randomise_words(words, sizeof words, task, r);
    fprintf(out, "  random     %s x %g to %g\n", words, r->low, r->high);
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
  show_hidden(out, m);
  head(out, "cost", "%.1f us a step, %.1f us a reset; %.0f steps/s of one core", cost->step,
       cost->reset, 1e6 / (cost->step + cost->reset / task->horizon));
  head(out, "model", "nq %d, nv %d, nu %d; %zu bytes, digest %016" PRIx64 ", MuJoCo %s", (int)m->nq,
       (int)m->nv, (int)m->nu, task->mjb_size, task->digest, mj_versionString());
}
