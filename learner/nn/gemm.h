// gemm.h - the matrix products of a fully connected network, behind one small interface.
//
// Row-major float32. C is overwritten when accumulate is 0, added to when it is 1.
// Today's backend is OpenBLAS on one thread; another backend replaces gemm.c and nothing else.
// Deterministic for one CPU type and one library build. Thread-safe; allocates nothing.
#ifndef LEARNER_NN_GEMM_H
#define LEARNER_NN_GEMM_H

#include <stddef.h>

// Keep the backend on one thread: parallelism is ours. Call once, before any product.
void gemm_init(void);

// Name of the kernel that the backend picked for this CPU, e.g. "OpenBLAS 0.3.21 SkylakeX".
const char *gemm_kernel(void);

// C (m x n) = A (m x k) B^T, B (n x k).          forward: Y = X W^T
void gemm_nt(float *C, const float *A, const float *B, int m, int n, int k, int accumulate);

// C (m x n) = A (m x k) B (k x n).               input gradient: dX = dY W
void gemm_nn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate);

// C (m x n) = A^T B, A (k x m), B (k x n).       weight gradient: dW = dY^T X
void gemm_tn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate);

// Y (m x n) = X (m x k) W^T + b, W (n x k), b (n); gemm_layer_relu: max(0, the same), element by
// element. scratch holds gemm_layer_scratch(n) floats, overwritten; a backend may fuse all of it.
void gemm_layer(float *Y, const float *X, const float *W, const float *b, int m, int n, int k);
void gemm_layer_relu(float *Y, const float *X, const float *W, const float *b, int m, int n, int k,
                     float *scratch);
size_t gemm_layer_scratch(int n);

#endif
