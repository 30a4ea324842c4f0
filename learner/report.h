// report.h - what the learner tells people of its run: a progress line on standard output and a row
// of progress.csv, once a status interval. Loop thread only.
#ifndef LEARNER_REPORT_H
#define LEARNER_REPORT_H

#include "learner/fleet.h"
#include "learner/ledger.h"
#include "learner/trainer.h"

struct report {
  int progress_fd;
  double start_s, last_s;  // when the learner began, and the last line
  double last_wait_s, last_steps, last_updates;
};

void report_init(struct report *r, int progress_fd, struct trainer *trainer);

// One line and one row.
void report_status(struct report *r, struct trainer *trainer, const struct ledger *ledger,
                   const struct fleet *fleet);

#endif
