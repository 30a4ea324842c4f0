// report.h - what the learner tells people of its run.
//
//   once a status interval   a progress line on standard output; its seconds are those of this life
//   as it happens            a warning when episodes become unstable: the first, then powers of ten
//   at the end               which side was the limit, and what would change that; the last line
//   has
//                            the figures of the whole run
//
// Loop thread only.
#ifndef LEARNER_REPORT_H
#define LEARNER_REPORT_H

#include <stdint.h>

#include "common/config/config.h"
#include "common/config/metrics.h"
#include "learner/fleet.h"
#include "learner/ledger.h"
#include "learner/trainer.h"

// A moment of the run: what was waited and computed until then, see struct fleet.
struct report_mark {
  double at_s;  // 0: not yet
  double wait_s;
  uint64_t busy_ms, thread_ms;
};

struct report {
  const struct config *cfg;
  double start_s;           // when the learner began
  struct report_mark last;  // at the last line
  double last_steps, last_updates;
  double idle;                    // actor_idle of the last line
  struct metrics shown;           // the last line
  uint64_t episodes, unstable;    // handed to the trainer; of those: cut by an unstable simulation
  uint64_t warn_at;               // unstable episodes of the next warning
  struct report_mark begin, end;  // first commit; all committed
  int threads;                    // most rollout threads that were here at once
  int open;                       // most tickets that were open at a line
};

// cfg is borrowed.
void report_init(struct report *r, const struct config *cfg, struct trainer *trainer);

// An episode that goes to the trainer.
void report_episode(struct report *r, const struct episode *ep);

// The trainer has committed an episode; the last one.
void report_committed(struct report *r, struct trainer *trainer, const struct fleet *fleet);
void report_complete(struct report *r, struct trainer *trainer, const struct fleet *fleet);

// One line.
void report_status(struct report *r, struct trainer *trainer, const struct ledger *ledger,
                   const struct fleet *fleet);

// The last word, while the actors are still here.
void report_end(struct report *r, struct trainer *trainer, const struct fleet *fleet);

// actor_idle between two moments; unknown when no heartbeat came between them.
double report_idle(const struct report_mark *from, const struct report_mark *to, double unknown);

#endif
