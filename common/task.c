// task.c - compiles a model, reads the telos.* convention out of it, and checks every rule.
//
// A check never stops at the first mistake: each one is logged with the element's name and what
// was expected, and the load fails at the end when there was any. What can be read is read into
// the struct on the way, so later checks can use it.
//
// MuJoCo reports through process-wide handlers. Ours turn a fatal error during a load into a
// failed load (a jump back to the call that armed it, one per thread), because MuJoCo would end
// the process otherwise. The jump passes over frames of MuJoCo alone; what these had allocated is
// lost, which is the price of going on after a model that its compiler could not take. Anywhere
// else a fatal error is logged and aborts. Warnings become log lines instead of a file in the
// working folder.
//
// The digest is that of the compiled model's bytes. They hold no padding (every array is written
// on its own, the structures in front have none) and no time or address, so that equal files give
// equal digests in every process; tests/unit/test_task.c compares two processes.
#include "common/task.h"

#include <dirent.h>
#include <math.h>
#include <mujoco/mjxmacro.h>
#include <mujoco/mujoco.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/check.h"
#include "common/log.h"

enum {
  TASK_MAX_PATH = 4096,
  TASK_MAX_XML = 64 << 20,        // bytes of MJCF text
  TASK_MAX_MJB = 512 << 20,       // bytes of a compiled model
  TASK_MAX_FRAME_SKIP = 10000,    // physics steps
  TASK_HEADER = 4 * sizeof(int),  // of MJB: magic number and layout of this MuJoCo version
};

// a set-point or scale beyond this is a slip of the pen, and float would lose it
static const double max_number = 1e9;

// ---- MuJoCo's handlers ----

static _Thread_local jmp_buf *armed_jump;
static _Thread_local char fatal_text[512];
static _Atomic bool warned;

// copies text on one line: messages of MuJoCo span several
static void one_line(char *dst, size_t n, const char *src) {
  size_t len = 0;
  for (; *src && len + 1 < n; src++) {
    const bool blank = (unsigned char)*src <= ' ';
    if (blank && (len == 0 || dst[len - 1] == ' ')) {
      continue;
    }
    dst[len++] = blank ? ' ' : *src;
  }
  while (len > 0 && dst[len - 1] == ' ') {
    len--;
  }
  dst[len] = '\0';
}

static void on_mujoco_error(const char *text) {
  one_line(fatal_text, sizeof fatal_text, text);
  if (armed_jump) {
    longjmp(*armed_jump, 1);
  }
  log_error("MuJoCo: %s; this cannot be recovered", fatal_text);
  abort();
}

// What is said during a load belongs to its message. After that, an unstable simulation warns in
// every episode: the first line is enough.
static void on_mujoco_warning(const char *text) {
  if (armed_jump) {
    one_line(fatal_text, sizeof fatal_text, text);
    return;
  }
  char line[512];
  one_line(line, sizeof line, text);
  if (!atomic_exchange(&warned, true)) {
    log_warn("MuJoCo: %s (further warnings at level debug)", line);
  } else {
    log_debug("MuJoCo: %s", line);
  }
}

static void install_handlers(void) {
  mju_user_error = on_mujoco_error;
  mju_user_warning = on_mujoco_warning;
}

static void handlers_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install_handlers);
}

// ---- compiling and loading ----

// a virtual file system that holds one file
static mjVFS *vfs_new(const char *name, const void *data, size_t n) {
  mjVFS *vfs = must_alloc(1, sizeof *vfs);
  mj_defaultVFS(vfs);
#if mjVERSION_HEADER >= 313
  CHECK(mj_addBufferVFS(vfs, name, data, (int)n) == 0);
#else
  CHECK(mj_makeEmptyFileVFS(vfs, name, (int)n) == 0);
  memcpy(vfs->filedata[0], data, n);
#endif
  return vfs;
}

static void vfs_free(mjVFS *vfs) {
  if (vfs) {
    mj_deleteVFS(vfs);
    free(vfs);
  }
}

// mj_loadXML or mj_loadModel, whichever way these fail; text has the error, or the last warning
static mjModel *guarded_load(const char *path, const mjVFS *vfs, bool is_xml, char *text, int n) {
  jmp_buf jump;
  mjModel *volatile model = NULL;
  text[0] = '\0';
  fatal_text[0] = '\0';
  armed_jump = &jump;
  if (setjmp(jump) == 0) {
    model = is_xml ? mj_loadXML(path, vfs, text, n) : mj_loadModel(path, vfs);
  } else {
    model = NULL;
  }
  armed_jump = NULL;
  if (!text[0]) {
    snprintf(text, (size_t)n, "%s", fatal_text);
  }
  return model;
}

// NULL after a logged error. label names the source in messages.
static mjModel *compile(const char *path, const mjVFS *vfs, const char *label) {
  char text[1024], line[1024];
  mjModel *model = guarded_load(path, vfs, true, text, sizeof text);
  one_line(line, sizeof line, text);
  if (!model) {
    log_error("task %s: MuJoCo cannot compile it: %s", label, line[0] ? line : "no reason given");
  } else if (line[0]) {
    log_warn("task %s: MuJoCo: %s", label, line);
  }
  return model;
}

// the compiled model's bytes, as long as its size says
static void *save_model(const mjModel *m, size_t *n) {
  *n = (size_t)mj_sizeModel(m);
  void *bytes = must_alloc(1, *n);
  mj_saveModel(m, NULL, bytes, (int)*n);
  return bytes;
}

// true when the bytes begin as MJB of this MuJoCo version does: what it writes for a model of ours
static bool header_fits(const void *mjb, size_t n) {
  static const char empty[] = "<mujoco/>";
  char text[256];
  if (n < TASK_HEADER) {
    return false;
  }
  mjVFS *vfs = vfs_new("empty.xml", empty, sizeof empty - 1);
  mjModel *m = guarded_load("empty.xml", vfs, true, text, sizeof text);
  vfs_free(vfs);
  CHECK(m);
  size_t own_n;
  void *own = save_model(m, &own_n);
  mj_deleteModel(m);
  const bool fits = n >= TASK_HEADER && memcmp(own, mjb, TASK_HEADER) == 0;
  free(own);
  return fits;
}

// True when the sizes that follow the header add up to n bytes. MuJoCo 2 would find out while it
// reads, in a fatal error that loses the memory it had allocated; 3 checks by itself.
static bool sizes_fit(const void *mjb, size_t n) {
#if mjVERSION_HEADER < 300
  const char *at = (const char *)mjb + TASK_HEADER;
  const char *end = (const char *)mjb + n;
  mjModel sizes = {0};
#define X(name)                                      \
  if ((size_t)(end - at) < sizeof(int)) {            \
    return false;                                    \
  }                                                  \
  memcpy(&sizes.name, at, sizeof(int));              \
  at += sizeof(int);                                 \
  if (sizes.name < 0 || sizes.name > TASK_MAX_MJB) { \
    return false;                                    \
  }
  MJMODEL_INTS
#undef X
  return (size_t)mj_sizeModel(&sizes) == n;
#else
  return mjb && n > 0;
#endif
}

// ---- the convention ----

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

// every name of the convention, for look-up and for the nearest one
struct known {
  const char *name;
  bool is_text;
};

static const struct known known_names[] = {
    {"telos.horizon", false},      {"telos.frame_skip", false},  {"telos.action_scale", false},
    {"telos.action_noise", false}, {"telos.reset_noise", false}, {"telos.success_radius", false},
    {"telos.goal", false},         {"telos.goal_low", false},    {"telos.goal_high", false},
    {"telos.action_mode", true},
};
enum { NKNOWN = sizeof known_names / sizeof known_names[0] };

// Levenshtein distance of two short words
static int edit_distance(const char *a, const char *b) {
  enum { LONGEST = 64 };
  int row[LONGEST + 1];
  const int nb = (int)strnlen(b, LONGEST);
  for (int j = 0; j <= nb; j++) {
    row[j] = j;
  }
  for (int i = 1; a[i - 1] && i <= LONGEST; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= nb; j++) {
      const int replace = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      const int shorter = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
      row[j] = replace < shorter ? replace : shorter;
    }
  }
  return row[nb];
}

static const struct known *nearest_known(const char *name, int *distance) {
  const struct known *best = &known_names[0];
  *distance = edit_distance(name, best->name);
  for (int i = 1; i < NKNOWN; i++) {
    const int d = edit_distance(name, known_names[i].name);
    if (d < *distance) {
      *distance = d;
      best = &known_names[i];
    }
  }
  return best;
}

// one custom element: a telos.* name that is unknown, or of the other kind
static void check_name(struct checker *c, const char *name, bool is_text) {
  if (!name || strncmp(name, "telos.", 6) != 0) {
    return;
  }
  int distance;
  const struct known *near = nearest_known(name, &distance);
  const char *kind = is_text ? "text" : "numeric";
  if (distance > 0) {
    mistake(c, "%s \"%s\" is unknown; the nearest name is \"%s\"", kind, name, near->name);
  } else if (near->is_text != is_text) {
    mistake(c, "\"%s\" is a <%s>; expected a <%s>", name, kind, near->is_text ? "text" : "numeric");
  }
}

static void check_names(struct checker *c) {
  for (int i = 0; i < c->m->nnumeric; i++) {
    check_name(c, mj_id2name(c->m, mjOBJ_NUMERIC, i), false);
  }
  for (int i = 0; i < c->m->ntext; i++) {
    check_name(c, mj_id2name(c->m, mjOBJ_TEXT, i), true);
  }
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

// a required whole number in [1, hi]
static int count(struct checker *c, const char *name, int hi) {
  if (mj_name2id(c->m, mjOBJ_NUMERIC, name) < 0) {
    mistake(c, "numeric \"%s\" is missing; expected a whole number in [1, %d]", name, hi);
    return 1;
  }
  const double x = scalar(c, name, 1, hi, 1);
  if (x != floor(x)) {
    mistake(c, "numeric \"%s\" is %g; expected a whole number in [1, %d]", name, x, hi);
    return 1;
  }
  return (int)x;
}

// One value for all, or one for each of n; what[] says each what. Unset: all are absent.
static double *vector(struct checker *c, const char *name, int n, const char *what, bool positive,
                      double absent) {
  double *out = must_alloc((size_t)(n > 0 ? n : 1), sizeof *out);
  int have;
  const double *x = numeric(c, name, &have);
  if (x && have != 1 && have != n) {
    mistake(c, "numeric \"%s\" has %d values; expected one, or one for each of %d %s", name, have,
            n, what);
    x = NULL;
  }
  for (int i = 0; x && i < have; i++) {
    if (!(positive ? x[i] > 0 : x[i] >= 0)) {
      mistake(c, "numeric \"%s\": value %d is %g; expected a %s number", name, i, x[i],
              positive ? "positive" : "non-negative");
      x = NULL;
    }
  }
  for (int i = 0; i < n; i++) {
    out[i] = x ? x[have == 1 ? 0 : i] : absent;
  }
  return out;
}

// The sensors whose names begin with prefix, in file order; their widths together in *width.
static int *sensors(struct checker *c, const char *prefix, const char *role, int *n, int *width) {
  const mjModel *m = c->m;
  int *ids = must_alloc((size_t)(m->nsensor > 0 ? m->nsensor : 1), sizeof *ids);
  *n = 0;
  *width = 0;
  for (int i = 0; i < m->nsensor; i++) {
    const char *name = mj_id2name(m, mjOBJ_SENSOR, i);
    if (!name || strncmp(name, prefix, strlen(prefix)) != 0) {
      continue;
    }
    if (m->sensor_type[i] == mjSENS_USER) {
      mistake(c, "sensor \"%s\" is a user sensor, which nothing computes; expected one of MuJoCo's",
              name);
    }
    ids[(*n)++] = i;
    *width += m->sensor_dim[i];
    if (*width > DIMS_MAX_WIDTH) {
      mistake(c, "sensor \"%s\" brings the %s to %d numbers; expected at most %d", name, role,
              *width, DIMS_MAX_WIDTH);
      break;
    }
  }
  if (*n == 0) {
    mistake(c, "no sensor is named \"%s*\"; expected at least one, which is the %s", prefix, role);
  }
  return ids;
}

// telos.goal, or telos.goal_low with telos.goal_high; widths are those of the goal sensors
static void read_goal(struct checker *c) {
  struct task *t = c->task;
  static const char *const names[3] = {"telos.goal", "telos.goal_low", "telos.goal_high"};
  const double *x[3];
  bool given[3], usable = true;
  for (int i = 0; i < 3; i++) {
    int n;
    x[i] = numeric(c, names[i], &n);
    given[i] = n != 0;
    usable = usable && n >= 0;
    if (x[i] && n != t->goal) {
      mistake(c, "numeric \"%s\" has %d values; the sensors \"goal.*\" have %d", names[i], n,
              t->goal);
      usable = false;
    }
  }
  const bool fixed = given[0] && !given[1] && !given[2];
  const bool box = !given[0] && given[1] && given[2];
  if (!fixed && !box) {
    mistake(c,
            "the goal is %s; expected numeric \"telos.goal\", or both \"telos.goal_low\" and "
            "\"telos.goal_high\"",
            given[0]               ? "given twice"
            : given[1] || given[2] ? "half a box"
                                   : "missing");
    return;
  }
  if (!usable) {
    return;
  }
  const double *low = fixed ? x[0] : x[1], *high = fixed ? x[0] : x[2];
  for (int i = 0; i < t->goal; i++) {
    if (low[i] > high[i]) {
      mistake(c, "numeric \"telos.goal_low\": value %d is %g, above telos.goal_high's %g", i,
              low[i], high[i]);
    }
    t->goal_low[i] = low[i];
    t->goal_high[i] = high[i];
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

static void read_action(struct checker *c) {
  struct task *t = c->task;
  const mjModel *m = c->m;
  t->act = m->nu;
  if (m->nu < 1 || m->nu > DIMS_MAX_WIDTH) {
    mistake(c, "the model has %d actuators; expected 1 to %d", (int)m->nu, DIMS_MAX_WIDTH);
  }
  t->action_scale = vector(c, "telos.action_scale", m->nu, "actuators", true, 1);
  t->action_noise = scalar(c, "telos.action_noise", 0, 100, 0);
  const int mode = mj_name2id(m, mjOBJ_TEXT, "telos.action_mode");
  if (mode >= 0 && strcmp(m->text_data + m->text_adr[mode], "ctrl") != 0) {
    mistake(c, "text \"telos.action_mode\" is \"%.40s\"; expected \"ctrl\"",
            m->text_data + m->text_adr[mode]);
  }
}

static void check_sensors(struct checker *c, const mjData *d, const char *state) {
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

// The reset state must be one that the simulation can start from: everything is computed there
// once. Bad numbers make MuJoCo put its default state in place, which a counter tells; too little
// memory in <size> is a fatal error.
static void check_reset_state(struct checker *c) {
  const mjModel *m = c->m;
  const char *state = m->nkey > 0 ? "the first <key>" : "the default state (there is no <key>)";
  mjData *volatile d = NULL;
  jmp_buf jump;
  armed_jump = &jump;
  if (setjmp(jump) == 0) {
    d = mj_makeData(m);
    if (m->nkey > 0) {
      mj_resetDataKeyframe(m, d, 0);
    }
    mj_step1(m, d);
    mj_forward(m, d);
    if (d->warning[mjWARN_BADQPOS].number || d->warning[mjWARN_BADQVEL].number) {
      mistake(c, "%s has a position or velocity that is not a number of sensible size", state);
    } else {
      check_sensors(c, d, state);
    }
  } else {
    mistake(c, "MuJoCo cannot simulate %s: %s", state, fatal_text);
  }
  armed_jump = NULL;
  mj_deleteData(d);
}

static void check_options(struct checker *c) {
  const mjModel *m = c->m;
  if (!(m->opt.timestep > 0 && m->opt.timestep <= 10)) {
    mistake(c, "<option timestep=\"%g\">: expected seconds in (0, 10]", m->opt.timestep);
  }
#if mjVERSION_HEADER < 314
  if (m->opt.enableflags & mjENBL_SENSORNOISE) {
    mistake(c,
            "<flag sensornoise=\"enable\">: its noise does not come from the ticket, so that "
            "episodes could not be repeated; expected \"disable\"");
  }
#endif
}

// fills the task from its model; the number of mistakes
static int read_convention(struct task *t, const char *label) {
  struct checker c = {.task = t, .m = t->model, .label = label};
  read_model_name(&c);
  check_options(&c);
  check_names(&c);
  t->horizon = count(&c, "telos.horizon", DIMS_MAX_HORIZON);
  t->frame_skip = count(&c, "telos.frame_skip", TASK_MAX_FRAME_SKIP);
  read_action(&c);
  t->reset_noise =
      vector(&c, "telos.reset_noise", t->model->nq, "position coordinates (nq)", false, 0);
  t->success_radius = scalar(&c, "telos.success_radius", 0, max_number, 0);
  t->obs_sensor = sensors(&c, "obs.", "observation", &t->n_obs_sensor, &t->obs);
  t->goal_sensor = sensors(&c, "goal.", "achieved goal", &t->n_goal_sensor, &t->goal);
  t->goal_low = must_alloc((size_t)t->goal + 1, sizeof *t->goal_low);
  t->goal_high = must_alloc((size_t)t->goal + 1, sizeof *t->goal_high);
  read_goal(&c);
  // the simulation is only tried on a model that is right otherwise
  if (c.mistakes == 0) {
    check_reset_state(&c);
  }
  return c.mistakes;
}

// takes over the model
static enum err task_from_model(struct task **out, mjModel *model, const char *label) {
  struct task *t = must_alloc(1, sizeof *t);
  t->model = model;
  if ((double)mj_sizeModel(model) > TASK_MAX_MJB) {
    log_error("task %s: the compiled model has %.0f bytes; expected at most %d", label,
              (double)mj_sizeModel(model), TASK_MAX_MJB);
    task_free(t);
    return ERR_CONFIG;
  }
  const int mistakes = read_convention(t, label);
  if (mistakes > 0) {
    task_free(t);
    return ERR_CONFIG;
  }
  t->mjb = save_model(model, &t->mjb_size);
  t->digest = XXH3_64bits(t->mjb, t->mjb_size);
  *out = t;
  return ERR_OK;
}

enum err task_from_xml(struct task **out, const char *xml, size_t n, const char *label) {
  handlers_once();
  if (n == 0 || n > TASK_MAX_XML) {
    log_error("task %s: %zu bytes of text; expected 1 to %d", label, n, TASK_MAX_XML);
    return ERR_CONFIG;
  }
  mjVFS *vfs = vfs_new("task.xml", xml, n);
  mjModel *model = compile("task.xml", vfs, label);
  vfs_free(vfs);
  return model ? task_from_model(out, model, label) : ERR_CONFIG;
}

// The bytes come from the learner, whose digest the caller has compared: this guards against
// another MuJoCo version and damaged bytes, not against a model made to do harm.
enum err task_from_mjb(struct task **out, const void *mjb, size_t n) {
  handlers_once();
  if (n > TASK_MAX_MJB || !header_fits(mjb, n)) {
    log_error(
        "task: %zu bytes are not a compiled model of MuJoCo %s; learner and actor need the "
        "same MuJoCo version",
        n, mj_versionString());
    return ERR_FORMAT;
  }
  if (!sizes_fit(mjb, n)) {
    log_error("task: the compiled model is damaged: %zu bytes are not what its sizes add up to", n);
    return ERR_FORMAT;
  }
  char text[512];
  mjVFS *vfs = vfs_new("task.mjb", mjb, n);
  mjModel *model = guarded_load("task.mjb", vfs, false, text, sizeof text);
  vfs_free(vfs);
  if (!model) {
    log_error("task: the compiled model is damaged: %s", text[0] ? text : "MuJoCo refused it");
    return ERR_FORMAT;
  }
  size_t again_n;
  void *again = save_model(model, &again_n);
  const bool same = again_n == n && memcmp(again, mjb, n) == 0;
  free(again);
  if (!same) {
    log_error("task: the compiled model is damaged: saving it again gives other bytes");
    mj_deleteModel(model);
    return ERR_FORMAT;
  }
  char label[128];
  snprintf(label, sizeof label, "%.100s (compiled)", model->names);
  return task_from_model(out, model, label);
}

void task_free(struct task *task) {
  if (!task) {
    return;
  }
  mj_deleteModel(task->model);
  free(task->action_scale);
  free(task->reset_noise);
  free(task->goal_low);
  free(task->goal_high);
  free(task->obs_sensor);
  free(task->goal_sensor);
  free(task->mjb);
  free(task);
}

struct dims task_dims(const struct task *task, int hindsight) {
  return (struct dims){.obs = task->obs,
                       .act = task->act,
                       .goal = task->goal,
                       .horizon = task->horizon,
                       .hindsight = hindsight};
}

// ---- finding a task by name ----

enum { MAX_FOLDERS = 32 };

struct folders {
  char path[MAX_FOLDERS][TASK_MAX_PATH];
  int n;
};

static void add_folder(struct folders *f, const char *path, size_t len, const char *tail) {
  if (f->n < MAX_FOLDERS && len > 0 && len + strlen(tail) < TASK_MAX_PATH) {
    snprintf(f->path[f->n++], TASK_MAX_PATH, "%.*s%s", (int)len, path, tail);
  }
}

// $TELOS_TASK_PATH, tasks/ beside the executable, tasks/ in the installed data folder
static void list_folders(struct folders *f) {
  f->n = 0;
  const char *p = getenv("TELOS_TASK_PATH");
  while (p && *p) {
    const size_t len = strcspn(p, ":");
    add_folder(f, p, len, "");
    p += len + (p[len] == ':');
  }
  char exe[TASK_MAX_PATH];
  const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n > 0) {
    exe[n] = '\0';
    const char *slash = strrchr(exe, '/');
    add_folder(f, exe, slash ? (size_t)(slash - exe) : 0, "/tasks");
  }
#ifdef TELOS_DATADIR
  add_folder(f, TELOS_DATADIR, strlen(TELOS_DATADIR), "/tasks");
#endif
}

static int compare_names(const void *a, const void *b) {
  return strcmp(a, b);
}

// the names of the tasks in these folders, sorted, separated by blanks
static void list_tasks(const struct folders *f, char *text, size_t size) {
  enum { MAX_TASKS = 64, MAX_FILE = 64 };
  char name[MAX_TASKS][MAX_FILE];
  size_t n = 0, len = 0;
  for (int i = 0; i < f->n; i++) {
    DIR *dir = opendir(f->path[i]);
    for (struct dirent *e; dir && (e = readdir(dir));) {
      const size_t l = strlen(e->d_name);
      if (n < MAX_TASKS && l > 4 && l < MAX_FILE && strcmp(e->d_name + l - 4, ".xml") == 0) {
        snprintf(name[n++], MAX_FILE, "%.*s", (int)l - 4, e->d_name);
      }
    }
    if (dir) {
      closedir(dir);
    }
  }
  qsort(name, n, sizeof name[0], compare_names);
  snprintf(text, size, "none");
  for (size_t i = 0; i < n && len + strlen(name[i]) + 2 < size; i++) {
    if (i == 0 || strcmp(name[i], name[i - 1]) != 0) {
      len += (size_t)snprintf(text + len, size - len, len ? " %s" : "%s", name[i]);
    }
  }
}

// The file of a task into path (TASK_MAX_PATH).
static enum err find_task(char *path, const char *name) {
  const size_t n = strlen(name);
  if (strchr(name, '/') || (n > 4 && strcmp(name + n - 4, ".xml") == 0)) {
    if (n == 0 || n >= TASK_MAX_PATH || access(name, R_OK) != 0) {
      log_error("task %s: cannot be read: %m; give an MJCF file, or a name without '/'", name);
      return ERR_CONFIG;
    }
    memcpy(path, name, n + 1);
    return ERR_OK;
  }
  struct folders *f = must_alloc(1, sizeof *f);
  list_folders(f);
  enum err err = ERR_CONFIG;
  for (int i = 0; i < f->n && err != ERR_OK && n > 0; i++) {
    const int len = snprintf(path, TASK_MAX_PATH, "%s/%s.xml", f->path[i], name);
    if (len < TASK_MAX_PATH && access(path, R_OK) == 0) {
      err = ERR_OK;
    }
  }
  if (err != ERR_OK) {
    char searched[600] = "", found[400];
    for (int i = 0; i < f->n; i++) {
      const size_t used = strlen(searched);
      snprintf(searched + used, sizeof searched - used, "%s%s", i ? ", " : "", f->path[i]);
    }
    list_tasks(f, found, sizeof found);
    log_error("task %s: not found in %s; found there: %s", name, searched, found);
  }
  free(f);
  return err;
}

enum err task_load(struct task **out, const char *name) {
  handlers_once();
  char path[TASK_MAX_PATH];
  const enum err err = find_task(path, name);
  if (err != ERR_OK) {
    return err;
  }
  mjModel *model = compile(path, NULL, name);
  return model ? task_from_model(out, model, name) : ERR_CONFIG;
}
