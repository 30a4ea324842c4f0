// client.h - the actor's side of the wire: tickets in, episodes out, until the learner is done.
//
//   session  the connection to the learner         (loop thread)
//   pool     rollout threads and their tickets     (loop thread, and N threads of its own)
//   desk     the weights that tickets name         (loop thread)
//
// Settings, task and weights come from the learner. The actor keeps nothing that matters, so it may
// be killed at any time. To another run nothing is carried over.
//
// Heartbeats go out only while the side that works is sound. When a rollout thread holds a ticket
// and has made no step for 10 heartbeat intervals (at least 10 s), they stop until it does, so that
// the learner gives its tickets to others.
//
// Over HTTP (proto/http.h) it answers a line: /healthz (and /livez), 503 while it is not sound as
// above; /readyz, 503 unless a learner has welcomed it. No answer of /healthz depends on a learner.
#ifndef ACTOR_CLIENT_H
#define ACTOR_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

enum { CLIENT_MAX_THREADS = 1024, CLIENT_MAX_NAME = 63, CLIENT_PATIENCE_MS = 60000 };

struct client_options {
  const char *endpoint;  // tcp://HOST:PORT; an IPv6 address in brackets
  const char *name;      // for people, at most CLIENT_MAX_NAME printable characters; NULL: host:pid
  int threads;           // rollout threads, 1..CLIENT_MAX_THREADS
  int64_t patience_ms;   // without a learner, before the first welcome; 0: CLIENT_PATIENCE_MS
  const char *keys;      // folder of keys (proto/keyring.h); NULL: the default one, if the endpoint
                         // is not loopback
  const char *key;       // name of ours; NULL: see keyring_read_actor
  bool insecure;         // no encryption, whatever the endpoint is
  bool attached;         // to standard input (actor/attached.h), which has the keys
  const char *http;      // HTTP, too: [ADDRESS:]PORT, by default on loopback; NULL: none
};

// Serves the learner. Returns, after one logged line:
//
//   ERR_OK           the learner is done
//   ERR_INTERRUPTED  SIGTERM, SIGINT or the end of an attached input came before
//   ERR_USAGE        the endpoint is none, or http is no port
//   ERR_UNAVAILABLE  no learner for wire.patience (patience_ms before the first welcome), or it has
//                    as many actors as it can serve; the port of http is in use
//   ERR_REFUSED      two other actors contradicted our episodes (audit), or our key is not allowed
//   ERR_CONFIG       protocol, MuJoCo version or task differ, the welcome cannot be used, or the
//                    keys cannot: ours, the learner's, or one of us has none
//   ERR_FORMAT       attached, and there are no keys on standard input
//   ERR_NUMERIC      the simulation is unstable whatever the ticket's noise
//
// Handles SIGTERM and SIGINT meanwhile; a second one ends the process at once with 128 + signal.
// When a rollout thread does not come to the end of its episode within a second, its memory is left
// to the process's end.
NODISCARD enum err client_run(const struct client_options *opt);

#endif
