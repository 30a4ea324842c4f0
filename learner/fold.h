// fold.h - what a commit changes, beside networks and replay: the counts, the window of tickets,
// the evaluations owed, and the policies that tickets and evaluations name.
//
//   window    ticket next + i names versions[i]; versions never fall from one ticket to the next
//   owed      evaluations that were asked for, and whose result is not in yet
//   weights   of each version that the window or an evaluation owed names; the last ticket of the
//             window names the newest one
//
// An episode is folded in as follows:
//
//   fold_add(f, T)                      its steps count
//   updates, counted in f->updates
//   fold_publishes(f) ? fold_publish(f, weights of version f->version + 1)
//   fold_commit(f)                      the ticket that takes its place names the newest version
//   fold_evaluates(f), fold_saves(f)    is an evaluation of that version, or a checkpoint, due?
//
// At a commit's end the fold is a pure function of configuration, task and the episodes so far, and
// a checkpoint holds it. Results of evaluations are noted when they come and change nothing else.
// The trainer owns it; others may read it before the trainer's thread starts.
#ifndef LEARNER_FOLD_H
#define LEARNER_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/evaluation.h"
#include "common/nn/weights.h"

enum { FOLD_MAX_EVALS = 16 };  // owed at once

// From the configuration: what is due when. Only the window must be the same in a resumed run.
struct fold_plan {
  int window;                 // tickets
  uint64_t steps;             // env steps of the whole run
  uint64_t publish_every;     // commits
  uint64_t eval_every;        // env steps; 0: only at the end
  uint64_t checkpoint_every;  // env steps
};

struct fold {
  struct fold_plan plan;
  uint64_t steps, episodes, updates;
  uint64_t next;           // first uncommitted ticket
  uint64_t version;        // newest published; 0: none yet
  uint64_t since_publish;  // commits since then
  uint64_t next_eval_steps, next_checkpoint_steps;
  uint64_t *versions;  // (plan.window)
  struct {
    uint64_t version, steps;
  } owed[FOLD_MAX_EVALS];  // in the order in which they were asked for
  int nowed;
  struct evaluation last;    // whose result came last; n = 0: none yet
  struct weights **weights;  // (nweights) oldest first, one reference each
  int nweights;
};

// Nothing committed, nothing published, all tickets of the window name version 1. The first
// fold_publish follows at once, with the initial policy.
void fold_init(struct fold *f, const struct fold_plan *plan);
void fold_release(struct fold *f);
void fold_swap(struct fold *a, struct fold *b);

// All steps of the plan are committed.
bool fold_complete(const struct fold *f);

void fold_add(struct fold *f, int T);

// A new version is due: after publish_every commits, and at the end; but not before the first
// update.
bool fold_publishes(const struct fold *f);

// Takes over a reference of version f->version + 1.
void fold_publish(struct fold *f, struct weights *w);

void fold_commit(struct fold *f);

// An evaluation of the newest version is due; it is owed from now on. One is always due at the end;
// others are left out while too many are owed.
bool fold_evaluates(struct fold *f);

// A checkpoint is due.
bool fold_saves(struct fold *f);

// The result of an evaluation that is owed.
void fold_evaluated(struct fold *f, const struct evaluation *e);

// The oldest version that the window or an evaluation owed names.
uint64_t fold_oldest(const struct fold *f);

// Weights of a version, borrowed, or NULL; fold_newest: of the newest.
struct weights *fold_weights(const struct fold *f, uint64_t version);
struct weights *fold_newest(const struct fold *f);

// The versions that the window or an evaluation owed names, each once, ascending: at most
// plan.window + FOLD_MAX_EVALS. At a commit's end weights has exactly these.
int fold_named(const struct fold *f, uint64_t *versions);

#endif
