// outcome.c - a network for the mean (and the scales, with a head), one flat parameter block.
//
// The families differ in rho and its slope alone, so one loop serves the three of them, and one
// pass over a minibatch serves the three kinds of scale. Global scales are the free numbers of the
// net. outcome_loglik runs the network; outcome_loss differentiates the same activations against
// another target, so an update of the learner pays one forward and one backward.
//
// Keeping scales inside their interval, eq. (2). A plain clip has no gradient outside, so a scale
// that Adam's momentum carried out would never come back. Global scales are therefore projected
// onto the interval after each step (net_step). A head has no parameter to project: outside, its
// gradient is dropped only where a descent step would lead further out.
#include "learner/worth/outcome.h"

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

struct outcome {
  struct policy_shape shape;
  const struct scaling *scaling;
  int max_batch;
  enum outcome_likelihood family;
  enum outcome_scale kind;
  bool fixed;
  float known_scale;  // of a fixed model [goal units]
  float constant;     // C
  float log_spread;   // log G
  struct net net;     // its bounds are those of o, with a head too

  struct mlp_tape *tape;
  const float *out;  // (rows x width) of the last forward
  int width, rows;   // width: goal, or 2 goal with a head
  float *block;      // holds the following
  float *dout;       // (max_batch x width)
  float *log_b;      // (goal) of one row
  float *precision;  // (goal) 1 / b of one row
  float *z;          // (goal) eq. (3) of one row
  float *slope;      // (goal) d rho / d z of one row
  float *unit;       // (goal) S
};

// C of eqs. (4)-(6)
static double normaliser(enum outcome_likelihood family, int d) {
  switch (family) {
    case OUTCOME_LIKELIHOOD_RADIAL:
      return log(2) + 0.5 * d * log(M_PI) + lgamma(d) - lgamma(0.5 * d);
    case OUTCOME_LIKELIHOOD_LAPLACE:
      return d * log(2);
    case OUTCOME_LIKELIHOOD_GAUSSIAN:
      return 0.5 * d * log(2 * M_PI);
  }
  CHECK(false);
  return 0;
}

static void init_net(struct outcome *m, struct nets *nets, const struct config *cfg) {
  const int free_numbers[] = {
      [OUTCOME_SCALE_SCALAR] = 1,
      [OUTCOME_SCALE_DIMENSION] = m->shape.goal,
      [OUTCOME_SCALE_HEAD] = 0,
  };
  const float lowest = (float)log(cfg->outcome_scale_min);
  const float highest = (float)log(cfg->outcome_scale_max);
  net_init(&m->net, nets,
           &(struct net_setup){
               .name = "outcome",
               .remedy = "lower outcome.lr, raise outcome.scale_min",
               .hidden = &cfg->outcome_hidden,
               .in = m->shape.obs + m->shape.act,
               .out = m->width,
               .nfree = free_numbers[m->kind],
               // b starts at G, or at the end of the interval that is nearest to it
               .start = fminf(fmaxf(0.0f, lowest), highest),
               .lowest = lowest,
               .highest = highest,
               .lr = (float)cfg->outcome_lr,
           });
  m->net.constant = m->fixed;
}

struct outcome *outcome_new(struct nets *nets, const struct config *cfg,
                            const struct policy_shape *shape, const struct scaling *scaling) {
  CHECK(nets && cfg && scaling && shape->obs >= 1 && shape->goal >= 1 && shape->act >= 1);
  CHECK(cfg->outcome_scale_min <= cfg->outcome_scale_max);
  struct outcome *m = must_alloc(1, sizeof *m);
  m->shape = *shape;
  m->scaling = scaling;
  m->max_batch = (int)cfg->train_batch;
  m->family = cfg->outcome_likelihood;
  m->kind = cfg->outcome_scale;
  m->fixed = cfg->outcome_model == OUTCOME_MODEL_FIXED;
  m->known_scale = (float)cfg->outcome_known_scale;
  m->constant = (float)normaliser(m->family, shape->goal);
  m->width = m->kind == OUTCOME_SCALE_HEAD ? 2 * shape->goal : shape->goal;
  init_net(m, nets, cfg);
  m->tape = mlp_tape_new(&m->net.mlp, m->max_batch, 0);
  const size_t goal = (size_t)shape->goal;
  const struct rows_part part[] = {
      {&m->dout, (size_t)m->max_batch * (size_t)m->width},
      {&m->log_b, goal},
      {&m->precision, goal},
      {&m->z, goal},
      {&m->slope, goal},
      {&m->unit, goal},
  };
  m->block = rows_new(part, sizeof part / sizeof *part);
  return m;
}

void outcome_free(struct outcome *m) {
  if (!m) {
    return;
  }
  net_release(&m->net);
  mlp_tape_free(m->tape);
  free(m->block);
  free(m);
}

struct net *outcome_net(struct outcome *m) {
  return &m->net;
}

// ---- one row ----

// eq. (2) from the o of a row: a head's outputs, or the global ones
static void set_scales(struct outcome *m, const float *o) {
  const float lowest = m->net.lowest, highest = m->net.highest;
  for (int i = 0; i < m->shape.goal; i++) {
    const float oi = m->kind == OUTCOME_SCALE_SCALAR ? o[0] : o[i];
    m->log_b[i] = m->log_spread + (oi < lowest ? lowest : oi > highest ? highest : oi);
    m->precision[i] = expf(-m->log_b[i]);
  }
}

// what does not change within a minibatch
static void begin(struct outcome *m) {
  m->log_spread = logf(scaling_spread(m->scaling));
  for (int i = 0; i < m->shape.goal; i++) {
    m->unit[i] = m->fixed ? 0.0f : scaling_goal(m->scaling, i);
  }
  if (m->fixed) {
    for (int i = 0; i < m->shape.goal; i++) {
      m->log_b[i] = logf(m->known_scale);
      m->precision[i] = 1 / m->known_scale;
    }
  } else if (m->kind != OUTCOME_SCALE_HEAD) {
    set_scales(m, m->net.theta + m->net.mlp.nparam);
  }
}

// eqs. (1), (3): z of outcome g at row; sets the row's scales with a head
static void set_z(struct outcome *m, int row, const float *from, const float *g) {
  const float *out = m->out + row * m->width;
  if (m->kind == OUTCOME_SCALE_HEAD && !m->fixed) {
    set_scales(m, out + m->shape.goal);
  }
  for (int i = 0; i < m->shape.goal; i++) {
    // g - phi(s) first: of near outcomes it is exact, however far from 0 both lie
    m->z[i] = ((g[i] - from[i]) - m->unit[i] * out[i]) * m->precision[i];
  }
}

static float norm(const float *z, int n) {
  float sum = 0;
  for (int i = 0; i < n; i++) {
    sum += z[i] * z[i];
  }
  return sqrtf(sum);
}

// eqs. (4)-(6) of the row's z; its slopes too
static float log_density(struct outcome *m) {
  const int n = m->shape.goal;
  const float *z = m->z;
  float rho = 0, volume = 0;
  for (int i = 0; i < n; i++) {
    volume += m->log_b[i];
  }
  if (m->family == OUTCOME_LIKELIHOOD_RADIAL) {
    rho = norm(z, n);
    // |z| has no slope at 0, where any number up to 1 would do
    const float inverse = rho > 0 ? 1 / rho : 0;
    for (int i = 0; i < n; i++) {
      m->slope[i] = z[i] * inverse;
    }
  } else if (m->family == OUTCOME_LIKELIHOOD_LAPLACE) {
    for (int i = 0; i < n; i++) {
      rho += fabsf(z[i]);
      m->slope[i] = (float)((z[i] > 0) - (z[i] < 0));
    }
  } else {
    for (int i = 0; i < n; i++) {
      rho += 0.5f * z[i] * z[i];
      m->slope[i] = z[i];
    }
  }
  return -rho - volume - m->constant;
}

// ---- a minibatch ----

void outcome_loglik(struct outcome *m, float *loglik, const struct batch *b) {
  CHECK(m && loglik && b && b->B >= 1 && b->B <= m->max_batch);
  const int obs = m->shape.obs, act = m->shape.act, goal = m->shape.goal;
  rows_set_scaled(mlp_input(m->tape), obs + act, 0, b->obs, m->scaling->mean, m->scaling->inv, obs,
                  b->B);
  rows_set_columns(mlp_input(m->tape), obs + act, obs, b->act, act, b->B);
  m->out = mlp_forward(&m->net.mlp, m->tape, b->B);
  m->rows = b->B;
  begin(m);
  for (int row = 0; row < b->B; row++) {
    set_z(m, row, b->achieved + row * goal, b->goal + row * goal);
    loglik[row] = log_density(m);
  }
}

void outcome_closeness(struct outcome *m, float *closeness, const struct batch *b) {
  CHECK(m && closeness && b && b->B == m->rows);
  const int goal = m->shape.goal;
  begin(m);
  for (int row = 0; row < b->B; row++) {
    set_z(m, row, b->achieved + row * goal, b->goal + row * goal);
    float mode = -m->constant;
    for (int i = 0; i < goal; i++) {
      mode -= m->log_b[i];
    }
    closeness[row] = expf(log_density(m) - mode);
  }
}

// the head's gradient where its output o is outside of the interval: kept if it leads back
static float inward(const struct outcome *m, float o, float gradient) {
  const bool outward = (o > m->net.highest && gradient < 0) || (o < m->net.lowest && gradient > 0);
  return outward ? 0.0f : gradient;
}

// derivatives of eq. (7) by the outputs of a row, and by the global o
static void differentiate(struct outcome *m, float *dglobal, int row, float weight) {
  const int goal = m->shape.goal;
  const float *out = m->out + row * m->width;
  float *dout = m->dout + row * m->width;
  for (int i = 0; i < goal; i++) {
    const float by_o = weight * (1.0f - m->slope[i] * m->z[i]);
    dout[i] = -weight * m->slope[i] * m->precision[i] * m->unit[i];
    if (m->kind == OUTCOME_SCALE_HEAD) {
      dout[goal + i] = m->fixed ? 0.0f : inward(m, out[goal + i], by_o);
    } else {
      dglobal[m->kind == OUTCOME_SCALE_SCALAR ? 0 : i] += m->fixed ? 0.0f : by_o;
    }
  }
}

double outcome_loss(struct outcome *m, const struct batch *b) {
  CHECK(m && b && b->B == m->rows);
  const int goal = m->shape.goal;
  float *dglobal = m->net.grad + m->net.mlp.nparam;
  memset(dglobal, 0, (m->net.n - m->net.mlp.nparam) * sizeof(float));
  begin(m);
  const float weight = 1.0f / (float)b->B;
  double sum = 0;
  for (int row = 0; row < b->B; row++) {
    set_z(m, row, b->achieved + row * goal, b->next_achieved + row * goal);
    sum -= log_density(m);
    differentiate(m, dglobal, row, weight);
  }
  m->net.loss = sum / b->B;
  mlp_backward(&m->net.mlp, m->tape, m->net.grad, m->dout, b->B);
  return m->net.loss;
}
