// completion.c - telos completion: the scripts with which shells complete, and the words that these
// ask for at every Tab, so that they are always those of the program that is installed.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/base/words.h"
#include "deploy/completion/scripts.h"  // built: completion.cmake
#include "deploy/launch/candidates.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  source <(telos completion bash)        in this shell; in ~/.bashrc: always\n"
    "  telos completion zsh > ~/.zfunc/_telos\n"
    "  telos completion fish > ~/.config/fish/completions/telos.fish\n"
    "\n"
    "Usage: telos completion bash|zsh|fish\n"
    "       telos completion words WORD ..\n"
    "\n"
    "Prints what makes a shell complete verbs, options, tasks, rules, settings and their\n"
    "values. An installation has it where these shells look for it.\n"
    "words prints what may stand for the last of these words of a command line, a line\n"
    "each: this is what the scripts ask.\n"
    "\n"
    "  --help\n";

static const struct {
  const char *shell, *script;
} scripts[] = {{"bash", COMPLETION_BASH}, {"zsh", COMPLETION_ZSH}, {"fish", COMPLETION_FISH}};

int verb_completion(int argc, char **argv) {
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  // the words are not ours to read
  if (argc > 2 && strcmp(argv[1], "words") == 0) {
    candidates_print(stdout, argv + 2, argc - 2);
    return 0;
  }
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    if (c == 'h') {
      fputs(help, stdout);
      return 0;
    }
    options_complain(c, options, argv, "telos completion", NULL);
    return err_exit_code(ERR_USAGE);
  }
  const char *shell = optind + 1 == argc ? argv[optind] : "";
  struct words_nearest near = {.word = shell};
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    if (strcmp(shell, scripts[i].shell) == 0) {
      fputs(scripts[i].script, stdout);
      return 0;
    }
    words_offer(&near, scripts[i].shell);
  }
  log_error("telos completion: %s%s%s (telos completion --help)",
            near.best != NULL ? "did you mean " : "which shell? bash, zsh or fish",
            near.best != NULL ? near.best : "", near.best != NULL ? "?" : "");
  return err_exit_code(ERR_USAGE);
}
