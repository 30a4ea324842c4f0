// evaluation.c - plain sums in double over one batch.
#include "common/evaluation.h"

#include <math.h>

#include "common/base/check.h"
#include "common/episode.h"

double evaluation_distance(const struct episode *ep, int t, const bool *counts) {
  CHECK(t >= 0 && t <= ep->T);
  const int goal = ep->dims.goal;
  double sum = 0.0;
  for (int i = 0; i < goal; i++) {
    if (counts && !counts[i]) {
      continue;
    }
    const double d = (double)ep->achieved[(size_t)t * (size_t)goal + (size_t)i] - ep->desired[i];
    sum += d * d;
  }
  return sqrt(sum);
}

// t_{0.975} with nu degrees of freedom: Cornish-Fisher expansion around the normal quantile
// (Abramowitz, Stegun 26.7.5), exact to 1e-3 for nu >= 5; below that, the table.
static double student_t975(int nu) {
  static const double small[] = {12.7062, 4.30265, 3.18245, 2.77645};
  if (nu <= 4) {
    return small[nu - 1];
  }
  const double z = 1.959963984540054;
  const double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  const double n = nu;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

void evaluation_compute(struct evaluation *out, struct episode *const *eps, int n, double radius,
                        const bool *counts) {
  CHECK(n >= 2);
  double final_sum = 0.0, initial_sum = 0.0;
  int successes = 0, unstable = 0;
  for (int i = 0; i < n; i++) {
    const double f = evaluation_distance(eps[i], eps[i]->T, NULL);
    final_sum += f;
    initial_sum += evaluation_distance(eps[i], 0, NULL);
    successes += evaluation_distance(eps[i], eps[i]->T, counts) < radius;
    unstable += eps[i]->unstable;
  }
  const double ratio = final_sum / initial_sum;
  // spread of the residuals around the ratio line through the origin
  double square_sum = 0.0;
  for (int i = 0; i < n; i++) {
    const double e =
        evaluation_distance(eps[i], eps[i]->T, NULL) - ratio * evaluation_distance(eps[i], 0, NULL);
    square_sum += e * e;
  }
  const double sd = sqrt(square_sum / (n - 1));
  const bool defined = initial_sum > 0.0;
  out->n = n;
  out->unstable = unstable;
  out->distance = final_sum / n;
  out->initial = initial_sum / n;
  out->score = defined ? 100.0 * ratio : NAN;
  out->ci = defined ? 100.0 * student_t975(n - 1) * sd / (sqrt(n) * out->initial) : NAN;
  out->success = radius > 0.0 ? (double)successes / n : NAN;
}
