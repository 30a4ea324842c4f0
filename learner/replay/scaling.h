// scaling.h - the numbers that networks see, whatever units a task has.
//
//   x' = (x - m) / s                                                                        (1)
// m and s come from the first transitions in replay, drawn as minibatches are: for observations
// from b->obs; for goals from b->goal, where achieved outcomes and desired ones are mixed, so that
// a part of the outcome which nothing has moved yet still gets the scale of the way it has to go.
//   s_i = max(sd_i, FLOOR sqrt(mean_j sd_j^2))                                              (2)
// since a number that hardly varied so far would be blown up by its own deviation alone.
//
// The learner applies (1) to minibatches, and a published policy has it folded into its first
// layer, W' = W / s, b' = b - W (m / s): actors and policy files see plain observations.
#ifndef LEARNER_REPLAY_SCALING_H
#define LEARNER_REPLAY_SCALING_H

#include <stdint.h>

#include "common/nn/safetensors.h"

struct batch;
struct dims;
struct replay;

struct scaling {
  int obs, goal;
  float *mean;  // (obs + goal): those of observations, then those of goals
  float *inv;   // (obs + goal): 1 / s
};

enum { SCALING_TENSORS = 2 };

// m = 0, s = 1.
struct scaling *scaling_new(const struct dims *dims);
void scaling_free(struct scaling *s);  // NULL is allowed

// Eq. (2) from draws of replay, a function of its content and the seed; b is scratch.
void scaling_measure(struct scaling *s, struct replay *replay, struct batch *b, uint64_t seed);

// Eq. (1) on every observation and goal of the batch, in place.
void scaling_apply(const struct scaling *s, struct batch *b);

// theta (layout of mlp.h) of a network on concat(obs, goal) in scaled numbers becomes one on plain
// ones. width1: outputs of its first layer.
void scaling_fold(const struct scaling *s, float *theta, int width1);

// Its state for checkpoints; returns SCALING_TENSORS.
int scaling_tensors(struct scaling *s, struct st_tensor *tensors, int max);

#endif
