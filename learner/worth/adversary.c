// adversary.c - one network on (s, g, a), and a logistic loss behind it.
#include "learner/worth/adversary.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/nn/policy.h"
#include "learner/agent/net.h"
#include "learner/agent/scaling.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"

struct adversary {
  struct net net;
  const struct scaling *scaling;
  struct policy_shape shape;
  int max_batch, rows;
  struct mlp_tape *tape;
  const float *f;  // (rows) of the last forward
  float *df;       // (max_batch) dF / df
};

struct adversary *adversary_new(struct nets *nets, const struct config *cfg,
                                const struct policy_shape *shape, const struct scaling *scaling) {
  CHECK(nets && cfg && shape && scaling);
  struct adversary *m = must_alloc(1, sizeof *m);
  m->scaling = scaling;
  m->shape = *shape;
  m->max_batch = (int)cfg->train_batch;
  net_init(&m->net, nets,
           &(struct net_setup){.name = "reward",
                               .remedy = "lower adversary.lr",
                               .hidden = &cfg->adversary_hidden,
                               .in = policy_inputs(shape) + shape->act,
                               .out = 1,
                               .lr = (float)cfg->adversary_lr});
  m->tape = mlp_tape_new(&m->net.mlp, m->max_batch, 0);
  m->df = must_alloc((size_t)m->max_batch, sizeof *m->df);
  return m;
}

void adversary_free(struct adversary *m) {
  if (!m) {
    return;
  }
  net_release(&m->net);
  mlp_tape_free(m->tape);
  free(m->df);
  free(m);
}

void adversary_reward(struct adversary *m, float *f, const struct batch *b) {
  CHECK(m && f && b && b->B >= 1 && b->B <= m->max_batch);
  const int obs = m->shape.obs, goal = m->shape.goal, act = m->shape.act;
  const int width = obs + goal + act;
  const float *mean = m->scaling->mean, *inv = m->scaling->inv;
  float *x = mlp_input(m->tape);
  rows_set_scaled(x, width, 0, b->obs, mean, inv, obs, b->B);
  rows_set_scaled(x, width, obs, b->goal, mean + obs, inv + obs, goal, b->B);
  rows_set_columns(x, width, obs + goal, b->act, act, b->B);
  m->f = mlp_forward(&m->net.mlp, m->tape, b->B);
  m->rows = b->B;
  memcpy(f, m->f, (size_t)b->B * sizeof *f);
}

double adversary_loss(struct adversary *m, const struct batch *b, const float *logp) {
  CHECK(m && b && logp && b->B == m->rows);
  int shown = 0;
  for (int i = 0; i < b->B; i++) {
    shown += b->demo[i] != 0;
  }
  double sum = 0;
  for (int i = 0; i < b->B; i++) {
    const bool demo = b->demo[i] != 0;
    const double weight = 0.5 / (demo ? shown : b->B - shown);
    // -log D = softplus(-x), -log(1 - D) = softplus(x)
    const double x = (double)m->f[i] - (double)logp[i], z = demo ? -x : x;
    sum += weight * (fmax(z, 0) + log1p(exp(-fabs(z))));
    m->df[i] = (float)(weight * (demo ? -1 : 1) / (1 + exp(-z)));
  }
  m->net.loss = sum;
  mlp_backward(&m->net.mlp, m->tape, m->net.grad, m->df, b->B);
  return sum;
}
