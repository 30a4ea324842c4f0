// outcome.c - a network for the mean (and the scales, with a head), one flat parameter block.
//
// The block is the network's theta followed, with global scales, by one log-scale per goal
// dimension, so that Adam and checkpoints see one array. outcome_loglik runs the network;
// outcome_fit differentiates the same activations against another target, so an update of the
// learner pays one forward and one backward.
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
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/adam.h"
#include "learner/nn/block.h"
#include "learner/nn/mlp.h"
#include "learner/replay/batch.h"

static const float LOG_2 = 0.693147181f;
static const float HALF_LOG_2PI = 0.918938533f;

struct outcome {
  int obs, act, goal, max_batch;
  bool laplace, head;
  float lowest, highest;  // log scale

  struct mlp net;  // theta is the start of params
  float *params;   // (nparam) network, then global log-scales
  size_t nparam;
  struct adam adam;

  struct mlp_tape *tape;
  const float *out;  // (rows x width) of the last forward
  int width, rows;   // width: goal, or 2 goal with a head
  float *dout;       // (max_batch x width)
  float *grad;       // (nparam)
  float *scale;      // (goal) log-scales of one row
  float *precision;  // (goal) 1 / scale of one row
};

struct outcome *outcome_new(const struct config *cfg, const struct dims *dims, int max_batch) {
  CHECK(cfg && dims && max_batch >= 1);
  CHECK(cfg->outcome_scale_min <= cfg->outcome_scale_max);
  struct outcome *m = must_alloc(1, sizeof *m);
  m->obs = dims->obs;
  m->act = dims->act;
  m->goal = dims->goal;
  m->max_batch = max_batch;
  m->laplace = strcmp(cfg->outcome_likelihood, "laplace") == 0;
  m->head = strcmp(cfg->outcome_scale, "head") == 0;
  m->lowest = (float)log(cfg->outcome_scale_min);
  m->highest = (float)log(cfg->outcome_scale_max);
  m->width = m->head ? 2 * m->goal : m->goal;

  // the network's parameters live in a block with room for the global scales
  const int hidden = cfg->outcome_hidden.n;
  CHECK(hidden >= 1 && hidden < MLP_MAX_LAYERS);
  m->net.nlayer = hidden + 1;
  m->net.width[0] = m->obs + m->act;
  memcpy(m->net.width + 1, cfg->outcome_hidden.v, (size_t)hidden * sizeof(int));
  m->net.width[hidden + 1] = m->width;
  m->net.nparam = mlp_nparam(m->net.width, m->net.nlayer);
  m->nparam = m->net.nparam + (m->head ? 0 : (size_t)m->goal);
  m->params = must_alloc(m->nparam, sizeof(float));
  m->net.theta = m->params;
  struct rng rng;
  rng_init(&rng, (uint64_t)cfg->run_seed, RNG_INIT, OUTCOME_INIT_INDEX);
  mlp_init_weights(&m->net, &rng);
  // global scales start at 1, or at the end of the interval that is nearest to it
  for (size_t i = m->net.nparam; i < m->nparam; i++) {
    m->params[i] = fminf(fmaxf(0.0f, m->lowest), m->highest);
  }
  adam_init(&m->adam, m->nparam, (float)cfg->outcome_lr);

  m->tape = mlp_tape_new(&m->net, max_batch);
  m->dout = must_alloc((size_t)max_batch * (size_t)m->width, sizeof(float));
  m->grad = must_alloc(m->nparam, sizeof(float));
  m->scale = must_alloc((size_t)m->goal, sizeof(float));
  m->precision = must_alloc((size_t)m->goal, sizeof(float));
  return m;
}

void outcome_free(struct outcome *m) {
  if (!m) {
    return;
  }
  mlp_tape_free(m->tape);
  adam_release(&m->adam);
  free(m->params);
  free(m->dout);
  free(m->grad);
  free(m->scale);
  free(m->precision);
  free(m);
}

// eq. (2) from the free numbers o (goal): a row of the head's, or the global ones
static void set_scales(struct outcome *m, const float *o) {
  for (int i = 0; i < m->goal; i++) {
    m->scale[i] = o[i] < m->lowest ? m->lowest : o[i] > m->highest ? m->highest : o[i];
    m->precision[i] = expf(-m->scale[i]);
  }
}

// one term of (3) or (4); z is the distance from the mean in scales
static float log_density(const struct outcome *m, float z, float log_scale) {
  return m->laplace ? -fabsf(z) - log_scale - LOG_2 : -0.5f * z * z - log_scale - HALF_LOG_2PI;
}

void outcome_loglik(struct outcome *m, float *loglik, const struct batch *b) {
  CHECK(m && loglik && b && b->B >= 1 && b->B <= m->max_batch);
  const size_t obs = (size_t)m->obs, act = (size_t)m->act;
  float *x = mlp_input(m->tape);
  for (size_t i = 0; i < (size_t)b->B; i++, x += obs + act) {
    memcpy(x, b->obs + i * obs, obs * sizeof(float));
    memcpy(x + obs, b->act + i * act, act * sizeof(float));
  }
  m->out = mlp_forward(&m->net, m->tape, b->B);
  m->rows = b->B;

  if (!m->head) {
    set_scales(m, m->params + m->net.nparam);
  }
  for (int row = 0; row < b->B; row++) {
    const float *out = m->out + row * m->width;
    const float *from = b->achieved + row * m->goal;
    const float *goal = b->goal + row * m->goal;
    if (m->head) {
      set_scales(m, out + m->goal);
    }
    // eqs. (1), (3), (4)
    float sum = 0;
    for (int i = 0; i < m->goal; i++) {
      const float mean = from[i] + out[i];
      sum += log_density(m, (goal[i] - mean) * m->precision[i], m->scale[i]);
    }
    loglik[row] = sum;
  }
}

// the head's gradient where its output o is outside of the interval: kept if it leads back
static float inward(const struct outcome *m, float o, float gradient) {
  const bool outward = (o > m->highest && gradient < 0) || (o < m->lowest && gradient > 0);
  return outward ? 0.0f : gradient;
}

void outcome_gradient(struct outcome *m, float *grad, float *loss, const struct batch *b) {
  CHECK(m && grad && loss && b && b->B == m->rows);
  float *dglobal = grad + m->net.nparam;  // of the global scales, if there are any
  if (!m->head) {
    memset(dglobal, 0, (size_t)m->goal * sizeof(float));
    set_scales(m, m->params + m->net.nparam);
  }
  const float weight = 1.0f / (float)b->B;
  double sum = 0;
  for (int row = 0; row < b->B; row++) {
    const float *out = m->out + row * m->width;
    const float *from = b->achieved + row * m->goal;
    const float *to = b->next_achieved + row * m->goal;
    float *dout = m->dout + row * m->width;
    if (m->head) {
      set_scales(m, out + m->goal);
    }
    for (int i = 0; i < m->goal; i++) {
      // eq. (5) and its derivatives by mean and log-scale
      const float z = (to[i] - (from[i] + out[i])) * m->precision[i];
      sum -= log_density(m, z, m->scale[i]);
      const float slope = m->laplace ? (float)((z > 0) - (z < 0)) : z;
      const float dscale = weight * (1.0f - slope * z);
      dout[i] = -weight * slope * m->precision[i];
      if (m->head) {
        dout[m->goal + i] = inward(m, out[m->goal + i], dscale);
      } else {
        dglobal[i] += dscale;
      }
    }
  }
  *loss = (float)(sum / b->B);
  mlp_backward(&m->net, m->tape, grad, NULL, m->dout, b->B);
}

enum err outcome_fit(struct outcome *m, float *loss, const struct batch *b) {
  outcome_gradient(m, m->grad, loss, b);
  if (!block_finite(loss, 1) || !block_finite(m->grad, m->nparam)) {
    log_error(
        "outcome: loss %g or its gradient is not finite; lower outcome.lr, raise "
        "outcome.scale_min, or look for unbounded observations; parameters are unchanged",
        (double)*loss);
    return ERR_NUMERIC;
  }
  adam_step(&m->adam, m->params, m->grad);
  // back onto the interval
  for (size_t i = m->net.nparam; i < m->nparam; i++) {
    m->params[i] = fminf(fmaxf(m->params[i], m->lowest), m->highest);
  }
  return ERR_OK;
}

int outcome_tensors(struct outcome *m, struct st_tensor *out, int max) {
  struct block_list list = {.out = out, .max = max};
  block_list_add(&list, "outcome", "adam.t", ST_I64, &m->adam.t, 0);
  block_list_add(&list, "outcome", "params", ST_F32, m->params, m->nparam);
  block_list_add(&list, "outcome", "adam.m", ST_F32, m->adam.m, m->nparam);
  block_list_add(&list, "outcome", "adam.v", ST_F32, m->adam.v, m->nparam);
  return list.n;
}

int outcome_nparam(const struct outcome *m) {
  return (int)m->nparam;
}

float *outcome_params(struct outcome *m) {
  return m->params;
}
