// run_info.h - what is known of a run, from the files that it left. Nothing is evaluated or
// written.
#ifndef LAUNCH_RUN_INFO_H
#define LAUNCH_RUN_INFO_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "deploy/launch/sweep_result.h"

struct run_info {
  char *path, *task, *began, *command;
  char *settings;  // what decides the result and is not the rule's own, as arguments of a shell
  const char *rule;
  const char *state;  // "running", "done" or "stopped"
  struct config cfg;
  struct sweep_result result;  // of the last evaluation
  double best;                 // score of the best one; NaN: none
};

// Of the run in this folder. ERR_CONFIG, ERR_IO (logged): its settings cannot be read. Release with
// run_info_release.
NODISCARD enum err run_info_read(struct run_info *out, const char *path);
void run_info_release(struct run_info *r);

// Those settings of cfg that decide a result and are not what the rule's name stands for, as
// arguments of a shell. Free with free().
char *run_info_settings(const struct config *cfg, const char *rule);

enum { RUN_INFO_NUMBER = 32 };

// x with two decimals, "-" when it is not known; into out, or static.
const char *run_info_number(char out[RUN_INFO_NUMBER], double x);

#endif
