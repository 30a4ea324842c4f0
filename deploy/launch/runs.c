// runs.c - telos runs: what is below a folder of runs, from the files that each left.
//
// Nothing is evaluated and nothing is written.
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/options.h"
#include "deploy/launch/run_list.h"
#include "deploy/launch/verbs.h"

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
    "\n"
    "  --json    one JSON array, which has the command as well\n"
    "  --help\n"
    "\n"
    "Exit codes: 0 listed, 64 usage, 74 a folder cannot be read.\n";

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

static void print_json(const struct run_list *list) {
  json_t *all = json_array();
  for (int i = 0; i < list->n; i++) {
    CHECK(json_array_append_new(all, to_json(&list->v[i])) == 0);
  }
  CHECK(json_dumpf(all, stdout, JSON_INDENT(2)) == 0);
  putchar('\n');
  json_decref(all);
}

static void print_table(const struct run_list *list) {
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
  char runs[] = "runs", *usual[] = {runs};
  struct run_list list = {0};
  const bool given = optind < argc;
  const enum err err =
      run_list_read(&list, given ? argv + optind : usual, given ? argc - optind : 1);
  if (err == ERR_OK && json) {
    print_json(&list);
  } else if (err == ERR_OK) {
    print_table(&list);
  }
  run_list_release(&list);
  return err_exit_code(err);
}
