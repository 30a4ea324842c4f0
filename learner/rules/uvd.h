// uvd.h - universal value density estimation: the value of a goal is the discounted density of
// reaching it, at the best moment on the way.
// Schroecker, Isbell, "Universal Value Density Estimation for Imitation Learning and
// Goal-Conditioned Reinforcement Learning", 2020, arXiv:2002.06473.
//
//   f      = p_d(g | s, a) / max_g p_d, in [0, 1]          (1)  learner/worth/outcome.h
//   r      = K f,  K = 10                                  (2)
//   V      = min_i Qbar_i(s', a', g)                       (3)  actor_critic.h, agent.value=hard
//   y      = max(r, gamma (1 - d) V)                       (4)  backup.h, eq. (12)
// then F_Q, F_pi as in soft actor-critic (learner/rules/sac.h), and the outcome model's F_p.
//
// (4) is exact where a goal is passed once (tests/unit/test_tabular.c). ODAC has in its place
// log((1 - gamma) p_d + gamma e^V): the sum over all moments, in logs. In logs a maximum does not
// learn: an error of a value is only taken back by log gamma an update, which is less than the
// critics' noise.
//
// Where this differs from the paper and its code: p_d is this project's outcome model of the next
// state, with a floor on its scale (outcome.scale_min=1) in place of a normalising flow fitted to
// the next four states; it is taken at (s, a), not at (s', a'); it is divided by its mode, since
// densities in small spaces are too large for float32, and K sets the size of values alone; the
// policy is stochastic, with alpha for an entropy, where theirs is TD3's.
#ifndef LEARNER_RULES_UVD_H
#define LEARNER_RULES_UVD_H

#include "learner/rules/actor_critic.h"

struct outcome;

struct uvd {
  struct actor_critic base;
  struct outcome *outcome;
  float mean_reward, log_lik, nll;  // of the last minibatch
  float *block;                     // holds the following
  float *l, *r;                     // (B)
};

// Nets: policy, critic1, critic2, log_alpha, outcome.
extern const struct rule uvd_rule;

#endif
