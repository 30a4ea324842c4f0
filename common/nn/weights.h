// weights.h - one published version of the policy: an immutable snapshot shared between threads.
//
// The creator fills data before anyone else sees the object; after that it is only read. Every
// holder takes a reference; the last one to drop it frees the block (atomic count).
#ifndef COMMON_NN_WEIGHTS_H
#define COMMON_NN_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/nn/mlp_shape.h"

struct weights {
  uint64_t version;  // 1 is the initial policy
  int nlayer;
  int width[MLP_MAX_LAYERS + 1];  // of the policy network: obs + goal .. 2 act
  size_t nparam;                  // parameters, the first floats of data
  size_t n;                       // floats in data
  uint64_t digest;                // XXH3-64 of data
  float *data;                    // layout of mlp_shape.h, then what goes along
};

// What goes along with a version, behind its parameters, is for rollouts. So an episode is a
// function of its ticket and the version that it names, and nothing else. Nothing goes along, or
//   heads | members | share | shifts ((heads - 1 + 2 members) x width[1]) | goals (ngoal x goal)
// A shift is what is added to the biases of the first layer (learner/agent/side.h).
struct weights_along {
  int heads;    // policies beside each other (learner/agent/heads.h); 1: none but this one
  int members;  // tasks of a family (learner/agent/context.h); 0: no family
  float share;  // of training episodes that get one of the goals
  const float *heads_shift;    // (heads - 1 x width[1]) of the others, borrowed
  const float *mean, *sample;  // (members x width[1]) of each member's context: by its mean, for
                               // evaluations; a sample of it, for training
  int ngoal;                   // goals that the learner set (learner/replay/goals.h)
  const float *goals;
};

enum { WEIGHTS_MAX_HEADS = 16, WEIGHTS_MAX_MEMBERS = 64 };

// Reads n floats at data, that go along with a policy whose first layer is width1 wide, in a task
// with so many numbers of a goal. False: they are no such thing.
bool weights_along_read(struct weights_along *along, const float *data, size_t n, int width1,
                        int goal);

// Those of w, which must have been read before.
struct weights_along weights_along(const struct weights *w, int goal);

// Floats of what goes along: nothing when there is one head, no family and no goal.
size_t weights_along_size(int heads, int members, int width1, int ngoal, int goal);

// Where the shifts and the goals of what goes along belong, after the rest has been laid down.
struct weights_places {
  float *heads_shift, *mean, *sample, *goals;
};
struct weights_places weights_along_lay(float *data, int heads, int members, float share,
                                        int width1);

// Copies n = mlp_nparam(width, nlayer) floats. The caller owns one reference.
struct weights *weights_new(uint64_t version, const int *width, int nlayer, const float *data);

// The same with nalong floats that go along (NULL: none).
struct weights *weights_new_along(uint64_t version, const int *width, int nlayer, const float *data,
                                  const float *along, size_t nalong);

struct weights *weights_ref(struct weights *w);
void weights_unref(struct weights *w);  // NULL is allowed

#endif
