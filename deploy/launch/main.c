// main.c - telos: the front door. Finds the verb; the verbs do the work.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cpu.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "common/base/words.h"
#include "deploy/launch/verbs.h"
#include "proto/version.h"

static const char help[] =
    "Examples:\n"
    "  telos train box2d                      train on this machine, watch it learn\n"
    "  telos train box2d --actors 4 run.seed=1\n"
    "  telos eval runs/box2d/NAME             evaluate what came out\n"
    "  telos play runs/box2d/NAME             see what it does\n"
    "  telos sweep box2d ant-xy --rules odac,her --seeds 0..3    compare, in one table\n"
    "  telos task list                        the tasks that can be trained\n"
    "  telos config                           every setting with its value\n"
    "\n"
    "Usage: telos VERB [options]; telos help VERB tells the rest.\n"
    "\n"
    "  train TASK    start a learner and actors here; write the policy\n"
    "  eval RUN      evaluate a run's policy.safetensors\n"
    "  play RUN      draw episodes of a policy, or of a task\n"
    "  export RUN    write a policy for other programs: ONNX, C or NumPy\n"
    "  record TASK   record episodes of a script or a policy, for train --demos\n"
    "  sweep         train tasks x rules x settings x seeds; one table at the end\n"
    "  runs          list runs: score, state, settings\n"
    "  compare A B   settings in which runs differ, and results side by side\n"
    "  plot RUN      learning curves as SVG or PNG\n"
    "  task          list tasks, show one, check a file\n"
    "  rules         list the update rules, for train --rule\n"
    "  fleet         the commands for other machines: compose, Kubernetes, Slurm\n"
    "  keys          make keys for encryption, and allow and revoke actors\n"
    "  health        ask a learner or an actor whether it is alive\n"
    "  config        show the resolved settings\n"
    "  version       versions of telos and its libraries\n"
    "\n"
    "telos-learner and telos-actor are the two programs behind `train`, for fleets.\n";

// argv[0] is the verb
static int run_verb(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } verbs[] = {{"train", verb_train},   {"eval", verb_eval},       {"play", verb_play},
               {"sweep", verb_sweep},   {"record", verb_record},   {"export", verb_export},
               {"task", verb_task},     {"rules", verb_rules},     {"keys", verb_keys},
               {"runs", verb_runs},     {"compare", verb_compare}, {"plot", verb_plot},
               {"health", verb_health}, {"fleet", verb_fleet},     {"config", verb_config}};
  const char *verb = argv[0];
  if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0) {
    fputs(help, stdout);
    return 0;
  }
  if (strcmp(verb, "--version") == 0 || strcmp(verb, "version") == 0) {
    version_print(stdout, "telos", NULL);
    return 0;
  }
  struct words_nearest near = {.word = verb};
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    if (strcmp(verb, verbs[i].name) == 0) {
      return verbs[i].run(argc, argv);
    }
    words_offer(&near, verbs[i].name);
  }
  words_offer(&near, "version");
  words_offer(&near, "help");
  if (near.best != NULL) {
    log_error("unknown verb '%s'; did you mean %s? (telos --help)", verb, near.best);
  } else {
    log_error(
        "unknown verb '%s'; expected train, eval, play, record, export, sweep, runs, compare, "
        "plot, task, rules, fleet, keys, health, config or version (telos --help)",
        verb);
  }
  return err_exit_code(ERR_USAGE);
}

static int exit_code;

// what was printed has to have arrived, unless its reader wants no more; also when a verb ends by
// itself, having printed its help
static void check_output(void) {
  const bool written = fflush(stdout) == 0 && !ferror(stdout);
  if (written || errno == EPIPE || exit_code != 0) {
    return;
  }
  log_error("cannot write standard output: %s; make room, or write it elsewhere", strerror(errno));
  _exit(err_exit_code(ERR_IO));
}

int main(int argc, char **argv) {
  // before anything that the compiler may have vectorised
  const enum err err = cpu_require();
  if (err != ERR_OK) {
    return err_exit_code(err);
  }
  log_set_name("telos");
  atexit(check_output);
  process_ignore_sigpipe();
  if (argc < 2) {
    fputs(help, stderr);
    return err_exit_code(ERR_USAGE);
  }
  if (strcmp(argv[1], "help") == 0 && argc > 2) {
    char option[] = "--help";
    char *words[] = {argv[2], option, NULL};
    exit_code = run_verb(2, words);
    return exit_code;
  }
  exit_code = run_verb(argc - 1, argv + 1);
  return exit_code;
}
