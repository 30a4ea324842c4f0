// mlp.h - fully connected ReLU network: forward and backward on a minibatch.
//
// A network is two objects, so that many threads can read one set of weights:
//   struct mlp       sizes and parameters (common/nn/mlp_shape.h); only read by forward and
//                    backward, safe to share
//   struct mlp_tape  activations of the last forward; one per thread
//
// Layer l = 0..L-1 maps x_l (B x n_l) to x_{l+1} (B x n_{l+1}):
//   z_l = x_l W_l^T + b_l,    x_{l+1} = max(0, z_l) if l < L-1, else z_l           (1)
//
// All parameters are one flat block, so that the optimiser, the Polyak step, publication and
// checkpoints are one pass each.
// Initialisation follows rlkit: hidden W_l ~ U(-k, k), k = 1/sqrt(n_{l+1})                (2)
// (fan-OUT, a quirk that its results rest on), hidden b = 0; last W ~ U(-3e-3, 3e-3), last b = 0.
//
// Arrays are row-major float32; B is the row count, 1 <= B <= max_batch of the tape.
// Misuse (NULL, B out of range) aborts through CHECK. Nothing here returns an error,
// and only the *_new functions allocate.
#ifndef LEARNER_NN_MLP_H
#define LEARNER_NN_MLP_H

#include "common/nn/mlp_shape.h"

struct rng;
struct mlp_tape;

// width has nlayer + 1 entries, copied. Parameters start at 0. Free with mlp_free.
struct mlp *mlp_new(const int *width, int nlayer);
void mlp_free(struct mlp *net);  // NULL is allowed

// Eq. (2). Advances rng by the number of weights.
void mlp_init_weights(struct mlp *net, struct rng *rng);

// Scratch for up to max_batch rows of net's shape, and for mlp_input_gradient by up to so many
// columns (0: none); net may die first. Free with mlp_tape_free.
struct mlp_tape *mlp_tape_new(const struct mlp *net, int max_batch, int columns);
void mlp_tape_free(struct mlp_tape *tape);  // NULL is allowed

// The tape's input rows (B x n_0), to be filled by the caller before mlp_forward: saves a copy
// when the input is a concatenation. Valid until mlp_tape_free.
float *mlp_input(struct mlp_tape *tape);

// Eq. (1) on the rows in mlp_input. Returns x_L (B x n_L), owned by the tape and valid until its
// next forward.
const float *mlp_forward(const struct mlp *net, struct mlp_tape *tape, int B);

// Gradient dtheta (nparam, overwritten) of a scalar J for the last forward, of B rows, given
// dy = dJ/dx_L (B x n_L).
void mlp_backward(const struct mlp *net, struct mlp_tape *tape, float *dtheta, const float *dy,
                  int B);

// Gradient of J by the input columns [first, first + count), at most the tape's, of n rows of the
// last forward, whose numbers are in row: dx (n x count) is overwritten, dy (n x n_L) belongs to
// these rows. n may be 0. The step of a policy goes through a critic in this way: it needs the
// actions' columns alone, and of each row one critic.
void mlp_input_gradient(const struct mlp *net, struct mlp_tape *tape, float *dx, int first,
                        int count, const float *dy, const int *row, int n);

#endif
