// gemm.c - products by OpenBLAS, one thread.
//
// Every shape goes to sgemm, vectors included: for the shapes of small networks its
// single-row and single-column kernels are as fast as sgemv or faster (tests/bench/bench_gemm.c).
// sgemm clears C when beta is 0, so stale numbers in C never matter.
//
// A layer of few inputs, the first one of most tasks, is the exception: its product moves more
// memory than it computes, so a kernel of our own does product, bias and ReLU in one pass, in about
// half the time of the two.
//
// ReLU is written (0 > z ? 0 : z): a NaN comes through and reaches the loss, where it is found.
#include "learner/nn/gemm.h"

#include <cblas.h>
#include <immintrin.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

// a layer of at most NARROW inputs takes narrow_layer; beyond, the library's product is faster
enum { NARROW = 16, LANES = 8, TILE_ROWS = 4, TILE_COLUMNS = 2 * LANES };

void gemm_init(void) {
  openblas_set_num_threads(1);
}

const char *gemm_kernel(void) {
  static _Thread_local char name[64];
  // the library's description starts with its name and version
  const char *config = openblas_get_config();
  size_t n = strcspn(config, " ");
  n += config[n] ? 1 + strcspn(config + n + 1, " ") : 0;
  snprintf(name, sizeof name, "%.*s %s", (int)n, config, openblas_get_corename());
  return name;
}

void gemm_nt(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  CHECK(m >= 1 && n >= 1 && k >= 1);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0f, A, k, B, k,
              accumulate ? 1.0f : 0.0f, C, n);
}

void gemm_nn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  CHECK(m >= 1 && n >= 1 && k >= 1);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, A, k, B, n,
              accumulate ? 1.0f : 0.0f, C, n);
}

void gemm_tn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  CHECK(m >= 1 && n >= 1 && k >= 1);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1.0f, A, m, B, n,
              accumulate ? 1.0f : 0.0f, C, n);
}

// ---- layers ----

// x <- x + b in every row (B x n)
static void add_bias(float *restrict x, const float *restrict b, int B, int n) {
  for (int i = 0; i < B; i++, x += n) {
    for (int j = 0; j < n; j++) {
      x[j] += b[j];
    }
  }
}

// x <- max(0, x + b) in every row (B x n)
static void add_bias_relu(float *restrict x, const float *restrict b, int B, int n) {
  for (int i = 0; i < B; i++, x += n) {
    for (int j = 0; j < n; j++) {
      float z = x[j] + b[j];
      x[j] = 0.0f > z ? 0.0f : z;
    }
  }
}

// y <- max(0, b + x W^T) for rows x 16 of the outputs, at most TILE_ROWS; Wt and b start at the
// tile's first column
static inline void narrow_tile(float *y, const float *x, const float *Wt, const float *b, int rows,
                               int n_in, int n_out) {
  __m256 z[TILE_ROWS][2];
  for (int i = 0; i < rows; i++) {
    z[i][0] = _mm256_loadu_ps(b);
    z[i][1] = _mm256_loadu_ps(b + LANES);
  }
  for (int k = 0; k < n_in; k++, Wt += n_out) {
    __m256 w0 = _mm256_loadu_ps(Wt), w1 = _mm256_loadu_ps(Wt + LANES);
    for (int i = 0; i < rows; i++) {
      __m256 xik = _mm256_broadcast_ss(x + i * n_in + k);
      z[i][0] = _mm256_fmadd_ps(xik, w0, z[i][0]);
      z[i][1] = _mm256_fmadd_ps(xik, w1, z[i][1]);
    }
  }
  const __m256 zero = _mm256_setzero_ps();
  for (int i = 0; i < rows; i++, y += n_out) {
    _mm256_storeu_ps(y, _mm256_max_ps(zero, z[i][0]));
    _mm256_storeu_ps(y + LANES, _mm256_max_ps(zero, z[i][1]));
  }
}

// hidden layer of n_in <= NARROW inputs. Each output is the same chain whichever loop computes it:
// the bias, then fma over k = 0, 1, ..
static void narrow_layer(float *y, float *Wt, const float *x, const float *W, const float *b, int B,
                         int n_in, int n_out) {
  for (int k = 0; k < n_in; k++) {
    for (int j = 0; j < n_out; j++) {
      Wt[k * n_out + j] = W[j * n_in + k];
    }
  }
  int tiled = n_out - n_out % TILE_COLUMNS;
  for (int i = 0, rows; i < B; i += rows) {
    rows = i + TILE_ROWS <= B ? TILE_ROWS : 1;
    const float *xi = x + i * n_in;
    float *yi = y + i * n_out;
    for (int j = 0; j < tiled; j += TILE_COLUMNS) {
      if (rows == TILE_ROWS) {
        narrow_tile(yi + j, xi, Wt + j, b + j, TILE_ROWS, n_in, n_out);
      } else {
        narrow_tile(yi + j, xi, Wt + j, b + j, 1, n_in, n_out);
      }
    }
  }
  // columns beyond the last whole tile
  for (int i = 0; i < B; i++) {
    for (int j = tiled; j < n_out; j++) {
      float z = b[j];
      for (int k = 0; k < n_in; k++) {
        z = fmaf(x[i * n_in + k], Wt[k * n_out + j], z);
      }
      y[i * n_out + j] = 0.0f > z ? 0.0f : z;
    }
  }
}

size_t gemm_layer_scratch(int n) {
  return (size_t)NARROW * (size_t)n;
}

void gemm_layer(float *Y, const float *X, const float *W, const float *b, int m, int n, int k) {
  gemm_nt(Y, X, W, m, n, k, 0);
  add_bias(Y, b, m, n);
}

void gemm_layer_relu(float *Y, const float *X, const float *W, const float *b, int m, int n, int k,
                     float *scratch) {
  if (k <= NARROW) {
    narrow_layer(Y, scratch, X, W, b, m, k, n);
  } else {
    gemm_nt(Y, X, W, m, n, k, 0);
    add_bias_relu(Y, b, m, n);
  }
}
