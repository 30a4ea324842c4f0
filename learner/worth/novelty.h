// novelty.h - how new a state is: random network distillation.
//
//   x = (s', phi(s')), standardised
//   f(x)  a random network that never changes, g(x) one that learns to foretell it, both to 16
//         numbers
//   e = mean_k (g_k - f_k)^2,  F_g = mean e                                                   (1)
//   novelty = min(e / mean e, 10), where means are over the rows at hand                      (2)
// g foretells f where states are many, and errs where they are few. (2) has no unit and does not
// fade: what is rare is worth the same at the end of a run as at its beginning, and since it steers
// behaviour alone (learner/agent/heads.h), it need not.
//
// Burda, Edwards, Storkey, Klimov 2019, arXiv:1810.12894; a bonus that steers other policies than
// the one that is wanted: Badia et al. 2020, arXiv:2002.06038. (2) is [ours].
//
// Losses and gradients go into its nets; nothing here steps a parameter. Not thread-safe; only
// novelty_new allocates.
#ifndef LEARNER_WORTH_NOVELTY_H
#define LEARNER_WORTH_NOVELTY_H

struct batch;
struct config;
struct nets;
struct novelty;
struct policy_shape;
struct scaling;

// Appends its nets, "novelty" and "novelty_aim" (f), to the list. Settings: train.batch. scaling is
// borrowed. Free with novelty_free.
struct novelty *novelty_new(struct nets *nets, const struct config *cfg,
                            const struct policy_shape *shape, const struct scaling *scaling);
void novelty_free(struct novelty *n);  // NULL is allowed

// (2) into out (B), for the next states of b; and (1) with its gradient.
void novelty_loss(struct novelty *n, float *out, const struct batch *b);

#endif
