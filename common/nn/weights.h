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
  size_t n;                       // floats in data
  uint64_t digest;                // XXH3-64 of data
  float *data;                    // layout of mlp_shape.h
};

// Copies n = mlp_nparam(width, nlayer) floats. The caller owns one reference.
struct weights *weights_new(uint64_t version, const int *width, int nlayer, const float *data);
struct weights *weights_ref(struct weights *w);
void weights_unref(struct weights *w);  // NULL is allowed

#endif
