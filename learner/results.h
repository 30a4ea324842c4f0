// results.h - what evaluations leave in the folder of a run: the learning curve, and the best
// policy.
//
//   eval.csv                  one row an evaluation, in the order of their steps
//   best/policy.safetensors   the policy of the best score so far; metadata has it, and its steps
//
// Results come in whatever order the fleet computes them. Rows are sorted, and of equal scores the
// one of the fewest steps is the best, so that both files are functions of configuration, task and
// seed, as the policy is; all but the column seconds, which is the time that training took so far,
// over all lives of the learner. (An exception: a fleet so slow that FOLD_MAX_EVALS - 1 evaluations
// wait leaves some out, see fold_evaluates.)
//
// A run that goes on does so from a checkpoint: rows of evaluations that come again are cut, those
// beyond it and those that it owes. The best policy stays, since it comes again, too. Both files
// are written whole each time; neither is read by training.
//
// Trainer's thread only.
#ifndef LEARNER_RESULTS_H
#define LEARNER_RESULTS_H

#include "common/base/err.h"
#include "common/evaluation.h"
#include "common/nn/weights.h"
#include "learner/export.h"
#include "learner/fold.h"

// Columns of eval.csv.
#define RESULTS_HEADER                                                                      \
  "steps,version,episodes,score,score_ci95,final_distance,initial_distance,success,return," \
  "unstable,seconds"

struct results;

// Takes over what the folder has, cut to the fold, which is at a commit's end; a damaged row is
// warned of and left out. from is copied, what it names borrowed, as run_dir is. ERR_IO: not
// writable.
NODISCARD enum err results_open(struct results **out, const char *run_dir, const struct fold *f,
                                const struct export_origin *from);
void results_free(struct results *r);  // NULL is allowed

// The result of an evaluation of w, with version and steps. ERR_IO: not written, the folder is as
// it was or has the row alone; the run then goes on from its checkpoint, where it is owed.
NODISCARD enum err results_add(struct results *r, const struct evaluation *e,
                               const struct weights *w);

// The row of an evaluation of so many steps, which has one: borrowed until the next call above.
const char *results_row(const struct results *r, uint64_t steps);

#endif
