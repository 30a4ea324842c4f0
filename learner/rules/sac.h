// sac.h - soft actor-critic on a reward that is given, and what becomes of it with other settings.
// Haarnoja, Zhou, Hartikainen, Tucker, Ha, Tan, Kumar, Zhu, Gupta, Abbeel, Levine, "Soft
// Actor-Critic Algorithms and Applications", 2018, arXiv:1812.05905.
//
//   r      = the task's reward, or one of a goal, learner/worth/reward.h   (1)
//   V      = min_i Qbar_i(s', a', g) - alpha log pi(a' | s', g)            (2)  [SAC 3]
//   y      = r + gamma (1 - d) V,  d = 1 at a true end                     (3)  [SAC 2]
//   F_Q    = mean (Q_i(s, a, g) - y)^2,  i = 1, 2                          (4)  [SAC 5]
//   F_pi   = mean (alpha log pi(a~ | s, g) - min_i Q_i(s, a~, g))          (5)  [SAC 9]
//   F_alpha = -log alpha mean(log pi(a~ | s, g) + H)                       (6)  [SAC 18]
//   Qbar_i <- (1 - tau) Qbar_i + tau Q_i                                   (7)
// a' ~ pi(. | s', g), a~ ~ pi(. | s, g), one sample each; means are over the B rows of a minibatch.
//
// `telos rules` has these names for it:
//   sac    as above, on the task's reward, or else on minus the distance
//   her    the sparse reward, with goals relabelled in hindsight (Andrychowicz et al. 2017,
//          arXiv:1707.01495)
//   virel  V without the entropy, and alpha follows the critics' error (actor_critic.h): the
//          variational policy's E-step is (5), its M-step (4) (Fellows et al. 2019,
//          arXiv:1811.01132)
//
// Where this differs from the papers: SAC's alpha has a log alpha that Adam moves, as in the
// authors' later code; VIREL has two critics and no network for V; gamma follows from the horizon,
// up to 0.99 on the task's reward and 0.97 on a goal (agent.gamma).
#ifndef LEARNER_RULES_SAC_H
#define LEARNER_RULES_SAC_H

#include "learner/rules/actor_critic.h"
#include "learner/worth/reward.h"

struct sac {
  struct actor_critic base;
  struct reward reward;
  float mean_reward;  // of the last minibatch
  float *r;           // (B)
};

// Nets: policy, critic1, critic2, log_alpha.
extern const struct rule sac_rule;

#endif
