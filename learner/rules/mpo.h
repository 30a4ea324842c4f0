// mpo.h - maximum a posteriori policy optimisation: the policy is fitted to its own actions,
// weighted by what they are worth. Abdolmaleki, Springenberg, Tassa, Munos, Heess, Riedmiller,
// "Maximum a Posteriori Policy Optimisation", ICLR 2018, arXiv:1806.06920. VIREL (arXiv:1811.01132)
// derives it as its own E-step with a policy that is kept near the last one.
//
//   y      = r + gamma (1 - d) V,  V = min_i Qbar_i(s', a', g)                         (1)
//   F_Q    = mean (Q_i(s, a, g) - y)^2                                                 (2)
//   E-step: M actions a_j = tanh(mu0 + sigma0 eps_j) of the slow policy in each state s
//   w_j    = exp(Q_j / alpha) / sum_k exp(Q_k / alpha),  Q_j = min_i Qbar_i(s, a_j, g)  (3)
//   F_alpha = alpha kl + alpha mean log (1/M sum_j exp(Q_j / alpha))                   (4)
//   M-step, by the Gaussian before tanh, whose mean and deviation move apart:
//   F_pi   = -mean sum_j w_j [log N(u_j; mu, sigma0) + log N(u_j; mu0, sigma)]
//            + nu_mean K_mean + nu_std K_std                                           (5)
//   K_mean = mean KL(N(mu0, sigma0) || N(mu, sigma0)),  K_std likewise for sigma       (6)
//   F_nu   = nu_mean (kl_mean - K_mean) + nu_std (kl_std - K_std)                      (7)
// (mu, sigma): the policy; (mu0, sigma0): its slow copy, as in eq. (5) of learner/agent/agent.h.
// alpha = exp(log_alpha), nu = exp(trust): multipliers of the bounds kl, kl_mean, kl_std, which are
// settings of the group mpo. A weight depends on the noise alone, so (5) needs of all M actions but
//   m1 = sum_j w_j eps_j,  m2 = sum_j w_j eps_j^2                                      (8)
//
// Where this differs from the paper: two critics, the smaller one, slow by a Polyak average and not
// by copies now and then; one action in place of an expectation in (1).
#ifndef LEARNER_RULES_MPO_H
#define LEARNER_RULES_MPO_H

#include "learner/rules/actor_critic.h"
#include "learner/worth/reward.h"

// Figures of one update beside those of actor_critic.h.
#define MPO_FIGURES(F)                                            \
  F(reward, "", "r", MEAN)                                        \
  F(kl, "nats", "of the weights from equal ones, under kl", MEAN) \
  F(kl_mean, "nats", "K_mean", MEAN)                              \
  F(kl_std, "nats", "K_std", MEAN)

struct mpo_figures {
#define F(name, unit, help, combine) float name;
  MPO_FIGURES(F)
#undef F
};

struct mpo {
  struct actor_critic base;
  struct reward reward;
  struct net trust;  // log nu_mean, log nu_std
  int M;
  double kl, kl_mean, kl_std;
  struct mpo_figures figures;
  float *block;  // holds the following
  float *r;      // (B)
  float *head;   // (B x 2 act)     of the slow policy
  float *eps;    // (M x B x act)
  float *q;      // (M x B)         Q_j, then w_j
  float *act;    // (B x act)       one a_j of each row
  float *logp;   // (B)
  float *dhead;  // (B x 2 act)
};

// (3) in place of q, M numbers `stride` apart.
struct mpo_weights {
  double log_mean;  // log (1/M sum_j exp(q_j / alpha))
  double mean_q;    // sum_j w_j q_j
  double kl;        // sum_j w_j log(M w_j) [nats]
};
struct mpo_weights mpo_weigh(float *q, double alpha, int M, int stride);

// Nets: policy, critic1, critic2, log_alpha, trust.
extern const struct rule mpo_rule;

#endif
