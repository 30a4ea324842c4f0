// backup.h - what a state and action are worth when the time of the outcome is inferred: equations
// (5) to (8) of learner/rules/odac.h, for one transition and for a minibatch.
//
// With V the value of the next state and cl the scaled outcome log-likelihood:
//   q0 = sigmoid((V - cl) / kappa + logit(gamma)), at most q_max                             (5)
//   KL = KL(Bern(q0) || Bern(gamma))                                                         (6)
//   r  = (1 - q0) cl - kappa KL                                                              (7)
//   y  = r + q0 V                                                                            (8)
// Without the bound, (5) maximises (8), and then y = kappa log((1 - gamma) exp(cl / kappa) +
// gamma exp(V / kappa)); tests/unit/test_backup.c holds the code against that form and against a
// search over q.
// With a fixed discount q0 = gamma, so that KL = 0 and y = (1 - gamma) cl + gamma V         (10)
// A true end (done = 1) has no next state, V = -infinity: q0 = 0 for every q_max, and
//   y = cl + kappa log(1 - gamma)                                                            (9)
// and with a fixed discount y = cl.
//
// When a reward r is given, there is nothing to infer, and d = 1 at a true end:
//   y = r + gamma (1 - d) V                                                                  (11)
// or, of a reward that counts once, where it is largest:
//   y = max(r, gamma (1 - d) V)                                                              (12)
#ifndef LEARNER_RULES_BACKUP_H
#define LEARNER_RULES_BACKUP_H

#include <math.h>
#include <stdbool.h>

struct backup_options {
  double gamma, q_max, kappa;
  int kl_sign;  // -1: as in (7); +1: adds the KL; 0: leaves it out
  bool fixed;   // q0 = gamma in place of (5)
};

// What a backup needs of the options, once for all transitions.
struct backup_constants {
  double kappa, kl_sign;
  bool fixed;
  double gamma, log_gamma, log1m_gamma, logit_gamma;
  double q_max, log_q_max, log1m_q_max, logit_q_max;
};

struct backup {
  double y, q0, kl;
};

// Results for n transitions; q0 and kl may be NULL.
struct backup_rows {
  float *y, *q0, *kl;
};

static inline struct backup_constants backup_prepare(const struct backup_options *opt) {
  struct backup_constants c = {.kappa = opt->kappa, .kl_sign = opt->kl_sign};
  c.fixed = opt->fixed;
  c.gamma = opt->gamma;
  c.log_gamma = log(opt->gamma);
  c.log1m_gamma = log1p(-opt->gamma);
  c.logit_gamma = c.log_gamma - c.log1m_gamma;
  c.q_max = opt->q_max;
  c.log_q_max = log(opt->q_max);
  c.log1m_q_max = log1p(-opt->q_max);
  c.logit_q_max = c.log_q_max - c.log1m_q_max;
  return c;
}

// One exponential and one logarithm serve all four of q, 1 - q, log q, log(1 - q), none of which
// cancels; 0 log 0 = 0 when q_max is 0.
static inline struct backup backup_transition(double cl, double V, bool done,
                                              const struct backup_constants *c) {
  if (c->fixed) {
    // eq. (10)
    return done ? (struct backup){.y = cl}
                : (struct backup){.y = (1 - c->gamma) * cl + c->gamma * V, .q0 = c->gamma};
  }
  if (done) {
    // eq. (9); KL(Bern(0) || Bern(gamma)) = -log(1 - gamma)
    const double kl = -c->log1m_gamma;
    return (struct backup){.y = cl + c->kl_sign * c->kappa * kl, .q0 = 0, .kl = kl};
  }
  // eq. (5)
  const double x = (V - cl) / c->kappa + c->logit_gamma;
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
  // eq. (6); rounding may leave it a hair below 0
  double kl = p * (log_p - c->log1m_gamma) + (q > 0 ? q * (log_q - c->log_gamma) : 0);
  kl = kl < 0 ? 0 : kl;
  // eqs. (7), (8)
  return (struct backup){.y = p * cl + q * V + c->kl_sign * c->kappa * kl, .q0 = q, .kl = kl};
}

// (5) to (8) for n transitions. done may be NULL: none is a true end. No arrays may overlap.
void backup_outcome(const struct backup_rows *out, const float *cl, const float *V,
                    const float *done, const struct backup_options *opt, int n);

// (11), and (12), for n transitions into y.
void backup_reward(float *y, const float *r, const float *V, const float *done, double gamma,
                   int n);
void backup_best(float *y, const float *r, const float *V, const float *done, double gamma, int n);

#endif
