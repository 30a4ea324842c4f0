// odac.h - Outcome-Driven Actor-Critic: the update rule, line by line as in the paper.
// Rudner, Pong, McAllister, Gal, Levine, "Outcome-Driven Reinforcement Learning via Variational
// Inference", NeurIPS 2021, arXiv:2104.10190.
//
// Symbols. s, a, s': a transition; g: a desired outcome; p_d(g | s, a): density of g as the outcome
// of the next step (learner/worth/outcome.h); gamma: prior probability that the outcome is NOT
// reached at the next step; q0: the same of the posterior, inferred; a' ~ pi(. | s', g),
// a~ ~ pi(. | s, g), one sample each; means are over the B rows of a minibatch.
//
//   l    = log p_d(g | s, a)  [nats]                                          (1)  [paper 8]
//   N   <- decay N + (1 - decay) max_b |l|                                    (2)  [authors' code]
//   cl   = c l,  c = k / N                                                    (3)  [authors' code]
//   V    = min_i Qbar_i(s', a', g) - alpha log pi(a' | s', g)                 (4)  [paper 6; SAC]
//   q0   = sigmoid((V - cl) / kappa + logit(gamma)), at most q_max            (5)  [paper 9; below]
//   KL   = KL(Bern(q0) || Bern(gamma))                                        (6)  [paper 8]
//   r    = (1 - q0) cl - kappa KL                the derived reward           (7)  [paper 8]
//   y    = r + q0 V                                                           (8)  [paper 7]
//   F_Q  = mean (Q_i(s, a, g) - y)^2,  i = 1, 2                               (9)  [Algorithm 1]
//   F_pi = mean (alpha log pi(a~ | s, g) - min_i Q_i(s, a~, g))               (10) [Algorithm 1]
//   F_alpha = -log alpha mean(log pi(a~ | s, g) + H)                          (11) [SAC]
//   F_p  = -mean log p_d(phi(s') | s, a)                                      (12) [Algorithm 1]
//   Qbar_i <- (1 - tau) Qbar_i + tau Q_i                                      (13) [SAC]
//
// [paper n]: equation n of the paper's poster; [Algorithm 1]: the paper's, with the signs that make
// each F a loss; [SAC]: Haarnoja et al., arXiv:1812.05905; [authors' code]: the research code of
// the paper's authors, 2020, on top of rlkit; [ours]: neither. One update computes (1) to (12) with
// the same parameters, then steps all nets, N and the slow copies. Code: (4), (9) to (11), (13) in
// learner/agent/agent.h, (5) to (8) in learner/rules/backup.h, (1), (12) in
// learner/worth/outcome.h.
//
// With alpha = kappa = c = 1, q_max = 1 and exact expectations this is the paper's bound
// V(s, g) <= log p(g | s), and exp(V) the discounted density of the outcome, which
// tests/unit/test_tabular.c checks on a chain.
//
// Where it differs from the paper, why, and the setting that undoes it:
//
//   here                           paper, or [authors' code]       why; undone by
//   -----------------------------  ------------------------------  ------------------------------
//   (5) has V(s', g)               (9) has Q(s, a, g)              V maximises the bound; with Q,
//                                                                  q0 >= gamma / (1 + gamma)
//                                                                  always; [authors' code] has V,
//                                                                  too; none
//   (5) q0 at most gamma           no bound; [authors' code]       keeps the backup a
//                                  offers this one                 gamma-contraction;
//                                                                  odac.discount_max=0.999999
//   (7) subtracts the KL           subtracts; [authors' code]      the bound needs the minus;
//                                  adds it                         odac.time_kl_sign=1 adds
//   (3) c = k / N, k = 10          c = 1; [authors' code] has      |l| is 1 to 1e6, by task; none
//                                  k = 1, 10 or 100                for c = 1; odac.reward_scale=100
//   (2) N starts at the first      [authors' code] starts at 1     c l would start that many times
//   minibatch's max |l|                                            too large; none
//   (5), (7) kappa = 1 beside c    kappa = c = 1                   kappa = 1 is the paper's number,
//                                                                  but the bound holds at kappa =
//                                                                  c; odac.time_temperature
//   (4), (10) alpha starts at      alpha = 1 fixed;                the scale c asks for a small
//   one, 0.01, adapted by (11)          [authors' code] adapts, from 1  which (11) finds by itself;
//                                                                  odac.alpha_auto=false
//                                                                  odac.alpha=1
//   no log p(a | s) in (4), (10)   KL(pi || prior)                 a uniform prior is a constant,
//                                                                  shifts V by at most alpha A log
//                                                                  2 a step; [authors' code]; none
//   two critics, the smaller one,  one critic                      overestimation; [authors' code],
//   and slow copies                                                [SAC]; none
//   one a', one s' in (4)          expectations                    a minibatch has one; optimistic
//                                                                  where dynamics are random; none
//   gamma = 0.97                   [authors' code] 0.99            best of our trials on six tasks;
//                                                                  odac.gamma=0.99
//   tau = 0.005                    [authors' code] 0.001           faster; odac.tau=0.001
//   p_d: Laplace, one scale a      Gaussian or Laplace,            linear in the distance; the
//   floor dimension, in [0.01, 7.389]    [authors' code] tried floors    bounds |l|;
//                                  of 0.1 to 0.001                 outcome.likelihood=gaussian
//                                                                  outcome.scale=head
//                                                                  outcome.scale_min=0.000001
//                                                                  outcome.scale_max=1000000
//   last bias of the critics set   [authors' code] sets it at      a level of 0 is far from cl; at
//   once, to mean(cl - alpha       every update, to                every update it undoes learning;
//   log pi)                        mean(l - alpha log pi)          odac.bias_init=false
//   a true end: V = cl             no ends                         nothing follows; none needed
//   g: one of k = 4 later          any later outcome, drawn        an actor draws the indices, so
//   outcomes of a step, fixed      anew for each minibatch         that an episode is a function of
//                                                                  its ticket;
//                                                                  replay.hindsight_k=64
//   each row keeps its rollout's   exactly 0.2 of the rows         rows are drawn independently;
//   goal with probability 0.2                                      share: replay.hindsight; none
//   networks, and p_d, see         plain numbers                   metres and radians need no care;
//   standardised numbers                                           net.standardize=false
//   log std of pi in [-20, 2]      [authors' code] has no bound    exp stays finite; none
//   actors explore: random 0.3,    [authors' code] so on Fetch     one set for all tasks;
//   repeat 0.5                     and 2-D tasks, none elsewhere   explore.random=0
//   explore.repeat=0 the policy that acts is        acts with the newest            many actors,
//   same result; ledger.window episodes old                                     ledger.window=1
#ifndef LEARNER_RULES_ODAC_H
#define LEARNER_RULES_ODAC_H

#include <stdint.h>

#include "learner/rules/backup.h"
#include "learner/rules/rule.h"

struct outcome;

// Figures of one update, means over the minibatch: F(name, unit, help).
#define ODAC_FIGURES(F)                                    \
  F(loss_q, "nats^2", "mean F_Q of both critics")          \
  F(loss_pi, "nats", "F_pi")                               \
  F(nll, "nats", "F_p")                                    \
  F(alpha, "", "temperature, after the update")            \
  F(q0, "", "inferred discount")                           \
  F(kl, "nats", "time KL")                                 \
  F(log_lik, "nats", "outcome log-likelihood l, unscaled") \
  F(log_lik_max, "nats", "largest |l| of the minibatch")   \
  F(scale, "", "c")                                        \
  F(value, "", "V")                                        \
  F(q, "", "smaller of both critics at (s, a, g)")         \
  F(entropy, "nats", "-log pi(a~ | s, g)")

struct odac_figures {
#define F(name, unit, help) float name;
  ODAC_FIGURES(F)
#undef F
};

struct odac {
  // settings
  uint64_t seed;
  struct backup_options backup;
  double reward_scale, reward_decay;  // k, decay
  bool bias_init;

  // state, beside the nets
  double N;
  struct outcome *outcome;

  struct odac_figures figures;

  // work, rows of one minibatch
  int max_batch;
  float *block;        // holds the following
  float *next_act;     // (B x act)  a'
  float *next_logp;    // (B)        log pi(a' | s', g)
  float *l, *cl;       // (B)
  float *V;            // (B)
  float *y, *q0, *kl;  // (B)
};

// Nets: policy, critic1, critic2, log_alpha, outcome. Noise of update u: (seed, RNG_UPDATE, u).
extern const struct rule odac_rule;

#endif
