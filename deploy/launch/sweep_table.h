// sweep_table.h - the results of a sweep for people and programs.
//
//   OUT/results.csv  a row a run
//   OUT/curves.csv   a row an evaluation of each run
//   OUT/results.md   a row a cell: scores by seed, mean, spread, interquartile mean with its
//                    interval (sweep_stats.h); a row over all tasks for each rule and choice of
//                    values, where the scores are distances; and the machine
#ifndef LAUNCH_SWEEP_TABLE_H
#define LAUNCH_SWEEP_TABLE_H

#include "deploy/launch/sweep_plan.h"
#include "deploy/launch/sweep_result.h"
#include "deploy/launch/sweep_run.h"

// Writes the three files from results (sweep_plan_runs).
NODISCARD enum err sweep_table_write(const struct sweep_plan *p, const struct sweep_options *o,
                                     const struct sweep_result *results);

// The table as text; free with free().
char *sweep_table_text(const struct sweep_plan *p, const struct sweep_options *o,
                       const struct sweep_result *results);

#endif
