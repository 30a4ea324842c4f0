// heads.c - equations (1) to (3) of heads.h.
#include "learner/agent/heads.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/nn/weights.h"
#include "learner/replay/batch.h"

// of the column of a head, eq. (1)
static float weight(int inputs) {
  return sqrtf((float)inputs);
}

void heads_lay(float *x, int width, int inputs, int heads, const float *head, int B) {
  CHECK(x && heads >= 1 && inputs + heads <= width);
  const size_t bytes = (size_t)heads * sizeof *x;
  for (int i = 0; i < B; i++) {
    float *columns = x + (size_t)i * (size_t)width + inputs;
    memset(columns, 0, bytes);
    columns[head ? (int)head[i] : 0] = weight(inputs);
  }
}

void heads_fold(float *out, float *bias, const float *theta, int inputs, int width1, int heads,
                size_t n) {
  const size_t in = (size_t)inputs, wide = in + (size_t)heads, rows = (size_t)width1;
  const float *b = theta + rows * wide;
  for (size_t j = 0; j < rows; j++) {
    const float *row = theta + j * wide;
    memcpy(out + j * in, row, in * sizeof *out);
    out[rows * in + j] = b[j] + weight(inputs) * row[in];
    for (size_t k = 1; k < (size_t)heads; k++) {
      bias[(k - 1) * rows + j] = b[j] + weight(inputs) * row[in + k];
    }
  }
  const size_t first = rows * (in + 1);
  memcpy(out + first, b + rows, (n - first) * sizeof *out);
}

void heads_unfold(float *theta, const float *in, int inputs, int width1, int heads, size_t n) {
  const size_t narrow = (size_t)inputs, wide = narrow + (size_t)heads, rows = (size_t)width1;
  for (size_t j = 0; j < rows; j++) {
    memcpy(theta + j * wide, in + j * narrow, narrow * sizeof *theta);
    memset(theta + j * wide + narrow, 0, (size_t)heads * sizeof *theta);
  }
  memcpy(theta + rows * wide, in + rows * narrow, (n - rows * narrow) * sizeof *theta);
}

// which of the heads above 0 know the transition, a bit each
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
