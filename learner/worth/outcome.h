// outcome.h - the outcome model p_d(g | s, a): what will be achieved one step from now.
//
//   mean   = phi(s) + f_psi(s, a)                                                          (1)
//   scale  = exp(clip(o, log scale_min, log scale_max)), o global per dimension or a head   (2)
//            (global: o is projected onto the interval after each step; head: outside of it only
//            the part of the gradient that leads back is kept)
//   Laplace   log p = sum_i [ -|g_i - mean_i| / b_i - log(2 b_i) ]                          (3)
//   Gaussian  log p = sum_i [ -(g_i - mean_i)^2 / (2 s_i^2) - log s_i - log(2 pi)/2 ]       (4)
// Trained by maximum likelihood on (phi(s') | s, a):
//   F_p    = -mean_b log p(phi(s') | s, a)                                                  (5)
// Where each comes from: (1) [authors' code], (2) [ours], (3) [authors' code], (4) [paper],
// (5) [paper, Algorithm 1]; the tags are those of learner/rules/odac.h.
//
// Losses and gradients go into its net; nothing here steps a parameter. Not thread-safe; only
// outcome_new allocates.
#ifndef LEARNER_WORTH_OUTCOME_H
#define LEARNER_WORTH_OUTCOME_H

struct batch;
struct config;
struct nets;
struct outcome;
struct policy_shape;

// Appends its net, "outcome", to the list: the network's parameters, then with global scales their
// logs, which start at 0. Settings: the group outcome, train.batch. Free with outcome_free.
struct outcome *outcome_new(struct nets *nets, const struct config *cfg,
                            const struct policy_shape *shape);
void outcome_free(struct outcome *m);  // NULL is allowed

// Eqs. (1)-(4) at the batch's (s, a): loglik (B) of its goals; keeps what outcome_loss needs.
void outcome_loglik(struct outcome *m, float *loglik, const struct batch *b);

// (5) and its gradient, on the batch last given to outcome_loglik; returns (5).
double outcome_loss(struct outcome *m, const struct batch *b);

#endif
