// report.c - rates are differences to the line before. Once all steps are committed, or the run is
// stopped, what is said of limits is that of the whole run, from the first commit on.
#include "learner/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/config/limit.h"

void report_init(struct report *r, const struct config *cfg, struct trainer *trainer) {
  struct metrics m;
  *r = (struct report){.cfg = cfg, .warn_at = 1, .idle = NAN};
  r->start_s = r->last.at_s = now_s();
  trainer_metrics(trainer, &m, &r->last.wait_s);
  r->last_steps = m.steps;
  r->last_updates = m.updates;
  r->shown = m;
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

static struct report_mark mark(struct trainer *trainer, const struct fleet *fleet) {
  struct metrics ignored;
  struct report_mark m = {
      .at_s = now_s(), .busy_ms = fleet->busy_ms, .thread_ms = fleet->thread_ms};
  trainer_metrics(trainer, &ignored, &m.wait_s);
  return m;
}

double report_idle(const struct report_mark *from, const struct report_mark *to, double unknown) {
  const double thread_ms = (double)(to->thread_ms - from->thread_ms);
  const double busy_ms = (double)(to->busy_ms - from->busy_ms);
  // the CPU time of an episode is told when it ends, and may be that of more than one interval
  return thread_ms > 0.0 ? 1.0 - fmin(1.0, busy_ms / thread_ms) : unknown;
}

static double wait_share(const struct report_mark *from, const struct report_mark *to) {
  return fmax(0.0, fmin(1.0, (to->wait_s - from->wait_s) / (to->at_s - from->at_s)));
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

// The run from its first commit to its last one, or until it was stopped. False: nothing can be
// said, since it was over before the first line.
static bool whole_run(const struct report *r, struct metrics *m) {
  if (r->begin.at_s == 0.0 || !(r->end.at_s > r->begin.at_s) || r->open == 0) {
    return false;
  }
  m->learner_wait = wait_share(&r->begin, &r->end);
  m->actor_idle = report_idle(&r->begin, &r->end, NAN);
  m->threads = r->threads;
  m->open = r->open;
  m->limit = (int)limit_side(m->learner_wait, m->threads, m->open);
  return true;
}

void report_end(struct report *r, struct trainer *trainer, const struct fleet *fleet) {
  count_threads(r, fleet);
  if (r->end.at_s == 0.0) {
    r->end = mark(trainer, fleet);
  }
  struct metrics m;
  double ignored;
  trainer_metrics(trainer, &m, &ignored);
  if (whole_run(r, &m)) {
    char text[LIMIT_TEXT];
    limit_text(text, sizeof text, &m);
    log_info("%s", text);
  }
}

// ---- progress ----

// the line for a person, which fits into a terminal
static size_t short_line(char *out, size_t n, const struct metrics *m) {
  int used = snprintf(out, n, "%.0f of %.0f steps, %.0f/s; %.0f updates, %.0f/s; %.0f actor%s",
                      m->steps, m->total_steps, m->steps_per_s, m->updates, m->updates_per_s,
                      m->actors, m->actors == 1.0 ? "" : "s");
  if (!isnan(m->eval_score)) {
    used +=
        snprintf(out + used, n - (size_t)used, "; score %.4g +- %.2g", m->eval_score, m->eval_ci);
  } else if (!isnan(m->eval_return)) {
    used += snprintf(out + used, n - (size_t)used, "; return %.4g", m->eval_return);
  }
  return (size_t)used;
}

static void write_line(const struct metrics *m) {
  char line[2048];
  size_t n = (isatty(STDOUT_FILENO) ? short_line : metrics_line)(line, sizeof line - 1, m);
  line[n++] = '\n';
  // nobody may be listening any more, or have stopped to read: progress is for people, training
  // goes on
  if (!fsio_takes_line(STDOUT_FILENO)) {
    return;
  }
  if (fwrite(line, 1, n, stdout) != n || fflush(stdout) != 0) {
    clearerr(stdout);
  }
}

void report_status(struct report *r, struct trainer *trainer, const struct ledger *ledger,
                   const struct fleet *fleet) {
  struct metrics m;
  double ignored;
  trainer_metrics(trainer, &m, &ignored);
  const struct report_mark now = mark(trainer, fleet);
  const double dt = now.at_s - r->last.at_s;
  const struct ledger_counts c = ledger_counts(ledger);
  m.seconds = now.at_s - r->start_s;
  m.steps_per_s = (m.steps - r->last_steps) / dt;
  m.updates_per_s = (m.updates - r->last_updates) / dt;
  m.actors = fleet_size(fleet);
  m.threads = fleet_threads(fleet);
  m.open = c.open;
  m.learner_wait = wait_share(&r->last, &now);
  m.actor_idle = r->idle = report_idle(&r->last, &now, r->idle);
  if (m.steps < m.total_steps) {
    r->open = c.open > r->open ? c.open : r->open;
    m.limit = (int)limit_side(m.learner_wait, m.threads, m.open);
  }
  if (r->end.at_s != 0.0) {
    whole_run(r, &m);
  }
  m.window_use = c.open > 0 ? (double)(c.assigned + c.answered) / c.open : 0.0;
  m.rejected = (double)fleet->rejected;
  m.reissued = (double)c.reissued;
  m.audit_failures = (double)fleet->audit_failures;
  m.unstable = (double)r->unstable;
  count_threads(r, fleet);
  r->last = now;
  r->last_steps = m.steps;
  r->last_updates = m.updates;
  r->shown = m;
  write_line(&m);
}
