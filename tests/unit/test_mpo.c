// Tests of learner/rules/mpo.h: weights and temperature against the exponential tilting of a
// Gaussian, which has a closed form.
#include "learner/rules/mpo.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/rng.h"

enum { M = 200000 };

// u = mu + sigma eps, M times
static float *samples(double mu, double sigma) {
  float *u = must_alloc(M, sizeof *u);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  rng_fill_normal(&rng, u, M);
  for (int j = 0; j < M; j++) {
    u[j] = (float)(mu + sigma * (double)u[j]);
  }
  return u;
}

// exp(b u / alpha) tilts N(mu, sigma) to N(mu + sigma^2 b / alpha, sigma)
Test(mpo, weights_tilt_a_gaussian) {
  const double mu = 0.4, sigma = 0.7, b = 1.5, alpha = 2;
  float *u = samples(mu, sigma), *w = must_alloc(M, sizeof *w);
  for (int j = 0; j < M; j++) {
    w[j] = (float)(b * (double)u[j]);
  }
  const struct mpo_weights sum = mpo_weigh(w, alpha, M, 1);
  double total = 0, mean = 0, square = 0;
  for (int j = 0; j < M; j++) {
    const double wj = (double)w[j], uj = (double)u[j];
    total += wj;
    mean += wj * uj;
    square += wj * uj * uj;
  }
  const double shift = sigma * sigma * b / alpha, tilt = b * sigma / alpha;
  cr_assert_float_eq(total, 1, 1e-4);
  cr_assert_float_eq(mean, mu + shift, 1e-2, "%g", mean);
  cr_assert_float_eq(sqrt(square - mean * mean), sigma, 1e-2);
  cr_assert_float_eq(sum.mean_q, b * (mu + shift), 2e-2, "%g", sum.mean_q);
  cr_assert_float_eq(sum.log_mean, b * mu / alpha + tilt * tilt / 2, 1e-2, "%g", sum.log_mean);
  cr_assert_float_eq(sum.kl, tilt * tilt / 2, 1e-2, "%g", sum.kl);
  free(u);
  free(w);
}

// (4) is least at alpha = |b| sigma / sqrt(2 kl), where the weights are kl away from equal ones
Test(mpo, the_best_temperature_keeps_weights_within_the_bound) {
  const double sigma = 0.7, b = -1.5, kl = 0.1, want = 1.5 * sigma / sqrt(2 * kl);
  float *u = samples(0.4, sigma), *w = must_alloc(M, sizeof *w);
  double best = INFINITY, at = 0;
  for (double alpha = 0.8 * want; alpha < 1.2 * want; alpha += 0.01 * want) {
    for (int j = 0; j < M; j++) {
      w[j] = (float)(b * (double)u[j]);
    }
    const double dual = alpha * (kl + mpo_weigh(w, alpha, M, 1).log_mean);
    at = dual < best ? alpha : at;
    best = fmin(best, dual);
  }
  cr_assert_float_eq(at, want, 0.03 * want, "%g, want %g", at, want);
  for (int j = 0; j < M; j++) {
    w[j] = (float)(b * (double)u[j]);
  }
  cr_assert_float_eq(mpo_weigh(w, want, M, 1).kl, kl, 5e-3);
  free(u);
  free(w);
}

// sizes that exp alone would not survive
Test(mpo, weights_of_large_values_are_finite) {
  float q[] = {1e6f, 1e6f - 1, -1e6f, 0, 9, 9, 9, 9};
  const struct mpo_weights sum = mpo_weigh(q, 1, 4, 1);
  cr_assert_float_eq(q[0], 1 / (1 + exp(-1)), 1e-6);
  cr_assert(q[2] == 0 && q[3] == 0 && q[4] == 9);
  cr_assert(isfinite(sum.log_mean) && isfinite(sum.mean_q) && isfinite(sum.kl));
  float strided[] = {1, 50, 1, 50, 1, 50};
  mpo_weigh(strided, 1, 3, 2);
  cr_assert_float_eq(strided[2], 1.0 / 3, 1e-6);
  cr_assert_eq(strided[3], 50);
}
