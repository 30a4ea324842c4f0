// rows.h - matrices of a minibatch: laying inputs into a network's rows, means, the search for
// numbers that went wrong, and room for many such matrices at once.
//
// Row-major float32. Only rows_new allocates. This is the one place where a number on its way into
// a network is touched.
#ifndef LEARNER_NN_ROWS_H
#define LEARNER_NN_ROWS_H

#include <stdbool.h>
#include <stddef.h>

// Columns [at, at + n) of x (B x width) = a (B x n).
void rows_set_columns(float *x, int width, int at, const float *a, int n, int B);

// The same with each column j shifted and scaled on its way: (a - mean[j]) inv[j]; mean, inv (n).
void rows_set_scaled(float *restrict x, int width, int at, const float *restrict a,
                     const float *restrict mean, const float *restrict inv, int n, int B);

// Mean of n numbers, summed in double in their order.
double rows_mean(const float *x, int n);

// Smallest and largest of n numbers.
struct rows_range {
  float lowest, highest;
};
struct rows_range rows_range(const float *x, int n);

// True when every |x_i| < 2^60: finite, and its square, which Adam keeps, finite too.
bool rows_finite(const float *x, size_t n);

// One block, zeroed, that holds n numbers for each part, at *part.at, from a cache line on. Free
// with free().
struct rows_part {
  float **at;
  size_t n;
};
float *rows_new(const struct rows_part *part, int nparts);

#endif
