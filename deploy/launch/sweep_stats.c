// sweep_stats.c - a few scores, so that nothing here needs to be fast.
#include "deploy/launch/sweep_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"

double sweep_stats_mean(const double *x, int n) {
  double sum = 0.0;
  for (int i = 0; i < n; i++) {
    sum += x[i];
  }
  return sum / n;
}

double sweep_stats_sd(const double *x, int n) {
  const double mean = sweep_stats_mean(x, n);
  double sum = 0.0;
  for (int i = 0; i < n; i++) {
    sum += (x[i] - mean) * (x[i] - mean);
  }
  return n > 1 ? sqrt(sum / (n - 1)) : NAN;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// eq. (1) of x, which is sorted in place
static double trimmed_mean(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, by_value);
  return sweep_stats_mean(x + n / 4, n - 2 * (n / 4));
}

double sweep_stats_iqm(const double *x, int n) {
  double *copy = must_alloc((size_t)n, sizeof *copy);
  memcpy(copy, x, (size_t)n * sizeof *copy);
  const double mean = trimmed_mean(copy, n);
  free(copy);
  return mean;
}

// the quantile of sorted values, between neighbours in proportion
static double quantile(const double *x, int n, double share) {
  const double at = share * (n - 1);
  const int i = (int)at;
  return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[i];
}

void sweep_stats_interval(double *low, double *high, const double *x, const int *n, int strata) {
  int all = 0, most = 0;
  for (int i = 0; i < strata; i++) {
    all += n[i];
    most = n[i] > most ? n[i] : most;
  }
  if (most < 2) {
    *low = *high = NAN;
    return;
  }
  double *draw = must_alloc((size_t)all, sizeof *draw);
  double *means = must_alloc(SWEEP_STATS_DRAWS, sizeof *means);
  struct rng rng;
  rng_init(&rng, 0, RNG_RESAMPLE, 0);
  for (int k = 0; k < SWEEP_STATS_DRAWS; k++) {
    int first = 0;
    for (int i = 0; i < strata; first += n[i++]) {
      for (int j = 0; j < n[i]; j++) {
        draw[first + j] = x[first + (int)rng_below(&rng, (uint32_t)n[i])];
      }
    }
    means[k] = trimmed_mean(draw, all);
  }
  qsort(means, SWEEP_STATS_DRAWS, sizeof *means, by_value);
  *low = quantile(means, SWEEP_STATS_DRAWS, 0.025);
  *high = quantile(means, SWEEP_STATS_DRAWS, 0.975);
  free(draw);
  free(means);
}
