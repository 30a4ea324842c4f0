// rowmlp.h - one row through a network of mlp_shape.h, for rollouts.
//
// The summation order is fixed by the code (eight AVX2 lanes, explicit FMA, one reduction tree),
// not by a BLAS, so that a ticket gives the same bits on every x86-64-v3 machine, whoever shares
// its actor. Weights are read in place from the flat block: an installed snapshot is never copied.
#ifndef COMMON_NN_ROWMLP_H
#define COMMON_NN_ROWMLP_H

#include <stddef.h>

// Floats of scratch that rowmlp_forward needs for these sizes.
size_t rowmlp_scratch(const int *width, int nlayer);

// y (n_L) = eq. (1) of mlp_shape.h for the row x (n_0) with parameters theta in its layout.
// scratch is the caller's, overwritten; nothing may overlap. Allocates nothing.
// bias: (n_1) in place of the first layer's own, or NULL.
void rowmlp_forward(float *y, const float *theta, const int *width, int nlayer, const float *x,
                    const float *bias, float *scratch);

#endif
