// reward.h - the reward that a rule is given, where it does not derive one.
//
//   task      r = w r_task, the sum of the task's reward sensors                           (1)
//   distance  r = -w |phi(s') - g|                                                         (2)
//   sparse    r = 0 where |phi(s') - g| <= radius, else -w                                 (3)
// w: worth.scale. Distances and radius are in the task's own goal units, and g is the goal after
// relabelling, so that hindsight changes (2) and (3) and leaves (1) as it is.
// (2): the dense reward of the environments of ODAC's comparison. (3): Andrychowicz et al. 2017,
// arXiv:1707.01495.
#ifndef LEARNER_WORTH_REWARD_H
#define LEARNER_WORTH_REWARD_H

#include "common/base/err.h"

struct batch;
struct config;
struct dims;

struct reward {
  int kind;  // enum worth_reward, not auto
  double scale, radius;
  int goal;  // numbers of one
};

// Replaces the settings of the group worth that are auto by what the task says; radius: its success
// radius, 0: none. ERR_CONFIG (logged): the task has no such reward, or no radius.
NODISCARD enum err reward_resolve(struct config *cfg, const struct dims *dims, double radius);

// cfg: resolved.
struct reward reward_of(const struct config *cfg, int goal);

// The largest gamma that follows from a horizon: on the task's reward the field's own, 0.99; on a
// goal as in ODAC, 0.97, so that the two compare.
double reward_gamma_max(const struct reward *reward);

// r (B) of the rows of b.
void reward_rows(float *r, const struct reward *reward, const struct batch *b);

#endif
