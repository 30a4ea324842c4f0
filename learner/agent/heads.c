// heads.c - who learns from which row.
#include "learner/agent/heads.h"

#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/nn/weights.h"
#include "learner/replay/batch.h"

// eq. (1): which of the heads above 0 know the transition, a bit each
static uint32_t mask(const struct batch *b, const struct dims *dims, int i) {
  const size_t obs = (size_t)dims->obs, act = (size_t)dims->act, at = (size_t)i;
  const uint64_t key = XXH3_64bits(b->act + at * act, act * sizeof *b->act);
  return (uint32_t)XXH3_64bits_withSeed(b->obs + at * obs, obs * sizeof *b->obs, key);
}

void heads_assign(const struct batch *b, const struct dims *dims, int heads, struct rng *rng) {
  CHECK(heads >= 1 && heads <= WEIGHTS_MAX_HEADS);
  for (int i = 0; i < b->B; i++) {
    const uint32_t others = (1u << heads) - 2, known = mask(b, dims, i) & others;
    const int count = __builtin_popcount(known);
    const uint32_t first = rng_u32(rng), which = rng_u32(rng);
    uint32_t left = known;
    // a row that no other head knows is for head 0
    for (uint32_t skip = count > 0 ? which % (uint32_t)count : 0; skip > 0; skip--) {
      left &= left - 1;
    }
    const bool other = heads > 1 && first >> 31 != 0 && left != 0;
    b->head[i] = other ? (float)__builtin_ctz(left) : 0.0f;
  }
}
