// report.c - rates are differences to the line before.
#include "learner/report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/config/metrics.h"

static double now_s(void) {
  return (double)uv_hrtime() * 1e-9;
}

void report_init(struct report *r, int progress_fd, struct trainer *trainer) {
  struct metrics m;
  *r = (struct report){.progress_fd = progress_fd};
  r->start_s = r->last_s = now_s();
  trainer_metrics(trainer, &m, &r->last_wait_s);
  r->last_steps = m.steps;
  r->last_updates = m.updates;
}

static void write_line(const struct metrics *m) {
  char line[2048];
  size_t n = metrics_line(line, sizeof line - 1, m);
  line[n++] = '\n';
  // nobody may be listening any more: progress is for people, training goes on
  if (fwrite(line, 1, n, stdout) != n || fflush(stdout) != 0) {
    clearerr(stdout);
  }
}

static void write_row(int fd, const struct metrics *m) {
  char row[2048];
  size_t n = metrics_csv_row(row, sizeof row - 1, m);
  row[n++] = '\n';
  if (write(fd, row, n) != (ssize_t)n) {
    log_debug("progress.csv: %s", strerror(errno));
  }
}

void report_status(struct report *r, struct trainer *trainer, const struct ledger *ledger,
                   const struct fleet *fleet) {
  struct metrics m;
  double wait_s;
  trainer_metrics(trainer, &m, &wait_s);
  const double now = now_s(), dt = now - r->last_s;
  const struct ledger_counts c = ledger_counts(ledger);
  m.seconds = now - r->start_s;
  m.steps_per_s = (m.steps - r->last_steps) / dt;
  m.updates_per_s = (m.updates - r->last_updates) / dt;
  m.learner_wait = fmin(1.0, (wait_s - r->last_wait_s) / dt);
  m.actors = fleet_size(fleet);
  m.window_use = c.open > 0 ? (double)(c.assigned + c.answered) / c.open : 0.0;
  m.rejected = (double)fleet->rejected;
  m.reissued = (double)c.reissued;
  m.audit_failures = (double)fleet->audit_failures;
  r->last_s = now;
  r->last_steps = m.steps;
  r->last_updates = m.updates;
  r->last_wait_s = wait_s;
  write_line(&m);
  write_row(r->progress_fd, &m);
}
