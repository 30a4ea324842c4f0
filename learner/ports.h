// ports.h - the two ports that a learner listens on.
#ifndef LEARNER_PORTS_H
#define LEARNER_PORTS_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "proto/link.h"

enum { PORTS_MAX_ENDPOINT = 128 };

// Opens both links and binds them to wire.bind. endpoint (PORTS_MAX_ENDPOINT bytes) is what actors
// connect to, weights_port the port of the other channel. insecure: addresses beyond this machine
// are allowed. ERR_UNAVAILABLE: a port is in use; ERR_CONFIG: the address cannot be used (logged).
NODISCARD enum err ports_open(struct link *router, struct link *pub, char *endpoint,
                              int *weights_port, void *zmq, const struct config *cfg,
                              bool insecure);

#endif
