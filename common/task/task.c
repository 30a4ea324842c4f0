// task.c - finds a task's file, compiles it, and makes a struct task of the model.
//
// The convention is common/task/convention.c's, MuJoCo's versions are common/task/mj.c's. What is
// left here is the order: read the convention, draw the goal table into the model when there is
// one, save the model as MJB, and take the digest of these bytes. A model that arrives as MJB has
// its table already. The bytes hold no padding, time or address, so that equal files give equal
// digests in every process; tests/unit/test_task.c compares two.
#include "common/task/task.h"

#include <dirent.h>
#include <limits.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/base/words.h"
#include "common/task/convention.h"
#include "common/task/env.h"
#include "common/task/goal_table.h"
#include "common/task/mj.h"

enum {
  MAX_PATH = 4096,
  MAX_XML = 64 << 20,  // bytes of MJCF text
  MAX_TEXT = 1024,     // bytes of a reason
};

// ---- from a model ----

// the goal table, a function of the model with the table still empty
static enum err fill_table(struct task *task, const char *label) {
  size_t n;
  void *key = mj_save_mjb(task->model, &n);
  enum err err = ERR_CONFIG;
  if (!key) {
    log_error("task %s: the compiled model has more than %d bytes", label, MJ_MAX_MJB);
  } else if (goal_table_fill(task, key, n, label) == ERR_OK) {
    err = ERR_OK;
  }
  free(key);
  return err;
}

enum { TRIAL_RESETS = 20 };

struct trial {
  const struct task *task;
  struct env *env;
  float *act, *desired;
  enum err err;
};

static void call_trial(void *ctx) {
  struct trial *t = ctx;
  struct rng rng;
  rng_init(&rng, 0, RNG_TABLE, UINT64_MAX);
  t->env = env_new(t->task);
  for (int i = 0; i < TRIAL_RESETS && t->err == ERR_OK; i++) {
    t->err = env_reset(t->env, t->desired, &rng);
  }
  // an unstable step is for the rollout to report; here only a fatal error matters
  struct env_step ignored;
  if (env_step(t->env, t->act, &rng, &ignored) != ERR_OK) {
    log_debug("task %s: its first step is unstable", t->task->name);
  }
}

// the rules of this model that may reject a reset or a goal, into text (MAX_TEXT)
static void list_rules(char *text, const mjModel *m) {
  static const char *const names[] = {"telos.reset_apart", "telos.max_overlap",
                                      "telos.goal_hole_low", "telos.goal_apart",
                                      "telos.goal_distance"};
  size_t n = 0;
  text[0] = '\0';
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (mj_name2id(m, mjOBJ_NUMERIC, names[i]) >= 0) {
      n += (size_t)snprintf(text + n, MAX_TEXT - n, "%s\"%s\"", n > 0 ? " and " : "", names[i]);
    }
  }
}

// Resets and goals must be possible, and a step must not end the process.
static enum err try_out(const struct task *task, const char *label) {
  struct trial t = {.task = task};
  char text[MAX_TEXT];
  t.act = must_alloc((size_t)task->act, sizeof *t.act);
  t.desired = must_alloc((size_t)task->goal + 1, sizeof *t.desired);
  const bool good = mj_try(call_trial, &t, text, sizeof text);
  if (!good) {
    log_error("task %s: MuJoCo cannot simulate it: %s", label, text);
  } else if (t.err != ERR_OK) {
    char rules[MAX_TEXT];
    list_rules(rules, task->model);
    log_error("task %s: 1000 resets or goals in a row are rejected; expected %s to leave some",
              label, rules);
  }
  free(t.act);
  free(t.desired);
  env_free(t.env);
  return good && t.err == ERR_OK ? ERR_OK : ERR_CONFIG;
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
    err = try_out(t, label);
  }
  if (err == ERR_OK) {
    t->mjb = mj_save_mjb(model, &t->mjb_size);
    if (!t->mjb) {
      log_error("task %s: the compiled model has more than %d bytes", label, MJ_MAX_MJB);
      err = ERR_CONFIG;
    }
  }
  if (err != ERR_OK) {
    task_free(t);
    return err;
  }
  t->digest = XXH3_64bits(t->mjb, t->mjb_size);
  *out = t;
  return ERR_OK;
}

// what to do about a file that MuJoCo says it cannot include
static const char *include_remedy(const char *text) {
  if (strstr(text, "usr/share/mujoco/")) {
    return "; install Debian's libmujoco-samples, which has the models there";
  }
  // MuJoCo 2 puts the task's folder before every include, whatever it begins with
  return strstr(text, "Include error") && strstr(text, "//")
             ? "; expected a path from the task's own folder (../..), not from /"
             : "";
}

// what came of compiling a file or text
static enum err task_from_compiler(struct task **out, mjModel *model, const char *text,
                                   const char *label) {
  if (!model) {
    log_error("task %s: MuJoCo cannot compile it: %s%s", label, text, include_remedy(text));
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
  mjModel *model = mj_load_text(xml, n, text, sizeof text);
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
                       .hindsight = hindsight,
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

// ---- finding a task by name ----

enum { MAX_FOLDERS = 32 };

struct folders {
  char path[MAX_FOLDERS][MAX_PATH];
  int n;
};

static void add_folder(struct folders *f, const char *path, size_t len, const char *tail) {
  if (f->n < MAX_FOLDERS && len > 0 && len + strlen(tail) < MAX_PATH) {
    snprintf(f->path[f->n++], MAX_PATH, "%.*s%s", (int)len, path, tail);
  }
}

// The folder of the running program into path (MAX_PATH); false: not known.
static bool program_folder(char *path) {
  const ssize_t n = readlink("/proc/self/exe", path, MAX_PATH - 1);
  path[n > 0 ? n : 0] = '\0';
  char *slash = strrchr(path, '/');
  if (slash) {
    *slash = '\0';
  }
  return slash && slash > path;
}

// $TELOS_TASK_PATH; tasks/ beside the program; and tasks/ in the data folder, first in that of the
// tree where the program stands, which may have been installed or moved anywhere
static void list_folders(struct folders *f) {
  f->n = 0;
  const char *p = getenv("TELOS_TASK_PATH");
  while (p && *p) {
    const size_t len = strcspn(p, ":");
    add_folder(f, p, len, "");
    p += len + (p[len] == ':');
  }
  char program[MAX_PATH];
  const bool known = program_folder(program);
  if (known) {
    add_folder(f, program, strlen(program), "/tasks");
  }
#ifdef TELOS_DATADIR
  char tree[2 * MAX_PATH], data[PATH_MAX];
  snprintf(tree, sizeof tree, "%s/" TELOS_BIN_TO_DATADIR, program);
  const bool found = known && realpath(tree, data);
  if (found) {
    add_folder(f, data, strlen(data), "/tasks");
  }
  if (!found || strcmp(data, TELOS_DATADIR) != 0) {
    add_folder(f, TELOS_DATADIR, strlen(TELOS_DATADIR), "/tasks");
  }
#endif
}

struct entry {
  char name[256];  // without .xml
  int folder;
};

struct entries {
  struct entry *entry;
  int n, room;
};

static int compare_entries(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  const int order = strcmp(x->name, y->name);
  return order ? order : x->folder - y->folder;
}

static void add_entry(struct entries *e, const char *file, int folder) {
  const size_t n = strlen(file);
  if (n <= 4 || n >= sizeof e->entry->name || strcmp(file + n - 4, ".xml") != 0) {
    return;
  }
  if (e->n == e->room) {
    struct entry *more = must_alloc(2 * (size_t)e->room + 64, sizeof *more);
    if (e->n > 0) {
      memcpy(more, e->entry, (size_t)e->n * sizeof *more);
    }
    free(e->entry);
    e->entry = more;
    e->room = 2 * e->room + 64;
  }
  snprintf(e->entry[e->n].name, sizeof e->entry->name, "%.*s", (int)n - 4, file);
  e->entry[e->n++].folder = folder;
}

// The tasks in these folders by name, each from the first folder that has it.
static void collect(struct entries *e, const struct folders *f) {
  for (int i = 0; i < f->n; i++) {
    DIR *dir = opendir(f->path[i]);
    for (struct dirent *file; dir && (file = readdir(dir));) {
      add_entry(e, file->d_name, i);
    }
    if (dir) {
      closedir(dir);
    }
  }
  if (e->n > 0) {
    qsort(e->entry, (size_t)e->n, sizeof *e->entry, compare_entries);
  }
  int kept = 0;
  for (int i = 0; i < e->n; i++) {
    if (kept == 0 || strcmp(e->entry[i].name, e->entry[kept - 1].name) != 0) {
      e->entry[kept++] = e->entry[i];
    }
  }
  e->n = kept;
}

void task_list(void (*each)(void *ctx, const char *name, const char *path), void *ctx) {
  struct folders *f = must_alloc(1, sizeof *f);
  struct entries e = {0};
  char path[MAX_PATH + 300];
  list_folders(f);
  collect(&e, f);
  for (int i = 0; i < e.n; i++) {
    snprintf(path, sizeof path, "%s/%s.xml", f->path[e.entry[i].folder], e.entry[i].name);
    each(ctx, e.entry[i].name, path);
  }
  free(e.entry);
  free(f);
}

// what is said of a name that is not found
struct found {
  char list[800];  // all names, as far as there is room
  size_t len;
  struct words_nearest near;
  char best[256];  // a copy of near.best
};

static void add_name(void *ctx, const char *name, const char *path) {
  (void)path;
  struct found *f = ctx;
  if (f->len + strlen(name) + 2 < sizeof f->list) {
    f->len +=
        (size_t)snprintf(f->list + f->len, sizeof f->list - f->len, f->len ? " %s" : "%s", name);
  }
  words_offer(&f->near, name);
  if (f->near.best == name) {
    snprintf(f->best, sizeof f->best, "%s", name);
    f->near.best = f->best;
  }
}

static void tell_not_found(const char *name, const struct folders *folders) {
  char searched[600] = "";
  struct found found = {.list = "none", .near = {.word = name}};
  for (int i = 0; i < folders->n; i++) {
    const size_t used = strlen(searched);
    snprintf(searched + used, sizeof searched - used, "%s%s", i ? ", " : "", folders->path[i]);
  }
  task_list(add_name, &found);
  log_error("task %s: not found in %s; %s%s%sfound there: %s", name, searched,
            found.near.best ? "did you mean " : "", found.best, found.near.best ? "? " : "",
            found.list);
}

// A file that MuJoCo can read, and that we can read again: to compile it, and for its comment.
static enum err check_file(const char *path) {
  struct stat st;
  if (access(path, R_OK) != 0 || stat(path, &st) != 0) {
    log_error("task %s: cannot be read: %m; give an MJCF file, or a name without '/'", path);
    return ERR_CONFIG;
  }
  if (S_ISDIR(st.st_mode)) {
    log_error("task %s: is a folder; give an MJCF file, or a name without '/'", path);
    return ERR_CONFIG;
  }
  if (!S_ISREG(st.st_mode)) {
    log_error("task %s: a pipe or device can be read only once; write the model to a file first",
              path);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

// The file of a task into path (MAX_PATH).
static enum err find_task(char *path, const char *name) {
  const size_t n = strlen(name);
  if (strchr(name, '/') || (n > 4 && strcmp(name + n - 4, ".xml") == 0)) {
    if (n >= MAX_PATH) {
      log_error("task %.200s..: a path of more than %d bytes", name, MAX_PATH - 1);
      return ERR_CONFIG;
    }
    memcpy(path, name, n + 1);
    return check_file(path);
  }
  struct folders *f = must_alloc(1, sizeof *f);
  list_folders(f);
  enum err err = ERR_CONFIG;
  for (int i = 0; i < f->n && err != ERR_OK && n > 0; i++) {
    const int len = snprintf(path, MAX_PATH, "%s/%s.xml", f->path[i], name);
    if (len < MAX_PATH && access(path, R_OK) == 0) {
      err = ERR_OK;
    }
  }
  if (err != ERR_OK) {
    tell_not_found(name, f);
  }
  free(f);
  return err;
}

enum err task_load(struct task **out, const char *name) {
  char path[MAX_PATH], text[MAX_TEXT];
  const enum err err = find_task(path, name);
  if (err != ERR_OK) {
    return err;
  }
  mjModel *model = mj_load_xml(path, text, sizeof text);
  return task_from_compiler(out, model, text, name);
}
