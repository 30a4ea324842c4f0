// evaluation.c - plain sums in double over one batch.
#include "common/evaluation.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/episode.h"

double evaluation_between(const float *achieved, const float *desired, int n, const bool *counts) {
  double sum = 0.0;
  for (int i = 0; i < n; i++) {
    if (counts && !counts[i]) {
      continue;
    }
    const double d = (double)achieved[i] - desired[i];
    sum += d * d;
  }
  return sqrt(sum);
}

// of the numbers first .. first + n - 1 that count
static double distance_over(const struct episode *ep, int t, int first, int n, const bool *counts) {
  CHECK(t >= 0 && t <= ep->T);
  const float *achieved = ep->achieved + (size_t)t * (size_t)ep->dims.goal;
  return evaluation_between(achieved + first, ep->desired + first, n,
                            counts ? counts + first : NULL);
}

double evaluation_distance(const struct episode *ep, int t, const bool *counts) {
  return distance_over(ep, t, 0, ep->dims.goal, counts);
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

double evaluation_return(const struct episode *ep) {
  double sum = 0.0;
  for (int t = 0; t < ep->T; t++) {
    sum += (double)ep->reward[t];
  }
  return sum;
}

// half-width of the 95 % interval of a mean of n numbers whose squared deviations sum to square_sum
static double half_width(double square_sum, int n) {
  return student_t975(n - 1) * sqrt(square_sum / (n - 1)) / sqrt(n);
}

// eqs. (1), (2)
static void compute_distances(struct evaluation *out, struct episode *const *eps, int n,
                              double radius, const bool *counts) {
  double final_sum = 0.0, initial_sum = 0.0;
  int successes = 0;
  for (int i = 0; i < n; i++) {
    final_sum += evaluation_distance(eps[i], eps[i]->T, NULL);
    initial_sum += evaluation_distance(eps[i], 0, NULL);
    successes += evaluation_distance(eps[i], eps[i]->T, counts) < radius;
  }
  const double ratio = final_sum / initial_sum;
  // spread of the residuals around the ratio line through the origin
  double square_sum = 0.0;
  for (int i = 0; i < n; i++) {
    const double e =
        evaluation_distance(eps[i], eps[i]->T, NULL) - ratio * evaluation_distance(eps[i], 0, NULL);
    square_sum += e * e;
  }
  const bool defined = initial_sum > 0.0;
  out->distance = final_sum / n;
  out->initial = initial_sum / n;
  out->score = defined ? 100.0 * ratio : NAN;
  out->ci = defined ? 100.0 * half_width(square_sum, n) / out->initial : NAN;
  out->success = radius > 0.0 ? (double)successes / n : NAN;
}

// eq. (3)
static void compute_returns(struct evaluation *out, struct episode *const *eps, int n) {
  double sum = 0.0, square_sum = 0.0;
  for (int i = 0; i < n; i++) {
    sum += evaluation_return(eps[i]);
  }
  out->ret = sum / n;
  if (eps[0]->dims.goal > 0) {
    return;
  }
  for (int i = 0; i < n; i++) {
    const double e = evaluation_return(eps[i]) - out->ret;
    square_sum += e * e;
  }
  out->score = out->ret;
  out->ci = half_width(square_sum, n);
}

void evaluation_compute(struct evaluation *out, struct episode *const *eps, int n, double radius,
                        const bool *counts) {
  CHECK(n >= 2);
  *out = (struct evaluation){
      .n = n, .distance = NAN, .initial = NAN, .score = NAN, .ci = NAN, .ret = NAN, .success = NAN};
  for (int i = 0; i < n; i++) {
    out->unstable += eps[i]->unstable;
  }
  if (eps[0]->dims.goal > 0) {
    compute_distances(out, eps, n, radius, counts);
  }
  if (eps[0]->dims.reward) {
    compute_returns(out, eps, n);
  }
}

void evaluation_parts(struct evaluation *out, struct episode *const *eps,
                      const struct evaluation_part *parts, int n) {
  CHECK(n >= 0 && n <= EVALUATION_MAX_PARTS);
  out->nparts = n;
  for (int k = 0; k < n; k++) {
    struct evaluation_part *part = &out->part[k];
    *part = parts[k];
    double sum = 0.0;
    for (int i = 0; i < out->n; i++) {
      sum += distance_over(eps[i], eps[i]->T, part->first, part->n, NULL);
    }
    part->distance = sum / out->n;
  }
}

// more text at out + used; returns the new length, at most n - 1
__attribute__((format(printf, 4, 5))) static size_t append(char *out, size_t n, size_t used,
                                                           const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  const int k = vsnprintf(out + used, n - used, fmt, args);
  va_end(args);
  return k < 0 || (size_t)k >= n - used ? n - 1 : used + (size_t)k;
}

void evaluation_text(char *out, size_t n, const struct evaluation *e) {
  size_t used = 0;
  if (isnan(e->distance)) {
    used = append(out, n, used, "return %.4g +- %.3g", e->ret, e->ci);
  } else {
    used = append(out, n, used, "distance %.4g, ", e->distance);
    used = isnan(e->score) ? append(out, n, used, "no score (the initial distance is 0)")
                           : append(out, n, used, "score %.3f +- %.3f", e->score, e->ci);
  }
  if (!isnan(e->success)) {
    used = append(out, n, used, ", success %.3g", e->success);
  }
  used = append(out, n, used, " over %d episodes", e->n);
  if (e->unstable > 0) {
    append(out, n, used, ", %d of them cut: the simulation became unstable", e->unstable);
  }
}

bool evaluation_parse(struct evaluation *out, const char *text) {
  struct evaluation e = {
      .distance = NAN, .initial = NAN, .score = NAN, .ci = NAN, .ret = NAN, .success = NAN};
  if (sscanf(text, "return %lf +- %lf", &e.ret, &e.ci) == 2) {
    e.score = e.ret;
  } else if (sscanf(text, "distance %lf, score %lf +- %lf", &e.distance, &e.score, &e.ci) < 1) {
    return false;
  }
  const char *success = strstr(text, ", success "), *over = strstr(text, " over ");
  if (success != NULL) {
    (void)sscanf(success, ", success %lf", &e.success);
  }
  if (over == NULL || sscanf(over, " over %d episodes", &e.n) != 1) {
    return false;
  }
  *out = e;
  return true;
}

void evaluation_parts_text(char *out, size_t n, const struct evaluation *e) {
  size_t used = 0;
  out[0] = '\0';
  for (int i = 0; i < e->nparts && e->nparts > 1; i++) {
    used =
        append(out, n, used, "%s%s %.4g", i > 0 ? ", " : "", e->part[i].name, e->part[i].distance);
  }
}
