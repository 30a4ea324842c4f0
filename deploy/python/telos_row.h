// telos_row.h - what libtelos-env is inside: rows of one task, each with a simulation and an
// episode of its own.
//
// Rows share the task, which nobody changes. A row's own fields and its part of each array belong
// to the thread that runs it; the call's are only read meanwhile.
#ifndef PYTHON_TELOS_ROW_H
#define PYTHON_TELOS_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rng.h"

struct crew;
struct env;
struct task;

struct row {
  struct env *sim;
  uint64_t seed, episode;  // of the next reset
  struct rng dynamics;
  int t;              // steps of this episode
  bool over;          // it needs a reset
  char problem[512];  // of the last reset; "": none
};

struct telos_env {
  struct task *task;
  struct crew *crew;
  int n;
  struct row *row;
  float *obs, *achieved, *desired, *reward;
  unsigned char *terminated, *truncated, *unstable, *was_reset;
  float *next;  // (n x (obs + goal)) a state that may not be one

  // of the call that runs
  const unsigned char *which;
  const uint64_t *seeds;
  const float *goals, *actions;
};

// What the call asks of row i, as a job of the crew: a reset or a step, or nothing when it is not
// marked. What goes wrong is left in the row.
void telos_row_run(void *env, int i);

bool telos_row_finite(const float *x, size_t n);

#endif
