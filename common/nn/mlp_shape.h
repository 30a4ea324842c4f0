// mlp_shape.h - a fully connected network as numbers: its sizes, and where its layers stand in one
// flat block. What acts (rowmlp.h), travels (weights.h) and lies in files (policy_file.h) needs
// this alone; learner/nn/mlp.h computes with whole minibatches.
//
// Layer l = 0..L-1 maps n_l numbers to n_{l+1}:
//   z_l = W_l x_l + b_l,    x_{l+1} = max(0, z_l) if l < L-1, else z_l                       (1)
// theta is W_0 b_0 W_1 b_1 .., W_l (n_{l+1} x n_l), b_l (n_{l+1}), float32.
#ifndef COMMON_NN_MLP_SHAPE_H
#define COMMON_NN_MLP_SHAPE_H

#include <stddef.h>
#include <stdint.h>

enum { MLP_MAX_LAYERS = 8 };

struct mlp {
  int nlayer;                     // L, number of weight matrices
  int width[MLP_MAX_LAYERS + 1];  // n_0 (input) .. n_L (output)
  size_t nparam;                  // length of theta
  float *theta;                   // flat parameter block, 64-byte aligned
  const uint16_t *rounded;        // theta in bfloat16, where somebody keeps it, or NULL
};

// Length of theta for these sizes.
size_t mlp_nparam(const int *width, int nlayer);

// Offsets of W_l and b_l in theta.
size_t mlp_weight_offset(const struct mlp *net, int l);
size_t mlp_bias_offset(const struct mlp *net, int l);

#endif
