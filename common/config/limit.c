// limit.c - three sides, and for the actors three cases: there are none, they are too few, or they
// are slow for a reason that their number does not change.
#include "common/config/limit.h"

#include <math.h>
#include <stdio.h>

#define LEARNER_WAIT 0.1  // a trainer that waits for less than this share of the time is the limit
#define ACTORS_IDLE 0.5   // threads that compute for less than this lack something else

enum metrics_limit limit_side(double wait, double threads, double open) {
  if (wait < LEARNER_WAIT) {
    return METRICS_LIMIT_LEARNER;
  }
  return threads < open ? METRICS_LIMIT_ACTORS : METRICS_LIMIT_WINDOW;
}

static double percent(double share) {
  return floor(100.0 * share + 0.5);
}

// ", WHO idle 94 %", or nothing when that is not known
static void idle_text(char *out, size_t n, const char *who, double idle) {
  out[0] = '\0';
  if (!isnan(idle)) {
    snprintf(out, n, ", %s idle %.0f %%", who, percent(idle));
  }
}

// what would give updates more threads, or nothing when only another machine would
static const char *more_threads(const struct metrics *m) {
  switch (m->update_bound) {
    case METRICS_BOUND_THREADS:
      return ", or a larger learner.threads,";
    case METRICS_BOUND_SHARDS:
      return ", or a larger train.shards (another experiment, too),";
    default:
      return "";
  }
}

static void learner_text(char *out, size_t n, const struct metrics *m) {
  char idle[48], enough[64] = "";
  idle_text(idle, sizeof idle, "actors", m->actor_idle);
  const double needed = 1.0 + floor(m->threads * (1.0 - m->actor_idle));
  if (needed < m->threads) {
    snprintf(enough, sizeof enough, " (%.0f of %.0f rollout threads would do)", needed, m->threads);
  }
  snprintf(out, n,
           "the learner is the limit: %.0f %% busy%s%s: more actors will not help; a larger batch "
           "at fewer updates (train.batch, train.updates_per_step: another experiment)%s will",
           percent(1.0 - m->learner_wait), idle, enough, more_threads(m));
}

static void actors_text(char *out, size_t n, const struct metrics *m) {
  const double busy = percent(1.0 - m->learner_wait);
  if (!(m->threads > 0.0)) {
    snprintf(out, n, "actors are the limit: there are none, and the learner is %.0f %% busy", busy);
    return;
  }
  char who[48], idle[80], remedy[128];
  snprintf(who, sizeof who, "%.0f rollout thread%s", m->threads, m->threads == 1.0 ? "" : "s");
  idle_text(idle, sizeof idle, who, m->actor_idle);
  if (m->actor_idle >= ACTORS_IDLE) {
    snprintf(remedy, sizeof remedy,
             "cores of their own, or a faster network, will help before more actors do");
  } else {
    snprintf(remedy, sizeof remedy,
             "more actors will help, up to the %.0f tickets that ledger.window keeps open",
             m->open);
  }
  snprintf(out, n, "actors are the limit: learner %.0f %% busy%s: %s", busy, idle, remedy);
}

static void window_text(char *out, size_t n, const struct metrics *m) {
  char who[48], idle[80];
  snprintf(who, sizeof who, "%.0f rollout threads", m->threads);
  idle_text(idle, sizeof idle, who, m->actor_idle);
  snprintf(out, n,
           "ledger.window is the limit: learner %.0f %% busy%s, %.0f tickets open: more actors "
           "will not help; a larger ledger.window will (another experiment)",
           percent(1.0 - m->learner_wait), idle, m->open);
}

void limit_text(char *out, size_t n, const struct metrics *m) {
  out[0] = '\0';
  switch (m->limit) {
    case METRICS_LIMIT_LEARNER:
      learner_text(out, n, m);
      break;
    case METRICS_LIMIT_ACTORS:
      actors_text(out, n, m);
      break;
    case METRICS_LIMIT_WINDOW:
      window_text(out, n, m);
      break;
    default:
      break;
  }
}
