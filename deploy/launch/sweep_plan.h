// sweep_plan.h - what a sweep compares: tasks x rules x values of settings x seeds.
//
// A cell is one task, rule and choice of values; a run is a cell with a seed. Runs are numbered
// with the seeds outermost, so that a sweep that is stopped has equally many of each cell:
//   run i is cell i % cells with seed number i / cells
// A run has the folder OUT/<model>/<name>, its name [rule-]steps[-group.name=value ..]-s<seed>;
// settings of one value are not in it.
//
// Functions that read text take its place for messages: "--seeds", or "file.yaml:3:9".
#ifndef LAUNCH_SWEEP_PLAN_H
#define LAUNCH_SWEEP_PLAN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/config/table.h"
#include "common/demos.h"
#include "deploy/launch/run_name.h"

enum {
  SWEEP_MAX_RUNS = 10000,
  SWEEP_MAX_JOBS = 1024,
  SWEEP_MAX_SETTINGS = 120,  // as many as telos train takes, less those of a sweep itself
};

// A list of owned texts.
struct sweep_words {
  char **v;
  int n;
};

struct sweep_task {
  char *task;                    // a name or a file, as telos train takes it
  char model[RUN_NAME_MODEL];    // its folder below OUT
  int64_t steps;                 // 0: those of run.steps
  struct sweep_words reference;  // pairs: a rule, or "" for all; what others reached
};

// A setting and its values, which are written as config_format_row writes them.
struct sweep_axis {
  const struct config_row *row;
  struct sweep_words values;
};

struct sweep_plan {
  struct sweep_task *tasks;
  int ntasks;
  struct sweep_words rules;  // none: --rule is not given
  int64_t *seeds;
  int nseeds;
  struct sweep_axis axes[SWEEP_MAX_SETTINGS];
  int naxes;
  int jobs;           // 0: not given
  const char *demos;  // --demos of each run, borrowed; NULL: none
  char demos_digest[DEMOS_DIGEST];
  char *reference;  // heading of the references' column; NULL: not given
};

struct sweep_run {
  const struct sweep_task *task;
  const char *rule;                       // NULL: not given
  const char *value[SWEEP_MAX_SETTINGS];  // of each axis
  int64_t seed, steps;
  char name[NAME_MAX + 1];
};

void sweep_plan_release(struct sweep_plan *p);

// ---- what is compared; ERR_CONFIG (logged) and the plan as it was ----

// Adds "TASK" or "TASK:STEPS".
NODISCARD enum err sweep_plan_add_task(struct sweep_plan *p, const char *text, const char *place);
NODISCARD enum err sweep_plan_steps(int64_t *steps, const char *text, const char *place);

void sweep_plan_clear_tasks(struct sweep_plan *p);

// "odac,sac", in place of the rules that there were.
NODISCARD enum err sweep_plan_rules(struct sweep_plan *p, const char *text, const char *place);

// "0..3", "0,2,5" or both, in place of the seeds that there were.
NODISCARD enum err sweep_plan_seeds(struct sweep_plan *p, const char *text, const char *place);

// "a,b,c" of a row, in place of the values that it had; commas in brackets do not part.
NODISCARD enum err sweep_plan_values(struct sweep_plan *p, const struct config_row *row,
                                     const char *text, const char *place);

// Demonstrations for all runs; path is borrowed. ERR_IO: not readable.
NODISCARD enum err sweep_plan_demos(struct sweep_plan *p, const char *path);

NODISCARD enum err sweep_plan_jobs(struct sweep_plan *p, const char *text, const char *place);

// A sweep file (sweep_file.c); tests/bench/README.md, "Comparisons", has its keys.
NODISCARD enum err sweep_plan_yaml(struct sweep_plan *p, const char *text, size_t n,
                                   const char *label);
NODISCARD enum err sweep_plan_file(struct sweep_plan *p, const char *path);

// The last word: finds the tasks' files and names, and checks that each run has settings that a
// run can have, and a folder of its own. Without seeds: seed 0. ERR_USAGE: there is no task.
NODISCARD enum err sweep_plan_complete(struct sweep_plan *p);

// ---- its runs ----

int sweep_plan_cells(const struct sweep_plan *p);
int sweep_plan_runs(const struct sweep_plan *p);
void sweep_plan_run(struct sweep_run *out, const struct sweep_plan *p, int i);

// The settings of a run, as telos train would have them, from the environment, too.
NODISCARD enum err sweep_plan_config(struct config *cfg, const struct sweep_plan *p,
                                     const struct sweep_run *run);

// "group.name=value" of a run, into a list that is empty.
void sweep_plan_settings(struct sweep_words *out, const struct sweep_plan *p,
                         const struct sweep_run *run);

// What others reached; "": it is not given.
const char *sweep_plan_reference(const struct sweep_run *run);

// Whether an axis has more than one value.
bool sweep_plan_varies(const struct sweep_plan *p, int axis);

// ---- lists ----

void sweep_words_add(struct sweep_words *w, const char *text, size_t n);
void sweep_words_release(struct sweep_words *w);

#endif
