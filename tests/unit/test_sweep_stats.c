// test_sweep_stats.c - figures of sweeps against values by hand, and intervals against all samples
// that a bootstrap can draw.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "deploy/launch/sweep_stats.h"

Test(sweep_stats, mean_and_spread_by_hand) {
  const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
  cr_expect_float_eq(sweep_stats_mean(x, 8), 5, 1e-15);
  cr_expect_float_eq(sweep_stats_sd(x, 8), sqrt(32.0 / 7), 1e-15);
  cr_expect_float_eq(sweep_stats_mean(x, 1), 2, 1e-15);
  cr_expect(isnan(sweep_stats_sd(x, 1)));
  cr_expect_float_eq(sweep_stats_sd(x, 2), sqrt(2), 1e-15);
}

// eq. (1): floor(n / 4) at either end
Test(sweep_stats, interquartile_means_by_hand) {
  const double x[] = {100, 3, 1, 2, -50, 7, 8, 9};
  cr_expect_float_eq(sweep_stats_iqm(x, 1), 100, 1e-12);
  cr_expect_float_eq(sweep_stats_iqm(x, 3), 104.0 / 3, 1e-12);
  cr_expect_float_eq(sweep_stats_iqm(x, 4), 2.5, 1e-12);       // 2 3
  cr_expect_float_eq(sweep_stats_iqm(x, 5), 2, 1e-12);         // 1 2 3
  cr_expect_float_eq(sweep_stats_iqm(x, 7), 21.0 / 5, 1e-12);  // 1 2 3 7 8
  cr_expect_float_eq(sweep_stats_iqm(x, 8), (2 + 3 + 7 + 8) / 4.0, 1e-12);
  cr_expect_float_eq(x[0], 100, 0, "the scores stay as they were");
}

// Two scores: the mean of a sample is 0, 1/2 or 1, with probabilities 1/4, 1/2 and 1/4.
Test(sweep_stats, intervals_of_two_scores) {
  double low, high;
  sweep_stats_interval(&low, &high, (const double[]){0, 1}, (const int[]){2}, 1);
  cr_expect_float_eq(low, 0, 0);
  cr_expect_float_eq(high, 1, 0);
  sweep_stats_interval(&low, &high, (const double[]){3, 3, 3}, (const int[]){3}, 1);
  cr_expect_float_eq(low, 3, 0);
  cr_expect_float_eq(high, 3, 0);
  sweep_stats_interval(&low, &high, (const double[]){3, 5}, (const int[]){1, 1}, 2);
  cr_expect(isnan(low) && isnan(high));
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// eq. (2) of four scores: all 256 samples, of which 2.5 % are 6.4. The quantiles are the 7th from
// either end, which are far from their neighbours in rank.
Test(sweep_stats, intervals_of_four_scores) {
  const double x[] = {0, 1, 10, 100};
  double means[256], low, high;
  for (int k = 0; k < 256; k++) {
    double draw[4];
    for (int i = 0; i < 4; i++) {
      draw[i] = x[k >> 2 * i & 3];
    }
    means[k] = sweep_stats_iqm(draw, 4);
  }
  qsort(means, 256, sizeof *means, by_value);
  cr_assert(means[3] == means[6] && means[6] == means[9], "the low quantile is a broad step");
  cr_assert(means[246] == means[249] && means[249] == means[252]);
  sweep_stats_interval(&low, &high, x, (const int[]){4}, 1);
  cr_expect_float_eq(low, means[6], 1e-12);
  cr_expect_float_eq(high, means[249], 1e-12);
}

// A stratum is drawn from itself alone: with equal scores in each there is nothing to vary, while
// the same scores as one stratum do vary.
Test(sweep_stats, strata_stay_apart) {
  const double x[] = {1, 1, 1, 1, 5, 5, 5, 5};
  double low, high;
  sweep_stats_interval(&low, &high, x, (const int[]){4, 4}, 2);
  cr_expect_float_eq(low, 3, 0);
  cr_expect_float_eq(high, 3, 0);
  sweep_stats_interval(&low, &high, x, (const int[]){8}, 1);
  cr_expect_lt(low, 2);
  cr_expect_gt(high, 4);
}

Test(sweep_stats, the_same_scores_give_the_same_interval) {
  const double x[] = {2.2, 0.9, 0.8, 0.9, 4.1};
  double low[2], high[2];
  for (int i = 0; i < 2; i++) {
    sweep_stats_interval(&low[i], &high[i], x, (const int[]){5}, 1);
  }
  cr_expect_eq(low[0], low[1]);
  cr_expect_eq(high[0], high[1]);
  cr_expect(low[0] >= 0.8 && low[0] < sweep_stats_iqm(x, 5));
  cr_expect(high[0] <= 4.1 && high[0] > sweep_stats_iqm(x, 5));
}
