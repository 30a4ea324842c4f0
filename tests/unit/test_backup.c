// Tests of learner/rules/backup.h, equations (5) to (8): against their other form, a search over q,
// and what follows from each option.
#include "learner/rules/backup.h"

#include <criterion/criterion.h>
#include <math.h>

#include "common/base/rng.h"

static double uniform(struct rng *rng, double lo, double hi) {
  return lo + (hi - lo) * rng_float(rng);
}

static double log_add_exp(double a, double b) {
  return fmax(a, b) + log1p(exp(-fabs(a - b)));
}

static double bernoulli_kl(double q, double gamma) {
  const double stay = q > 0 ? q * log(q / gamma) : 0;
  const double end = q < 1 ? (1 - q) * log((1 - q) / (1 - gamma)) : 0;
  return stay + end;
}

// one element through the public function
static void target(double *y, double *q0, double *kl, double cl, double V, double done,
                   const struct backup_options *opt) {
  const float fcl = (float)cl, fV = (float)V, fdone = (float)done;
  float fy, fq, fkl;
  const struct backup_rows out = {.y = &fy, .q0 = &fq, .kl = &fkl};
  backup_outcome(&out, &fcl, &fV, &fdone, opt, 1);
  *y = fy;
  *q0 = fq;
  *kl = fkl;
}

// unclamped, (8) is kappa logaddexp(cl / kappa + log(1 - gamma), V / kappa + log gamma)
Test(backup, equals_the_log_sum_exp_form) {
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  for (int i = 0; i < 20000; i++) {
    const double gamma = uniform(&rng, 0.5, 0.9999), kappa = exp(uniform(&rng, -2, 2));
    const struct backup_options opt = {.gamma = gamma, .q_max = 1, .kappa = kappa, .kl_sign = -1};
    const double width = i % 2 ? 5 : 200;
    const float cl = (float)uniform(&rng, -width, width), V = (float)uniform(&rng, -width, width);
    const double want = kappa * log_add_exp(cl / kappa + log1p(-gamma), V / kappa + log(gamma));
    double y, q, kl;
    target(&y, &q, &kl, cl, V, 0, &opt);
    // y is rounded to float32 once
    cr_assert_float_eq(y, want, 1e-6 * fmax(1, fabs(want)), "y = %.9g, want %.9g", y, want);
    // the double core has no such rounding
    const struct backup_constants c = backup_prepare(&opt);
    cr_assert_float_eq(backup_transition(cl, V, false, &c).y, want, 1e-12 * fmax(100, fabs(want)));
  }
}

// (5) is the maximiser of the bound (1 - q) cl + q V - kappa KL on [0, q_max]
Test(backup, inferred_discount_wins_a_grid_search) {
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  for (int i = 0; i < 300; i++) {
    const struct backup_options opt = {.gamma = uniform(&rng, 0.5, 0.99),
                                       .q_max = i % 3 ? uniform(&rng, 0.3, 1) : 1,
                                       .kappa = exp(uniform(&rng, -1, 1)),
                                       .kl_sign = -1};
    const float cl = (float)uniform(&rng, -4, 4), V = (float)uniform(&rng, -4, 4);
    double best = -INFINITY, argmax = 0;
    for (int k = 0; k <= 10000; k++) {
      const double q = opt.q_max * k / 10000.0;
      const double bound = (1 - q) * cl + q * V - opt.kappa * bernoulli_kl(q, opt.gamma);
      if (bound > best) {
        best = bound;
        argmax = q;
      }
    }
    double y, q, kl;
    target(&y, &q, &kl, cl, V, 0, &opt);
    cr_assert_float_eq(q, argmax, 1.1e-4, "q = %g, grid says %g", q, argmax);
    // nothing on the grid is better than y, and y is hardly better than the grid
    cr_assert(y > best - 1e-5 && y < best + 1e-3, "y = %g, grid says %g", y, best);
  }
}

Test(backup, clamp_and_kl_bounds) {
  struct rng rng;
  rng_init(&rng, 3, RNG_TEST, 0);
  int clamped = 0;
  for (int i = 0; i < 20000; i++) {
    const struct backup_options opt = {.gamma = uniform(&rng, 0.5, 0.9999),
                                       .q_max = uniform(&rng, 0, 1),
                                       .kappa = exp(uniform(&rng, -2, 2)),
                                       .kl_sign = -1};
    const float cl = (float)uniform(&rng, -20, 20), V = (float)uniform(&rng, -20, 20);
    double y, q, kl;
    target(&y, &q, &kl, cl, V, 0, &opt);
    cr_assert(q >= 0 && q <= (float)opt.q_max);
    cr_assert_geq(kl, 0);
    const double x = (V - (double)cl) / opt.kappa + log(opt.gamma / (1 - opt.gamma));
    const double want = fmin(1 / (1 + exp(-x)), opt.q_max);
    clamped += want == opt.q_max;
    cr_assert_float_eq(q, want, 1e-6);
    cr_assert_float_eq(kl, bernoulli_kl(want, opt.gamma), 1e-5);
    cr_assert_float_eq(y, (1 - want) * cl + want * V - opt.kappa * bernoulli_kl(want, opt.gamma),
                       1e-4);
  }
  cr_assert(clamped > 2000 && clamped < 18000);
}

// with q_max = gamma the clamp gives the fixed discount exactly wherever V >= cl
Test(backup, fixed_discount_has_no_kl) {
  struct rng rng;
  rng_init(&rng, 4, RNG_TEST, 0);
  for (int i = 0; i < 1000; i++) {
    const double gamma = uniform(&rng, 0.5, 0.9999);
    const struct backup_options opt = {.gamma = gamma, .q_max = gamma, .kappa = 1, .kl_sign = -1};
    const float cl = (float)uniform(&rng, -20, 20), V = cl + (float)uniform(&rng, 1e-3, 20);
    double y, q, kl;
    target(&y, &q, &kl, cl, V, 0, &opt);
    cr_assert_eq(kl, 0);
    cr_assert_eq(q, (float)gamma);
    cr_assert_float_eq(y, (1 - gamma) * cl + gamma * V, 1e-5);
  }
}

// y = (1 - q) cl + q V + sign kappa KL; q does not depend on the sign
Test(backup, signs_of_the_time_kl) {
  for (int sign = -1; sign <= 1; sign++) {
    const struct backup_options opt = {.gamma = 0.9, .q_max = 0.99, .kappa = 2, .kl_sign = sign};
    double y, q, kl;
    target(&y, &q, &kl, -1, -6, 0, &opt);
    const double want = 1 / (1 + exp(-(-5 / 2.0 + log(9))));
    cr_assert_float_eq(q, want, 1e-6);
    cr_assert_float_eq(y, (1 - want) * -1 + want * -6 + sign * 2 * bernoulli_kl(want, 0.9), 1e-5);
  }
}

// a true end bootstraps nothing: y = cl, whatever V
Test(backup, a_true_end_gives_the_reward) {
  const struct backup_options opt = {.gamma = 0.99, .q_max = 0.99, .kappa = 1, .kl_sign = -1};
  const double V[] = {-1e4, -1, 0, 3, 1e4};
  for (int i = 0; i < 5; i++) {
    double y, q, kl;
    target(&y, &q, &kl, -2.5, V[i], 1, &opt);
    cr_assert_float_eq(y, -2.5, 1e-6);
    cr_assert_float_eq(kl, 0, 1e-12);
  }
  // absent done is done = 0
  const float cl = -1, v = -2, zero = 0;
  float with, without;
  backup_outcome(&(struct backup_rows){.y = &with}, &cl, &v, &zero, &opt, 1);
  backup_outcome(&(struct backup_rows){.y = &without}, &cl, &v, NULL, &opt, 1);
  cr_assert_eq(with, without);
}

Test(backup, extreme_inputs_stay_finite) {
  const double cl[] = {-1e6, -1, 0, 1e3, 1e6}, V[] = {-1e4, -1e6, 0, 1e4, 1e6};
  const double q_max[] = {0, 1e-6, 0.5, 0.99, 0.999999, 1};
  const double kappa[] = {1e-3, 1, 1e3};
  const double gamma[] = {0.5, 0.99, 0.9999};
  for (int i = 0; i < 5 * 5 * 6 * 3 * 3 * 2; i++) {
    const struct backup_options opt = {.gamma = gamma[i / 450 % 3],
                                       .q_max = q_max[i / 25 % 6],
                                       .kappa = kappa[i / 150 % 3],
                                       .kl_sign = -1};
    double y, q, kl;
    target(&y, &q, &kl, cl[i % 5], V[i / 5 % 5], i / 1350, &opt);
    cr_assert(isfinite(y) && isfinite(q) && isfinite(kl), "cl %g V %g q_max %g kappa %g", cl[i % 5],
              V[i / 5 % 5], opt.q_max, opt.kappa);
    cr_assert(q >= 0 && q <= (float)opt.q_max && kl >= 0);
  }
}
