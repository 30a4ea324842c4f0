// sweep_run.h - the runs of a sweep as children, so many at a time, on one libuv loop.
//
// Each is a `telos train` in a session of its own, so that a Ctrl-C on the terminal reaches the
// sweep alone, which passes it on; and each is told our process number, and stops with its state
// saved when we end. What it writes goes to <folder>.log.
#ifndef LAUNCH_SWEEP_RUN_H
#define LAUNCH_SWEEP_RUN_H

#include <limits.h>
#include <stdbool.h>

#include "deploy/launch/sweep_plan.h"
#include "deploy/launch/sweep_result.h"

struct sweep_options {
  const char *out;  // folder
  int jobs;         // runs at a time
  int threads;      // learner.threads of each, unless the plan says otherwise
};

// <out>/<model>/<name> of a run.
void sweep_run_folder(char path[PATH_MAX], const struct sweep_options *o,
                      const struct sweep_run *run);

// What the runs have come to so far; results has sweep_plan_runs of them.
void sweep_run_read(struct sweep_result *results, const struct sweep_plan *p,
                    const struct sweep_options *o);

// Trains what is not done, and tells of each run that ends; results are as above. The exit code: 0,
// 1 when a run failed, 75 when a signal stopped the sweep with all saved, 78 when a run that is
// done had other settings, 128 and the signal after a second one.
int sweep_run_all(struct sweep_result *results, const struct sweep_plan *p,
                  const struct sweep_options *o);

#endif
