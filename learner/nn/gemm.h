// gemm.h - the matrix products of a fully connected network, behind one small interface.
//
// Row-major float32. C is overwritten when accumulate is 0, added to when it is 1.
//
// The products are by a library (net.backend): OpenBLAS, the reference that every build has, or
// oneDNN where it was there when telos was built. With net.precision = bf16 the factors of wide
// products are rounded to bfloat16 (8 bits of significand, 2^-8 each); sums and results stay
// float32.
//
// Every function computes on the calling thread alone, and any number of threads may call at once.
// Bits depend on gemm_kernel(), the precision and the shape; not on the thread, nor on addresses.
// A thread's first product of a shape may allocate and take milliseconds. Later ones take no time
// for it, but oneDNN has a few small nodes from malloc at each call.
#ifndef LEARNER_NN_GEMM_H
#define LEARNER_NN_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/config/config.h"

// Choose the library and keep it on one thread: parallelism is ours. Call before any product
// (else OpenBLAS computes) and never during one; may be called again, with another precision only
// while there are no nets (learner/agent/net.h), which have rounded copies or not. ERR_CONFIG: this
// build or this CPU lacks what is asked for; the choice is as before.
NODISCARD enum err gemm_init(enum net_backend backend, enum net_precision precision);

// Would gemm_init grant this?
bool gemm_has(enum net_backend backend, enum net_precision precision);

// Library, version and kernel that it picked for this CPU, e.g. "OpenBLAS 0.3.21 SkylakeX";
// several when several compute. Static to the thread.
const char *gemm_kernel(void);

// C (m x n) = A (m x k) B^T, B (n x k).
void gemm_nt(float *C, const float *A, const float *B, int m, int n, int k, int accumulate);

// C (m x n) = A (m x k) B (k x n).
void gemm_nn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate);

// C (m x n) = A^T B, A (k x m), B (k x n).       weight gradient: dW = dY^T X
void gemm_tn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate);

// ---- layers ----

// Weights take part in many products before they change. When gemm_rounds(), whoever owns them may
// round them once, and give the result along: the bits are the same, and each product is spared it.
struct gemm_weights {
  const float *f32;
  const uint16_t *bf16;  // gemm_round of f32, or NULL
};
bool gemm_rounds(void);
void gemm_round(uint16_t *y, const float *x, size_t n);

// Y (m x n) = X (m x k) W^T + b, W (n x k), b (n); gemm_layer_relu: max(0, the same), element by
// element. scratch holds gemm_layer_scratch(n) floats, overwritten; a backend may fuse all of it.
void gemm_layer(float *Y, const float *X, struct gemm_weights W, const float *b, int m, int n,
                int k);
void gemm_layer_relu(float *Y, const float *X, struct gemm_weights W, const float *b, int m, int n,
                     int k, float *scratch);
size_t gemm_layer_scratch(int n);

// dX (m x n) = dY (m x k) W, W (k x n): a layer's gradient by its input.
void gemm_layer_back(float *dX, const float *dY, struct gemm_weights W, int m, int n, int k);

#endif
