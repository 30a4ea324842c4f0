// odac.h - Outcome-Driven Actor-Critic: one gradient step from one minibatch.
// Source: Rudner, Pong, McAllister, Gal, Levine, NeurIPS 2021, arXiv:2104.10190; ALGORITHMS 1.
//
// l = log p(g | s, a) [nats] is the learned outcome log-likelihood (learner/worth/outcome.h), c the
// reward scale k / N with N the running magnitude of l, gamma the prior probability that the
// outcome is NOT reached at the next step, a' ~ pi(. | s', g); means are over B rows:
//   V   = min_i Qbar_i(s', a', g) - alpha log pi(a' | s', g)                                 (1)
//   q0  = sigmoid((V - c l) / kappa + logit(gamma)), at most q_max                           (2)
//   y   = (1 - q0) c l + q0 V - kappa KL(Bern(q0) || Bern(gamma))                            (3)
//   J_Q = mean (Q_i(s, a, g) - y)^2                                                          (4)
//   J_pi = mean (alpha log pi(a~ | s, g) - min_i Q_i(s, a~, g))                              (5)
//   J_alpha = -log alpha mean(log pi + H)                                                    (6)
//   theta_bar <- (1 - tau) theta_bar + tau theta                                             (7)
//   N <- decay N + (1 - decay) max_b |l|                                                     (8)
// With (2) unclamped, (3) is kappa logaddexp(c l / kappa + log(1 - gamma), V / kappa + log gamma);
// tests/unit/test_odac.c checks both forms and a grid search over q. The KL is subtracted, as in
// the bound; odac.time_kl_sign = +1 gives the sign of the authors' research code.
// A true end (done = 1) bootstraps nothing: V is replaced by c l there.
//
// Order inside one update: all losses with the same parameters; then alpha, policy, critics,
// N, targets; the outcome model, which shares nothing with them, on the same minibatch. Before the
// losses of the first update, N is set to max_b |l|, and the last bias of critics and targets once
// to mean(c l - alpha log pi).
#ifndef LEARNER_RULES_ODAC_H
#define LEARNER_RULES_ODAC_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/nn/safetensors.h"
#include "learner/nn/mlp.h"

struct batch;
struct config;
struct dims;
struct odac;

// Scalars of one update, means over B rows; finite when odac_update returns ERR_OK.
struct odac_stats {
  float loss_q;   // mean J_Q of both critics [nats^2]
  float loss_pi;  // J_pi [nats]
  float nll;      // loss of the outcome model [nats]
  float alpha;    // after the update
  float q0;       // mean inferred discount, in (0, 1)
  float kl;       // mean time KL [nats]
  float log_lik;  // mean l [nats], unscaled
  float scale;    // c
  float value;    // mean V
  float q;        // mean min_i Q_i(s, a, g)
  float entropy;  // mean -log pi(a~ | s, g) [nats]
};

// Copies what it needs from cfg. Networks: policy (obs + goal -> hidden -> 2 act), critics
// (obs + goal + act -> hidden -> 1); inputs in that order. Free with odac_free.
struct odac *odac_new(const struct config *cfg, const struct dims *dims);
void odac_free(struct odac *o);  // NULL is allowed

// Eqs. (1)-(8) on one minibatch; b is only read. index is the number of this update: its noise is
// (seed, RNG_UPDATE, index). Not thread-safe; allocates nothing.
// ERR_NUMERIC: a loss or gradient was not finite, or beyond 2^60, whose square Adam could not keep;
// the whole state is as before the call.
NODISCARD enum err odac_update(struct odac *o, struct odac_stats *out, const struct batch *b,
                               uint64_t index);

// Eqs. (2)-(3), elementwise over n; r = c l. done, q0 and kl may be NULL; none may overlap.
struct odac_target_options {
  double gamma, q_max, kappa;
  int kl_sign;
};
void odac_target(float *y, float *q0, float *kl, const float *r, const float *V, const float *done,
                 const struct odac_target_options *opt, int n);

// The policy network, borrowed.
const struct mlp *odac_policy(const struct odac *o);

// Every tensor of the learner's state (networks, targets, moments, log alpha, N, counters),
// borrowed: write them to save, overwrite their data to restore. 8-byte types first, as st_encode
// wants. Fills at most max entries, returns how many there are.
int odac_tensors(struct odac *o, struct st_tensor *out, int max);

#endif
