// bench.h - the median that every bench uses.
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdlib.h>

static inline int bench_compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The middle one of n numbers, of two the larger; sorts them.
static inline double bench_median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, bench_compare);
  return x[n / 2];
}

#endif
