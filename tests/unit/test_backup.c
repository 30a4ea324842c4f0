// Tests of learner/rules/backup.h, equations (5) to (9): against their other form, a search over q,
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

// eq. (9): a true end has no next state, so q0 = 0 and nothing depends on V, for every q_max; the
// KL of a certain outcome is log 1 / (1 - gamma)
Test(backup, a_true_end_has_no_continuation) {
  const double V[] = {-1e4, -1, 0, 3, 1e4}, gamma = 0.99, kappa = 0.3;
  const double q_max[] = {0, 0.5, 0.99, 0.999999, 1};
  for (int i = 0; i < 5 * 5 * 3; i++) {
    const int sign = i / 25 - 1;
    const struct backup_options opt = {
        .gamma = gamma, .q_max = q_max[i / 5 % 5], .kappa = kappa, .kl_sign = sign};
    double y, q, kl;
    target(&y, &q, &kl, -2.5, V[i % 5], 1, &opt);
    cr_assert_eq(q, 0);
    cr_assert_float_eq(kl, bernoulli_kl(0, gamma), 1e-6);
    cr_assert_float_eq(y, -2.5 - sign * kappa * log1p(-gamma), 1e-6);
  }
}

// it is what (5) to (8) tend to as V falls, for every q_max that leaves q0 free there
Test(backup, a_true_end_is_the_limit_of_a_hopeless_next_state) {
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, 0);
  for (int i = 0; i < 1000; i++) {
    const double kappa = exp(uniform(&rng, -2, 2));
    const struct backup_options opt = {.gamma = uniform(&rng, 0.5, 0.9999),
                                       .q_max = uniform(&rng, 0.1, 1),
                                       .kappa = kappa,
                                       .kl_sign = -1};
    const float cl = (float)uniform(&rng, -20, 20);
    double y[2], q[2], kl[2];
    target(&y[0], &q[0], &kl[0], cl, cl - 60 * kappa, 0, &opt);
    target(&y[1], &q[1], &kl[1], cl, uniform(&rng, -20, 20), 1, &opt);
    cr_assert_float_eq(q[0], q[1], 1e-12);
    cr_assert_float_eq(kl[0], kl[1], 1e-6);
    cr_assert_float_eq(y[0], y[1], 1e-5);
  }
}

// scaled by k, cl, V and kappa = c give the same q0 and KL, and k times the same y: a k that is
// another one only changes the unit of values
Test(backup, is_free_of_scale_when_kappa_follows_c) {
  const double k[] = {1, 10, 100}, N = 37;
  struct rng rng;
  rng_init(&rng, 6, RNG_TEST, 0);
  int moved = 0;
  for (int i = 0; i < 2000; i++) {
    const double l = uniform(&rng, -30, 5), V = uniform(&rng, -30, 5);
    const double relative = i % 2 ? 1 : exp(uniform(&rng, -2, 2));
    const bool done = i % 7 == 0;
    struct backup_options opt = {.gamma = uniform(&rng, 0.5, 0.9999), .kl_sign = i % 3 - 1};
    opt.q_max = i % 5 ? opt.gamma : 0.9999;
    struct backup first = {0};
    double other = 0;
    for (int j = 0; j < 3; j++) {
      const double c = k[j] / N;
      opt.kappa = relative * c;
      const struct backup_constants constants = backup_prepare(&opt);
      struct backup out = backup_transition(c * l, c * V, done, &constants);
      out.y /= k[j];
      first = j == 0 ? out : first;
      cr_assert_float_eq(out.y, first.y, 1e-12 * fmax(1, fabs(first.y)));
      cr_assert_float_eq(out.q0, first.q0, 1e-12);
      cr_assert_float_eq(out.kl, first.kl, 1e-11);
      // with a kappa of its own it is not so
      opt.kappa = 1;
      const struct backup_constants alone = backup_prepare(&opt);
      const double q0 = backup_transition(c * l, c * V, done, &alone).q0;
      other = j == 0 ? q0 : other;
      moved += fabs(q0 - other) > 0.01;
    }
  }
  cr_assert_gt(moved, 1000);
}

Test(backup, absent_ends_are_none) {
  const struct backup_options opt = {.gamma = 0.99, .q_max = 0.99, .kappa = 1, .kl_sign = -1};
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

// eq. (12): what is worth more, now or later; nothing follows a true end
Test(backup, the_best_moment_counts_once) {
  const float r[] = {1, 0.5f, 0.5f, -1, NAN, 1}, V[] = {0.5f, 1, 1, -4, 1, NAN};
  const float done[] = {0, 0, 1, 0, 0, 0};
  const double want[] = {1, 0.9, 0.5, -1};
  float y[6];
  backup_best(y, r, V, done, 0.9, 6);
  for (int i = 0; i < 4; i++) {
    cr_assert_float_eq(y[i], want[i], 1e-6, "%d: %g", i, (double)y[i]);
  }
  cr_assert(isnan(y[4]) && isnan(y[5]));
}
