// drive.h - distributional, model-based: actions are inferred by looking a few steps ahead in a
// learned model, and the value of an action is a distribution.
// From a note on distributional model-based reinforcement learning by variational inference, DRIVE.
//
//   networks (g where the task has a goal; x, x': s, s' as networks see them):
//   policy  q_phi(a | s, g)      the posterior: it acts
//   prior   pi_theta(a | s, g)   tanh-Gaussian, both
//   model   (s, g, a) -> f, rhat, e:  x' = x + D f,  r = R rhat,  1 - dhat = sigmoid(-e)     (1)
//   value   p_psi(U | s, a, g) = N(mu, sigma^2), U in units of R; mubar, sigmabar: its slow copy
//
//   look ahead: x_0 = x, a_0 ~ q_phi;  x_(n+1) by (1), a_(n+1) ~ pi_theta                    (2)
//   p_n    = gamma (1 - dhat_n)
//   m      = sum_(n < H) (prod_(k < n) p_k) rhat_n + (prod_(k < H) p_k) mubar(x_H, a_H)      (3)
//   v      = (prod_(k < H) p_k)^2 sigmabar(x_H, a_H)^2 + floor^2                             (4)
//   q(U)   = N(m, v), the H-step Bellman operator on the value
//   K_1    = KL(q_phi(. | s, g) || pi_theta(. | s, g))                                       (5)
//   K_2    = KL(q(U) || p_psi(U | s, a_0, g))                                                (6)
//   F_pi   = mean (-m + eta_prior K_1 + eta_value K_2), by phi and theta                     (7)
//   F_psi  = mean E_q(U) (-log p_psi(U | s, a_0, g))                                         (8)
//   F_f    = mean (|f - (x' - x) / D|^2 + (rhat - r / R)^2 - log p(d | e)) of replay's (s, a) (9)
// One sample of every action; the model is followed without noise. (7) goes back through all of (2)
// to (6) by hand; value, its copy and model stay as they are in it.
//
// `telos rules` has it as drive, on the task's reward or on minus the distance, and as
// drive-outcome, on the log-likelihood of the goal (learner/worth/reward.h, eq. 4).
//
// Choices where the note has none, [ours]: D and R are the root mean squares of x' - x and of r in
// the first minibatch, so that everything is of order 1; floor = 0.1 keeps (6) finite where an
// episode ends; sigma is at least drive.sigma_min: the policy stops to improve where m - mu =
// sigma^2 / eta_value, so that this has to be about one unit; the slope by a state of the
// look-ahead is cut to the length drive.clip in each row; layers are ReLU, as all here.
#ifndef LEARNER_RULES_DRIVE_H
#define LEARNER_RULES_DRIVE_H

#include <stdint.h>

#include "learner/rules/rule.h"
#include "learner/worth/reward.h"

enum { DRIVE_MAX_STEPS = 16 };

// Figures of one update: F(name, unit, help, what it is over the minibatch).
#define DRIVE_FIGURES(F)                            \
  F(loss_pi, "nats", "F_pi", MEAN)                  \
  F(loss_q, "nats", "F_psi", MEAN)                  \
  F(loss_model, "", "F_f", MEAN)                    \
  F(value, "", "m, in units of R", MEAN)            \
  F(sigma, "", "of the value, in units of R", MEAN) \
  F(kl_prior, "nats", "K_1", MEAN)                  \
  F(kl_value, "nats", "K_2", MEAN)                  \
  F(reward, "", "r", MEAN)                          \
  F(entropy, "nats", "-log q_phi(a_0 | s, g)", MEAN)

struct drive_figures {
#define F(name, unit, help, combine) float name;
  DRIVE_FIGURES(F)
#undef F
};

// One step of the look-ahead, rows of a minibatch.
struct drive_step {
  struct mlp_tape *prior, *model;  // at x_n: of pi_theta, of (1) with a_n
  const float *head;               // (B x 2 act) of pi_theta at x_n
  float *eps, *act;                // (B x act)   noise and action a_n
  float *p;                        // (B)         p_n
  float *rest;                     // (B)         what (3) has from step n on
};

struct drive {
  // settings
  uint64_t seed;
  double gamma, eta_prior, eta_value, clip;
  int H;
  struct reward reward;

  // state, beside the nets
  double D, R;

  struct net prior, model, value;
  struct drive_figures figures;

  // work, rows of one minibatch
  int obs, goal, act, max_batch;
  struct drive_step step[DRIVE_MAX_STEPS + 1];
  struct mlp_tape *value_tape, *slow_tape, *fit_tape;  // at (x, a_0), at (x_H, a_H), of (9)
  const float *out, *slow_out;                         // (B x 2) mu, log sigma of these
  int *every;                                          // 0, 1, .., B - 1
  float *block;                                        // holds the following
  float *r, *logp, *m, *v;                             // (B)
  float *by_m, *by_v;                                  // (B) dF_pi / dm, dF_pi / dv, times B
  float *gx, *ga;                                      // (B x obs), (B x act) by x_n, by a_n
  float *dx;                                           // (B x (obs + goal + act))
  float *dy;                                           // (B x (obs + 2)) by a network's outputs
  const float *head;                                   // (B x 2 act) of q_phi at x
  float *dhead, *dprior;  // (B x 2 act) by head, and by that of pi_theta
  float *by_action;       // (B x act) of K_2, by a_0
  float *grad;            // of the prior at one step
};

// Nets: policy, prior, model, value.
extern const struct rule drive_rule;

#endif
