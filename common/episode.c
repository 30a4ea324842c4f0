// episode.c - one block of memory an episode, and the two passes that every answer goes through.
//
// Both passes run over every number that an actor sends, so they are written for throughput: the
// check looks at bit patterns, which compares as integers without branches and vectorises; the
// digest is one streaming XXH3 over the arrays where they lie. Only what T covers is looked at:
// the room beyond belongs to nobody and never changes a digest.
#include "common/episode.h"

#include <stdlib.h>
#include <string.h>

// compiled into this file: AVX2 code, and a state that lives on the stack
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/base/check.h"

enum { ALIGN = 64 };

// Largest magnitudes allowed, as bit patterns: the order of non-negative floats is that of their
// bits, and every NaN and infinity lies above the largest finite one.
enum { BITS_SIGNLESS = 0x7fffffff, BITS_ONE = 0x3f800000, BITS_FLT_MAX = 0x7f7fffff };

static size_t aligned(size_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

struct episode *episode_new(const struct dims *dims) {
  CHECK(dims->obs >= 1 && dims->obs <= DIMS_MAX_WIDTH);
  CHECK(dims->act >= 1 && dims->act <= DIMS_MAX_WIDTH);
  CHECK(dims->reward == 0 || dims->reward == 1);
  CHECK(dims->goal >= 1 - dims->reward && dims->goal <= DIMS_MAX_WIDTH);
  CHECK(dims->horizon >= 1 && dims->horizon <= DIMS_MAX_HORIZON);
  CHECK(dims->hindsight >= 1 && dims->hindsight <= DIMS_MAX_HINDSIGHT);

  // the struct, then each array from a cache line of its own
  size_t steps = (size_t)dims->horizon;
  size_t self = aligned(sizeof(struct episode));
  size_t obs = aligned((steps + 1) * (size_t)dims->obs * sizeof(float));
  size_t act = aligned(steps * (size_t)dims->act * sizeof(float));
  size_t achieved = aligned((steps + 1) * (size_t)dims->goal * sizeof(float));
  size_t desired = aligned((size_t)dims->goal * sizeof(float));
  size_t reward = aligned(steps * (size_t)dims->reward * sizeof(float));
  size_t hindsight = aligned(steps * (size_t)dims->hindsight * sizeof(uint16_t));
  char *block = must_alloc(self + obs + act + achieved + desired + reward + hindsight, 1);
  struct episode *ep = (struct episode *)(void *)block;
  ep->dims = *dims;
  block += self;
  ep->obs = (float *)(void *)block;
  block += obs;
  ep->act = (float *)(void *)block;
  block += act;
  ep->achieved = (float *)(void *)block;
  block += achieved;
  ep->desired = (float *)(void *)block;
  block += desired;
  ep->reward = (float *)(void *)block;
  block += reward;
  ep->hindsight = (uint16_t *)(void *)block;
  return ep;
}

void episode_free(struct episode *ep) {
  free(ep);
}

// Is any |x_i|, as bits, above limit?
static bool exceeds(const float *x, size_t n, uint32_t limit) {
  uint32_t above = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    above |= (uint32_t)((bits & BITS_SIGNLESS) > limit);
  }
  return above != 0;
}

// Is any index of row t outside [t+1, T]?
static bool hindsight_outside(const struct episode *ep) {
  unsigned outside = 0;
  const uint16_t *row = ep->hindsight;
  for (int t = 0; t < ep->T; t++, row += ep->dims.hindsight) {
    for (int i = 0; i < ep->dims.hindsight; i++) {
      outside |= (unsigned)(row[i] <= t) | (unsigned)(row[i] > ep->T);
    }
  }
  return outside != 0;
}

const char *episode_fault(const struct episode *ep) {
  if (ep->T < 1 || ep->T > ep->dims.horizon) {
    return "episode length outside 1..horizon";
  }
  if (ep->unstable && (ep->terminated || ep->T == ep->dims.horizon)) {
    return "unstable episode that was not cut";
  }
  size_t T = (size_t)ep->T, obs = (size_t)ep->dims.obs, act = (size_t)ep->dims.act;
  size_t goal = (size_t)ep->dims.goal;
  if (exceeds(ep->obs, (T + 1) * obs, BITS_FLT_MAX)) {
    return "observation is not finite";
  }
  if (exceeds(ep->act, T * act, BITS_ONE)) {
    return "action outside [-1, 1]";
  }
  if (exceeds(ep->achieved, (T + 1) * goal, BITS_FLT_MAX)) {
    return "achieved goal is not finite";
  }
  if (exceeds(ep->desired, goal, BITS_FLT_MAX)) {
    return "desired goal is not finite";
  }
  if (exceeds(ep->reward, T * (size_t)ep->dims.reward, BITS_FLT_MAX)) {
    return "reward is not finite";
  }
  if (hindsight_outside(ep)) {
    return "hindsight index outside [t+1, T]";
  }
  return NULL;
}

uint64_t episode_digest(const struct episode *ep) {
  size_t T = (size_t)ep->T, obs = (size_t)ep->dims.obs, act = (size_t)ep->dims.act;
  size_t goal = (size_t)ep->dims.goal, k = (size_t)ep->dims.hindsight;
  const uint64_t head[7] = {
      ep->ticket.id,   ep->ticket.seed,        ep->ticket.version,  (uint64_t)ep->ticket.kind,
      (uint64_t)ep->T, ep->terminated ? 1 : 0, ep->unstable ? 1 : 0};
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, head, sizeof head);
  XXH3_64bits_update(&state, ep->obs, (T + 1) * obs * sizeof(float));
  XXH3_64bits_update(&state, ep->act, T * act * sizeof(float));
  XXH3_64bits_update(&state, ep->achieved, (T + 1) * goal * sizeof(float));
  XXH3_64bits_update(&state, ep->desired, goal * sizeof(float));
  XXH3_64bits_update(&state, ep->reward, T * (size_t)ep->dims.reward * sizeof(float));
  XXH3_64bits_update(&state, ep->hindsight, T * k * sizeof(uint16_t));
  return XXH3_64bits_digest(&state);
}
