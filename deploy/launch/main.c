// main.c - telos: the front door. Finds the verb; the verbs do the work.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "common/base/words.h"
#include "deploy/launch/verbs.h"

static const char help_examples[] =
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
    "\n";

static const char help_end[] =
    "\n"
    "telos-learner and telos-actor are the two programs behind `train`, for fleets.\n";

static void print_help(FILE *out) {
  fputs(help_examples, out);
  verbs_print_help(out);
  fputs(help_end, out);
}

static void tell_unknown(const char *word) {
  struct words_nearest near = {.word = word};
  for (const struct verb *v = verbs; v->name != NULL; v++) {
    words_offer(&near, v->name);
  }
  words_offer(&near, "help");
  if (near.best != NULL) {
    log_error("unknown verb '%s'; did you mean %s? (telos --help)", word, near.best);
    return;
  }
  char *names = NULL;
  size_t n;
  FILE *out = open_memstream(&names, &n);
  CHECK(out != NULL);
  verbs_print_names(out);
  CHECK(fclose(out) == 0);
  log_error("unknown verb '%s'; expected %s (telos --help)", word, names);
  free(names);
}

// argv[0] is the verb
static int run_verb(int argc, char **argv) {
  const char *word = argv[0];
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
    print_help(stdout);
    return 0;
  }
  const struct verb *verb = verbs_find(strcmp(word, "--version") == 0 ? "version" : word);
  if (verb != NULL) {
    return verb->run(argc, argv);
  }
  tell_unknown(word);
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
    print_help(stderr);
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
