// adam.c - one pass over parameters, gradients and moments.
//
// The two bias corrections depend on t alone, so they are computed once per step, in double, and
// folded into two factors. The loop has no branch and no sum across elements: square root and
// division are exact in IEEE arithmetic, so its vector form gives the same bits as its scalar form.
#include "learner/nn/adam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

static const double BETA_1 = 0.9, BETA_2 = 0.999;
static const float EPSILON = 1e-8f;

void adam_init(struct adam *opt, size_t n, float lr) {
  CHECK(opt && n >= 1);
  opt->n = n;
  opt->m = must_alloc(n, sizeof *opt->m);
  opt->v = must_alloc(n, sizeof *opt->v);
  opt->t = 0;
  opt->lr = lr;
}

void adam_release(struct adam *opt) {
  free(opt->m);
  free(opt->v);
  memset(opt, 0, sizeof *opt);
}

struct adam_rates adam_begin(struct adam *opt) {
  CHECK(opt);
  opt->t++;
  const double correction_1 = 1.0 - pow(BETA_1, (double)opt->t);
  const double correction_2 = 1.0 - pow(BETA_2, (double)opt->t);
  return (struct adam_rates){.rate = (float)(opt->lr / correction_1),
                             .root = (float)(1.0 / sqrt(correction_2))};
}

void adam_range(const struct adam *opt, struct adam_rates rates, float *theta, const float *dtheta,
                size_t first, size_t count) {
  CHECK(opt && theta && dtheta && first <= opt->n && count <= opt->n - first);
  const float rate = rates.rate, root = rates.root;
  const float b1 = (float)BETA_1, c1 = (float)(1.0 - BETA_1);
  const float b2 = (float)BETA_2, c2 = (float)(1.0 - BETA_2);
  float *restrict m = opt->m + first, *restrict v = opt->v + first, *restrict x = theta + first;
  const float *restrict d = dtheta + first;
  // eq. (1)
  for (size_t i = 0; i < count; i++) {
    float mi = b1 * m[i] + c1 * d[i];
    float vi = b2 * v[i] + c2 * (d[i] * d[i]);
    m[i] = mi;
    v[i] = vi;
    x[i] -= rate * mi / (sqrtf(vi) * root + EPSILON);
  }
}

void adam_step(struct adam *opt, float *theta, const float *dtheta) {
  const struct adam_rates rates = adam_begin(opt);
  adam_range(opt, rates, theta, dtheta, 0, opt->n);
}

void adam_polyak(float *target, const float *theta, float tau, size_t n) {
  CHECK(target && theta);
  const float keep = (float)(1.0 - tau);
  float *restrict y = target;
  const float *restrict x = theta;
  for (size_t i = 0; i < n; i++) {
    y[i] = keep * y[i] + tau * x[i];
  }
}
