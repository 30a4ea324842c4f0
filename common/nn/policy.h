// policy.h - tanh-Gaussian policy pi(a | s, g) on top of a network head.
//
// The network maps concat(s, g) to the head h = (mu, o), each act wide:
//   s_i = clip(o_i, -20, 2)    log standard deviation                                     (1)
//   u   = mu + exp(s) eps,   a = tanh(u),   eps ~ N(0, I)                                 (2)
//   log pi = sum_i [ -eps_i^2/2 - s_i - log(2 pi)/2 - 2 (log 2 - u_i - softplus(-2 u_i)) ]  (3)
// Gradients with eps fixed, for J = sum_b [ T_b log pi_b ] + (terms in a with dJ/da = da):
//   dJ/dmu_i = T 2 a_i + (1 - a_i^2) da_i                                                 (4)
//   dJ/do_i  = T (-1 + 2 a_i e_i) + (1 - a_i^2) e_i da_i,    e_i = exp(s_i) eps_i         (5)
//              where (1) clips: 0 if a descent step would lead further out, else as it is, since
//              a head that no gradient reaches would stay outside for ever
// Source: Haarnoja et al. 2018 (arXiv:1812.05905), appendix C.
// Evaluation uses a = tanh(mu).
//
// Arrays are row-major float32, B rows. Nothing allocates; nothing returns an error.
#ifndef COMMON_NN_POLICY_H
#define COMMON_NN_POLICY_H

// Numbers that a policy is made for: one of obs + goal inputs and 2 act outputs.
struct policy_shape {
  int obs, goal, act;
};

static inline int policy_inputs(const struct policy_shape *shape) {
  return shape->obs + shape->goal;
}

static inline int policy_outputs(const struct policy_shape *shape) {
  return 2 * shape->act;
}

// Eqs. (1)-(3). head (B x 2 act), eps (B x act) -> a (B x act), logp (B).
void policy_sample(float *a, float *logp, const float *head, const float *eps, int B, int act);

// Eqs. (4)-(5). temperature T weighs log pi, scale multiplies the whole result (1/B for a mean);
// a and eps are those of policy_sample, da (B x act) = dJ/da without the log pi term.
// dhead (B x 2 act) is overwritten.
void policy_backward(float *dhead, const float *head, const float *a, const float *eps,
                     const float *da, float temperature, float scale, int B, int act);

// Eq. (1) of one number; and, for rules with losses of their own, what is left of dJ/do given
// dJ/ds: where (1) clips, only what leads back.
float policy_log_std(float o);
float policy_inward(float o, float ds);

// log pi (B) of actions that somebody chose, with the clip of (6): a (B x act).
void policy_density(float *logp, const float *head, const float *a, int B, int act);

// Maximum likelihood of actions that somebody else chose: with u = atanh(clip(a, +-0.999)),
//   F = scale sum_b w_b (-log pi(a_b))                                                    (6)
//   z_i = (u_i - mu_i) / sigma_i,  dF/dmu_i = -scale w_b z_i / sigma_i,
//   dF/ds_i = scale w_b (1 - z_i^2)
// where actions at the ends of their range would otherwise outweigh all others. Adds these to dhead
// (B x 2 act), returns F. a (B x act), weight w (B).
double policy_fit(float *dhead, const float *head, const float *a, const float *weight, float scale,
                  int B, int act);

// One row for a rollout: eps (act) NULL gives the deterministic action tanh(mu).
void policy_act(float *a, const float *head, const float *eps, int act);

#endif
