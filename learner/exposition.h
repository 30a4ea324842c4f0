// exposition.h - /metrics: the learner in figures, in the text format 0.0.4 of Prometheus.
//
// The table of series is series.def. Actors are a label: series go when an actor leaves, and only
// the first EXPOSITION_MAX_ACTORS have any. Loop thread only.
#ifndef LEARNER_EXPOSITION_H
#define LEARNER_EXPOSITION_H

#include <stdint.h>
#include <stdio.h>

#include "common/base/usage.h"
#include "common/config/config.h"
#include "common/config/metrics.h"
#include "learner/fleet.h"
#include "learner/ledger.h"

enum { EXPOSITION_MAX_ACTORS = 256, EXPOSITION_BUCKETS = 12 };

// A histogram whose upper bounds are 0, 1, 2, 4, ..; the last bucket has no bound.
struct histogram {
  uint64_t bucket[EXPOSITION_BUCKETS];
  double sum;
};

void histogram_add(struct histogram *h, uint64_t value);

// What the server counts as it happens.
struct counts {
  uint64_t messages, bytes, published, requests;
  struct histogram lag;     // versions between a committed episode's policy and the newest one
  struct histogram length;  // env steps of committed episodes
};

// All that is told, at one moment. What is behind pointers is borrowed.
struct scrape {
  const struct config *cfg;
  const char *task;
  const struct fleet *fleet;
  const struct counts *count;
  struct ledger_counts tickets;
  struct metrics now, line;  // of the trainer; of the last progress line
  double wait_s, uptime_s;
  uint64_t unstable;
  int64_t now_ms;  // of the clock of last_seen_ms
  double cores, memory_limit;
  double disk_free, checkpoint_s;
  struct usage process;
};

void exposition_write(const struct scrape *s, FILE *out);

#endif
