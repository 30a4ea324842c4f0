// context.c - equations (1) to (4) of context.h; numbers of the posterior in double.
#include "learner/agent/context.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "common/nn/policy.h"
#include "learner/agent/net.h"
#include "learner/agent/scaling.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"

static const float most = 10;  // of o in (1)

struct context {
  const struct scaling *scaling;
  int obs, act, reward, size, max_rows;
  float step_scale;  // sqrt(horizon)
  double beta;
  struct net net;
  struct mlp_tape *tape;

  // of the last context_infer
  int rows;
  const float *head;      // (rows x 2 size), borrowed
  double *mu, *variance;  // (size)
  float *eps;             // (size)
  float *dhead;           // (rows x 2 size)
};

struct context *context_new(struct nets *nets, const struct config *cfg,
                            const struct policy_shape *shape, const struct scaling *scaling,
                            int horizon) {
  CHECK(nets && cfg && shape && scaling && horizon >= 1);
  struct context *c = must_alloc(1, sizeof *c);
  c->scaling = scaling;
  c->obs = shape->obs;
  c->act = shape->act;
  c->reward = cfg->worth_reward == WORTH_REWARD_TASK ? 1 : 0;
  c->size = (int)cfg->context_size;
  c->max_rows = (int)cfg->train_batch;
  c->step_scale = sqrtf((float)horizon);
  c->beta = cfg->context_kl;
  net_init(&c->net, nets,
           &(struct net_setup){.name = "context",
                               .remedy = "lower agent.lr",
                               .hidden = &cfg->context_hidden,
                               .in = 2 * c->obs + c->act + c->reward,
                               .out = 2 * c->size,
                               .lr = (float)cfg->agent_lr});
  c->tape = mlp_tape_new(&c->net.mlp, c->max_rows, 0);
  const size_t size = (size_t)c->size;
  c->mu = must_alloc(size, sizeof *c->mu);
  c->variance = must_alloc(size, sizeof *c->variance);
  c->eps = must_alloc(size, sizeof *c->eps);
  c->dhead = must_alloc((size_t)c->max_rows * 2 * size, sizeof *c->dhead);
  return c;
}

void context_free(struct context *c) {
  if (!c) {
    return;
  }
  net_release(&c->net);
  mlp_tape_free(c->tape);
  free(c->mu);
  free(c->variance);
  free(c->eps);
  free(c->dhead);
  free(c);
}

// the inputs of (1)
static void lay(struct context *c, const struct batch *b, int n) {
  const int width = 2 * c->obs + c->act + c->reward, change = c->obs + c->act;
  float *x = mlp_input(c->tape);
  rows_set_scaled(x, width, 0, b->obs, c->scaling->mean, c->scaling->inv, c->obs, n);
  rows_set_columns(x, width, c->obs, b->act, c->act, n);
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < c->obs; k++) {
      const int at = i * c->obs + k;
      x[i * width + change + k] =
          c->step_scale * (b->next_obs[at] - b->obs[at]) * c->scaling->inv[k];
    }
    if (c->reward) {
      x[i * width + width - 1] = b->reward[i];
    }
  }
}

static double precision(float o) {
  return exp(fmin(fmax((double)o, (double)-most), (double)most));
}

void context_posterior(double *mu, double *variance, const float *head, int n, int size) {
  for (int k = 0; k < size; k++) {
    double sum = 0, all = 1;
    for (int i = 0; i < n; i++) {
      const float *row = head + (size_t)i * 2 * (size_t)size;
      const double tau = precision(row[size + k]);
      sum += tau * (double)row[k];
      all += tau;
    }
    mu[k] = sum / all;
    variance[k] = 1 / all;
  }
}

void context_infer(struct context *c, float *z, const struct batch *b, struct rng *rng) {
  CHECK(c && z && (!b || (b->B >= 1 && b->B <= c->max_rows)));
  c->rows = b ? (b->B + 1) / 2 : 0;
  if (b) {
    lay(c, b, c->rows);
    c->head = mlp_forward(&c->net.mlp, c->tape, c->rows);
  }
  context_posterior(c->mu, c->variance, c->head, c->rows, c->size);
  memset(c->eps, 0, (size_t)c->size * sizeof *c->eps);
  if (rng) {
    rng_fill_normal(rng, c->eps, (size_t)c->size);
  }
  for (int k = 0; k < c->size; k++) {
    z[k] = (float)(c->mu[k] + sqrt(c->variance[k]) * (double)c->eps[k]);
  }
}

void context_loss(struct context *c, double critics, const float *dz) {
  double kl = 0;
  for (int k = 0; k < c->size; k++) {
    const double mu = c->mu[k], variance = c->variance[k];
    kl += 0.5 * (variance + mu * mu - 1 - log(variance));
    // dF / dmu and dF / dsigma^2
    const double dmu = (double)dz[k] + c->beta * mu;
    const double dvariance = (double)dz[k] * (double)c->eps[k] / (2 * sqrt(variance)) +
                             0.5 * c->beta * (1 - 1 / variance);
    for (int i = 0; i < c->rows; i++) {
      const size_t at = (size_t)i * 2 * (size_t)c->size + (size_t)k;
      const float m = c->head[at], o = c->head[at + (size_t)c->size];
      const double tau = precision(o);
      const double dtau = dmu * ((double)m - mu) * variance - dvariance * variance * variance;
      c->dhead[at] = (float)(dmu * tau * variance);
      // where (1) clips: what leads back alone
      const bool outward = (o > most && dtau < 0) || (o < -most && dtau > 0);
      c->dhead[at + (size_t)c->size] = outward ? 0 : (float)(dtau * tau);
    }
  }
  c->net.loss = critics + c->beta * kl;
  mlp_backward(&c->net.mlp, c->tape, c->net.grad, c->dhead, c->rows);
}
