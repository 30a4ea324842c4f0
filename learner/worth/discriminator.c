// discriminator.c - one forward pass embeds phi(s') and g of all rows, those first.
#include "learner/worth/discriminator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/nn/policy.h"
#include "learner/agent/net.h"
#include "learner/agent/scaling.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"

// under the root of |xi|^2, so that an embedding of 0 has a direction, 0, and a slope
static const float TINY = 1e-12f;

struct discriminator {
  struct net net;
  const struct scaling *scaling;
  int obs, goal;  // numbers
  int width;      // of an embedding
  int max_batch, most;
  struct mlp_tape *tape;  // (2 max_batch) rows: phi(s'), then g
  const float *out;       // xi of the last forward
  int rows, decoys;       // B and K of it
  float *block;           // holds the following
  float *u;               // (2 B x width)
  float *inverse;         // (2 B) 1 / |xi|
  float *share;           // (B x (K + 1)) softmax of f_i over i and its decoys; 0: left out
  float *loglik;          // (B)
  float *du;              // (2 B x width)
};

struct discriminator *discriminator_new(struct nets *nets, const struct config *cfg,
                                        const struct policy_shape *shape,
                                        const struct scaling *scaling) {
  CHECK(nets && cfg && scaling && shape->goal >= 1);
  struct discriminator *d = must_alloc(1, sizeof *d);
  d->scaling = scaling;
  d->obs = shape->obs;
  d->goal = shape->goal;
  d->width = (int)cfg->discern_embedding;
  d->max_batch = (int)cfg->train_batch;
  d->most = (int)cfg->discern_decoys;
  net_init(&d->net, nets,
           &(struct net_setup){.name = "embedding",
                               .remedy = "lower discern.lr",
                               .hidden = &cfg->discern_hidden,
                               .in = shape->goal,
                               .out = d->width,
                               .lr = (float)cfg->discern_lr});
  d->tape = mlp_tape_new(&d->net.mlp, 2 * d->max_batch, 0);
  const size_t B = (size_t)d->max_batch, width = (size_t)d->width;
  const struct rows_part part[] = {{&d->u, 2 * B * width},
                                   {&d->inverse, 2 * B},
                                   {&d->share, B * ((size_t)d->most + 1)},
                                   {&d->loglik, B},
                                   {&d->du, 2 * B * width}};
  d->block = rows_new(part, sizeof part / sizeof *part);
  return d;
}

void discriminator_free(struct discriminator *d) {
  if (!d) {
    return;
  }
  net_release(&d->net);
  mlp_tape_free(d->tape);
  free(d->block);
  free(d);
}

static float dot(const float *a, const float *b, int n) {
  float sum = 0;
  for (int i = 0; i < n; i++) {
    sum += a[i] * b[i];
  }
  return sum;
}

// row of the goal that is number k of row i: 0 its own, then its decoys
static int row_of(const struct discriminator *d, int i, int k) {
  return (i + k) % d->rows;
}

// ---- forward ----

// (1)
static void embed(struct discriminator *d, const struct batch *b) {
  const int n = d->goal, B = b->B;
  const float *mean = d->scaling->mean + d->obs, *inv = d->scaling->inv + d->obs;
  float *x = mlp_input(d->tape);
  rows_set_scaled(x, n, 0, b->next_achieved, mean, inv, n, B);
  rows_set_scaled(x + (size_t)B * (size_t)n, n, 0, b->goal, mean, inv, n, B);
  d->out = mlp_forward(&d->net.mlp, d->tape, 2 * B);
  for (int i = 0; i < 2 * B; i++) {
    const float *xi = d->out + (size_t)i * (size_t)d->width;
    d->inverse[i] = 1 / sqrtf(dot(xi, xi, d->width) + TINY);
    for (int j = 0; j < d->width; j++) {
      d->u[i * d->width + j] = xi[j] * d->inverse[i];
    }
  }
}

// (2), (3) of row i, and its softmax
static float row_loglik(struct discriminator *d, int i, const float *goal) {
  const float *u = d->u + i * d->width, *goals = d->u + d->rows * d->width;
  const float beta = (float)(d->decoys + 1);
  float *share = d->share + i * (d->decoys + 1), highest = -INFINITY, sum = 0;
  for (int k = 0; k <= d->decoys; k++) {
    const int j = row_of(d, i, k);
    const bool left_out = k > 0 && memcmp(goal + i * d->goal, goal + j * d->goal,
                                          (size_t)d->goal * sizeof(float)) == 0;
    share[k] = left_out ? -INFINITY : beta * dot(u, goals + j * d->width, d->width);
    highest = fmaxf(highest, share[k]);
  }
  const float own = share[0];
  for (int k = 0; k <= d->decoys; k++) {
    share[k] = expf(share[k] - highest);
    sum += share[k];
  }
  for (int k = 0; k <= d->decoys; k++) {
    share[k] /= sum;
  }
  return own - highest - logf(sum);
}

void discriminator_loglik(struct discriminator *d, float *loglik, const struct batch *b) {
  CHECK(d && loglik && b && b->B >= 1 && b->B <= d->max_batch);
  d->rows = b->B;
  d->decoys = d->most < b->B - 1 ? d->most : b->B - 1;
  embed(d, b);
  for (int i = 0; i < b->B; i++) {
    d->loglik[i] = row_loglik(d, i, b->goal);
  }
  memcpy(loglik, d->loglik, (size_t)b->B * sizeof *loglik);
}

float discriminator_size(const struct discriminator *d) {
  double sum = 0;
  for (int i = 0; i < 2 * d->rows; i++) {
    sum += 1 / (double)d->inverse[i];
  }
  return (float)(sum / (2 * d->rows));
}

// ---- backward ----

// y += a x
static void add_scaled(float *y, float a, const float *x, int n) {
  for (int i = 0; i < n; i++) {
    y[i] += a * x[i];
  }
}

double discriminator_loss(struct discriminator *d) {
  const int B = d->rows, width = d->width;
  const float weight = (float)(d->decoys + 1) / (float)B;
  CHECK(B >= 1);
  memset(d->du, 0, (size_t)(2 * B) * (size_t)width * sizeof *d->du);
  for (int i = 0; i < B; i++) {
    const float *share = d->share + i * (d->decoys + 1);
    for (int k = 0; k <= d->decoys; k++) {
      // dF / df_ij = (softmax - 1 where j is the goal itself) / B
      const float by_f = weight * (k == 0 ? share[k] - 1 : share[k]);
      const int j = B + row_of(d, i, k);
      add_scaled(d->du + i * width, by_f, d->u + j * width, width);
      add_scaled(d->du + j * width, by_f, d->u + i * width, width);
    }
  }
  // back through (1): (du - (du . u) u) / |xi|
  for (int i = 0; i < 2 * B; i++) {
    float *du = d->du + i * width;
    const float *u = d->u + i * width;
    add_scaled(du, -dot(du, u, width), u, width);
    for (int j = 0; j < width; j++) {
      du[j] *= d->inverse[i];
    }
  }
  mlp_backward(&d->net.mlp, d->tape, d->net.grad, d->du, 2 * B);
  d->net.loss = -rows_mean(d->loglik, B);
  return d->net.loss;
}
