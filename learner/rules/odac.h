// odac.h - Outcome-Driven Actor-Critic: the update rule, line by line as in the paper.
// Rudner, Pong, McAllister, Gal, Levine, "Outcome-Driven Reinforcement Learning via Variational
// Inference", NeurIPS 2021, arXiv:2104.10190.
//
// Symbols. s, a, s': a transition; g: the desired outcome; phi(s): the outcome that s is;
// p_d(g | s, a): density of g as the outcome one step from now; gamma: prior probability that the
// outcome is NOT reached at the next step, q0: its posterior probability, inferred. One sample each
// of a' ~ pi(. | s', g) and a~ ~ pi(. | s, g). Means are over the B rows of a minibatch.
//
//   l      = log p_d(g | s, a)  [nats]                                     (1)  [paper 8]
//   N     <- decay N + (1 - decay) (max_b l - min_b l)                     (2)  [ours]
//   cl     = c l,  c = k / N,  kappa = t c                                 (3)  [authors' code]
//   V      = min_i Qbar_i(s', a', g) - alpha log pi(a' | s', g)            (4)  [paper 6] [SAC]
//   q0     = sigmoid((V - cl) / kappa + logit(gamma)), at most q_max;
//            0 at a true end                                               (5)  [paper 9]
//   KL     = KL(Bern(q0) || Bern(gamma))                                   (6)  [paper 8]
//   r      = (1 - q0) cl - kappa KL            the derived reward          (7)  [paper 8]
//   y      = r + q0 V                                                      (8)  [paper 7]
//   F_Q    = mean (Q_i(s, a, g) - y)^2,  i = 1, 2                          (9)  [paper, Alg. 1]
//   F_pi   = mean (alpha log pi(a~ | s, g) - min_i Q_i(s, a~, g))          (10) [paper, Alg. 1]
//   F_alpha = -log alpha mean(log pi(a~ | s, g) + H)                       (11) [SAC]
//   F_p    = -mean log p_d(phi(s') | s, a)                                 (12) [paper, Alg. 1]
//   Qbar_i <- (1 - tau) Qbar_i + tau Q_i                                   (13) [SAC]
//
// [paper n]: equation n of the poster of the paper. [paper, Alg. 1]: its algorithm, with the
// signs that make each F a loss. [SAC]: Haarnoja et al., arXiv:1812.05905. [authors' code]: the
// research code of the paper's authors, 2020. [ours]: neither. k: odac.reward_scale, t:
// odac.time_temperature.
// One update computes (1) and (3) to (12) with the same parameters, then steps all nets, then (2)
// and (13). Before the first one, in this order: the scales of what networks see are measured;
// p_d alone descends on (12); N is max_b l - min_b l, and the last bias of critics and slow copies
// is mean(cl - alpha log pi(a' | s', g)), both of the first minibatch.
// Units: l, distances and scales of p_d are in the task's own goal units; networks see standardised
// numbers (learner/agent/scaling.h); k sets the size of values alone, since kappa follows c.
// Code: odac.c calls them in this order; (1), (12): learner/worth/outcome.h; (4): actor_critic.c;
// (9) to (11): learner/agent/agent.c; (5) to (8): learner/rules/backup.h; (13):
// learner/agent/net.c.
//
// With alpha = kappa = c, q_max = 1 and exact expectations V / c is the paper's lower bound on
// log p(g | s), which tests/unit/test_theorems.c holds against an enumeration. On a chain it is the
// log of the discounted density of the outcome itself (tests/unit/test_tabular.c).
//
// `telos rules` has these names for it and for what other settings make of it:
//   odac, and odac-fixed-pd, odac-fixed-qt, odac-fixed-both: the paper's ablations
//   virel-odac  V without log pi, and alpha follows the critics' error (actor_critic.h)
//
// Every place where this differs from the paper:
//
//   eq.       here                                   paper, or else [authors' code]
//             why                                                   undone by
//   --------- ------------------------------------------------------------------------------------
//   (1)       p_d is a radial Laplace density        Gaussian; [authors' code]: both, by numbers
//             [ours]: its order of two outcomes is that of their    outcome.likelihood=gaussian
//             distances, and far goals do not outweigh all others
//   (1)       p_d has one scale, scalar              [authors' code]: one a number, or a head
//             no number of an outcome gets a weight of its own      outcome.scale=head
//   (1)       goal units as the task has them        [authors' code]: some divided by deviations
//             [ours]: the distance that counts is the task's        nothing
//   (1)       scales between a floor and a ceiling   none; [authors' code]: floors .001 to .1
//             l falls without end as p_d gets better; relative to   outcome.scale_min=1e-9
//             the spread of goals, which makes one floor fit all    outcome.scale_max=1e6
//   (2)       N is the range of l                    [authors' code]: max_b |l|
//             [ours]: a constant in l only shifts V, and must not   nothing
//             change c
//   (2)       N starts at the first minibatch        [authors' code]: at 1
//             cl would start as many times too large as N is        nothing
//   (3)       c = k / N                              c = 1; [authors' code]: k from 1 to 100
//             N is 1 to 1e6, by task; critics want numbers of       nothing for c = 1;
//             order 1 to 100                                        odac.reward_scale=100
//   (3)       kappa = t c                            1; [authors' code]: 1 beside any c
//             [ours]: the bound needs kappa = c, and with it k      nothing; fixed q0:
//             changes no q0                                         odac.time_temperature=1e6
//   (4), (8)  one a', one s'                         expectations
//             a minibatch has one of each; too high by the spread   nothing
//             of V where dynamics are random; [authors' code]
//   (4), (9)  two critics, the smaller one; Qbar     one critic
//             values are overestimated otherwise; [authors' code]   nothing
//   (4), (10) alpha starts small, adapts by (11)     alpha = 1; [authors' code]: adapts, from 1
//             a cl of order k wants an entropy of its own scale     agent.temperature=constant
//                                                                   agent.alpha=1
//   (4), (10) log pi                                 log pi - log p(a), p the action prior
//             uniform: a constant, alpha log 2 per action and       nothing
//             step; [authors' code] leaves it out
//   (5)       V(s', g)                               [paper 9] prints Q(s, a, g)
//             V maximises (8); with Q, q0 could not fall below      nothing
//             gamma / (1 + gamma); [authors' code] has V
//   (5)       gamma = 1 - 1 / horizon, 0.5 to 0.97   [authors' code]: 0.99
//             [ours]: looks as far ahead as an episode lasts, but   agent.gamma=0.99
//             not so far that one action is lost in the noise
//   (5)       q0 is at most q_max = gamma            no bound; [authors' code]: a choice
//             the backup stays a gamma-contraction                  odac.discount_max=0.999999
//   (5)       q0 = 0 at a true end, for every q_max  no ends
//             [ours]: nothing follows it, V = -infinity, so that    nothing
//             y = cl + kappa log(1 - gamma)
//   (5), (8)  q0 belongs to Delta_t+1                [paper 8] prints Delta_t
//             the paper's Theorem 1 has t + 1                       nothing
//   (7)       the KL is subtracted                   subtracted; [authors' code]: added
//             the bound needs the minus                             odac.time_kl_sign=1
//   (9)       level of the critics set once          not set; [authors' code]: every update
//             they start near their target, and then learn freely   odac.bias_init=false
//   (12)      p_d is fitted alone first              with all others from the start
//             [ours]: N and the level are wrong by several times    outcome.prefit=0
//             while scales still fall
//   (13)      tau = 0.005                            [authors' code]: 0.001
//             learns faster                                         agent.tau=0.001
//   g         one of k later outcomes, drawn once    [authors' code]: drawn for each minibatch
//             an episode is a function of its ticket; the more      replay.hindsight_k=64
//             indices, the closer
//   g         a row keeps its goal by chance         [authors' code]: exactly 0.2 of the rows
//             rows are drawn independently; the share is the same   nothing
//   s, g      networks see standardised numbers      plain numbers
//             metres, radians and their rates need no care          net.standardize=false
//   pi        log std is kept in [-20, 2]            [authors' code]: no bounds
//             exp stays finite, [SAC]; outside, the gradient that   nothing
//             leads back is kept
//   nets      one size for all tasks                 [authors' code]: 400,300 or 64,64
//             fast enough for a laptop                              net.hidden=400,300
//   a         random and repeated actions            none; [authors' code]: on some tasks
//             without them nothing is ever touched on some tasks    explore.none=1
//   a         each episode explores at its own level [authors' code]: all alike, 0.3 and 0.5
//             [ours]: some tasks need none of it, and all need to   explore.none=0
//             see the policy alone; drawn from the ticket           explore.least=1
//   a         an older policy acts                   the newest
//             many actors, one result                               nearest: ledger.window=1
#ifndef LEARNER_RULES_ODAC_H
#define LEARNER_RULES_ODAC_H

#include <stdint.h>

#include "learner/rules/actor_critic.h"
#include "learner/rules/backup.h"

struct outcome;

// Figures of one update beside those of actor_critic.h: F(name, unit, help, what it is over the
// minibatch).
#define ODAC_FIGURES(F)                                          \
  F(nll, "nats", "F_p", MEAN)                                    \
  F(q0, "", "inferred discount", MEAN)                           \
  F(kl, "nats", "time KL", MEAN)                                 \
  F(log_lik, "nats", "outcome log-likelihood l, unscaled", MEAN) \
  F(log_lik_lowest, "nats", "smallest l", LOWEST)                \
  F(log_lik_highest, "nats", "largest l", HIGHEST)               \
  F(scale, "", "c", MEAN)

struct odac_figures {
#define F(name, unit, help, combine) float name;
  ODAC_FIGURES(F)
#undef F
};

struct odac {
  struct actor_critic base;

  // settings
  struct backup_options backup;       // kappa follows c
  double time_temperature;            // kappa / c
  double reward_scale, reward_decay;  // k, decay
  uint64_t prefit;                    // steps of the outcome model alone
  bool bias_init;

  // state, beside the nets
  double N;
  struct outcome *outcome;

  struct odac_figures figures;

  // work, rows of one minibatch
  float *block;    // holds the following
  float *l, *cl;   // (B)
  float *q0, *kl;  // (B)
};

// Nets: policy, critic1, critic2, log_alpha, outcome. Noise of part i of update u, of so many
// parts: (seed, RNG_UPDATE, u parts + i).
extern const struct rule odac_rule;

#endif
