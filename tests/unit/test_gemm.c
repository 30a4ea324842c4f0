// test_gemm.c - the products of every backend that is built in: against the definition, whatever
// the thread and the addresses, and without threads of their own; what is refused, and how.
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "learner/nn/gemm.h"
#include "tests/variants.h"

typedef void product_fn(float *C, const float *A, const float *B, int m, int n, int k,
                        int accumulate);
static product_fn *const PRODUCTS[] = {gemm_nt, gemm_nn, gemm_tn};

static float *normals(uint64_t index, size_t n) {
  struct rng r;
  rng_init(&r, 2026, RNG_TEST, index);
  float *x = must_alloc(n, sizeof *x);
  rng_fill_normal(&r, x, n);
  return x;
}

// vectors, ragged sizes around vectors and tiles, and what networks have: hidden layers on blocks
// of rows, first layers of few inputs, last ones of few outputs
static const int SHAPES[][3] = {
    {1, 1, 1},     {1, 7, 5},      {7, 1, 5},      {7, 5, 1},      {13, 17, 9},     {31, 65, 33},
    {63, 49, 47},  {97, 100, 70},  {256, 64, 6},   {256, 1, 64},   {1, 64, 256},    {64, 6, 256},
    {64, 128, 35}, {128, 35, 64},  {35, 128, 64},  {256, 256, 17}, {256, 256, 8},   {256, 8, 256},
    {8, 256, 256}, {256, 16, 256}, {16, 256, 256}, {64, 256, 256}, {256, 256, 256},
};
enum { NSHAPE = sizeof SHAPES / sizeof *SHAPES };

// ---- numbers ----

// |C - sum| for a sum of k products, given the sum of their magnitudes: each addition and each
// product rounds by at most 2^-24 of what it has, and a factor in bfloat16 by 2^-8 of itself
static double bound(double magnitudes, int k, enum net_precision precision) {
  const double u = ldexp(1, -24), v = precision == NET_PRECISION_BF16 ? ldexp(1, -8) : 0;
  const double factors = (1 + v) * (1 + v);
  return magnitudes * (factors * (1 + k * u / (1 - k * u)) - 1) + 1e-30;
}

// one computed number against sum, which is that of k products of these magnitudes
static void expect_near(float got, double sum, double magnitudes, int k, int variant,
                        const char *what) {
  cr_assert(fabs((double)got - sum) <= bound(magnitudes, k, variants[variant].precision),
            "variant %d, %s: %.9g, not %.9g", variant, what, (double)got, sum);
}

static void compare(const float *C, const float *A, const float *B, const int *shape, int kind,
                    int times, int variant) {
  const int m = shape[0], n = shape[1], k = shape[2];
  char what[64];
  snprintf(what, sizeof what, "%d x %d x %d, product %d, %d times", m, n, k, kind, times);
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      double sum = 0, magnitudes = 0;
      for (int p = 0; p < k; p++) {
        const double a = kind == 2 ? A[p * m + i] : A[i * k + p];
        const double ab = a * (double)(kind == 0 ? B[j * k + p] : B[p * n + j]);
        sum += ab;
        magnitudes += fabs(ab);
      }
      expect_near(C[i * n + j], times * sum, times * magnitudes, times * k, variant, what);
    }
  }
}

// all three products against the definition; C starts as NaN, which overwriting must not see
Test(gemm, products_equal_definition) {
  for (int v = 0; v < NVARIANT; v++) {
    for (int s = 0; s < NSHAPE && variant_choose(v); s++) {
      const int m = SHAPES[s][0], n = SHAPES[s][1], k = SHAPES[s][2];
      float *A = normals(2 * (uint64_t)s, (size_t)m * (size_t)k);
      float *B = normals(2 * (uint64_t)s + 1, (size_t)k * (size_t)n);
      float *C = must_alloc((size_t)m * (size_t)n, sizeof *C);
      for (int kind = 0; kind < 3; kind++) {
        memset(C, 0xff, sizeof *C * (size_t)m * (size_t)n);
        PRODUCTS[kind](C, A, B, m, n, k, 0);
        compare(C, A, B, SHAPES[s], kind, 1, v);
        PRODUCTS[kind](C, A, B, m, n, k, 1);
        compare(C, A, B, SHAPES[s], kind, 2, v);
      }
      free(A);
      free(B);
      free(C);
    }
  }
}

// the bfloat16 nearest to x, ties to even, for a finite x
static float nearest_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// a factor times 1 and zeros is that factor, rounded: so bfloat16 it is, to the last number of a
// length that is no multiple of anything
Test(gemm, bf16_rounds_its_factors) {
  enum { M = 16, N = 67 };
  if (!gemm_has(NET_BACKEND_ONEDNN, NET_PRECISION_BF16)) {
    cr_skip_test("no oneDNN, or no CPU for bfloat16");
  }
  cr_assert_eq(gemm_init(NET_BACKEND_ONEDNN, NET_PRECISION_BF16), ERR_OK);
  float *A = normals(0, M * N), *one = must_alloc(N * N, sizeof *one), C[M * N];
  // ties: down to 1, up to 1 + 2^-6
  A[0] = 1 + ldexpf(1, -8);
  A[1] = 1 + ldexpf(3, -8);
  for (int i = 0; i < N; i++) {
    one[i * N + i] = 1;
  }
  gemm_nn(C, A, one, M, N, N, 0);
  for (int i = 0; i < M * N; i++) {
    cr_assert_eq(C[i], nearest_bf16(A[i]), "%d: %.9g, not %.9g", i, (double)C[i],
                 (double)nearest_bf16(A[i]));
  }
  cr_assert(C[0] == 1 && C[1] == 1 + ldexpf(1, -6));
  A[M * N - 1] = NAN;
  A[0] = INFINITY;
  gemm_nn(C, A, one, M, N, N, 0);
  cr_assert(isnan(C[M * N - 1]), "NaN stays NaN");
  cr_assert(!isfinite(C[0]), "nor does infinity become finite");
  free(A);
  free(one);
}

// Y = X W^T + b, or max(0, that), which is no further from its own definition
static void compare_layer(const float *Y, const float *X, const float *W, const float *b,
                          const int *shape, bool relu, int variant) {
  const int m = shape[0], n = shape[1], k = shape[2];
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      double z = b[j], magnitudes = fabs(z);
      for (int p = 0; p < k; p++) {
        const double xw = (double)X[i * k + p] * (double)W[j * k + p];
        z += xw;
        magnitudes += fabs(xw);
      }
      expect_near(Y[i * n + j], relu ? fmax(0, z) : z, magnitudes, k + 1, variant, "a layer");
    }
  }
}

// bias and ReLU on narrow and wide layers; a NaN comes through
Test(gemm, layers_equal_definition) {
  static const int sizes[][3] = {{5, 33, 3}, {64, 128, 16}, {64, 128, 17}, {61, 67, 70}};
  for (int v = 0; v < NVARIANT; v++) {
    for (int s = 0; s < 4 && variant_choose(v); s++) {
      const int m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
      float *X = normals(1, (size_t)m * (size_t)k), *W = normals(2, (size_t)n * (size_t)k);
      float *b = normals(3, (size_t)n), *Y = must_alloc((size_t)m * (size_t)n, sizeof *Y);
      float *scratch = must_alloc(gemm_layer_scratch(n), sizeof *scratch);
      const struct gemm_weights weights = {.f32 = W};
      gemm_layer(Y, X, weights, b, m, n, k);
      compare_layer(Y, X, W, b, sizes[s], false, v);
      gemm_layer_relu(Y, X, weights, b, m, n, k, scratch);
      compare_layer(Y, X, W, b, sizes[s], true, v);
      X[k] = NAN;  // row 1
      gemm_layer_relu(Y, X, weights, b, m, n, k, scratch);
      for (int j = 0; j < n; j++) {
        cr_assert(isnan(Y[n + j]) && !isnan(Y[j]), "variant %d, layer %d, %d", v, s, j);
      }
      free(X);
      free(W);
      free(b);
      free(Y);
      free(scratch);
    }
  }
}

// weights that are rounded beforehand give the bits of those that each product rounds
Test(gemm, rounded_weights_change_no_bit) {
  enum { M = 61, N = 67, K = 70 };
  if (!gemm_has(NET_BACKEND_AUTO, NET_PRECISION_BF16)) {
    cr_skip_test("this build or this CPU has no products in bfloat16");
  }
  for (int v = 0; v < NVARIANT; v++) {
    if (!variant_choose(v) || !gemm_rounds()) {
      continue;
    }
    float *X = normals(1, M * K), *W = normals(2, N * K), *b = normals(3, N);
    float *Y[2], *dX[2], *scratch = must_alloc(gemm_layer_scratch(N), sizeof *scratch);
    uint16_t *rounded = must_alloc(N * K, sizeof *rounded);
    gemm_round(rounded, W, N * K);
    for (int i = 0; i < 2; i++) {
      const struct gemm_weights weights = {.f32 = W, .bf16 = i ? rounded : NULL};
      Y[i] = must_alloc(M * N, sizeof(float));
      dX[i] = must_alloc(M * K, sizeof(float));
      gemm_layer_relu(Y[i], X, weights, b, M, N, K, scratch);
      gemm_layer_back(dX[i], Y[i], weights, M, K, N);
    }
    cr_assert_arr_eq(Y[0], Y[1], M * N * sizeof(float));
    cr_assert_arr_eq(dX[0], dX[1], M * K * sizeof(float));
    for (int i = 0; i < 2; i++) {
      free(Y[i]);
      free(dX[i]);
    }
    free(rounded);
    free(scratch);
    free(X);
    free(W);
    free(b);
  }
}

// ---- threads and addresses ----

// tasks of this process
static int threads(void) {
  int n = 0;
  DIR *dir = opendir("/proc/self/task");
  cr_assert_not_null(dir);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    n += entry->d_name[0] != '.';
  }
  closedir(dir);
  return n;
}

enum { CREW = 3, ROUNDS = 4, LARGEST = 256 * 256, SHIFT = 64 };

static float *factor[2], *expected[NSHAPE][3];
static pthread_barrier_t met;

// every product of SHAPES at addresses of this thread's own; returns how many had other bits
static void *products_main(void *ctx) {
  const size_t self = (size_t)(uintptr_t)ctx;
  float *A = must_alloc(LARGEST + SHIFT, sizeof *A), *B = must_alloc(LARGEST + SHIFT, sizeof *B);
  float *C = must_alloc(LARGEST + SHIFT, sizeof *C);
  uintptr_t wrong = 0;
  for (size_t round = 0; round < ROUNDS; round++) {
    // from the start of a cache line to the last float in it
    const size_t a = (5 * round + self) % 16, b = (3 * round + 7 * self) % 16, c = (round + a) % 16;
    memcpy(A + a, factor[0], sizeof *A * LARGEST);
    memcpy(B + b, factor[1], sizeof *B * LARGEST);
    for (int s = 0; s < NSHAPE; s++) {
      const int m = SHAPES[s][0], n = SHAPES[s][1], k = SHAPES[s][2];
      for (int kind = 0; kind < 3; kind++) {
        PRODUCTS[kind](C + c, A + a, B + b, m, n, k, 0);
        wrong += memcmp(C + c, expected[s][kind], sizeof *C * (size_t)m * (size_t)n) != 0;
      }
    }
  }
  pthread_barrier_wait(&met);  // all have computed, all are still there
  pthread_barrier_wait(&met);
  free(A);
  free(B);
  free(C);
  return (void *)wrong;
}

static void compute_at_once(int variant) {
  pthread_t crew[CREW];
  cr_assert_eq(pthread_barrier_init(&met, NULL, CREW + 1), 0);
  const int before = threads();
  for (size_t i = 0; i < CREW; i++) {
    cr_assert_eq(pthread_create(&crew[i], NULL, products_main, (void *)(uintptr_t)i), 0);
  }
  pthread_barrier_wait(&met);
  cr_assert_eq(threads(), before + CREW, "variant %d: a library started threads", variant);
  pthread_barrier_wait(&met);
  for (int i = 0; i < CREW; i++) {
    void *wrong;
    pthread_join(crew[i], &wrong);
    cr_assert_eq(wrong, NULL, "variant %d: %d products have other bits", variant,
                 (int)(uintptr_t)wrong);
  }
  pthread_barrier_destroy(&met);
}

// determinism rests on this: the same numbers at other addresses in another thread, while others
// compute, give the same bits; and no library starts a thread
Test(gemm, threads_and_addresses_do_not_matter) {
  factor[0] = normals(0, LARGEST);
  factor[1] = normals(1, LARGEST);
  for (int v = 0; v < NVARIANT; v++) {
    if (!variant_choose(v)) {
      continue;
    }
    for (int s = 0; s < NSHAPE; s++) {
      const int m = SHAPES[s][0], n = SHAPES[s][1], k = SHAPES[s][2];
      for (int kind = 0; kind < 3; kind++) {
        expected[s][kind] = must_alloc((size_t)m * (size_t)n, sizeof(float));
        PRODUCTS[kind](expected[s][kind], factor[0], factor[1], m, n, k, 0);
      }
    }
    compute_at_once(v);
    for (int s = 0; s < NSHAPE; s++) {
      for (int kind = 0; kind < 3; kind++) {
        free(expected[s][kind]);
      }
    }
  }
  free(factor[0]);
  free(factor[1]);
}

// ---- the choice ----

static bool starts_with(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

Test(gemm, kernel_names_what_computes) {
  cr_assert_eq(gemm_init(NET_BACKEND_OPENBLAS, NET_PRECISION_F32), ERR_OK);
  cr_assert(starts_with(gemm_kernel(), "OpenBLAS "), "%s", gemm_kernel());
  cr_assert_gt(strlen(gemm_kernel()), strlen("OpenBLAS 0.0 "));
  char openblas[128];
  snprintf(openblas, sizeof openblas, "%s", gemm_kernel());
  if (gemm_has(NET_BACKEND_ONEDNN, NET_PRECISION_F32)) {
    cr_assert_eq(gemm_init(NET_BACKEND_ONEDNN, NET_PRECISION_F32), ERR_OK);
    cr_assert(starts_with(gemm_kernel(), "oneDNN "), "%s", gemm_kernel());
    cr_assert_not_null(strstr(gemm_kernel(), openblas), "narrow products: %s", gemm_kernel());
  }
}

static char logged[1024];

// refused in one line that holds these words; the choice is as before
static void expect_refused(enum net_backend backend, enum net_precision precision,
                           const char *const *words) {
  cr_assert_eq(gemm_init(NET_BACKEND_OPENBLAS, NET_PRECISION_F32), ERR_OK);
  int fd = memfd_create("log", 0);
  log_set_file(fd);
  cr_assert_not(gemm_has(backend, precision));
  cr_assert_eq(gemm_init(backend, precision), ERR_CONFIG);
  log_set_file(-1);
  const ssize_t n = pread(fd, logged, sizeof logged - 1, 0);
  close(fd);
  logged[n > 0 ? n : 0] = '\0';
  cr_assert(n > 0 && strchr(logged, '\n') == logged + n - 1, "one line:\n%s", logged);
  for (; *words != NULL; words++) {
    cr_assert_not_null(strstr(logged, *words), "%s is not in %s", *words, logged);
  }
  cr_assert(starts_with(gemm_kernel(), "OpenBLAS "));
}

Test(gemm, what_is_not_there_is_refused) {
  expect_refused(NET_BACKEND_OPENBLAS, NET_PRECISION_BF16,
                 (const char *[]){"net.precision = bf16", "AVX512_BF16", "net.backend=auto", NULL});
  if (!gemm_has(NET_BACKEND_ONEDNN, NET_PRECISION_F32)) {
    expect_refused(NET_BACKEND_ONEDNN, NET_PRECISION_F32,
                   (const char *[]){"net.backend = onednn", "libdnnl-dev", NULL});
  }
}

// the library can be told to see less of a CPU than there is
Test(gemm, a_cpu_without_bf16) {
  cr_assert_eq(setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1), 0);
  expect_refused(
      NET_BACKEND_AUTO, NET_PRECISION_BF16,
      (const char *[]){"net.precision = bf16", "net.precision=f32, which takes a new run", NULL});
  cr_assert_eq(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32), ERR_OK);
  cr_assert(starts_with(gemm_kernel(), "OpenBLAS "), "without AVX-512 auto is OpenBLAS: %s",
            gemm_kernel());
  if (gemm_has(NET_BACKEND_ONEDNN, NET_PRECISION_F32)) {
    expect_refused(NET_BACKEND_ONEDNN, NET_PRECISION_BF16,
                   (const char *[]){"oneDNN", "AVX2", "net.precision=f32", NULL});
  }
}
