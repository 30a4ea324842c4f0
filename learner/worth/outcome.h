// outcome.h - the outcome model p_psi(g | s, a): what will be achieved one step from now.
//
//   mean   = phi(s) + f_psi(s, a)                                                          (1)
//   scale  = exp(clip(o, log scale_min, log scale_max)), o global per dimension or a head   (2)
//            (global: o is projected onto the interval after each step; head: outside of it only
//            the part of the gradient that leads back is kept)
//   Laplace   log p = sum_i [ -|g_i - mean_i| / b_i - log(2 b_i) ]                          (3)
//   Gaussian  log p = sum_i [ -(g_i - mean_i)^2 / (2 s_i^2) - log s_i - log(2 pi)/2 ]       (4)
// Trained by maximum likelihood on (phi(s') | s, a): loss = -mean_b log p(phi(s') | s, a).   (5)
// Source: ALGORITHMS 1.5; ODAC, Rudner et al., NeurIPS 2021, arXiv:2104.10190.
//
// Not thread-safe; only outcome_new allocates.
#ifndef LEARNER_WORTH_OUTCOME_H
#define LEARNER_WORTH_OUTCOME_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/nn/safetensors.h"

struct batch;
struct config;
struct dims;
struct outcome;

// Index of its initial weights in RNG_INIT; 0 to 2 are the policy's and the critics'.
enum { OUTCOME_INIT_INDEX = 3 };

// Initial weights from (run.seed, RNG_INIT, OUTCOME_INIT_INDEX), global scales 1. Free with
// outcome_free.
struct outcome *outcome_new(const struct config *cfg, const struct dims *dims, int max_batch);
void outcome_free(struct outcome *m);  // NULL is allowed

// Eqs. (1)-(4) at the batch's (s, a): loglik (B) of its goals; keeps what outcome_fit needs.
void outcome_loglik(struct outcome *m, float *loglik, const struct batch *b);

// One Adam step on (5), on the batch last given to outcome_loglik. *loss: (5) before the step.
// ERR_NUMERIC: not finite, parameters untouched.
NODISCARD enum err outcome_fit(struct outcome *m, float *loss, const struct batch *b);

// Every tensor of its state, borrowed, for checkpoints: names "outcome.*", 8-byte types first.
// Fills at most max entries, returns how many there are.
int outcome_tensors(struct outcome *m, struct st_tensor *out, int max);

// For tests: gradient of (5) w.r.t. all parameters (n of them) without a step, on the batch last
// given to outcome_loglik. The parameters: the network's, then with global scales their logs.
int outcome_nparam(const struct outcome *m);
float *outcome_params(struct outcome *m);
void outcome_gradient(struct outcome *m, float *grad, float *loss, const struct batch *b);

#endif
