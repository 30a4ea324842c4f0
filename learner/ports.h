// ports.h - the two ports that a learner listens on.
#ifndef LEARNER_PORTS_H
#define LEARNER_PORTS_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "learner/gate.h"
#include "proto/link.h"

enum { PORTS_MAX_ENDPOINT = 128 };

// Which folder of keys to listen with: *keys as it is where it was given, NULL (no encryption) for
// a loopback address or with insecure, which logs what that means, else the default one. ERR_CONFIG
// (logged): it would be the default one, which has no key of a learner.
NODISCARD enum err ports_choose_keys(const char **keys, const struct config *cfg, bool insecure);

// Opens both links, guarded by the gate, and binds them to wire.bind. endpoint (PORTS_MAX_ENDPOINT
// bytes) is what actors connect to, weights_port the port of the other channel. ERR_UNAVAILABLE: a
// port is in use; ERR_CONFIG: the address cannot be used (logged).
NODISCARD enum err ports_open(struct link *router, struct link *pub, char *endpoint,
                              int *weights_port, void *zmq, const struct config *cfg,
                              struct gate *gate);

#endif
