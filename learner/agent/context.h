// context.h - a latent context: what is hidden in a family of tasks, inferred from transitions.
//
// The members of a family differ in parameters of the model that no sensor shows. Networks see a
// context z beside their inputs (side.h), which an encoder infers from N transitions of a member:
//   (m_n, o_n) = enc(s_n, a_n, sqrt(horizon) (s'_n - s_n), r_n),  tau_n = exp(clip(o_n, -10, 10))
//   (1) Lambda = 1 + sum_n tau_n,  mu = sum_n tau_n m_n / Lambda,  sigma^2 = 1 / Lambda (2) z = mu
//   + sigma eps,  eps ~ N(0, I)                                                        (3) F =
//   sum_i F_Qi + beta KL(N(mu, sigma^2) || N(0, I))                                       (4) KL =
//   1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - log sigma_k^2)
// (2) is the posterior of Gaussian factors N(z; m_n, 1 / tau_n) with the prior N(0, I): no
// transition leaves the prior, and each one adds what it knows. What z means is learned by what the
// critics need to know; the policy's gradient does not reach the encoder.
//
// Rakelly et al. 2019, PEARL, arXiv:1903.08254, equations 1 and 2 [ours: the prior as a factor, the
// change of the state as an input, and the minibatch's own rows as transitions].
//
// In each part of a minibatch all rows are of one member, and the first half of them is what z is
// inferred from. Losses and gradients go into its net; nothing here steps a parameter. Not
// thread-safe; only context_new allocates.
#ifndef LEARNER_AGENT_CONTEXT_H
#define LEARNER_AGENT_CONTEXT_H

struct batch;
struct config;
struct context;
struct nets;
struct policy_shape;
struct rng;
struct scaling;

enum { CONTEXT_MAX_SIZE = 64 };

// Appends its net, "context", to the list. Settings: the group context, agent.lr, train.batch,
// worth.reward. horizon: steps of an episode. scaling is borrowed. Free with context_free.
struct context *context_new(struct nets *nets, const struct config *cfg,
                            const struct policy_shape *shape, const struct scaling *scaling,
                            int horizon);
void context_free(struct context *c);  // NULL is allowed

// (1) to (3) from the first half of the rows of b, NULL: from nothing: z (context.size). rng NULL:
// z = mu.
void context_infer(struct context *c, float *z, const struct batch *b, struct rng *rng);

// (4) and its gradient for the z of the last context_infer, which had an rng: critics is sum_i F_Qi
// and dz (context.size) its derivative by z.
void context_loss(struct context *c, double critics, const float *dz);

// (2) alone, of n transitions: mu and sigma^2 (size) from rows (m_n, o_n) of head (n x 2 size).
void context_posterior(double *mu, double *variance, const float *head, int n, int size);

#endif
