// Philox against its published vectors; the derived draws against their distributions. Seeds are
// fixed, so every statistic below is one number: thresholds are where a correct generator would be
// in 99.9 % of all seeds, and the seed was not chosen.
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "common/base/rng.h"

enum { DRAWS = 200000 };

static struct rng make(uint64_t seed, enum rng_stream stream, uint64_t index) {
  struct rng r;
  rng_init(&r, seed, stream, index);
  return r;
}

// a generator whose next four words are w
static struct rng loaded(uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3) {
  struct rng r = make(1, RNG_TEST, 1);
  const uint32_t w[4] = {w0, w1, w2, w3};
  memcpy(r.block, w, sizeof w);
  r.used = 0;
  return r;
}

// the three published vectors of Philox4x32-10 (Random123): counter, key, output
Test(rng, known_answers) {
  static const uint32_t vectors[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
       0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
       0x94fdcceb, 0x5001e420, 0x24126ea1},
  };
  for (int v = 0; v < 3; v++) {
    struct rng r = make(0, RNG_TEST, 0);
    memcpy(r.counter, vectors[v], sizeof r.counter);
    memcpy(r.key, vectors[v] + 4, sizeof r.key);
    for (int i = 0; i < 4; i++) {
      cr_assert_eq(rng_u32(&r), vectors[v][6 + i], "vector %d word %d", v, i);
    }
  }
}

// key = seed, counter = (block, index, stream): the layout that rng.h promises
Test(rng, counter_layout) {
  struct rng r = make(0x299f31d0a4093822, (enum rng_stream)0x03707344, 0x13198a2e85a308d3);
  r.counter[0] = 0x243f6a88;
  cr_assert_eq(rng_u64(&r), 0x94fdccebd16cfe09);
  cr_assert_eq(rng_u32(&r), 0x5001e420);
  cr_assert_eq(rng_u32(&r), 0x24126ea1);
  // the next block has the next number
  uint32_t fifth = rng_u32(&r);
  struct rng next = make(0x299f31d0a4093822, (enum rng_stream)0x03707344, 0x13198a2e85a308d3);
  next.counter[0] = 0x243f6a89;
  cr_assert_eq(fifth, rng_u32(&next));
  // a fresh generator starts at block 0
  cr_assert_eq(make(1, RNG_TEST, 2).counter[0], 0);
}

Test(rng, same_triple_same_sequence) {
  struct rng a = make(7, RNG_ACTION, 99), b = make(7, RNG_ACTION, 99);
  for (int i = 0; i < 1000; i++) {
    cr_assert_eq(rng_u32(&a), rng_u32(&b));
  }
}

// every coordinate of (seed, stream, index), low and high words alike, gives another sequence
Test(rng, different_triples_differ) {
  struct rng r[] = {make(1, RNG_TEST, 1),
                    make(2, RNG_TEST, 1),
                    make(1, RNG_TICKET, 1),
                    make(1, RNG_TEST, 2),
                    make(1 | 1ull << 32, RNG_TEST, 1),
                    make(1, RNG_TEST, 1 | 1ull << 32)};
  enum { N = sizeof r / sizeof r[0] };
  uint64_t first[N];
  for (int i = 0; i < N; i++) {
    first[i] = rng_u64(&r[i]);
    for (int j = 0; j < i; j++) {
      cr_assert_neq(first[i], first[j], "%d and %d", i, j);
    }
  }
}

Test(rng, float_is_24_bits_below_one) {
  struct rng r = loaded(0, 0xff, 0x100, 0xffffffff);
  cr_assert_eq(rng_float(&r), 0.0f);
  cr_assert_eq(rng_float(&r), 0.0f);
  cr_assert_eq(rng_float(&r), 0x1p-24f);
  cr_assert_eq(rng_float(&r), 1.0f - 0x1p-24f);
}

Test(rng, float_moments) {
  struct rng r = make(3, RNG_TEST, 0);
  double sum = 0, sum2 = 0;
  for (int i = 0; i < DRAWS; i++) {
    double x = rng_float(&r);
    cr_assert(x >= 0 && x < 1);
    sum += x;
    sum2 += x * x;
  }
  // standard errors: sqrt(1/12/n) of the mean, sqrt(4/45/n) of the mean square; 3.29 of them
  cr_assert_float_eq(sum / DRAWS, 0.5, 3.29 * sqrt(1.0 / 12 / DRAWS));
  cr_assert_float_eq(sum2 / DRAWS, 1.0 / 3, 3.29 * sqrt(4.0 / 45 / DRAWS));
}

// chi-square statistic of cells counts against equal frequencies
static double chi_square(const int *count, int cells, int n) {
  double expected = (double)n / cells, sum = 0;
  for (int i = 0; i < cells; i++) {
    sum += (count[i] - expected) * (count[i] - expected) / expected;
  }
  return sum;
}

Test(rng, below_is_uniform) {
  static const struct {
    int n;
    double limit;  // 99.9 % point of chi-square with n - 1 degrees of freedom
  } row[] = {{2, 10.83}, {6, 20.52}, {10, 27.88}, {64, 103.4}};
  for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
    struct rng r = make(11, RNG_TEST, k);
    int count[64] = {0};
    for (int i = 0; i < DRAWS; i++) {
      uint32_t x = rng_below(&r, (uint32_t)row[k].n);
      cr_assert_lt(x, (uint32_t)row[k].n);
      count[x]++;
    }
    cr_assert_lt(chi_square(count, row[k].n, DRAWS), row[k].limit, "n = %d", row[k].n);
  }
}

// n = 3 * 2^30: without rejection every third result would come twice as often
Test(rng, below_rejects_the_excess) {
  const uint32_t n = 3u << 30;
  struct rng r = make(12, RNG_TEST, 0);
  int count[3] = {0};
  for (int i = 0; i < DRAWS; i++) {
    count[rng_below(&r, n) % 3]++;
  }
  cr_assert_lt(chi_square(count, 3, DRAWS), 13.82);
  // 2^32 mod n = 2^30, so word 0 (low half 0) is rejected, and the next word counts
  r = loaded(0, 0xffffffff, 0, 0);
  cr_assert_eq(rng_below(&r, n), n - 1);
  cr_assert_eq(r.used, 2);
}

Test(rng, below_one_is_zero) {
  struct rng r = make(13, RNG_TEST, 0);
  for (int i = 0; i < 100; i++) {
    cr_assert_eq(rng_below(&r, 1), 0);
  }
}

Test(rng, normal_distribution) {
  struct rng r = make(5, RNG_TEST, 0);
  static const double point[] = {-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3};
  enum { POINTS = sizeof point / sizeof point[0] };
  double sum[5] = {0};
  int under[POINTS] = {0};
  for (int i = 0; i < DRAWS; i++) {
    double x = rng_normal(&r), power = 1;
    cr_assert(isfinite(x));
    for (int p = 1; p <= 4; p++) {
      power *= x;
      sum[p] += power;
    }
    for (int p = 0; p < POINTS; p++) {
      under[p] += x < point[p];
    }
  }
  // moments 0, 1, 0, 3; the variances of x^p are 1, 2, 15, 96
  static const double moment[] = {0, 0, 1, 0, 3}, variance[] = {0, 1, 2, 15, 96};
  for (int p = 1; p <= 4; p++) {
    cr_assert_float_eq(sum[p] / DRAWS, moment[p], 3.29 * sqrt(variance[p] / DRAWS), "x^%d", p);
  }
  for (int p = 0; p < POINTS; p++) {
    double F = 0.5 * erfc(-point[p] / sqrt(2));
    cr_assert_float_eq((double)under[p] / DRAWS, F, 3.29 * sqrt(F * (1 - F) / DRAWS), "P(x < %g)",
                       point[p]);
  }
}

// Box-Muller on stated words: u1 = 1 gives radius 0, the smallest u1 the largest radius
Test(rng, normal_is_finite_at_the_ends) {
  struct rng r = loaded(0xffffffff, 0x40000000, 0, 0);
  float x[4];
  rng_fill_normal(&r, x, 4);
  cr_assert_eq(fabsf(x[0]), 0.0f);
  cr_assert_eq(fabsf(x[1]), 0.0f);
  // u1 = 2^-24, u2 = 0: radius sqrt(48 log 2) on the first axis
  cr_assert_float_eq(x[2], 5.76808f, 1e-4f);
  cr_assert_float_eq(x[3], 0.0f, 1e-6f);
}

// filling equals single calls, also when it starts or ends in the middle of a pair
Test(rng, fills_equal_single_calls) {
  struct rng a = make(9, RNG_TEST, 0), b = make(9, RNG_TEST, 0);
  static const size_t length[] = {1, 2, 7, 0, 64, 33};
  float x[64];
  for (size_t k = 0; k < sizeof length / sizeof length[0]; k++) {
    rng_fill_normal(&a, x, length[k]);
    for (size_t i = 0; i < length[k]; i++) {
      cr_assert_eq(x[i], rng_normal(&b));
    }
    rng_fill_uniform(&a, x, length[k], -2.0f, 6.0f);
    for (size_t i = 0; i < length[k]; i++) {
      cr_assert_eq(x[i], -2.0f + 8.0f * rng_float(&b));
    }
  }
  cr_assert_eq(rng_u32(&a), rng_u32(&b));
}

// 1 + (1 - 2^-24) rounds to 2, which [1, 2) does not contain
Test(rng, fill_uniform_stays_below_hi) {
  struct rng r = loaded(0xffffffff, 0, 0, 0);
  float x[2];
  rng_fill_uniform(&r, x, 2, 1.0f, 2.0f);
  cr_assert_eq(x[0], nextafterf(2.0f, 1.0f));
  cr_assert_eq(x[1], 1.0f);
  rng_fill_uniform(&r, x, 1, 3.0f, 3.0f);
  cr_assert_eq(x[0], 3.0f);
}

// neighbouring streams, indices and seeds are uncorrelated and fill the unit square evenly
Test(rng, sequences_are_independent) {
  struct rng base = make(21, RNG_ACTION, 4);
  struct rng other[] = {make(21, RNG_DYNAMICS, 4), make(21, RNG_ACTION, 5), make(22, RNG_ACTION, 4),
                        make(4, RNG_ACTION, 21)};
  for (size_t k = 0; k < sizeof other / sizeof other[0]; k++) {
    struct rng a = base, b = other[k];
    int count[64] = {0};
    double product = 0;
    for (int i = 0; i < DRAWS; i++) {
      float x = rng_float(&a), y = rng_float(&b);
      count[(int)(x * 8) * 8 + (int)(y * 8)]++;
      product += (x - 0.5) * (y - 0.5);
    }
    // the mean product has standard deviation 1/12/sqrt(n)
    cr_assert_float_eq(product / DRAWS, 0, 3.29 / 12 / sqrt(DRAWS), "pair %zu", k);
    cr_assert_lt(chi_square(count, 64, DRAWS), 103.4, "pair %zu", k);
  }
}
