// fold.h - what a commit changes, beside networks and replay: the counts, the open tickets, the
// evaluations owed, and the policies that tickets and evaluations name.
//
//   open      ticket next + i is open[i]; versions never fall from one ticket to the next
//   owed      evaluations that were asked for, and whose result is not in yet
//   weights   of the newest version, and of each that an open ticket or an evaluation owed names
//
// An episode is folded in as follows:
//
//   fold_add(f, T)                      its steps count
//   updates, counted in f->updates
//   fold_publishes(f) ? fold_publish(f, weights of version f->version + 1)
//   fold_commit(f)                      its ticket is open no more; new ones name the newest
//   fold_evaluates(f), fold_saves(f)    is an evaluation of that version, or a checkpoint, due?
//
// Window, warm-up and publication are counted in env steps, whatever the length of episodes. E
// counts episodes and S sums their steps; when E is 64, both are halved, so that old episodes count
// for less and less. Before the first episode E = 1 and S = horizon. S / E is the length that
// episodes have lately. At the start and at each commit tickets are issued, none or several, until
// n are open:
//   n = window E / S, to the nearest, at least FOLD_MIN_OPEN, at most FOLD_MAX_OPEN     (1)
// A ticket that is open stays open: when n falls below what is open, commits issue none for a
// while. A ticket that is issued with b open ones before it is for the warm-up when
//   steps + b S / E < warmup                                                            (2)
// All of this is exact: whole numbers alone.
//
// At a commit's end the fold is a pure function of configuration, task and the episodes so far, and
// a checkpoint holds it. Results of evaluations are noted when they come and change nothing else;
// nor do the figures of the last update.
// The trainer owns it; others may read it before the trainer's thread starts.
#ifndef LEARNER_FOLD_H
#define LEARNER_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/metrics.h"
#include "common/evaluation.h"
#include "common/nn/weights.h"

enum {
  FOLD_MAX_EVALS = 16,  // owed at once
  FOLD_MIN_OPEN = 2,    // tickets: a second rollout thread has work, however long episodes are
  FOLD_MAX_OPEN = 4096,
  FOLD_MAX_FIGURES = 64,
};

// From configuration and task: what is due when.
struct fold_plan {
  uint64_t window;            // env steps
  uint64_t warmup;            // env steps
  uint64_t horizon;           // env steps of the longest episode, at least 1
  uint64_t steps;             // env steps of the whole run
  uint64_t publish_every;     // env steps
  uint64_t eval_every;        // env steps; 0: only at the end
  uint64_t checkpoint_every;  // env steps
  int nfigure;                // numbers that the rule reports of an update
};

struct fold_ticket {
  uint64_t version;
  bool warmup;  // TICKET_WARMUP, else TICKET_TRAIN
};

// Tickets that a commit issues: n with the ids that come next; the first of them are TICKET_WARMUP.
struct fold_issue {
  int n, warmup;
  uint64_t version;  // that each of them names
};

struct fold {
  struct fold_plan plan;
  uint64_t steps, episodes, updates;
  uint64_t recent_steps, recent_episodes;  // S and E; 0: no episode yet
  uint64_t next;                           // first uncommitted ticket
  uint64_t version;                        // newest published; 0: none yet
  uint64_t since_publish;                  // env steps since then
  uint64_t next_eval_steps, next_checkpoint_steps;
  struct fold_ticket *open;  // (nopen), room for fold_room
  int nopen;
  struct {
    uint64_t version, steps;
  } owed[FOLD_MAX_EVALS];  // in the order in which they were asked for
  int nowed;
  double figure[FOLD_MAX_FIGURES];  // (plan.nfigure) of the last update; NaN: none yet
  struct evaluation last;           // whose result came last; n = 0: none yet
  struct weights **weights;         // (nweights) oldest first, one reference each
  int nweights;
};

// Nothing committed, nothing published; the first tickets are open and name version 1. The first
// fold_publish follows at once, with the initial policy.
void fold_init(struct fold *f, const struct fold_plan *plan);
void fold_release(struct fold *f);
void fold_swap(struct fold *a, struct fold *b);

// Eq. (1): how many tickets are open when E episodes have S steps in all.
int fold_open_tickets(uint64_t window, uint64_t S, uint64_t E);

// The most tickets that can be open with this plan.
int fold_room(const struct fold *f);

// All steps of the plan are committed.
bool fold_complete(const struct fold *f);

void fold_add(struct fold *f, int T);

// A new version is due: when publish_every steps or more were committed since the last one, and at
// the end; but not before the first update.
bool fold_publishes(const struct fold *f);

// Takes over a reference of version f->version + 1.
void fold_publish(struct fold *f, struct weights *w);

// At least FOLD_MIN_OPEN tickets are open afterwards.
struct fold_issue fold_commit(struct fold *f);

// An evaluation of the newest version is due; it is owed from now on. One is always due at the end;
// others are left out while too many are owed.
bool fold_evaluates(struct fold *f);

// A checkpoint is due.
bool fold_saves(struct fold *f);

// The result of an evaluation that is owed.
void fold_evaluated(struct fold *f, const struct evaluation *e);

// The oldest version that an open ticket or an evaluation owed names.
uint64_t fold_oldest(const struct fold *f);

// Weights of a version, borrowed, or NULL; fold_newest: of the newest.
struct weights *fold_weights(const struct fold *f, uint64_t version);
struct weights *fold_newest(const struct fold *f);

// The newest version and those that an open ticket or an evaluation owed names, each once,
// ascending: at most nopen + nowed + 1. At a commit's end weights has exactly these.
int fold_named(const struct fold *f, uint64_t *versions);

// The figures that the fold knows: steps .. version, and the last evaluation when there was one.
void fold_figures(struct metrics *m, const struct fold *f);

#endif
