// adversary.h - a reward that is learned from demonstrations: what tells their actions from the
// policy's own.
//
//   D(s, a, g) = exp f / (exp f + pi(a | s, g)),  so  logit D = f(s, a, g) - log pi(a | s, g)   (1)
//   F_f    = -1/2 mean log D over demonstrations - 1/2 mean log(1 - D) over other rows       (2)
// with the policy as it is now, whoever chose the action. At the best f, exp f is the density of
// the demonstrations' actions where both kinds have the same states: their reward, up to what does
// not change the choice of actions.
//
// Finn, Christiano, Abbeel, Levine 2016, arXiv:1611.03852: maximum entropy inverse reinforcement
// learning as a discriminator; Fu, Luo, Levine 2018, arXiv:1710.11248.
//
// Losses and gradients go into its net; nothing here steps a parameter. Not thread-safe; only
// adversary_new allocates.
#ifndef LEARNER_WORTH_ADVERSARY_H
#define LEARNER_WORTH_ADVERSARY_H

struct adversary;
struct batch;
struct config;
struct nets;
struct policy_shape;
struct scaling;

// Appends its net, "reward", to the list. Settings: the group adversary, train.batch. scaling is
// borrowed. Free with adversary_free.
struct adversary *adversary_new(struct nets *nets, const struct config *cfg,
                                const struct policy_shape *shape, const struct scaling *scaling);
void adversary_free(struct adversary *m);  // NULL is allowed

// f (B) at the rows of b; keeps what adversary_loss needs.
void adversary_reward(struct adversary *m, float *f, const struct batch *b);

// (2) and its gradient, on the batch last given to adversary_reward, of whose actions the policy
// has the log-densities logp (B); returns (2). A kind of row that b lacks has no part in it.
double adversary_loss(struct adversary *m, const struct batch *b, const float *logp);

#endif
