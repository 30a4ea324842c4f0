// goals.c - equations (1) and (2) of goals.h, in double: a few hundred numbers at a publication.
#include "learner/replay/goals.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"

enum { M = GOALS_CANDIDATES };

// 1 / variance of each number; 0 for one that never changes
static void measure(double *precision, const float *x, int d) {
  for (int k = 0; k < d; k++) {
    double sum = 0, square = 0;
    for (int i = 0; i < M; i++) {
      sum += (double)x[i * d + k] / M;
    }
    for (int i = 0; i < M; i++) {
      const double apart = (double)x[i * d + k] - sum;
      square += apart * apart / M;
    }
    precision[k] = square > 0 ? 1 / square : 0;
  }
}

// (1), times M
static double density(const float *x, int i, const double *precision, int d) {
  const double width = pow(M, -1.0 / (d + 4)), scale = -0.5 / (width * width);
  double sum = 0;
  for (int j = 0; j < M; j++) {
    double square = 0;
    for (int k = 0; k < d; k++) {
      const double apart = (double)x[i * d + k] - (double)x[j * d + k];
      square += precision[k] * apart * apart;
    }
    sum += exp(scale * square);
  }
  return sum;
}

void goals_choose(float *goals, int n, const struct replay *r, const struct dims *dims,
                  struct rng *rng) {
  CHECK(goals && n >= 1 && r && dims->goal >= 1 && rng);
  const int d = dims->goal;
  struct batch *b = batch_new(dims, M);
  replay_sample_plain(r, b, rng);
  const float *x = b->next_achieved;
  double *precision = must_alloc((size_t)d, sizeof *precision), upto[M], sum = 0;
  measure(precision, x, d);
  for (int i = 0; i < M; i++) {
    sum += 1 / density(x, i, precision, d);
    upto[i] = sum;
  }
  for (int k = 0; k < n; k++) {
    // (2)
    const double at = (double)rng_float(rng) * sum;
    int i = 0;
    while (i < M - 1 && upto[i] <= at) {
      i++;
    }
    memcpy(goals + k * d, x + i * d, (size_t)d * sizeof *goals);
  }
  free(precision);
  batch_free(b);
}
