// desk.h - the weights desk: which versions are here, which are waited for, which were asked for.
//
// The learner publishes each version to all. Most are here before a ticket names them. One that is
// missing is asked for, again and again until it comes. What no ticket names is dropped, but for
// the newest few.
//
// The loop thread owns it. Rollout threads hold references of their own.
#ifndef ACTOR_DESK_H
#define ACTOR_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/nn/weights.h"

struct desk;

struct desk *desk_new(void);
void desk_free(struct desk *d);  // NULL is allowed

// A ticket names this version. Returns its weights, borrowed, or NULL: it is waited for.
struct weights *desk_name(struct desk *d, uint64_t version);

// That ticket needs it no longer. One call for each desk_name.
void desk_unname(struct desk *d, uint64_t version);

// These have come; takes over the reference. True when they were waited for.
bool desk_put(struct desk *d, struct weights *w);

// A version that is waited for and was not asked for within interval_ms, now taken for asked for;
// 0: none.
uint64_t desk_ask(struct desk *d, int64_t now_ms, int64_t interval_ms);

// Drops all weights: those of another run are others. What is waited for stays so.
void desk_clear(struct desk *d);

#endif
