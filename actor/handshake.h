// handshake.h - what the end of a handshake with the learner means for an actor, in words.
#ifndef ACTOR_HANDSHAKE_H
#define ACTOR_HANDSHAKE_H

#include <stdbool.h>

#include "common/base/err.h"
#include "proto/curve.h"
#include "proto/watch.h"

enum { HANDSHAKE_CUTS = 4 };  // in a row: then it is not the network

// All handshakes of an actor's life; zeroed at first.
struct handshake {
  bool sound;  // there was one that succeeded
  int cut;     // those since then that the other side ended
};

// After each event. keys: ours, NULL: none. ERR_OK: go on. Otherwise another try would fail, too,
// and it was logged why: ERR_REFUSED, our key is not allowed; ERR_CONFIG, the keys of both sides do
// not fit.
NODISCARD enum err handshake_judge(struct handshake *h, enum watch_event event,
                                   const char *endpoint, const struct curve_actor *keys);

#endif
