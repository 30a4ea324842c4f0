// discriminator.h - whether a goal was achieved, learned by telling it from other goals.
//
//   u(x)   = xi(x) / |xi(x)|                        an embedding of goals, a network          (1)
//   f_ij   = beta u(phi(s'_i)) . u(g_j),  beta = K + 1                                        (2)
//   log q_i = f_ii - log(sum_j exp f_ij),  j over i and its K decoys                          (3)
//   F_xi   = -mean_i log q_i                                                                  (4)
// A decoy is the goal of another row of the minibatch: rows i + 1, .., i + K, from the end on to
// the front. One that equals the goal itself is left out, so that a fixed goal, which many rows
// share, is nobody's decoy. Pairs are (phi(s'), g) with g after relabelling: with commanded goals
// alone, a task that has one goal would teach nothing.
//
// Warde-Farley et al. 2018, arXiv:1811.11359: (1) to (4), with images and with decoys from a buffer
// of goals; its reward comes at the end of an episode only.
//
// Losses and gradients go into its net; nothing here steps a parameter. Not thread-safe; only
// discriminator_new allocates.
#ifndef LEARNER_WORTH_DISCRIMINATOR_H
#define LEARNER_WORTH_DISCRIMINATOR_H

struct batch;
struct config;
struct discriminator;
struct nets;
struct policy_shape;
struct scaling;

// Appends its net, "embedding", to the list. Settings: the group discern, train.batch, of which K
// is less than. scaling is borrowed. Free with discriminator_free.
struct discriminator *discriminator_new(struct nets *nets, const struct config *cfg,
                                        const struct policy_shape *shape,
                                        const struct scaling *scaling);
void discriminator_free(struct discriminator *d);  // NULL is allowed

// (1)-(3) of the rows of b: loglik (B), at most 0; keeps what discriminator_loss needs.
void discriminator_loglik(struct discriminator *d, float *loglik, const struct batch *b);

// Mean |xi| of the last forward: it has no part in (2), so that a number which went wrong would not
// be seen there.
float discriminator_size(const struct discriminator *d);

// (4) and its gradient, on the batch last given to discriminator_loglik; returns (4).
double discriminator_loss(struct discriminator *d);

#endif
