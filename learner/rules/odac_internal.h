// odac_internal.h - the inside of odac.c, for its tests: the backup of one transition in double
// precision, the object, and all losses and gradients without a step.
#ifndef LEARNER_RULES_ODAC_INTERNAL_H
#define LEARNER_RULES_ODAC_INTERNAL_H

#include <math.h>
#include <stdbool.h>

#include "common/episode.h"
#include "learner/nn/adam.h"
#include "learner/rules/odac.h"
#include "learner/worth/outcome.h"

// ---- eqs. (2)-(3) for one transition ----

// What the backup needs of the options, once for all transitions.
struct odac_backup_constants {
  double kappa, kl_sign;
  double log_gamma, log1m_gamma, logit_gamma;
  double q_max, log_q_max, log1m_q_max, logit_q_max;
};

struct odac_backup {
  double y, q0, kl;
};

static inline struct odac_backup_constants odac_backup_prepare(
    const struct odac_target_options *opt) {
  struct odac_backup_constants c = {.kappa = opt->kappa, .kl_sign = opt->kl_sign};
  c.log_gamma = log(opt->gamma);
  c.log1m_gamma = log1p(-opt->gamma);
  c.logit_gamma = c.log_gamma - c.log1m_gamma;
  c.q_max = opt->q_max;
  c.log_q_max = log(opt->q_max);
  c.log1m_q_max = log1p(-opt->q_max);
  c.logit_q_max = c.log_q_max - c.log1m_q_max;
  return c;
}

// r = c l. One exponential and one logarithm serve all four of q, 1 - q, log q, log(1 - q), none
// of which cancels; 0 log 0 = 0 when q_max is 0.
static inline struct odac_backup odac_backup(double r, double V, bool done,
                                             const struct odac_backup_constants *c) {
  if (done) {
    V = r;
  }
  // eq. (2)
  const double x = (V - r) / c->kappa + c->logit_gamma;
  const double e = exp(-fabs(x));
  const double larger = 1 / (1 + e), smaller = e / (1 + e), log_sum = log1p(e);
  double q = x > 0 ? larger : smaller;
  double p = x > 0 ? smaller : larger;
  double log_q = fmin(x, 0) - log_sum;
  double log_p = -fmax(x, 0) - log_sum;
  if (x > c->logit_q_max) {
    q = c->q_max;
    p = 1 - c->q_max;
    log_q = c->log_q_max;
    log_p = c->log1m_q_max;
  }
  // eq. (3); rounding may leave the KL a hair below 0
  double kl = p * (log_p - c->log1m_gamma) + (q > 0 ? q * (log_q - c->log_gamma) : 0);
  kl = kl < 0 ? 0 : kl;
  return (struct odac_backup){.y = p * r + q * V + c->kl_sign * c->kappa * kl, .q0 = q, .kl = kl};
}

// ---- the object ----

struct odac {
  // settings
  struct dims dims;
  uint64_t seed;
  int max_batch;
  struct odac_target_options target;
  double tau, entropy_target, reward_scale, reward_decay;
  bool alpha_auto, bias_init;

  // state; the first update is the one at which policy_adam.t is 0
  struct mlp *policy, *critic[2], *critic_target[2];
  struct adam policy_adam, critic_adam[2], alpha_adam;
  float log_alpha;
  double magnitude;  // N
  struct outcome *outcome;

  // losses and gradients of the last odac_losses
  double loss_q[2], loss_pi, loss_alpha;
  float grad_alpha;
  float *grad_policy, *grad_critic[2];
  double max_loglik;  // max_b |l|
  struct odac_stats stats;

  // work, rows of one minibatch
  struct mlp_tape *policy_tape, *critic_tape[2];
  float *work;                 // one block, cut into the following
  float *eps, *next_eps;       // (B x act)
  float *act, *next_act;       // (B x act)  a~ at s, a' at s'
  float *logp, *next_logp;     // (B)
  float *loglik, *reward;      // (B)        l, c l
  float *value, *y, *q0, *kl;  // (B)        V, y, q0, KL
  float *q_first;              // (B)        Q of the first critic
  float *dq[2];                // (B)        gradients of a loss by the critics' outputs
  float *dx[2];                // (B x obs + goal + act)
  float *da;                   // (B x act)
  float *dhead;                // (B x 2 act)
};

// Eqs. (1)-(6) on one minibatch: losses, gradients and stats into o. Changes no parameter, but at
// the first update sets N and the critics' last bias.
void odac_losses(struct odac *o, const struct batch *b, uint64_t index);

#endif
