// scaling.c - means and deviations in double, from a fixed number of draws in a fixed order.
#include "learner/agent/scaling.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/nn/policy.h"
#include "learner/agent/net.h"
#include "learner/replay/batch.h"

enum { DRAWS = 16 };  // minibatches

static const double floor_share = 0.5;
static const double smallest = 1e-6;   // when nothing varies at all
static const double largest = 0x1p60;  // root mean square; see rows_finite

struct scaling *scaling_new(const struct policy_shape *shape) {
  struct scaling *s = must_alloc(1, sizeof *s);
  s->obs = shape->obs;
  s->goal = shape->goal;
  const size_t n = (size_t)policy_inputs(shape);
  s->mean = must_alloc(n, sizeof *s->mean);
  s->inv = must_alloc(n, sizeof *s->inv);
  for (size_t i = 0; i < n; i++) {
    s->inv[i] = 1.0f;
  }
  return s;
}

void scaling_free(struct scaling *s) {
  if (s) {
    free(s->mean);
    free(s->inv);
    free(s);
  }
}

// sums of x (B x n) and of squares, per column
static void add(double *sum, double *square, const float *x, int B, int n) {
  for (int b = 0; b < B; b++) {
    for (int i = 0; i < n; i++) {
      const double v = (double)x[(size_t)b * (size_t)n + (size_t)i];
      sum[i] += v;
      square[i] += v * v;
    }
  }
}

// one line for the first of n columns that has no scale; what: the kind of number
static enum err check(const double *square, int n, double count, const char *what) {
  for (int i = 0; i < n; i++) {
    // false for what is not a number, too
    if (!(square[i] / count < largest * largest)) {
      log_error(
          "scaling: number %d of %s is not finite in the first transitions; look for unbounded "
          "observations",
          i, what);
      return ERR_NUMERIC;
    }
  }
  return ERR_OK;
}

// eq. (2) for n columns of count values each
static void conclude(float *mean, float *inv, const double *sum, const double *square, int n,
                     double count) {
  double all = 0;
  for (int i = 0; i < n; i++) {
    all += fmax(0, square[i] / count - sum[i] * sum[i] / (count * count));
  }
  const double least = fmax(smallest, floor_share * sqrt(all / n));
  for (int i = 0; i < n; i++) {
    const double m = sum[i] / count;
    mean[i] = (float)m;
    inv[i] = (float)(1 / fmax(least, sqrt(fmax(0, square[i] / count - m * m))));
  }
}

enum err scaling_measure(struct scaling *s, const struct draws *draws) {
  const size_t n = (size_t)s->obs + (size_t)s->goal;
  double *sum = must_alloc(n, sizeof *sum), *square = must_alloc(n, sizeof *square);
  double count = 0;
  for (uint64_t i = 0; i < DRAWS; i++) {
    const struct batch *b = draws->draw(draws->ctx, RNG_SCALING, i);
    add(sum, square, b->obs, b->B, s->obs);
    add(sum + s->obs, square + s->obs, b->achieved, b->B, s->goal);
    add(sum + s->obs, square + s->obs, b->goal, b->B, s->goal);
    count += b->B;
  }
  enum err err = check(square, s->obs, count, "observations");
  if (err == ERR_OK) {
    err = check(square + s->obs, s->goal, 2 * count, "goals");
  }
  if (err == ERR_OK) {
    conclude(s->mean, s->inv, sum, square, s->obs, count);
    conclude(s->mean + s->obs, s->inv + s->obs, sum + s->obs, square + s->obs, s->goal, 2 * count);
  }
  free(sum);
  free(square);
  return err;
}

float scaling_goal(const struct scaling *s, int i) {
  return 1 / s->inv[s->obs + i];
}

float scaling_spread(const struct scaling *s) {
  double sum = 0;
  for (int i = 0; i < s->goal; i++) {
    sum += (double)scaling_goal(s, i) * (double)scaling_goal(s, i);
  }
  return (float)sqrt(sum / s->goal);
}

void scaling_fold(const struct scaling *s, float *theta, int width1) {
  const int n = s->obs + s->goal;
  float *bias = theta + (size_t)width1 * (size_t)n;
  for (int j = 0; j < width1; j++) {
    float *row = theta + (size_t)j * (size_t)n;
    double shift = 0;
    for (int i = 0; i < n; i++) {
      row[i] *= s->inv[i];
      shift += (double)row[i] * (double)s->mean[i];
    }
    bias[j] = (float)((double)bias[j] - shift);
  }
}

void scaling_unfold(const struct scaling *s, float *theta, int width0, int width1) {
  const int n = s->obs + s->goal;
  CHECK(width0 >= n);
  float *bias = theta + (size_t)width1 * (size_t)width0;
  for (int j = 0; j < width1; j++) {
    float *row = theta + (size_t)j * (size_t)width0;
    double shift = 0;
    for (int i = 0; i < n; i++) {
      shift += (double)row[i] * (double)s->mean[i];
      row[i] = (float)((double)row[i] / (double)s->inv[i]);
    }
    bias[j] = (float)((double)bias[j] + shift);
  }
}

void scaling_tensors(struct scaling *s, struct tensor_list *list) {
  const size_t n = (size_t)s->obs + (size_t)s->goal;
  tensor_list_add(list, "scaling", "mean", ST_F32, s->mean, n);
  tensor_list_add(list, "scaling", "inv", ST_F32, s->inv, n);
}
