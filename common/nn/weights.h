// weights.h - one published version of the policy: an immutable snapshot shared between threads.
//
// The creator fills data before anyone else sees the object; after that it is only read. Every
// holder takes a reference; the last one to drop it frees the block (atomic count).
#ifndef COMMON_NN_WEIGHTS_H
#define COMMON_NN_WEIGHTS_H

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

// What goes along with a version, behind its parameters, is for rollouts: nothing, or goals that
// the learner set (learner/replay/goals.h):
//   share | goals (n x goal)      the share of training episodes that get one of them
// So an episode is a function of its ticket and the version that it names, and nothing else.
// Returns how many goals there are, each of so many numbers; *share and *goals (borrowed) when
// there are any.
int weights_goals(float *share, const float **goals, const struct weights *w, int goal);

// Copies n = mlp_nparam(width, nlayer) floats. The caller owns one reference.
struct weights *weights_new(uint64_t version, const int *width, int nlayer, const float *data);

// The same with nalong floats that go along (NULL: none).
struct weights *weights_new_along(uint64_t version, const int *width, int nlayer, const float *data,
                                  const float *along, size_t nalong);

struct weights *weights_ref(struct weights *w);
void weights_unref(struct weights *w);  // NULL is allowed

#endif
