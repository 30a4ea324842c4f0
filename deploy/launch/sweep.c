// sweep.c - telos sweep: the command line, and what becomes of its runs.
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/base/shell.h"
#include "deploy/launch/commands.h"
#include "deploy/launch/sweep_plan.h"
#include "deploy/launch/sweep_run.h"
#include "deploy/launch/sweep_table.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  telos sweep box2d ant-xy:200000 --rules odac,her --seeds 0..3\n"
    "  telos sweep box2d --seeds 0..3 agent.gamma=0.9,0.98 'net.hidden=[64,64],[128,128]'\n"
    "  telos sweep comparison.yaml\n"
    "\n"
    "Usage: telos sweep [TASK[:STEPS] ...] [FILE.yaml] [options] [group.name=a,b,c ...]\n"
    "\n"
    "Trains tasks x rules x values of settings x seeds on this machine's cores, each as\n"
    "`telos train` would, and writes one table and one CSV. The same command again goes on\n"
    "where it was stopped: runs that are done are kept, others resume. Ctrl-C: save and\n"
    "stop (twice: stop now).\n"
    "\n"
    "  TASK[:STEPS]    bundled task, or an MJCF file; STEPS in place of run.steps\n"
    "  FILE.yaml       the same from a file (README, \"Comparisons\"); what is given here is\n"
    "                  in place of its tasks, rules, seeds, jobs, or values of a setting\n"
    "  group.name=a,b  one run for each value; commas in brackets do not part them\n"
    "  --rules RULE,.. update rules; `telos rules` lists them (default: none is named)\n"
    "  --seeds LIST    0..3 or 0,2,5 (default 0)\n"
    "  --jobs N        runs at a time (default: cores - 1, at least 1)\n"
    "  --demos FILE    demonstrations for all runs; `telos record` makes them\n"
    "  --out FOLDER    where runs and tables go (default: sweeps/ and the file's name)\n"
    "  --table         run nothing; the tables of what is there\n"
    "  --help\n"
    "\n"
    "A run has one actor with one thread, and the cores by jobs as learner.threads. Written:\n"
    "results.md (the table), results.csv (a row a run), curves.csv (a row an evaluation).\n";

struct arguments {
  const char *rules, *seeds, *jobs, *demos, *out;  // NULL: not given
  const char *file;                                // of the operands, the sweep file
  bool table;
};

static enum err parse_options(struct arguments *a, int argc, char **argv) {
  static const struct option options[] = {
      {"rules", required_argument, NULL, 'u'}, {"seeds", required_argument, NULL, 's'},
      {"jobs", required_argument, NULL, 'j'},  {"demos", required_argument, NULL, 'D'},
      {"out", required_argument, NULL, 'o'},   {"table", no_argument, NULL, 't'},
      {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'u':
        a->rules = optarg;
        break;
      case 's':
        a->seeds = optarg;
        break;
      case 'j':
        a->jobs = optarg;
        break;
      case 'D':
        a->demos = optarg;
        break;
      case 'o':
        a->out = optarg;
        break;
      case 't':
        a->table = true;
        break;
      case 'h':
        fputs(help, stdout);
        exit(0);
      default:
        options_complain(c, options, argv, "telos sweep", config_explain_option);
        return ERR_USAGE;
    }
  }
  return ERR_OK;
}

static bool is_file(const char *word) {
  const char *point = strrchr(word, '.');
  return strchr(word, '=') == NULL && point != NULL &&
         (strcmp(point, ".yaml") == 0 || strcmp(point, ".yml") == 0);
}

// "group.name=a,b,c"
static enum err add_setting(struct sweep_plan *p, const char *word) {
  char place[CONFIG_PLACE_BYTES];
  const struct config_row *row;
  const char *equals = strchr(word, '=');
  snprintf(place, sizeof place, "argument %.100s", word);
  const enum err err = config_require_row(&row, place, word, (size_t)(equals - word));
  return err == ERR_OK ? sweep_plan_values(p, row, equals + 1, place) : err;
}

static enum err add_operand(struct sweep_plan *p, const char *word) {
  char place[CONFIG_PLACE_BYTES];
  snprintf(place, sizeof place, "argument %.100s", word);
  return strchr(word, '=') != NULL ? add_setting(p, word) : sweep_plan_add_task(p, word, place);
}

// the file first, then what stands beside it
static enum err make_plan(struct sweep_plan *p, struct arguments *a, char **words, int n) {
  enum err err = ERR_OK;
  bool tasks = false;
  for (int i = 0; i < n; i++) {
    if (is_file(words[i]) && a->file != NULL) {
      log_error("%s: one sweep file at a time", words[i]);
      return ERR_USAGE;
    }
    a->file = is_file(words[i]) ? words[i] : a->file;
    tasks = tasks || (!is_file(words[i]) && strchr(words[i], '=') == NULL);
  }
  if (a->file != NULL) {
    err = sweep_plan_file(p, a->file);
  }
  if (err == ERR_OK && tasks) {
    sweep_plan_clear_tasks(p);
  }
  if (err == ERR_OK && a->rules != NULL) {
    err = sweep_plan_rules(p, a->rules, "--rules");
  }
  if (err == ERR_OK && a->seeds != NULL) {
    err = sweep_plan_seeds(p, a->seeds, "--seeds");
  }
  if (err == ERR_OK && a->jobs != NULL) {
    err = sweep_plan_jobs(p, a->jobs, "--jobs");
  }
  if (err == ERR_OK && a->demos != NULL) {
    err = sweep_plan_demos(p, a->demos);
  }
  for (int i = 0; err == ERR_OK && i < n; i++) {
    if (!is_file(words[i])) {
      err = add_operand(p, words[i]);
    }
  }
  return err == ERR_OK ? sweep_plan_complete(p) : err;
}

static enum err choose(struct sweep_options *o, char out[PATH_MAX], const struct sweep_plan *p,
                       const struct arguments *a) {
  const char *base = a->file != NULL ? a->file : "default";
  base = strrchr(base, '/') != NULL ? strrchr(base, '/') + 1 : base;
  const int n = a->out != NULL
                    ? snprintf(out, PATH_MAX, "%s", a->out)
                    : snprintf(out, PATH_MAX, "sweeps/%.*s", (int)strcspn(base, "."), base);
  if (n == 0 || n > PATH_MAX - RUN_NAME_MODEL - NAME_MAX - 16) {
    log_error("--out %.100s: not a folder's name, or too long a one", out);
    return ERR_USAGE;
  }
  const int cores = cpu_cores(), runs = sweep_plan_runs(p);
  const int usual = cores > 1 ? cores - 1 : 1;
  o->out = out;
  o->jobs = p->jobs != 0 ? p->jobs : usual;
  o->jobs = o->jobs < runs ? o->jobs : runs;
  o->threads = cores / o->jobs > 0 ? cores / o->jobs : 1;
  return ERR_OK;
}

// One sweep writes a folder. The lock is for our children, too: runs that a killed sweep left are
// still saving. It is held until the process ends.
static enum err lock(const char *out) {
  char path[PATH_MAX];
  enum err err = fsio_mkdirs(out);
  if (err != ERR_OK) {
    return err;
  }
  CHECK(snprintf(path, sizeof path, "%s/sweep.lock", out) < PATH_MAX);
  const int fd = open(path, O_RDWR | O_CREAT, 0644);
  if (fd < 0) {
    log_error("%s cannot be written: %m", path);
    return ERR_IO;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    log_error("%s is in use by another sweep, or its runs are still saving", out);
    return ERR_UNAVAILABLE;
  }
  return ERR_OK;
}

static void print_again(const struct sweep_plan *p, const struct sweep_result *results, int argc,
                        char **argv) {
  const int runs = sweep_plan_runs(p);
  int done = 0;
  for (int i = 0; i < runs; i++) {
    done += results[i].done;
  }
  char *words = shell_join(argv, argc);
  printf("\nstopped with %d of %d runs done. Go on with\n  ", done, runs);
  commands_telos(stdout);
  printf(" %s\n", words);
  free(words);
}

static int print_table(const struct sweep_plan *p, const struct sweep_options *o,
                       const struct sweep_result *results) {
  const enum err err = sweep_table_write(p, o, results);
  char *text = sweep_table_text(p, o, results);
  printf("\n%s\nwrote\n  %s/results.md\n  %s/results.csv\n  %s/curves.csv\n", text, o->out, o->out,
         o->out);
  free(text);
  return err_exit_code(err);
}

int verb_sweep(int argc, char **argv) {
  struct arguments a = {0};
  struct sweep_plan plan = {0};
  struct sweep_options o;
  char out[PATH_MAX];
  // as it was given: getopt moves operands behind options
  char **given = must_alloc((size_t)argc + 1, sizeof *given);
  memcpy(given, argv, (size_t)argc * sizeof *given);
  enum err err = parse_options(&a, argc, argv);
  if (err == ERR_OK) {
    err = make_plan(&plan, &a, argv + optind, argc - optind);
  }
  if (err == ERR_OK) {
    err = choose(&o, out, &plan, &a);
  }
  if (err == ERR_OK && !a.table) {
    err = lock(out);
  }
  int code = err_exit_code(err);
  if (err == ERR_OK) {
    struct sweep_result *results = must_alloc((size_t)sweep_plan_runs(&plan), sizeof *results);
    if (a.table) {
      sweep_run_read(results, &plan, &o);
    } else {
      code = sweep_run_all(results, &plan, &o);
    }
    if (code <= 1) {
      const int written = print_table(&plan, &o, results);
      code = code != 0 ? code : written;
    } else if (code != err_exit_code(ERR_CONFIG)) {
      print_again(&plan, results, argc, given);
    }
    free(results);
  }
  free(given);
  sweep_plan_release(&plan);
  return code;
}
