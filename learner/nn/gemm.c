// gemm.c - which library computes the products, and layers: product, bias and ReLU.
//
// A layer of few inputs, the first one of most tasks, is an exception: its product moves more
// memory than it computes, so a kernel of our own does product, bias and ReLU in one pass, in about
// half the time of the two.
//
// ReLU is written (0 > z ? 0 : z): a NaN comes through and reaches the loss, where it is found.
// That is why oneDNN's fused ReLU is not used: it makes 0 of a NaN.
#include "learner/nn/gemm.h"

#include <immintrin.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "learner/nn/gemm_backend.h"

// a layer of at most NARROW inputs takes narrow_layer; beyond, the library's product is faster
enum { NARROW = 16, LANES = 8, TILE_ROWS = 4, TILE_COLUMNS = 2 * LANES };

// ---- the choice ----

// set by gemm_init alone, before there are threads
static enum net_backend chosen = NET_BACKEND_OPENBLAS;
static bool in_bf16;

// auto: without AVX-512 oneDNN gains nothing (tests/bench/bench_gemm.c)
static enum net_backend resolve(enum net_backend backend) {
#if TELOS_ONEDNN
  if (backend == NET_BACKEND_AUTO && gemm_onednn_has_avx512()) {
    return NET_BACKEND_ONEDNN;
  }
#endif
  return backend == NET_BACKEND_AUTO ? NET_BACKEND_OPENBLAS : backend;
}

bool gemm_has(enum net_backend backend, enum net_precision precision) {
#if TELOS_ONEDNN
  if (resolve(backend) == NET_BACKEND_ONEDNN) {
    return precision == NET_PRECISION_F32 || gemm_onednn_has_bf16();
  }
#endif
  return resolve(backend) == NET_BACKEND_OPENBLAS && precision == NET_PRECISION_F32;
}

static const char *kernel_of(enum net_backend backend) {
  static _Thread_local char name[128];
  size_t n = 0;
#if TELOS_ONEDNN
  // narrow products are by OpenBLAS then, so both decide over the bits
  if (backend == NET_BACKEND_ONEDNN) {
    gemm_onednn_name(name, sizeof name / 2);
    n = strlen(name);
    n += (size_t)snprintf(name + n, sizeof name - n, ", ");
  }
#else
  (void)backend;
#endif
  gemm_openblas_name(name + n, sizeof name - n);
  return name;
}

enum err gemm_init(enum net_backend backend, enum net_precision precision) {
  if (!gemm_has(backend, NET_PRECISION_F32)) {
    log_error(
        "net.backend = onednn: this build has no oneDNN; install libdnnl-dev and build again, or "
        "give net.backend=auto");
    return ERR_CONFIG;
  }
  if (!gemm_has(backend, precision)) {
    log_error(
        "net.precision = bf16 needs oneDNN and a CPU with AVX512_BF16 or AMX, but products would "
        "be by %s; %sgo on with it on such a machine, or give net.precision=f32, which takes a new "
        "run",
        kernel_of(resolve(backend)),
        backend == NET_BACKEND_OPENBLAS ? "give net.backend=auto, " : "");
    return ERR_CONFIG;
  }
  chosen = resolve(backend);
  in_bf16 = precision == NET_PRECISION_BF16;
  gemm_openblas_init();
#if TELOS_ONEDNN
  gemm_onednn_init();
#endif
  return ERR_OK;
}

bool gemm_rounds(void) {
  return in_bf16;
}

void gemm_round(uint16_t *y, const float *x, size_t n) {
#if TELOS_ONEDNN
  CHECK(in_bf16);
  gemm_onednn_round(y, x, n);
#else
  (void)y, (void)x, (void)n;
  CHECK(false);
#endif
}

const char *gemm_kernel(void) {
  return kernel_of(chosen);
}

// ---- products ----

static void product(enum gemm_kind kind, float *C, const float *A, struct gemm_weights B,
                    const int size[3], int accumulate) {
  const struct gemm_product p = {.kind = kind,
                                 .m = size[0],
                                 .n = size[1],
                                 .k = size[2],
                                 .accumulate = accumulate != 0,
                                 .bf16 = in_bf16};
  CHECK(p.m >= 1 && p.n >= 1 && p.k >= 1);
#if TELOS_ONEDNN
  if (chosen == NET_BACKEND_ONEDNN) {
    gemm_onednn(&p, C, A, B);
    return;
  }
#endif
  gemm_openblas(&p, C, A, B.f32);
}

static struct gemm_weights plain(const float *B) {
  return (struct gemm_weights){.f32 = B};
}

void gemm_nt(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  product(GEMM_NT, C, A, plain(B), (const int[]){m, n, k}, accumulate);
}

void gemm_nn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  product(GEMM_NN, C, A, plain(B), (const int[]){m, n, k}, accumulate);
}

void gemm_tn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  product(GEMM_TN, C, A, plain(B), (const int[]){m, n, k}, accumulate);
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

void gemm_layer(float *Y, const float *X, struct gemm_weights W, const float *b, int m, int n,
                int k) {
  product(GEMM_NT, Y, X, W, (const int[]){m, n, k}, 0);
  add_bias(Y, b, m, n);
}

void gemm_layer_back(float *dX, const float *dY, struct gemm_weights W, int m, int n, int k) {
  product(GEMM_NN, dX, dY, W, (const int[]){m, n, k}, 0);
}

void gemm_layer_relu(float *Y, const float *X, struct gemm_weights W, const float *b, int m, int n,
                     int k, float *scratch) {
  if (k <= NARROW) {
    narrow_layer(Y, scratch, X, W.f32, b, m, k, n);
  } else {
    product(GEMM_NT, Y, X, W, (const int[]){m, n, k}, 0);
    add_bias_relu(Y, b, m, n);
  }
}
