// discern.h - reach goals by a reward that is learned: can the goal be told from others, by what
// was achieved?
// Warde-Farley, Van de Wiele, Kulkarni, Ionescu, Hansen, Mnih, "Unsupervised Control through
// Non-Parametric Discriminative Rewards", ICLR 2019, arXiv:1811.11359.
//
//   l      = log q(g | phi(s')), a discriminator    (1)  learner/worth/discriminator.h
//   r      = max(l, -floor) / floor, in [-1, 0]     (2)
//   V      = min_i Qbar_i(s', a', g) - alpha log pi(a' | s', g)            (3)
//   y      = r + gamma (1 - d) V                                           (4)
// then soft actor-critic's F_Q, F_pi, F_alpha, equations (4) to (7) of learner/rules/sac.h, and the
// discriminator's loss.
//
// Where this differs from the paper: the reward is given at each step and not at the end alone, so
// that it takes the place of the others in one table of comparisons; goals are the task's numbers,
// not images; the learner is soft actor-critic, not Q-learning on chosen actions. It is, as far as
// its text tells, what ODAC's comparison calls DISCERN: a discriminator's clipped log-likelihood.
#ifndef LEARNER_RULES_DISCERN_H
#define LEARNER_RULES_DISCERN_H

#include "learner/rules/actor_critic.h"

struct discriminator;

struct discern {
  struct actor_critic base;
  struct discriminator *discriminator;
  double floor;                      // of (2) [nats]
  float mean_reward, log_lik, size;  // of the last minibatch
  float *block;                      // holds the following
  float *l, *r;                      // (B)
};

// Nets: policy, critic1, critic2, log_alpha, embedding.
extern const struct rule discern_rule;

#endif
