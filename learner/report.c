// report.c - rates are differences to the line before.
//
// Who limits a run is told by one number: the share of the time that the trainer waits for
// episodes. A trainer that hardly waits is the limit itself. One that waits could use more rollout
// threads, as long as there are fewer of them than open tickets.
#include "learner/report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/now.h"

enum {
  BEATS_TO_TELL = 5,  // heartbeats after which the CPU time of rollouts says something
};

#define BUSY_LEARNER 0.1  // a trainer that waits for less than this share of the time is the limit

void report_init(struct report *r, const struct config *cfg, int progress_fd,
                 struct trainer *trainer) {
  struct metrics m;
  *r = (struct report){.cfg = cfg, .progress_fd = progress_fd, .warn_at = 1};
  r->start_s = r->last_s = now_s();
  trainer_metrics(trainer, &m, &r->last_wait_s);
  r->last_steps = m.steps;
  r->last_updates = m.updates;
}

// ---- unstable episodes ----

void report_episode(struct report *r, const struct episode *ep) {
  r->episodes++;
  r->unstable += ep->unstable;
  if (ep->unstable && r->unstable == r->warn_at) {
    log_warn("%" PRIu64 " of %" PRIu64
             " episodes became unstable and were cut; a smaller timestep or action scale helps",
             r->unstable, r->episodes);
    r->warn_at *= 10;
  }
}

// ---- which side limits ----

enum metrics_limit report_limit(double wait, int threads, int open) {
  if (wait < BUSY_LEARNER) {
    return METRICS_LIMIT_LEARNER;
  }
  return threads < open ? METRICS_LIMIT_ACTORS : METRICS_LIMIT_WINDOW;
}

static struct report_mark mark(struct trainer *trainer, const struct fleet *fleet) {
  struct metrics ignored;
  struct report_mark m = {.at_s = now_s(), .busy_s = 1e-3 * (double)fleet->busy_ms};
  trainer_metrics(trainer, &ignored, &m.wait_s);
  return m;
}

static void count_threads(struct report *r, const struct fleet *fleet) {
  const int threads = fleet_threads(fleet);
  r->threads = threads > r->threads ? threads : r->threads;
}

void report_committed(struct report *r, struct trainer *trainer, const struct fleet *fleet) {
  if (r->begin.at_s == 0.0) {
    r->begin = mark(trainer, fleet);
  }
}

void report_complete(struct report *r, struct trainer *trainer, const struct fleet *fleet) {
  count_threads(r, fleet);
  r->end = mark(trainer, fleet);
}

static void tell_learner_limit(const struct report *r, double seconds, int waited) {
  char enough[64] = "";
  const int needed = 1 + (int)((r->end.busy_s - r->begin.busy_s) / seconds);
  const bool known = seconds * 1000.0 >= BEATS_TO_TELL * (double)r->cfg->wire_heartbeat;
  if (known && needed < r->threads) {
    snprintf(enough, sizeof enough, " (%d of %d would have done)", needed, r->threads);
  }
  log_info(
      "the learner was the limit: it waited for episodes %d %% of the time, and more rollout "
      "threads do not help%s; smaller networks or fewer updates per step do, and are another "
      "experiment",
      waited, enough);
}

void report_end(struct report *r, struct trainer *trainer, const struct fleet *fleet) {
  count_threads(r, fleet);
  if (r->begin.at_s == 0.0) {
    return;
  }
  if (r->end.at_s == 0.0) {
    r->end = mark(trainer, fleet);
  }
  const double seconds = r->end.at_s - r->begin.at_s;
  if (!(seconds > 0.0)) {
    return;
  }
  const double wait = fmin(1.0, (r->end.wait_s - r->begin.wait_s) / seconds);
  const int waited = (int)(100.0 * wait + 0.5);
  switch (report_limit(wait, r->threads, r->open)) {
    case METRICS_LIMIT_LEARNER:
      tell_learner_limit(r, seconds, waited);
      break;
    case METRICS_LIMIT_ACTORS:
      log_info(
          "actors were the limit: the learner waited for episodes %d %% of the time; more rollout "
          "threads help, up to the %d tickets that ledger.window keeps open; there were %d",
          waited, r->open, r->threads);
      break;
    case METRICS_LIMIT_WINDOW:
      log_info("ledger.window=%" PRId64
               " was the limit: it kept %d tickets open, and the learner waited for episodes %d %% "
               "of the time with %d rollout threads; a larger window is faster, and another "
               "experiment",
               r->cfg->ledger_window, r->open, waited, r->threads);
      break;
  }
}

// ---- progress ----

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
  if (m.steps < m.total_steps) {
    r->open = c.open > r->open ? c.open : r->open;
    m.limit = (int)report_limit(m.learner_wait, fleet_threads(fleet), c.open);
  }
  m.actors = fleet_size(fleet);
  m.window_use = c.open > 0 ? (double)(c.assigned + c.answered) / c.open : 0.0;
  m.rejected = (double)fleet->rejected;
  m.reissued = (double)c.reissued;
  m.audit_failures = (double)fleet->audit_failures;
  m.unstable = (double)r->unstable;
  count_threads(r, fleet);
  r->last_s = now;
  r->last_steps = m.steps;
  r->last_updates = m.updates;
  r->last_wait_s = wait_s;
  write_line(&m);
  write_row(r->progress_fd, &m);
}
