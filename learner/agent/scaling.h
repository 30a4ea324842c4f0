// scaling.h - the numbers that networks see, whatever units a task has.
//
//   x' = (x - m) / s                                                                        (1)
// for observations and goals, on their way into a network's rows (rows_set_scaled) and nowhere
// else: minibatches, distances and the likelihood of outcomes stay in the task's own units.
//
// m and s come from the first transitions in replay: for observations from b->obs; for goals from
// b->achieved and the goals that rollouts were given (b->goal without hindsight) in equal parts. So
// a part of the outcome which nothing has moved yet gets the scale of the way it has to go, and a
// given goal is about one deviation away, not several.
//   s_i = max(sd_i, FLOOR sqrt(mean_j sd_j^2))                                              (2)
// since a number that hardly varied so far would be blown up by its own deviation alone. There is
// no clip: what the first transitions never moved may lie far out later, and has to be seen then.
//
// A published policy has (1) folded into its first layer, W' = W / s, b' = b - W (m / s): actors
// and policy files see plain numbers.
#ifndef LEARNER_AGENT_SCALING_H
#define LEARNER_AGENT_SCALING_H

#include "common/base/err.h"

struct draws;
struct policy_shape;
struct tensor_list;

struct scaling {
  int obs, goal;
  float *mean;  // (obs + goal) m: those of observations, then those of goals
  float *inv;   // (obs + goal) 1 / s
};

// m = 0, s = 1, in place of which networks see plain numbers. Free with scaling_free.
struct scaling *scaling_new(const struct policy_shape *shape);
void scaling_free(struct scaling *s);  // NULL is allowed

// Eq. (2), a function of what replay holds and the run's seed: draws RNG_SCALING 0, 1, ..
// ERR_NUMERIC: a number is not finite, or of a size beyond 2^60; logged, and nothing has changed.
NODISCARD enum err scaling_measure(struct scaling *s, const struct draws *draws);

// s of goal number i, and sqrt(mean_i s_i^2) over all of them, the spread of goals [goal units].
float scaling_goal(const struct scaling *s, int i);
float scaling_spread(const struct scaling *s);

// theta (layout of mlp_shape.h) of a network on concat(obs, goal) in scaled numbers becomes one on
// plain ones; width1: outputs of its first layer.
void scaling_fold(const struct scaling *s, float *theta, int width1);

// The reverse: of a network on plain numbers, one on scaled ones. width0: its inputs, of which
// those after obs and goal are left alone.
void scaling_unfold(const struct scaling *s, float *theta, int width0, int width1);

// Its state for checkpoints.
void scaling_tensors(struct scaling *s, struct tensor_list *list);

#endif
