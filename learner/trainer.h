// trainer.h - one thread that commits episodes in ticket order, and trains on them.
//
//   episode k  ->  segment on disk  ->  replay  ->  updates  ->  new policy version  ->  event
//
// Updates are counted, never timed: after a commit the total done is
//   floor(updates_per_step * max(0, steps - warmup_steps))                                  (1)
// so the ratio is exact at every commit, whatever the fleet does. Part i of batch u is drawn with
// (seed, RNG_BATCH, u parts + i), the first rows of each from demonstrations where there are any
// (demos.share). The state at a commit boundary (learner/fold.h, networks, replay)
// is a pure function of configuration, task and the episodes so far; that state is what a
// checkpoint holds.
//
// The loop thread owns the object and calls everything; the trainer's own thread only talks to it
// through queues: episodes and evaluations in, events out, notify after each event. That thread
// owns a crew (common/base/crew.h), whose others draw, compute and step along within an update,
// and touch nothing in between.
#ifndef LEARNER_TRAINER_H
#define LEARNER_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/config/metrics.h"
#include "common/evaluation.h"
#include "common/nn/weights.h"
#include "common/task/task.h"
#include "learner/fold.h"
#include "learner/rundir.h"

struct dims;
struct episode;
struct given;
struct team;
struct trainer;

enum trainer_event_kind {
  TRAINER_COMMITTED,  // the oldest episode pushed is folded in
  TRAINER_COMPLETE,   // that was the last one; evaluations may still be pending
  TRAINER_FINISHED,   // every evaluation is in and everything is on disk
  TRAINER_STOPPED,    // trainer_stop: state is saved
  TRAINER_FAILED,     // err says why (logged); what was saved before stays valid
};

struct trainer_event {
  enum trainer_event_kind kind;
  enum err err;
  struct fold_issue issue;    // tickets that are open now, too; names the newest version
  uint64_t oldest;            // that a ticket or an evaluation names: older weights may go
  struct weights *published;  // the new version, one reference for the receiver; NULL: none
  bool evaluate;              // issue an evaluation of the newest version
};

// Builds or restores the state. cfg, task, run and team (NULL: this process alone) are borrowed and
// must outlive it; given (NULL: nothing) is read by this call alone. notify is called on the
// trainer's thread after each event.
NODISCARD enum err trainer_new(struct trainer **out, const struct config *cfg,
                               const struct task *task, const struct rundir *run, struct team *team,
                               const struct given *given, void (*notify)(void *ctx), void *ctx);
void trainer_free(struct trainer *t);  // joins the thread; NULL is allowed

// What the ledger and whoever sends weights start from; valid before trainer_start.
const struct fold *trainer_fold(const struct trainer *t);

// True when a restored run has committed all its steps.
bool trainer_complete(const struct trainer *t);

// Writes the policy of the first evaluation at or beyond each multiple of every env steps to
// videos/step_<steps>.safetensors in the run's folder, for somebody else to draw. Before
// trainer_start. Nothing of this enters the fold; when it fails, it is told and given up.
void trainer_set_videos(struct trainer *t, uint64_t every);

void trainer_start(struct trainer *t);

// The next episode in ticket order. Takes ownership and NULLs *ep.
void trainer_push(struct trainer *t, struct episode **ep);

// The result of an evaluation that an event asked for.
void trainer_push_evaluation(struct trainer *t, const struct evaluation *result);

// Ask it to save and stop at the next commit boundary: TRAINER_STOPPED follows.
void trainer_stop(struct trainer *t);

// Next event, or false.
bool trainer_poll(struct trainer *t, struct trainer_event *event);

// Metrics of the fold so far (steps .. eval_success of metrics.def; the caller fills the rest).
// wait_s: seconds in all that the thread waited for episodes, until now; updates for rates.
void trainer_metrics(struct trainer *t, struct metrics *m, double *wait_s);

// Rises while the thread works; with *busy it tells a stuck trainer from an idle one.
uint64_t trainer_progress(const struct trainer *t, bool *busy);

#endif
