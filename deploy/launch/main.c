// main.c - telos: the front door. Finds the verb; the verbs do the work.
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cpu.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "deploy/launch/verbs.h"
#include "proto/version.h"

static const char help[] =
    "Examples:\n"
    "  telos train box2d                      train on this machine, watch it learn\n"
    "  telos train box2d --actors 4 run.seed=1\n"
    "  telos eval runs/box2d/NAME             evaluate what came out\n"
    "  telos play runs/box2d/NAME             see what it does\n"
    "  telos task list                        the tasks that can be trained\n"
    "  telos config                           every setting with its value\n"
    "\n"
    "Usage: telos VERB [options]; telos VERB --help tells the rest.\n"
    "\n"
    "  train TASK    start a learner and actors here; write the policy\n"
    "  eval RUN      evaluate a run's policy.safetensors\n"
    "  play RUN      draw episodes of a policy, or of a task\n"
    "  task          list tasks, show one, check a file\n"
    "  config        show the resolved settings\n"
    "  version       versions of telos and its libraries\n"
    "\n"
    "telos-learner and telos-actor are the two programs behind `train`, for fleets.\n";

const char *verbs_program_dir(void) {
  static char dir[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
  if (n > 0) {
    dir[n] = '\0';
    *strrchr(dir, '/') = '\0';
  }
  return dir;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } verbs[] = {{"train", verb_train},
               {"eval", verb_eval},
               {"play", verb_play},
               {"task", verb_task},
               {"config", verb_config}};
  // before anything that the compiler may have vectorised
  const enum err err = cpu_require();
  if (err != ERR_OK) {
    return err_exit_code(err);
  }
  log_set_name("telos");
  process_ignore_sigpipe();
  if (argc < 2) {
    fputs(help, stderr);
    return err_exit_code(ERR_USAGE);
  }
  const char *verb = argv[1];
  if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0) {
    fputs(help, stdout);
    return 0;
  }
  if (strcmp(verb, "--version") == 0 || strcmp(verb, "version") == 0) {
    version_print(stdout, "telos", NULL);
    return 0;
  }
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    if (strcmp(verb, verbs[i].name) == 0) {
      return verbs[i].run(argc - 1, argv + 1);
    }
  }
  log_error("unknown verb '%s'; expected train, eval, play, task, config or version (telos --help)",
            verb);
  return err_exit_code(ERR_USAGE);
}
