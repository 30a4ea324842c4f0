// runs.c - telos runs: what is below a folder of runs, from the files that each left.
//
// Nothing is evaluated and nothing is written.
#include <dirent.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/run_files.h"
#include "deploy/launch/run_info.h"
#include "deploy/launch/verbs.h"

enum { MAX_DEPTH = 6 };

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

struct list {
  struct run_info *v;
  int n;
};

static void add_run(struct list *list, const char *path) {
  struct run_info r;
  if (run_info_read(&r, path) == ERR_OK) {  // else it is logged
    list->v = must_realloc(list->v, (size_t)list->n + 1, sizeof *list->v);
    list->v[list->n++] = r;
  }
}

static void list_free(struct list *list) {
  for (int i = 0; i < list->n; i++) {
    run_info_release(&list->v[i]);
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
  const struct run_info *x = a, *y = b;
  const int order = strcmp(x->began, y->began);
  return order != 0 ? order : strcmp(x->path, y->path);
}

// ---- output ----

static json_t *number(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static json_t *to_json(const struct run_info *r) {
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "run",
                   r->path, "task", r->task, "rule", r->rule, "state", r->state, "began", r->began,
                   "command", r->command, "settings", r->settings, "total_steps",
                   (json_int_t)r->cfg.run_steps, "steps", number(r->result.steps), "score",
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
    const struct run_info *r = &list->v[i];
    char score[RUN_INFO_NUMBER], ci[RUN_INFO_NUMBER], best[RUN_INFO_NUMBER];
    printf("%-*s  %-*s  %10.0f  %9s  %8s  %9s  %-7s  %-16.16s  %s\n", widest, r->path, rule,
           r->rule, r->result.steps, run_info_number(score, r->result.score),
           run_info_number(ci, r->result.ci), run_info_number(best, r->best), r->state, r->began,
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
