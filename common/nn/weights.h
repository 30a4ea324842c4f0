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
//   heads | share | bias ((heads - 1) x width[1]) | goals (ngoal x goal)
enum { WEIGHTS_MAX_HEADS = 16 };

struct weights_along {
  int heads;          // policies beside each other (learner/agent/heads.h); 1: none but this one
  const float *bias;  // of the first layer of the others, borrowed
  float share;        // of training episodes that get one of the goals
  int ngoal;          // goals that the learner set (learner/replay/goals.h)
  const float *goals;
};

// Reads n floats at data, that go along with a policy whose first layer is width1 wide, in a task
// with so many numbers of a goal. False: they are no such thing.
bool weights_along_read(struct weights_along *along, const float *data, size_t n, int width1,
                        int goal);

// Those of w, which must have been read before.
struct weights_along weights_along(const struct weights *w, int goal);

// Floats of what goes along.
size_t weights_along_size(int heads, int width1, int ngoal, int goal);

// Lays what goes along, but for biases and goals, into data; *bias and *goals are where those
// belong.
void weights_along_lay(float *data, float **bias, float **goals, int heads, float share,
                       int width1);

// Copies n = mlp_nparam(width, nlayer) floats. The caller owns one reference.
struct weights *weights_new(uint64_t version, const int *width, int nlayer, const float *data);

// The same with nalong floats that go along (NULL: none).
struct weights *weights_new_along(uint64_t version, const int *width, int nlayer, const float *data,
                                  const float *along, size_t nalong);

struct weights *weights_ref(struct weights *w);
void weights_unref(struct weights *w);  // NULL is allowed

#endif
