// side.h - side inputs: what an agent's networks see beside observations and goals.
//
// n plain inputs, which are observations and goals; then a column for each head when there are
// several (heads.h), then the numbers of a context (context.h):
//   x = (plain, sqrt(n) e_k, z)                                                             (1)
// with e_k: 1 in place k, else 0. sqrt(n), so that the head weighs as much as all plain inputs,
// which are about one deviation in size: heads start as other functions.
//
// Side inputs are the same for a whole episode, so they are nothing but other biases of the first
// layer. A published policy has the first head and z = 0 folded in, and is a plain network:
//   b' = b + sqrt(n) W e_0                                                                  (2)
// What another head or a context adds to b' is its shift:
//   sqrt(n) W (e_k - e_0),  W z                                                             (3)
// Shifts go along with the policy (common/nn/weights.h).
//
// theta: parameters in the layout of mlp_shape.h, whose first layer has side inputs; plain:
// without.
#ifndef LEARNER_AGENT_SIDE_H
#define LEARNER_AGENT_SIDE_H

#include <stddef.h>

struct side {
  int plain;    // n
  int heads;    // 1: no columns
  int numbers;  // of z; 0: no context
};

// Columns of side inputs; the first of a context among all inputs.
int side_columns(const struct side *side);
int side_first_number(const struct side *side);

// (1) into the side columns of x (B x width), the first n of which are plain. head (B): NULL, all
// are the first; z (numbers), the same for all rows: NULL, 0.
void side_lay(float *x, int width, const struct side *side, const float *head, const float *z,
              int B);

// (2): plain (of so many numbers) from theta; and a theta all of whose heads and contexts are the
// plain network. width1: outputs of the first layer.
void side_fold(float *plain, const float *theta, const struct side *side, int width1, size_t n);
void side_unfold(float *theta, const float *plain, const struct side *side, int width1, size_t n);

// (3) into shift (width1), of a head above 0, or of z.
void side_head_shift(float *shift, const float *theta, const struct side *side, int width1,
                     int head);
void side_context_shift(float *shift, const float *theta, const struct side *side, int width1,
                        const float *z);

#endif
