// task.c - telos task: which tasks there are, what one is, and whether a file is one.
//
// list loads every task that is found by name; one that cannot be loaded, for instance because it
// includes a model that is not installed, is listed with the reason. check loads files and leaves
// the talking to the loader, which tells every mistake in one line. What a trial of a good one
// shows is a warning of check and show, and changes no exit code.
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/task/task.h"
#include "common/task/trial.h"
#include "deploy/launch/task_show.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  telos task list                        the tasks that are found by name\n"
    "  telos task show box2d                  every number of one, with its name\n"
    "  telos task show my/robot.xml --json\n"
    "  telos task check my/*.xml              every mistake of these files\n"
    "\n"
    "Usage: telos task list [--json]\n"
    "       telos task show NAME|FILE [--json]\n"
    "       telos task check NAME|FILE ..\n"
    "\n"
    "  --json    one JSON value on standard output\n"
    "\n"
    "Names are looked for in $TELOS_TASK_PATH (colon separated), in tasks/ beside this program, "
    "and\n"
    "in the installed data folder. check ends with 0 when all are good, and with 78 otherwise.\n"
    "How to write a task: actor/tasks/README.md\n";

enum { MAX_TEXT = 1024 };

// ---- what is said while a task is loaded ----

// The loader logs to standard error. Between begin and end that goes into memory.
struct capture {
  int saved, file;
};

static void capture_begin(struct capture *c) {
  fflush(stderr);
  c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  c->file = memfd_create("log", MFD_CLOEXEC);
  CHECK(c->saved >= 0 && c->file >= 0 && dup2(c->file, STDERR_FILENO) >= 0);
}

// The first error line into text (MAX_TEXT), without level, speaker and task; "" when none came.
static void capture_end(struct capture *c, char *text, const char *path) {
  char log[MAX_TEXT] = "", label[MAX_TEXT];
  dup2(c->saved, STDERR_FILENO);
  close(c->saved);
  const ssize_t n = pread(c->file, log, sizeof log - 1, 0);
  close(c->file);
  log[n > 0 ? n : 0] = '\0';
  const char *line = log;
  while (line[0] != '\0' && strncmp(line, "E ", 2) != 0) {
    line += strcspn(line, "\n");
    line += line[0] == '\n';
  }
  snprintf(label, sizeof label, "task %.900s: ", path);
  const char *at = strstr(line, label);
  at = at != NULL ? at + strlen(label) : line;
  snprintf(text, MAX_TEXT, "%.*s", (int)strcspn(at, "\n"), at);
}

// ---- list ----

// Cuts a title, after a word, to what a row of a terminal has room for: a wrapped row is no row. A
// pipe or a file gets it whole.
static void shorten(char *title) {
  enum { BEFORE = 53, LEAST = 20, USUAL = 80 };
  struct winsize size = {.ws_col = USUAL};
  if (!isatty(STDOUT_FILENO)) {
    return;
  }
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    size.ws_col = USUAL;
  }
  const size_t room = size.ws_col > BEFORE + LEAST ? size.ws_col - BEFORE : LEAST;
  if (strlen(title) > room) {
    size_t n = room - 3;
    while (n > 0 && title[n] != ' ') {
      n--;
    }
    snprintf(title + n, 4, "...");
  }
}

struct list {
  json_t *json;      // NULL: text
  char folder[512];  // of the file printed last
};

static json_t *summary_json(const struct task *task, const char *name, const char *path,
                            const char *title) {
  return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:s, s:b}", "name", name, "file", path,
                   "title", title, "obs", task->obs, "goal", task->goal, "act", task->act,
                   "horizon", task->horizon, "kind", task_show_kind(task), "reward",
                   task->has_reward);
}

static void print_summary(struct list *list, const struct task *task, const char *name,
                          const char *path, const char *title, const char *reason) {
  const char *slash = strrchr(path, '/');
  const int n = slash != NULL ? (int)(slash - path) : 0;
  if (strlen(list->folder) != (size_t)n || strncmp(list->folder, path, (size_t)n) != 0) {
    printf("%s%.*s\n", list->folder[0] != '\0' ? "\n" : "", n, path);
    printf("  %-20s %4s %4s %4s %5s  %-7s %s\n", "task", "obs", "goal", "act", "steps", "goal is",
           "what it asks");
    snprintf(list->folder, sizeof list->folder, "%.*s", n, path);
  }
  if (task == NULL) {
    printf("  %-20s cannot be loaded: %s\n", name, reason);
    return;
  }
  printf("  %-20s %4d %4d %4d %5d  %-7s %s\n", name, task->obs, task->goal, task->act,
         task->horizon, task_show_kind(task), title);
}

static void list_one(void *ctx, const char *name, const char *path) {
  struct list *list = ctx;
  struct task *task = NULL;
  struct capture capture;
  char reason[MAX_TEXT], title[200];
  capture_begin(&capture);
  const enum err err = task_load(&task, path);
  capture_end(&capture, reason, path);
  task_show_title(title, sizeof title, path);
  if (list->json == NULL) {
    shorten(title);
    print_summary(list, task, name, path, title, reason);
  } else {
    json_t *row = err == ERR_OK ? summary_json(task, name, path, title)
                                : json_pack("{s:s, s:s, s:s, s:s}", "name", name, "file", path,
                                            "title", title, "error", reason);
    CHECK(row != NULL && json_array_append_new(list->json, row) == 0);
  }
  task_free(task);
}

static void print_json(json_t *value) {
  CHECK(value != NULL);
  json_dumpf(value, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(value);
}

static enum err run_list(bool json) {
  struct list list = {.json = json ? json_array() : NULL};
  task_list(list_one, &list);
  if (json) {
    print_json(list.json);
  }
  return ERR_OK;
}

// ---- show and check ----

// What a trial of the task shows, one warning each: to standard error, or in the sheet.
static void warn_of(const struct task *task, const char *label, bool sheet) {
  struct trial *trial = must_alloc(1, sizeof *trial);
  trial_run(trial, task);
  for (int i = 0; i < trial->n; i++) {
    if (sheet) {
      printf("%-13s%s\n", "warning", trial->line[i]);
    } else {
      log_warn("task %s: %s", label, trial->line[i]);
    }
  }
  free(trial);
}

static json_t *warnings_json(const struct task *task) {
  struct trial *trial = must_alloc(1, sizeof *trial);
  json_t *array = json_array();
  trial_run(trial, task);
  for (int i = 0; i < trial->n; i++) {
    CHECK(json_array_append_new(array, json_string(trial->line[i])) == 0);
  }
  free(trial);
  return array;
}

struct file_of {
  const char *name;
  char path[4096];
};

static void keep_path(void *ctx, const char *name, const char *path) {
  struct file_of *f = ctx;
  if (strcmp(f->name, name) == 0) {
    snprintf(f->path, sizeof f->path, "%s", path);
  }
}

static enum err run_show(const char *name, bool json) {
  struct task *task = NULL;
  enum err err = task_load(&task, name);
  if (err != ERR_OK) {
    return err;
  }
  struct file_of file = {.name = name};
  task_list(keep_path, &file);
  const char *path = file.path[0] != '\0' ? file.path : name;
  struct task_cost cost;
  err = task_cost_measure(&cost, task);
  if (err == ERR_OK && json) {
    json_t *sheet = task_show_json(task, path, &cost);
    CHECK(json_object_set_new(sheet, "warnings", warnings_json(task)) == 0);
    print_json(sheet);
  } else if (err == ERR_OK) {
    task_show_text(stdout, task, path, &cost);
    warn_of(task, name, true);
  }
  task_free(task);
  return err;
}

static enum err run_check(char **files, int n) {
  enum err result = ERR_OK;
  for (int i = 0; i < n; i++) {
    struct task *task = NULL;
    const enum err err = task_load(&task, files[i]);
    if (err == ERR_OK) {
      printf("%s: good\n", files[i]);
      fflush(stdout);
      warn_of(task, files[i], false);
    } else {
      result = err;
    }
    task_free(task);
  }
  return result;
}

int verb_task(int argc, char **argv) {
  static const struct option options[] = {
      {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  bool json = false;
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'j':
        json = true;
        break;
      case 'h':
        fputs(help, stdout);
        return 0;
      default:
        options_complain(c, options, argv, "telos task", NULL);
        return err_exit_code(ERR_USAGE);
    }
  }
  const int n = argc - optind - 1;  // operands after list, show or check
  const char *what = n >= 0 ? argv[optind] : "";
  if (strcmp(what, "list") == 0 && n == 0) {
    return err_exit_code(run_list(json));
  }
  if (strcmp(what, "show") == 0 && n == 1) {
    return err_exit_code(run_show(argv[optind + 1], json));
  }
  if (strcmp(what, "check") == 0 && n >= 1 && !json) {
    return err_exit_code(run_check(argv + optind + 1, n));
  }
  log_error("expected telos task list, telos task show NAME|FILE or telos task check FILE ..");
  return err_exit_code(ERR_USAGE);
}
