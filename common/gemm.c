// gemm.c - products by OpenBLAS, one thread.
//
// Every shape goes to sgemm, vectors included: for the shapes of small networks its
// single-row and single-column kernels are as fast as sgemv or faster (tests/bench/bench_gemm.c).
// sgemm clears C when beta is 0, so stale numbers in C never matter.
#include "common/gemm.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"

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
