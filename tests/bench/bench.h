// bench.h - the clock and the median that every bench uses.
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdlib.h>
#include <time.h>

// Seconds of CPU that this thread has used: what others do on the machine is not measured.
static inline double bench_cpu_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Seconds of the wall clock, for what several threads or processes do together.
static inline double bench_wall_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The middle one of n numbers, n odd; sorts them.
static inline double bench_median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, bench_compare);
  return x[n / 2];
}

#endif
