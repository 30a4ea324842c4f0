// gemm_backend.h - what is behind gemm.h: one product, by one library. For gemm*.c alone.
//
// The same rules as in gemm.h: thread-safe, row-major, and the same bits whatever the thread and
// the addresses.
#ifndef LEARNER_NN_GEMM_BACKEND_H
#define LEARNER_NN_GEMM_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "learner/nn/gemm.h"

enum gemm_kind { GEMM_NT, GEMM_NN, GEMM_TN };  // C = A B^T, A B, A^T B

// C (m x n), k terms a sum; accumulate: added to C. bf16: of factors rounded to bfloat16.
struct gemm_product {
  enum gemm_kind kind;
  int m, n, k;
  bool accumulate, bf16;
};

// ---- OpenBLAS: always there; float32 alone ----
void gemm_openblas_init(void);
void gemm_openblas_name(char *name, size_t n);
void gemm_openblas(const struct gemm_product *p, float *C, const float *A, const float *B);

// ---- oneDNN: only when TELOS_ONEDNN ----
void gemm_onednn_init(void);
void gemm_onednn_name(char *name, size_t n);
bool gemm_onednn_has_avx512(void);
bool gemm_onednn_has_bf16(void);
// Shapes that it computes more slowly than OpenBLAS are passed on to that.
void gemm_onednn(const struct gemm_product *p, float *C, const float *A, struct gemm_weights B);
void gemm_onednn_round(uint16_t *y, const float *x, size_t n);

#endif
