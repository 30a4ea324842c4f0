// play.c - telos play: becomes telos-play, the only program that links OpenGL.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/log.h"
#include "deploy/launch/verbs.h"

bool verbs_find_play(char *path, size_t n) {
  snprintf(path, n, "%s/telos-play", verbs_program_dir());
  return access(path, X_OK) == 0;
}

void verbs_tell_no_play(const char *path) {
  log_error(
      "%s is not there: this build cannot draw; install libosmesa6-dev, libpng-dev and "
      "libwebp-dev, then configure and build again",
      path);
}

int verb_play(int argc, char **argv) {
  (void)argc;
  char path[PATH_MAX + 16];
  if (!verbs_find_play(path, sizeof path)) {
    verbs_tell_no_play(path);
    return err_exit_code(ERR_CONFIG);
  }
  execv(path, argv);
  log_error("cannot start %s: %s; is the installation complete?", path, strerror(errno));
  return err_exit_code(ERR_IO);
}
