// scaling.c - means and deviations in double, from a fixed number of draws in a fixed order.
#include "learner/replay/scaling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"

enum { DRAWS = 16 };  // minibatches

static const double floor_share = 0.5;
static const double smallest = 1e-6;  // when nothing varies at all

struct scaling *scaling_new(const struct dims *dims) {
  struct scaling *s = must_alloc(1, sizeof *s);
  s->obs = dims->obs;
  s->goal = dims->goal;
  const size_t n = (size_t)dims->obs + (size_t)dims->goal;
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

void scaling_measure(struct scaling *s, struct replay *replay, struct batch *b, uint64_t seed) {
  const size_t n = (size_t)s->obs + (size_t)s->goal;
  double *sum = must_alloc(n, sizeof *sum), *square = must_alloc(n, sizeof *square);
  for (uint64_t i = 0; i < DRAWS; i++) {
    struct rng rng;
    rng_init(&rng, seed, RNG_SCALING, i);
    replay_sample(replay, b, &rng);
    add(sum, square, b->obs, b->B, s->obs);
    add(sum + s->obs, square + s->obs, b->goal, b->B, s->goal);
  }
  const double count = (double)DRAWS * b->B;
  conclude(s->mean, s->inv, sum, square, s->obs, count);
  conclude(s->mean + s->obs, s->inv + s->obs, sum + s->obs, square + s->obs, s->goal, count);
  free(sum);
  free(square);
}

static void scale(float *restrict x, int B, int n, const float *mean, const float *inv) {
  for (int b = 0; b < B; b++, x += n) {
    for (int i = 0; i < n; i++) {
      x[i] = (x[i] - mean[i]) * inv[i];
    }
  }
}

void scaling_apply(const struct scaling *s, struct batch *b) {
  const float *mean = s->mean + s->obs, *inv = s->inv + s->obs;
  scale(b->obs, b->B, s->obs, s->mean, s->inv);
  scale(b->next_obs, b->B, s->obs, s->mean, s->inv);
  scale(b->achieved, b->B, s->goal, mean, inv);
  scale(b->next_achieved, b->B, s->goal, mean, inv);
  scale(b->goal, b->B, s->goal, mean, inv);
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

int scaling_tensors(struct scaling *s, struct st_tensor *tensors, int max) {
  static const char *const name[SCALING_TENSORS] = {"scaling.mean", "scaling.inv"};
  float *data[SCALING_TENSORS] = {s->mean, s->inv};
  for (int i = 0; i < SCALING_TENSORS && i < max; i++) {
    tensors[i] = (struct st_tensor){.dtype = ST_F32, .rank = 1, .data = data[i]};
    tensors[i].shape[0] = s->obs + s->goal;
    snprintf(tensors[i].name, sizeof tensors[i].name, "%s", name[i]);
  }
  return SCALING_TENSORS;
}
