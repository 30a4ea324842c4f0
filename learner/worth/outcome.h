// outcome.h - the outcome model p_d(g | s, a): what will be achieved one step from now.
//
//   mean   = phi(s) + S f_psi(s, a)                                                        (1)
//   b      = G exp(clip(o, log scale_min, log scale_max))                                  (2)
//   z_i    = (g_i - mean_i) / b_i                                                          (3)
//   log p  = -rho(z) - sum_i log b_i - C
//     radial    rho = |z|              C = log(2 pi^(d/2) Gamma(d) / Gamma(d/2))           (4)
//     laplace   rho = sum_i |z_i|      C = d log 2                                         (5)
//     gaussian  rho = |z|^2 / 2        C = d log(2 pi) / 2                                 (6)
// Trained by maximum likelihood on (phi(s') | s, a):
//   F_p    = -mean_b log p(phi(s') | s, a)                                                 (7)
//
// Where each comes from; the tags are those of learner/rules/odac.h: (1) [authors' code] without
// S, (2) [ours], (5) [authors' code], (6) [paper], (7) [paper, Algorithm 1], (4) [ours]: the only
// one whose order of two outcomes at equal b is that of their distances, and like (5) linear far
// away.
//
// Units. Everything is in the task's own goal units; networks alone see standardised numbers. S is
// the standard deviation of each goal number and G the spread of all of them (scaling_goal,
// scaling_spread), so that a network's outputs, and the settings scale_min and scale_max, are of
// size 1 in any task. o is one number (scalar), one a goal number (dimension), or an output of the
// network for each goal number (head). Outside of its interval: a global o is put back after each
// step; of a head's gradient only the part that leads back is kept.
//
// A fixed model (outcome.model=fixed) learns nothing: mean = phi(s), b = outcome.known_scale.
//
// Losses and gradients go into its net; nothing here steps a parameter. Not thread-safe; only
// outcome_new allocates.
#ifndef LEARNER_WORTH_OUTCOME_H
#define LEARNER_WORTH_OUTCOME_H

#include <stdint.h>

#include "common/base/err.h"

struct batch;
struct config;
struct draws;
struct net;
struct nets;
struct outcome;
struct policy_shape;
struct scaling;

// Appends its net, "outcome", to the list: the network's parameters, then the global o, which start
// at 0. Settings: the group outcome, train.batch. scaling is borrowed. Free with outcome_free.
struct outcome *outcome_new(struct nets *nets, const struct config *cfg,
                            const struct policy_shape *shape, const struct scaling *scaling);
void outcome_free(struct outcome *m);  // NULL is allowed

// Its net, borrowed; constant when the model is fixed.
struct net *outcome_net(struct outcome *m);

// Eqs. (1)-(6) at the batch's (s, a): loglik (B) of its goals; keeps what outcome_loss needs.
void outcome_loglik(struct outcome *m, float *loglik, const struct batch *b);

// p / max_g p in [0, 1], the density at the goals relative to its mode, exp(-rho): closeness (B) of
// the batch last given to outcome_loglik.
void outcome_closeness(struct outcome *m, float *closeness, const struct batch *b);

// So many steps of the model alone on minibatches of RNG_PREFIT, before the first update; none
// where it is fixed. l (train.batch) is room to work in. ERR_NUMERIC: one was not finite (logged).
NODISCARD enum err outcome_fit(struct outcome *m, const struct draws *draws, uint64_t steps,
                               float *l);

// (7) and its gradient, on the batch last given to outcome_loglik; returns (7).
double outcome_loss(struct outcome *m, const struct batch *b);

#endif
