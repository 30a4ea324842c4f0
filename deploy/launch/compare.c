// compare.c - telos compare: the settings in which runs differ, and what came out, side by side.
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/config/table.h"
#include "common/config/value.h"
#include "common/run_files.h"
#include "deploy/launch/run_info.h"
#include "deploy/launch/verbs.h"

enum { MAX_RUNS = 16, NAME_WIDTH = 24, CELL_WIDTH = 22, CELL_BYTES = 96 };

static const char help[] =
    "Examples:\n"
    "  telos compare runs/box2d/a runs/box2d/b\n"
    "\n"
    "Usage: telos compare RUN RUN ..\n"
    "\n"
    "Shows the settings in which the runs differ, and beside each other what came out: env\n"
    "steps, the last evaluation's score with its 95 % interval, the best one's, and success.\n"
    "Scores of two runs whose intervals do not meet differ by more than chance, as\n"
    "far as these two policies go; how a setting does needs several seeds (telos sweep).\n"
    "Exit codes: 0 compared, 64 usage, 74 I/O error, 78 a folder that is no run.\n";

static void print_row(const char *name, char cell[][CELL_BYTES], int n) {
  printf("%-*s", NAME_WIDTH, name);
  for (int i = 0; i < n; i++) {
    printf("  %*s", i + 1 < n ? -CELL_WIDTH : 0, cell[i]);
  }
  putchar('\n');
}

static void print_settings(const struct run_info *runs, int n) {
  for (int row = 0; row < CONFIG_ROWS; row++) {
    char cell[MAX_RUNS][CELL_BYTES], value[CONFIG_VALUE_BYTES], name[2 * CONFIG_KEY_BYTES];
    bool same = true;
    for (int i = 0; i < n; i++) {
      config_format_row(value, &runs[i].cfg, &config_rows[row]);
      snprintf(cell[i], sizeof cell[i], "%.90s", value);
      same = same && strcmp(cell[i], cell[0]) == 0;
    }
    // how many threads compute a result, and at which port, is not what it is
    const bool decides = config_rows[row].change == CHANGE_FIXED || row == CONFIG_ROW_run_steps;
    if (!same && decides) {
      snprintf(name, sizeof name, "%s.%s", config_rows[row].group, config_rows[row].name);
      print_row(name, cell, n);
    }
  }
}

static void print_words(const char *name, const struct run_info *runs, int n,
                        const char *(*word)(const struct run_info *)) {
  char cell[MAX_RUNS][CELL_BYTES];
  for (int i = 0; i < n; i++) {
    snprintf(cell[i], sizeof cell[i], "%.90s", word(&runs[i]));
  }
  print_row(name, cell, n);
}

static void print_numbers(const char *name, const struct run_info *runs, int n,
                          double (*number)(const struct run_info *)) {
  char cell[MAX_RUNS][CELL_BYTES], text[RUN_INFO_NUMBER];
  for (int i = 0; i < n; i++) {
    snprintf(cell[i], sizeof cell[i], "%s", run_info_number(text, number(&runs[i])));
  }
  print_row(name, cell, n);
}

static const char *path_of(const struct run_info *r) {
  return r->path;
}

static const char *task_of(const struct run_info *r) {
  return r->task;
}

static const char *rule_of(const struct run_info *r) {
  return r->rule;
}

static const char *state_of(const struct run_info *r) {
  return r->state;
}

static double best_of(const struct run_info *r) {
  return r->best;
}

static double success_of(const struct run_info *r) {
  return 100 * r->result.success;
}

static void print_results(const struct run_info *runs, int n) {
  char cell[MAX_RUNS][CELL_BYTES], score[RUN_INFO_NUMBER], ci[RUN_INFO_NUMBER];
  print_words("state", runs, n, state_of);
  for (int i = 0; i < n; i++) {
    snprintf(cell[i], sizeof cell[i], "%.0f", runs[i].result.steps);
  }
  print_row("steps", cell, n);
  for (int i = 0; i < n; i++) {
    snprintf(cell[i], sizeof cell[i], "%s +- %s", run_info_number(score, runs[i].result.score),
             run_info_number(ci, runs[i].result.ci));
  }
  print_row("score", cell, n);
  print_numbers("best score", runs, n, best_of);
  print_numbers("success, %", runs, n, success_of);
}

static enum err compare(char *const *paths, int n) {
  struct run_info runs[MAX_RUNS];
  int read = 0;
  enum err err = ERR_OK;
  for (; read < n && err == ERR_OK; read += err == ERR_OK) {
    if (run_files_exist(paths[read])) {
      err = run_info_read(&runs[read], paths[read]);
    } else {
      log_error("%s is no run (it has no manifest.json and config.yaml); telos runs lists them",
                paths[read]);
      err = ERR_CONFIG;
    }
  }
  if (err == ERR_OK) {
    print_words("run", runs, n, path_of);
    print_words("task", runs, n, task_of);
    print_words("rule", runs, n, rule_of);
    print_settings(runs, n);
    print_results(runs, n);
  }
  for (int i = 0; i < read; i++) {
    run_info_release(&runs[i]);
  }
  return err;
}

int verb_compare(int argc, char **argv) {
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    if (c == 'h') {
      fputs(help, stdout);
      return 0;
    }
    options_complain(c, options, argv, "telos compare", NULL);
    return err_exit_code(ERR_USAGE);
  }
  const int n = argc - optind;
  if (n < 2 || n > MAX_RUNS) {
    log_error("telos compare: give 2 to %d folders of runs (telos compare --help)", MAX_RUNS);
    return err_exit_code(ERR_USAGE);
  }
  return err_exit_code(compare(argv + optind, n));
}
