// gemm_openblas.c - products by OpenBLAS, the reference and the fallback.
//
// Every shape goes to sgemm, vectors included: for the shapes of small networks its single-row and
// single-column kernels are as fast as sgemv or faster (tests/bench/bench_gemm.c). sgemm clears C
// when beta is 0, so stale numbers in C never matter.
#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "learner/nn/gemm_backend.h"

void gemm_openblas_init(void) {
  openblas_set_num_threads(1);
}

void gemm_openblas_name(char *name, size_t n) {
  // the library's description starts with its name and version
  const char *config = openblas_get_config();
  size_t length = strcspn(config, " ");
  length += config[length] ? 1 + strcspn(config + length + 1, " ") : 0;
  snprintf(name, n, "%.*s %s", (int)length, config, openblas_get_corename());
}

void gemm_openblas(const struct gemm_product *p, float *C, const float *A, const float *B) {
  const CBLAS_TRANSPOSE a = p->kind == GEMM_TN ? CblasTrans : CblasNoTrans;
  const CBLAS_TRANSPOSE b = p->kind == GEMM_NT ? CblasTrans : CblasNoTrans;
  cblas_sgemm(CblasRowMajor, a, b, p->m, p->n, p->k, 1.0f, A, a == CblasTrans ? p->m : p->k, B,
              b == CblasTrans ? p->k : p->n, p->accumulate ? 1.0f : 0.0f, C, p->n);
}
