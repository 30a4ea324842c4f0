// play_args.h - the command line of telos-play.
#ifndef PLAY_ARGS_H
#define PLAY_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct play_args {
  const char *what, *task, *checkpoint, *policy, *script, *goal, *camera, *out;
  int width, height;  // 0: not given
  int episodes, frame;
  double fps;
  bool has_seed, has_frame;
  uint64_t seed;
  long parent;         // 0: none
  const char *events;  // folder that has the picture for TensorBoard, too; NULL: none
};

// Fills a, which holds the defaults. ERR_USAGE (logged). --help and --version end the program.
NODISCARD enum err play_args_parse(struct play_args *a, int argc, char **argv);

#endif
