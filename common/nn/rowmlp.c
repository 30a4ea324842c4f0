// rowmlp.c - one row through a network, in an order of summation that the code fixes.
//
// Each output is a dot product of a row of W_l with x, then a bias. For every output, whatever the
// sizes and wherever it stands in the layer:
//   lane_k = fma chain over j = k, k + 8, k + 16, ..   starting at 0, k = 0..7
//            (the last chunk is filled up with zeros on both sides)
//   sum    = ((lane_0 + lane_1) + (lane_2 + lane_3)) + ((lane_4 + lane_5) + (lane_6 + lane_7))
//   z      = sum + b;   hidden layers: 0 > z ? 0 : z
// tests/unit/test_mlp.c repeats this in scalar code and demands the same bits. Fused products are
// intrinsics and -ffp-contract=off forbids any other, so compiler and optimisation do not matter.
//
// Eight rows of W_l run at once: eight independent chains hide the latency of the fma, and their
// lanes transpose into one vector of eight outputs. The last block of a layer may have fewer rows;
// then its last row is repeated and the copies are not stored. Nothing outside theta is read.
#include "common/nn/rowmlp.h"

#include <immintrin.h>

#include "common/base/check.h"
#include "common/nn/mlp_shape.h"

enum { LANES = 8 };

// all ones in the first n lanes, 0 <= n <= 8
static inline __m256i first_lanes(int n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
}

// ((lane_0 + lane_1) + (lane_2 + lane_3)) + ((lane_4 + lane_5) + (lane_6 + lane_7)) of each vector
static inline __m256 sum_lanes(const __m256 v[LANES]) {
  // hadd adds neighbours within each half: after two levels a half holds four half-sums
  __m256 v01 = _mm256_hadd_ps(v[0], v[1]), v23 = _mm256_hadd_ps(v[2], v[3]);
  __m256 v45 = _mm256_hadd_ps(v[4], v[5]), v67 = _mm256_hadd_ps(v[6], v[7]);
  __m256 v0123 = _mm256_hadd_ps(v01, v23), v4567 = _mm256_hadd_ps(v45, v67);
  __m256 low = _mm256_permute2f128_ps(v0123, v4567, 0x20);
  __m256 high = _mm256_permute2f128_ps(v0123, v4567, 0x31);
  return _mm256_add_ps(low, high);
}

// dot products of eight rows of n numbers with x
static inline __m256 dot_rows(const float *const row[LANES], const float *x, int n) {
  __m256 acc[LANES];
  for (int r = 0; r < LANES; r++) {
    acc[r] = _mm256_setzero_ps();
  }
  int j = 0;
  for (; j + LANES <= n; j += LANES) {
    __m256 xj = _mm256_loadu_ps(x + j);
    for (int r = 0; r < LANES; r++) {
      acc[r] = _mm256_fmadd_ps(_mm256_loadu_ps(row[r] + j), xj, acc[r]);
    }
  }
  if (j < n) {
    __m256i rest = first_lanes(n - j);
    __m256 xj = _mm256_maskload_ps(x + j, rest);
    for (int r = 0; r < LANES; r++) {
      acc[r] = _mm256_fmadd_ps(_mm256_maskload_ps(row[r] + j, rest), xj, acc[r]);
    }
  }
  return sum_lanes(acc);
}

// y (n_out) = W (n_out x n_in) x + b, through ReLU for a hidden layer
static void layer(float *y, const float *W, const float *b, const float *x, int n_in, int n_out,
                  int hidden) {
  const __m256 zero = _mm256_setzero_ps();
  for (int i = 0; i < n_out; i += LANES) {
    int rows = n_out - i < LANES ? n_out - i : LANES;
    const float *row[LANES];
    for (int r = 0; r < LANES; r++) {
      row[r] = W + (size_t)(i + (r < rows ? r : rows - 1)) * (size_t)n_in;
    }
    __m256i stored = first_lanes(rows);
    __m256 z = _mm256_add_ps(dot_rows(row, x, n_in), _mm256_maskload_ps(b + i, stored));
    // max(0, z) is 0 > z ? 0 : z, so a NaN comes through
    _mm256_maskstore_ps(y + i, stored, hidden ? _mm256_max_ps(zero, z) : z);
  }
}

size_t rowmlp_scratch(const int *width, int nlayer) {
  CHECK(width && nlayer >= 1 && nlayer <= MLP_MAX_LAYERS);
  // the inputs of two neighbouring layers
  int widest = 0;
  for (int l = 1; l <= nlayer; l++) {
    widest = width[l] > widest ? width[l] : widest;
  }
  return 2 * (size_t)widest;
}

void rowmlp_forward(float *y, const float *theta, const int *width, int nlayer, const float *x,
                    const float *bias, float *scratch) {
  CHECK(y && theta && width && x && scratch && nlayer >= 1 && nlayer <= MLP_MAX_LAYERS);
  size_t half = rowmlp_scratch(width, nlayer) / 2;
  const float *W = theta, *in = x;
  for (int l = 0; l < nlayer; l++) {
    const float *b = W + (size_t)width[l + 1] * (size_t)width[l];
    int hidden = l < nlayer - 1;
    float *out = hidden ? scratch + (l & 1) * half : y;
    layer(out, W, bias && l == 0 ? bias : b, in, width[l], width[l + 1], hidden);
    in = out;
    W = b + width[l + 1];
  }
}
