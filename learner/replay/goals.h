// goals.h - goals that the learner sets: outcomes that were reached before, the rarer the likelier.
//
//   x_1 .. x_M  outcomes phi(s') of transitions from replay, in standard deviations
//   p_i = 1/M sum_j exp(-|x_i - x_j|^2 / (2 h^2)),  h = M^(-1 / (d + 4))                    (1)
//   w_i = (1 / p_i) / sum_k (1 / p_k)                                                       (2)
// Goals are drawn among the x_i with replacement, with probabilities w_i.
// So goals spread evenly over what was reached, where replay crowds where the policy is at home: an
// episode that sets out for the edge of it explores from there. (1): a kernel density with Scott's
// bandwidth; (2): Pong et al. 2019, Skew-Fit, arXiv:1903.03698, with exponent -1.
#ifndef LEARNER_REPLAY_GOALS_H
#define LEARNER_REPLAY_GOALS_H

#include "common/base/rng.h"

struct replay;
struct dims;

enum { GOALS_CANDIDATES = 256 };  // M

// n goals (n x dims->goal) from a replay that is not empty. A function of its contents and rng.
void goals_choose(float *goals, int n, const struct replay *r, const struct dims *dims,
                  struct rng *rng);

#endif
