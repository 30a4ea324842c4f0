// gate.h - who may connect: the learner's key, the allow-list, and what is said of the others.
//
// With keys, a gate answers libzmq's question about each connection (ZAP), and tells afterwards
// under which name a key is allowed. It fails closed: it is there before any socket listens, and it
// has refused a throw-away key over a real socket before it lets anything else be opened. The
// allow-list is looked at every GATE_LOOK_MS.
//
// Without keys it lets everybody in, and says when somebody comes who encrypts.
//
// Whatever is refused is logged, with a bound on the lines. Loop thread only.
#ifndef LEARNER_GATE_H
#define LEARNER_GATE_H

#include <stdbool.h>
#include <uv.h>

#include "common/base/err.h"
#include "proto/link.h"

enum { GATE_LOOK_MS = 250, GATE_LINKS = 2 };

struct gate;

// keys: a folder (proto/keyring.h), or NULL: no encryption. zmq: the context of the sockets that
// will be guarded; none of them is open yet. ERR_CONFIG (logged): the learner's key cannot be used;
// ERR_REFUSED (logged): the self-test failed, so that nothing may listen.
NODISCARD enum err gate_open(struct gate **out, void *zmq, const char *keys);

bool gate_has_keys(const struct gate *g);

// A link, GATE_LINKS at most, between link_open and link_bind. what: what it is for, static text.
void gate_guard(struct gate *g, struct link *l, const char *what);

// From now on peers are answered, and revoked(ctx) is called after keys have left the allow-list.
// Needed before gate_stop.
void gate_start(struct gate *g, uv_loop_t *loop, void (*revoked)(void *ctx), void *ctx);
void gate_stop(struct gate *g);  // no more answers: nobody new gets in. NULL is allowed

// After gate_stop, and before the guarded links are closed. NULL is allowed.
void gate_free(struct gate *g);

// The name under which the sender of a message is allowed now, borrowed until the loop runs on;
// NULL: it is not, or no longer. Without keys: "".
const char *gate_find(const struct gate *g, const char *key);

#endif
