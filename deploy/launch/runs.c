// runs.c - telos runs: what is below a folder of runs, from the files that each left.
//
// Nothing is evaluated and nothing is written. A run whose learner is at work is known by its lock,
// which the learner holds.
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/base/shell.h"
#include "common/config/bundle.h"
#include "common/config/table.h"
#include "common/config/value.h"
#include "common/nn/policy_file.h"
#include "common/run_files.h"
#include "deploy/launch/sweep_result.h"
#include "deploy/launch/verbs.h"

enum { MAX_DEPTH = 6, NUMBER_BYTES = 32 };

static const char help[] =
    "Examples:\n"
    "  telos runs                         all runs below runs/\n"
    "  telos runs sweeps/default --json\n"
    "\n"
    "Usage: telos runs [FOLDER ..] [--json]\n"
    "\n"
    "Lists runs, oldest first: rule, env steps, the score of the last evaluation with its\n"
    "95 % interval and that of the best one, whether the run is done, still runs or was\n"
    "stopped, when it began, and those settings that decide the result and are not the rule's "
    "own.\n"
    "--json has the command as well.\n"
    "Exit codes: 0 listed, 64 usage, 74 a folder cannot be read.\n";

struct run {
  char *path, *task, *began, *command, *settings;
  const char *rule, *state;
  int64_t total;
  struct sweep_result result;
  double best;  // NaN: none
};

struct list {
  struct run *v;
  int n;
};

// ---- one run ----

// a text of the manifest; "" when it has none
static char *text_of(json_t *manifest, const char *key) {
  const char *text = json_string_value(json_object_get(manifest, key));
  return must_strdup(text != NULL ? text : "");
}

// what decides the result and is not what the rule's name stands for, as arguments of a shell
static char *settings_of(const struct config *cfg, const char *rule) {
  char text[CONFIG_ROWS][CONFIG_KEY_BYTES + CONFIG_VALUE_BYTES], *words[CONFIG_ROWS];
  struct config usual;
  int n = 0;
  config_defaults(&usual);
  const enum err known = config_rule(&usual, rule);
  (void)known;  // code that no name stands for: what differs from the defaults
  for (int i = 0; i < CONFIG_ROWS; i++) {
    const struct config_row *row = &config_rows[i];
    char own[CONFIG_VALUE_BYTES], other[CONFIG_VALUE_BYTES];
    config_format_row(own, cfg, row);
    config_format_row(other, &usual, row);
    // the learner writes out what these are for its task
    const bool worked_out = (i == CONFIG_ROW_worth_reward || i == CONFIG_ROW_worth_radius) &&
                            strcmp(other, "auto") == 0;
    if (row->change == CHANGE_FIXED && !worked_out && strcmp(own, other) != 0) {
      snprintf(text[n], sizeof text[n], "%s.%s=%s", row->group, row->name, own);
      words[n] = text[n];
      n++;
    }
  }
  return shell_join(words, n);
}

// the score that the best policy was kept for
static double best_score(const char *run) {
  char *path = run_files_path(run, BEST_FILE);
  struct stat st;
  struct policy_file p;
  double score = NAN;
  if (stat(path, &st) == 0 && policy_file_read(&p, path) == ERR_OK) {
    const char *text = policy_file_meta(&p, "score");
    score = text != NULL ? strtod(text, NULL) : NAN;
    policy_file_release(&p);
  }
  free(path);
  return score;
}

static bool is_running(const char *run) {
  char *path = run_files_path(run, "run.lock");
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
  if (fd >= 0) {
    close(fd);
  }
  free(path);
  return held;
}

static void add_run(struct list *list, const char *path) {
  char *file = run_files_path(path, "config.yaml");
  struct config cfg;
  config_defaults(&cfg);
  const bool readable = config_read_file(&cfg, file) == ERR_OK;
  free(file);
  if (!readable) {
    return;  // logged
  }
  file = run_files_path(path, "manifest.json");
  json_t *manifest = json_load_file(file, 0, NULL);
  free(file);
  struct run r = {.path = must_strdup(path),
                  .task = text_of(manifest, "task"),
                  .began = text_of(manifest, "created"),
                  .command = text_of(manifest, "command"),
                  .rule = config_rule_name(&cfg),
                  .total = cfg.run_steps,
                  .best = best_score(path)};
  json_decref(manifest);
  r.settings = settings_of(&cfg, r.rule);
  sweep_result_read(&r.result, path, cfg.run_steps);
  r.state = is_running(path) ? "running" : r.result.done ? "done" : "stopped";
  list->v = must_realloc(list->v, (size_t)list->n + 1, sizeof *list->v);
  list->v[list->n++] = r;
}

static void list_free(struct list *list) {
  for (int i = 0; i < list->n; i++) {
    struct run *r = &list->v[i];
    free(r->path);
    free(r->task);
    free(r->began);
    free(r->command);
    free(r->settings);
  }
  free(list->v);
}

// ---- all of them ----

static int is_visible(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

// A folder that holds a run is one; others are looked into.
static enum err walk(struct list *list, const char *folder, int depth) {
  if (run_files_exist(folder)) {
    add_run(list, folder);
    return ERR_OK;
  }
  struct dirent **entries;
  const int n = scandir(folder, &entries, is_visible, alphasort);
  if (n < 0) {
    log_error("cannot read %s: %m; give the folder that has the runs", folder);
    return ERR_IO;
  }
  enum err err = ERR_OK;
  for (int i = 0; i < n; i++) {
    char *path = run_files_path(folder, entries[i]->d_name);
    struct stat st;
    // links are not followed: they may lead back
    if (err == ERR_OK && depth < MAX_DEPTH && lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
      err = walk(list, path, depth + 1);
    }
    free(path);
    free(entries[i]);
  }
  free(entries);
  return err;
}

static int by_time(const void *a, const void *b) {
  const struct run *x = a, *y = b;
  const int order = strcmp(x->began, y->began);
  return order != 0 ? order : strcmp(x->path, y->path);
}

// ---- output ----

static json_t *number(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static json_t *to_json(const struct run *r) {
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "run",
                   r->path, "task", r->task, "rule", r->rule, "state", r->state, "began", r->began,
                   "command", r->command, "settings", r->settings, "total_steps",
                   (json_int_t)r->total, "steps", number(r->result.steps), "score",
                   number(r->result.score), "score_ci95", number(r->result.ci), "best_score",
                   number(r->best), "success", number(r->result.success));
}

static void print_json(const struct list *list) {
  json_t *all = json_array();
  for (int i = 0; i < list->n; i++) {
    CHECK(json_array_append_new(all, to_json(&list->v[i])) == 0);
  }
  CHECK(json_dumpf(all, stdout, JSON_INDENT(2)) == 0);
  putchar('\n');
  json_decref(all);
}

// "-" when it is not known
static const char *number_text(char out[NUMBER_BYTES], double x) {
  snprintf(out, NUMBER_BYTES, "%.2f", x);
  return isnan(x) ? "-" : out;
}

static void print_table(const struct list *list) {
  int widest = 3, rule = 4;
  for (int i = 0; i < list->n; i++) {
    const int n = (int)strlen(list->v[i].path), k = (int)strlen(list->v[i].rule);
    widest = n > widest ? n : widest;
    rule = k > rule ? k : rule;
  }
  printf("%-*s  %-*s  %10s  %9s  %8s  %9s  %-7s  %-16s  %s\n", widest, "run", rule, "rule", "steps",
         "score", "+-", "best", "state", "began", "settings");
  for (int i = 0; i < list->n; i++) {
    const struct run *r = &list->v[i];
    char score[NUMBER_BYTES], ci[NUMBER_BYTES], best[NUMBER_BYTES];
    printf("%-*s  %-*s  %10.0f  %9s  %8s  %9s  %-7s  %-16.16s  %s\n", widest, r->path, rule,
           r->rule, r->result.steps, number_text(score, r->result.score),
           number_text(ci, r->result.ci), number_text(best, r->best), r->state, r->began,
           r->settings);
  }
}

int verb_runs(int argc, char **argv) {
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
        options_complain(c, options, argv, "telos runs", NULL);
        return err_exit_code(ERR_USAGE);
    }
  }
  struct list list = {0};
  enum err err = optind == argc ? walk(&list, "runs", 0) : ERR_OK;
  for (int i = optind; i < argc && err == ERR_OK; i++) {
    err = walk(&list, argv[i], 0);
  }
  if (err == ERR_OK) {
    if (list.n > 0) {
      qsort(list.v, (size_t)list.n, sizeof *list.v, by_time);
    }
    if (json) {
      print_json(&list);
    } else {
      print_table(&list);
    }
  }
  list_free(&list);
  return err_exit_code(err);
}
