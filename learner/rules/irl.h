// irl.h - maximum entropy inverse reinforcement learning: the reward that makes demonstrations
// likely, and soft actor-critic on it.
// Ziebart, Maas, Bagnell, Dey 2008 (the principle); Finn, Christiano, Abbeel, Levine 2016,
// arXiv:1611.03852 (its form as a discriminator).
//
//   f      = the learned reward, learner/worth/adversary.h                 (1)
//   V      = min_i Qbar_i(s', a', g) - alpha log pi(a' | s', g)            (2)
//   y      = f + gamma (1 - d) V                                           (3)
// then F_Q, F_pi and F_alpha of soft actor-critic (learner/rules/sac.h, (4) to (6)), and the
// discriminator's loss with log pi(a | s, g) of the minibatch's actions.
//
// On tables the same is the difference of two counts, which tests/unit/test_inference.c holds
// against a planted reward. Where this differs from the papers: alpha is a constant of its own
// (agent.alpha), which scales f; f sees goals.
#ifndef LEARNER_RULES_IRL_H
#define LEARNER_RULES_IRL_H

#include "learner/rules/actor_critic.h"

struct adversary;

struct irl {
  struct actor_critic base;
  struct adversary *adversary;
  float mean_reward, loss;  // of the last minibatch
  float *block;             // holds the following
  float *f, *logp;          // (B)
};

// Nets: policy, critic1, critic2, log_alpha, reward.
extern const struct rule irl_rule;

#endif
