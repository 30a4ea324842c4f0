// outcome.c - a network for the mean (and the scales, with a head), one flat parameter block.
//
// Global scales are the free numbers of the net. outcome_loglik runs the network; outcome_loss
// differentiates the same activations against another target, so an update of the learner pays one
// forward and one backward.
//
// Keeping scales inside [scale_min, scale_max], eq. (2). A plain clip has no gradient outside, so a
// scale that Adam's momentum carried out would never come back. Global scales are therefore
// projected onto the interval after each step. A head has no parameter to project: outside, its
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
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"

static const float LOG_2 = 0.693147181f;
static const float HALF_LOG_2PI = 0.918938533f;

struct outcome {
  struct policy_shape shape;
  int max_batch;
  bool laplace, head;
  struct net net;  // its bounds are those of log scales, with a head too

  struct mlp_tape *tape;
  const float *out;  // (rows x width) of the last forward
  int width, rows;   // width: goal, or 2 goal with a head
  float *block;      // holds the following
  float *dout;       // (max_batch x width)
  float *scale;      // (goal) log-scales of one row
  float *precision;  // (goal) 1 / scale of one row
};

struct outcome *outcome_new(struct nets *nets, const struct config *cfg,
                            const struct policy_shape *shape) {
  CHECK(nets && cfg && shape->obs >= 1 && shape->goal >= 1 && shape->act >= 1);
  CHECK(cfg->outcome_scale_min <= cfg->outcome_scale_max);
  struct outcome *m = must_alloc(1, sizeof *m);
  m->shape = *shape;
  m->max_batch = (int)cfg->train_batch;
  m->laplace = cfg->outcome_likelihood == OUTCOME_LIKELIHOOD_LAPLACE;
  m->head = cfg->outcome_scale == OUTCOME_SCALE_HEAD;
  m->width = m->head ? 2 * shape->goal : shape->goal;

  const float lowest = (float)log(cfg->outcome_scale_min);
  const float highest = (float)log(cfg->outcome_scale_max);
  net_init(&m->net, nets,
           &(struct net_setup){
               .name = "outcome",
               .remedy = "lower outcome.lr, raise outcome.scale_min",
               .hidden = &cfg->outcome_hidden,
               .in = shape->obs + shape->act,
               .out = m->width,
               .nfree = m->head ? 0 : shape->goal,
               // global scales start at 1, or at the end of the interval that is nearest to it
               .start = fminf(fmaxf(0.0f, lowest), highest),
               .lowest = lowest,
               .highest = highest,
               .lr = (float)cfg->outcome_lr,
           });
  m->tape = mlp_tape_new(&m->net.mlp, m->max_batch);
  const size_t goal = (size_t)shape->goal;
  const struct rows_part part[] = {{&m->dout, (size_t)m->max_batch * (size_t)m->width},
                                   {&m->scale, goal},
                                   {&m->precision, goal}};
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

// the free numbers of the net: one log scale a dimension
static const float *global_scales(const struct outcome *m) {
  return m->net.theta + m->net.mlp.nparam;
}

// eq. (2) from the free numbers o (goal): a row of the head's, or the global ones
static void set_scales(struct outcome *m, const float *o) {
  const float lowest = m->net.lowest, highest = m->net.highest;
  for (int i = 0; i < m->shape.goal; i++) {
    m->scale[i] = o[i] < lowest ? lowest : o[i] > highest ? highest : o[i];
    m->precision[i] = expf(-m->scale[i]);
  }
}

// one term of (3) or (4); z is the distance from the mean in scales
static float log_density(const struct outcome *m, float z, float log_scale) {
  return m->laplace ? -fabsf(z) - log_scale - LOG_2 : -0.5f * z * z - log_scale - HALF_LOG_2PI;
}

void outcome_loglik(struct outcome *m, float *loglik, const struct batch *b) {
  CHECK(m && loglik && b && b->B >= 1 && b->B <= m->max_batch);
  const int obs = m->shape.obs, act = m->shape.act, ngoal = m->shape.goal;
  rows_set_columns(mlp_input(m->tape), obs + act, 0, b->obs, obs, b->B);
  rows_set_columns(mlp_input(m->tape), obs + act, obs, b->act, act, b->B);
  m->out = mlp_forward(&m->net.mlp, m->tape, b->B);
  m->rows = b->B;

  if (!m->head) {
    set_scales(m, global_scales(m));
  }
  for (int row = 0; row < b->B; row++) {
    const float *out = m->out + row * m->width;
    const float *from = b->achieved + row * ngoal;
    const float *goal = b->goal + row * ngoal;
    if (m->head) {
      set_scales(m, out + ngoal);
    }
    // eqs. (1), (3), (4)
    float sum = 0;
    for (int i = 0; i < ngoal; i++) {
      const float mean = from[i] + out[i];
      sum += log_density(m, (goal[i] - mean) * m->precision[i], m->scale[i]);
    }
    loglik[row] = sum;
  }
}

// the head's gradient where its output o is outside of the interval: kept if it leads back
static float inward(const struct outcome *m, float o, float gradient) {
  const bool outward = (o > m->net.highest && gradient < 0) || (o < m->net.lowest && gradient > 0);
  return outward ? 0.0f : gradient;
}

double outcome_loss(struct outcome *m, const struct batch *b) {
  CHECK(m && b && b->B == m->rows);
  const int goal = m->shape.goal;
  float *dglobal = m->net.grad + m->net.mlp.nparam;  // of the global scales, if there are any
  if (!m->head) {
    memset(dglobal, 0, (size_t)goal * sizeof(float));
    set_scales(m, global_scales(m));
  }
  const float weight = 1.0f / (float)b->B;
  double sum = 0;
  for (int row = 0; row < b->B; row++) {
    const float *out = m->out + row * m->width;
    const float *from = b->achieved + row * goal;
    const float *to = b->next_achieved + row * goal;
    float *dout = m->dout + row * m->width;
    if (m->head) {
      set_scales(m, out + goal);
    }
    for (int i = 0; i < goal; i++) {
      // eq. (5) and its derivatives by mean and log-scale
      const float z = (to[i] - (from[i] + out[i])) * m->precision[i];
      sum -= log_density(m, z, m->scale[i]);
      const float slope = m->laplace ? (float)((z > 0) - (z < 0)) : z;
      const float dscale = weight * (1.0f - slope * z);
      dout[i] = -weight * slope * m->precision[i];
      if (m->head) {
        dout[goal + i] = inward(m, out[goal + i], dscale);
      } else {
        dglobal[i] += dscale;
      }
    }
  }
  m->net.loss = sum / b->B;
  mlp_backward(&m->net.mlp, m->tape, m->net.grad, NULL, m->dout, b->B);
  return m->net.loss;
}
