// web.h - what the learner answers over HTTP (proto/http.h): probes of a cluster, figures for
// Prometheus, and a page for people. All of it is read-only.
//
//   /              the page (page.html): curves, actors, what limits, the latest video
//   /metrics       Prometheus' text (exposition.h)
//   /api/status    the same figures as JSON, for the page
//   /eval.csv, /progress.csv   of the run's folder; a long one thinned out
//   /video         the latest one of the run's folder
//   /healthz       200 while loop and trainer make progress. Nothing of it depends on actors: a
//                  learner that waits for them is alive, and says so. /livez is the same.
//   /readyz        200 when the checkpoint is restored and actors can connect: so from the first
//                  answer to the moment when the learner stops
//
// A probe that says no is 503. Loop thread only.
#ifndef LEARNER_WEB_H
#define LEARNER_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "learner/exposition.h"
#include "learner/fleet.h"
#include "learner/ledger.h"
#include "learner/report.h"
#include "learner/trainer.h"
#include "proto/http.h"

struct web {
  // borrowed
  const struct config *cfg;
  const char *task, *run;  // its name; the run's folder
  struct trainer *trainer;
  const struct ledger *ledger;
  const struct fleet *fleet;
  const struct report *report;
  const struct counts *count;
  const char *endpoint;  // for actors
  // of this moment
  int64_t now_ms;
  bool stuck;     // the trainer has work and makes no progress
  bool stopping;  // the farewell is said
};

void web_answer(const struct web *w, struct http_answer *answer, const char *path);

#endif
