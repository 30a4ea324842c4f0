// web.h - what the learner answers over HTTP (proto/http.h), for probes of a cluster.
//
//   /healthz   200 while loop and trainer make progress. Nothing of it depends on actors: a learner
//              that waits for them is alive, and says so. /livez is the same.
//   /readyz    200 when the checkpoint is restored and actors can connect: so from the first answer
//              to the moment when the learner stops
//
// Else 503. Each answer is one line. Loop thread only.
#ifndef LEARNER_WEB_H
#define LEARNER_WEB_H

#include <stdbool.h>

#include "learner/fleet.h"
#include "learner/trainer.h"
#include "proto/http.h"

struct web {
  // borrowed
  struct trainer *trainer;
  const struct fleet *fleet;
  const char *endpoint;  // for actors
  // of this moment
  bool stuck;     // the trainer has work and makes no progress
  bool stopping;  // the farewell is said
};

void web_answer(const struct web *w, struct http_answer *answer, const char *path);

#endif
