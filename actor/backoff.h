// backoff.h - how long to wait before the next attempt to connect.
//
// The delay doubles with each loss, from LINK_RETRY_MS to LINK_RETRY_MAX_MS (proto/link.h), with
// jitter, so that a fleet whose learner restarts does not come back all at once.
#ifndef ACTOR_BACKOFF_H
#define ACTOR_BACKOFF_H

#include <stdint.h>

struct backoff {
  uint64_t jitter;  // state of a generator for this alone; not 0
  int losses;       // of a connection, since the last success
};

void backoff_init(struct backoff *b, uint64_t seed);
void backoff_succeeded(struct backoff *b);

// Another loss. The delay is from half to three halves of what it is on average.
int64_t backoff_next_ms(struct backoff *b);

#endif
