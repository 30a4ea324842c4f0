// play.c - telos play: becomes telos-play, the only program that links OpenGL. Its help is here, so
// that it can be read where telos-play is not there.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "deploy/launch/commands.h"
#include "deploy/launch/play_help.h"
#include "deploy/launch/verbs.h"

bool verbs_find_play(char *path, size_t n) {
  snprintf(path, n, "%s/telos-play", commands_program_dir());
  return access(path, X_OK) == 0;
}

void verbs_tell_no_play(const char *path, const char *arguments) {
  char *script = NULL;
  size_t n;
  FILE *out = open_memstream(&script, &n);
  CHECK(out != NULL);
  const bool found = commands_run_script(out);
  CHECK(fclose(out) == 0);
  if (found) {
    log_error("%s is not there: this build cannot draw; %s %s installs and builds what it needs",
              path, script, arguments);
  } else {
    log_error(
        "%s is not there, so nothing can be drawn; install the package telos-play, or, where telos "
        "was built, libosmesa6-dev, libpng-dev and libwebp-dev, then configure and build again",
        path);
  }
  free(script);
}

static bool asks_for_help(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      return true;
    }
  }
  return false;
}

int verb_play(int argc, char **argv) {
  char path[PATH_MAX + 16];
  if (asks_for_help(argc, argv)) {
    fputs(play_help, stdout);
    return 0;
  }
  if (!verbs_find_play(path, sizeof path)) {
    verbs_tell_no_play(path, "play ..");
    return err_exit_code(ERR_CONFIG);
  }
  execv(path, argv);
  log_error("cannot start %s: %s; is the installation complete?", path, strerror(errno));
  return err_exit_code(ERR_IO);
}
