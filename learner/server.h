// server.h - the learner's event loop: actors, tickets, weights, signals, progress.
//
//   ROUTER  hello, grants, episodes, acks, heartbeats (one peer struct an actor)
//   PUB     every new version of the policy
//   HTTP    health (learner/web.h)
//
// The loop thread owns sockets, peers and ledger; the trainer is a thread of its own. A bad message
// costs that message: it is counted, and logged once per peer and reason. Peers that miss three
// heartbeats are lost; their tickets go to others.
#ifndef LEARNER_SERVER_H
#define LEARNER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/task/task.h"

struct given;
struct rundir;
struct server;
struct team;

struct server_options {
  const struct config *cfg;
  const struct task *task;
  const struct rundir *run;
  struct team *team;          // NULL: this process alone
  const struct given *given;  // trainer_new; NULL: nothing
  const char
      *keys;      // folder of keys (proto/keyring.h); NULL: the default one, where they are needed
  bool insecure;  // no encryption, also for addresses other than loopback
  uint64_t video_every;  // trainer_set_videos; 0: none
  // Called once, when actors can connect; url: of the HTTP port, or none.
  void (*listening)(void *ctx, const char *endpoint, const char *url);
  void *ctx;
};

// Binds, trains, prints a progress line on standard output every status.every; returns when the run
// is finished (ERR_OK), was stopped by SIGINT or SIGTERM (ERR_INTERRUPTED: state is saved) or
// failed. A second signal ends the process at once (exit code 128 + signal).
//
// *out always receives the server: at rest, every actor's farewell heard, but its sockets open. A
// process that ends leaves it so: libzmq 4.3.4 aborts (zmtp_engine.cpp:446) when a socket is closed
// while a stranger is in the middle of its greeting. Others call server_free.
NODISCARD enum err server_run(struct server **out, const struct server_options *opt);
void server_free(struct server *s);  // NULL is allowed

#endif
