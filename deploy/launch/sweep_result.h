// sweep_result.h - what a run of a sweep came to, from the files that it left.
//
//   eval.csv         the last evaluation, which is that of the last policy and what `telos eval`
//                    gives, so nothing is evaluated again
//   log.txt          every evaluation, as it came
//   <folder>.log     what `telos train` wrote, in one or more lives; a life begins and ends with a
//                    line of the sweep
#ifndef LAUNCH_SWEEP_RESULT_H
#define LAUNCH_SWEEP_RESULT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/config/config.h"

// Lines of <folder>.log; what follows the first is the command.
#define SWEEP_BEGINS "sweep: begins "
#define SWEEP_ENDS "sweep: ended after "

struct sweep_result {
  bool done;                                 // it has its steps, and they are evaluated
  double steps;                              // of the last evaluation
  double score, ci, distance, success, ret;  // NaN: not known, or not of this task
  double seconds;                            // of all lives
};

// steps: that the run should have. A folder that is no run gives a result that is not done.
void sweep_result_read(struct sweep_result *out, const char *folder, int64_t steps);

// Seconds that the lives of a log's text took: what their last lines say, or, for one that was
// killed, its last progress line.
double sweep_result_seconds(const char *text);

// The last error line of the last life in this log, without its letter; "": there is none. Free
// with free().
char *sweep_result_error(const char *log);

// Logs which settings of the run in this folder differ from cfg, of those that no resumed run may
// change; true: none do, or there is no run.
bool sweep_result_fits(const char *folder, const struct config *cfg);

// A row for each evaluation of the run, behind prefix: steps, distance, score, ci, success, return.
void sweep_result_write_curve(FILE *out, const char *folder, const char *prefix);

// The last n fields of a row of CSV; those that are not known are empty.
void sweep_result_write_numbers(FILE *out, const double *values, int n);

#endif
