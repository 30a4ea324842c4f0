// reward.h - the reward that a rule is given, where it does not derive one.
//
//   task      r = w r_task, the sum of the task's reward sensors                           (1)
//   distance  r = -w |phi(s') - g|                                                         (2)
//   sparse    r = 0 where |phi(s') - g| <= radius, else -w                                 (3)
//   outcome   r = w l / N,  l = log p_d(g | s, a), an outcome model (learner/worth/outcome.h)  (4)
// w: worth.scale. N: the range of l in the first minibatch, once the model has been fitted to the
// warm-up; so (4) is ODAC's reward for a rule that has a discount of its own. Distances and radius
// are in the task's own goal units, and g is the goal after relabelling, so that hindsight changes
// (2) and (3) and leaves (1) as it is. (2): the dense reward of the environments of ODAC's
// comparison. (3): Andrychowicz et al. 2017, arXiv:1707.01495.
#ifndef LEARNER_WORTH_REWARD_H
#define LEARNER_WORTH_REWARD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct batch;
struct config;
struct dims;
struct draws;
struct nets;
struct outcome;
struct policy_shape;
struct scaling;

struct reward {
  int kind;  // enum worth_reward, not auto
  double scale, radius;
  int goal;               // numbers of one
  struct outcome *model;  // of (4), else NULL
  double range;           // N, kept beside the nets
  uint64_t prefit;        // steps of the model alone
  float *l;               // (train.batch) of (4)
};

// Replaces the settings of the group worth that are auto by what the task says; radius: its success
// radius, 0: none. ERR_CONFIG (logged): the task has no such reward, or no radius.
NODISCARD enum err reward_resolve(struct config *cfg, const struct dims *dims, double radius);

// cfg: resolved. Then, once the rule's own nets are in the list, reward_begin: for (4) it appends
// "outcome". scaling is borrowed. Free with reward_release.
struct reward reward_of(const struct config *cfg, int goal);
void reward_begin(struct reward *reward, struct nets *nets, const struct config *cfg,
                  const struct policy_shape *shape, const struct scaling *scaling);
void reward_release(struct reward *reward);

// For (4): fits the model, then measures N. ERR_NUMERIC: a number is not finite (logged).
NODISCARD enum err reward_prepare(struct reward *reward, const struct draws *draws);

// r (B) of the rows of b.
void reward_rows(float *r, struct reward *reward, const struct batch *b);

// The loss of the model of (4), on the batch last given to reward_rows; else nothing.
void reward_loss(struct reward *reward, const struct batch *b);

// The row of a rule's table of kept numbers, for an object whose field is this.
#define REWARD_KEPT(type, field) \
  { "reward", "range", offsetof(type, field.range) }

#endif
