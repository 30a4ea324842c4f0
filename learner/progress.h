// progress.h - progress.csv: how training went, a row an interval of env steps.
//
//   steps, episodes, updates, version   committed so far; newest published policy
//   ep_len, ep_return, ep_distance, ep_success   of the last training episodes (learner/recent.h)
//   loss_q, loss_pi, ...                the figures of the update rule (telos rules): of the last
//                                       minibatch
//   seconds                             that training took so far, over all lives of the learner
//
// What is not known, or not of this task, is an empty field. A row is that of the commit which
// reaches or crosses a multiple of progress.every, and of the last one. So all of it but seconds is
// a function of configuration, task and seed, however fast the fleet is, and whoever dies
// meanwhile: a run that goes on cuts the rows beyond its checkpoint. Evaluations have a file of
// their own (learner/results.h), since their results come when they come.
//
// Trainer's thread only.
#ifndef LEARNER_PROGRESS_H
#define LEARNER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "learner/fold.h"
#include "learner/recent.h"
#include "learner/rules/rule.h"

struct progress;

// Takes over what the folder has, cut to the fold, which is at a commit's end. run_dir and rule are
// borrowed; every: env steps. ERR_IO: not readable, or not writable.
NODISCARD enum err progress_open(struct progress **out, const char *run_dir, const struct fold *f,
                                 const struct rule *rule, uint64_t every);
void progress_close(struct progress *p);  // NULL is allowed

// Whether a commit that took the fold from so many steps to where it is has a row.
bool progress_due(const struct progress *p, const struct fold *f, uint64_t before);

// Adds a row, with one write. ERR_IO: not written, or torn; the run then goes on from its
// checkpoint.
NODISCARD enum err progress_add(struct progress *p, const struct fold *f,
                                const struct recent_figures *recent);

// What was added is on disk. ERR_IO: it is not.
NODISCARD enum err progress_sync(struct progress *p);

// Columns, without newline; the row that was added last, with it. Borrowed.
const char *progress_header(const struct progress *p);
const char *progress_row(const struct progress *p);

#endif
