// client.h - the actor's side of the wire: tickets in, episodes out, until the learner is done.
//
//   loop thread       owns sockets, timers, signals, held tickets, the cache of weights
//   rollout threads   N, each with a struct rollout of its own; share the immutable task and
//                     immutable snapshots of weights
//
// Configuration, task and weights come from the learner; the actor keeps nothing that matters, so
// it may be killed at any time.
//
// Life of a ticket: parked (its weights are not here yet; they are asked for) -> submitted to the
// rollout threads -> answered (encoded once, sent, kept until the learner acknowledges it). After
// a reconnection to the same run, answered episodes are sent again and rollouts go on: a ticket's
// episode is the same whenever it is computed. To another run nothing is carried over.
//
// Heartbeats go out only while the side that works is sound: when a rollout thread holds a ticket
// and has made no step for 10 heartbeat intervals (at least 10 s), they stop until it does, so that
// the learner gives its tickets to others.
#ifndef ACTOR_CLIENT_H
#define ACTOR_CLIENT_H

#include <stdint.h>

#include "common/base/err.h"

enum { CLIENT_MAX_THREADS = 1024, CLIENT_MAX_NAME = 63, CLIENT_PATIENCE_MS = 60000 };

struct client_options {
  const char *endpoint;  // tcp://HOST:PORT; an IPv6 address in brackets
  const char *name;      // for people, at most CLIENT_MAX_NAME printable characters; NULL: host:pid
  int threads;           // rollout threads, 1..CLIENT_MAX_THREADS
  int64_t patience_ms;   // without a learner, before the first welcome; 0: CLIENT_PATIENCE_MS
};

// Serves the learner. Returns, after one logged line:
//   ERR_OK           the learner is done, or SIGTERM or SIGINT came (a second signal ends the
//                    process at once with 128 + signal)
//   ERR_USAGE        the endpoint is none
//   ERR_UNAVAILABLE  no learner within wire.patience (patience_ms before the first welcome), or it
//   is full ERR_REFUSED      the learner found our episodes to be wrong (audit) ERR_CONFIG
//   protocol, MuJoCo version or task differ, or the welcome cannot be used ERR_NUMERIC      the
//   simulation is unstable whatever the ticket's noise
// Handles SIGTERM and SIGINT meanwhile. When a rollout thread does not come to the end of its
// episode within a second, its memory is left to the process's end.
NODISCARD enum err client_run(const struct client_options *opt);

#endif
