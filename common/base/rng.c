// rng.c - Philox4x32-10: ten rounds of multiply, swap and xor turn a counter into four words.
//
// The generator holds no state beyond the position in its own sequence: block b of (seed, stream,
// index) is one call of philox(). A sequence has 2^34 words, far more than an episode or an update
// draws. Everything above u32 is defined by how many words it takes and in which order, since
// that is part of the determinism contract:
//   u64 two words (low first), float one, below one (more when rejected), normal two per pair.
// Single precision logf, sqrtf and sincosf are enough for 24-bit uniforms; sincosf is called by
// name, because a compiler that merges sinf and cosf does so only when it optimises.
#include "common/base/rng.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"

enum { PHILOX_ROUNDS = 10, BLOCK_WORDS = 4 };

// multipliers and Weyl increments of the paper, table 2 and section 4.3
static const uint32_t MUL_0 = 0xD2511F53u, MUL_1 = 0xCD9E8D57u;
static const uint32_t WEYL_0 = 0x9E3779B9u, WEYL_1 = 0xBB67AE85u;

static void philox(uint32_t out[BLOCK_WORDS], const uint32_t counter[4], const uint32_t key[2]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < PHILOX_ROUNDS; round++) {
    uint64_t p0 = (uint64_t)MUL_0 * c0, p1 = (uint64_t)MUL_1 * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

void rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint64_t index) {
  CHECK(r);
  memset(r, 0, sizeof *r);
  r->key[0] = (uint32_t)seed;
  r->key[1] = (uint32_t)(seed >> 32);
  r->counter[1] = (uint32_t)index;
  r->counter[2] = (uint32_t)(index >> 32);
  r->counter[3] = (uint32_t)stream;
  r->used = BLOCK_WORDS;
}

uint32_t rng_u32(struct rng *r) {
  if (r->used == BLOCK_WORDS) {
    philox(r->block, r->counter, r->key);
    r->counter[0]++;
    r->used = 0;
  }
  return r->block[r->used++];
}

uint64_t rng_u64(struct rng *r) {
  uint64_t low = rng_u32(r);
  return low | (uint64_t)rng_u32(r) << 32;
}

float rng_float(struct rng *r) {
  return (float)(rng_u32(r) >> 8) * 0x1p-24f;
}

uint32_t rng_below(struct rng *r, uint32_t n) {
  CHECK(n >= 1);
  // the high half of word * n is the result; a word is rejected when its low half falls into the
  // 2^32 mod n values that would make some results more frequent (Lemire, arXiv:1805.10941)
  uint64_t product = (uint64_t)rng_u32(r) * n;
  if ((uint32_t)product < n) {
    uint32_t excess = (0u - n) % n;
    while ((uint32_t)product < excess) {
      product = (uint64_t)rng_u32(r) * n;
    }
  }
  return (uint32_t)(product >> 32);
}

float rng_normal(struct rng *r) {
  if (r->has_spare) {
    r->has_spare = 0;
    return r->spare_normal;
  }
  // u1 on (0, 1], so that the logarithm is finite; the largest radius is 5.77
  float u1 = (float)((rng_u32(r) >> 8) + 1) * 0x1p-24f;
  float angle = 6.28318531f * rng_float(r);
  float radius = sqrtf(-2.0f * logf(u1));
  float sine, cosine;
  sincosf(angle, &sine, &cosine);
  r->spare_normal = radius * sine;
  r->has_spare = 1;
  return radius * cosine;
}

void rng_fill_normal(struct rng *r, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    x[i] = rng_normal(r);
  }
}

void rng_fill_uniform(struct rng *r, float *x, size_t n, float lo, float hi) {
  CHECK(lo <= hi);
  // rounding may carry lo + (hi - lo) u up to hi, which is not in the interval
  float last = nextafterf(hi, lo);
  for (size_t i = 0; i < n; i++) {
    float value = lo + (hi - lo) * rng_float(r);
    x[i] = value < last ? value : last;
  }
}
