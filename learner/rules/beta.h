// beta.h - VIREL as its authors released it: one critic, a network for the value of a state, and a
// temperature that is the error of the critic.
// Fellows, Mahajan, Rudner, Whiteson, "VIREL: A Variational Inference Framework for Reinforcement
// Learning", NeurIPS 2019, arXiv:1811.01132, and the authors' code.
//
//   y_Q    = r + gamma (1 - d) Vbar(s', g)                                 (1)
//   F_Q    = mean (Q(s, a, g) - y_Q)^2                                     (2)
//   F_pi   = mean (alpha log pi(a~ | s, g) - Q(s, a~, g))                  (3)  E-step
//   y_V    = Q(s, a~, g), the values of (3): no log pi                     (4)
//   F_V    = mean (V(s, g) - y_V)^2                                        (5)
//   e      = mean (Q(s, a, g) - r - gamma (1 - d) V(s', g))^2              (6)
//   alpha follows lambda / 2 e                          (3) of learner/rules/actor_critic.h
// a~ ~ pi(. | s, g); V: the network as it is, Vbar: its slow copy; d = 1 at a true end.
//
// `virel` is the other form: two critics that are their own values (learner/rules/sac.h).
// Where this differs from the authors' code: (6) is a running mean over minibatches, not the mean
// of 4,096 fresh rows an update, which would be six times the work of the update; two small
// penalties on the policy's outputs, of weight 0.001, are left out. agent.residual_scale is twice
// their beta_scale.
#ifndef LEARNER_RULES_BETA_H
#define LEARNER_RULES_BETA_H

#include "learner/rules/actor_critic.h"
#include "learner/worth/reward.h"

struct mlp_tape;

struct beta {
  struct actor_critic base;  // its V is Vbar(s', g), its y is y_Q
  struct reward reward;
  struct net value;
  float mean_reward, residual;  // of the last minibatch
  struct mlp_tape *tape;        // of the value network
  float *block;                 // holds the following
  float *r;                     // (B)
  float *next_value;            // (B) V(s', g)
  float *dv;                    // (B) dF_V / dV
};

// Nets: policy, critic1, log_alpha, value.
extern const struct rule beta_rule;

#endif
