// policy_file.h - a trained policy as one safetensors file that PyTorch and NumPy load as it is.
//
// Names follow torch.nn: hidden layer l of an nn.Sequential of Linear and ReLU is
// actor.net.<2 l>.{weight,bias}; the head is split into actor.mean.* and actor.log_std.*. Weights
// are (out x in), row-major, as in mlp_shape.h, so a policy reads
//   x = concat(obs, goal);  x = relu(W x + b) for each actor.net;  action = tanh(mean.W x + mean.b)
//
// A policy of a family of tasks has one more tensor, context.shift (members x width of the first
// layer): what each member's context adds to the first layer's biases (learner/agent/side.h).
//
// Metadata are strings: obs, goal and act, the widths in floats, and what the caller adds. Nothing
// here knows the time, the host or a path: equal policies are equal files.
#ifndef COMMON_NN_POLICY_FILE_H
#define COMMON_NN_POLICY_FILE_H

#include "common/base/err.h"
#include "common/nn/safetensors.h"
#include "common/nn/weights.h"

enum { POLICY_FILE_TENSORS = 2 * MLP_MAX_LAYERS + 2 };  // of a policy, at most

struct policy_file {
  struct weights *weights;  // version 1, one reference
  int obs, goal, act;       // floats; obs + goal is the network's input, 2 act its output
  char **meta;              // key, value, key, value, ..: all pairs of the file
  int nmeta;                // pairs
};

// Replaces path atomically. meta must not hold the keys obs, goal and act.
NODISCARD enum err policy_file_write(const char *path, const struct weights *w, int obs, int goal,
                                     int act, const struct st_meta *meta, int nmeta);

// ERR_IO: not readable. ERR_FORMAT: damaged, or not a policy of these names and shapes, or a
// parameter is not finite; one line says which. Release with policy_file_release.
NODISCARD enum err policy_file_read(struct policy_file *out, const char *path);
void policy_file_release(struct policy_file *p);

// The tensors under their names, as windows on the weights' data, which is only read: two for each
// hidden layer, two for the mean, two for the log standard deviation, in this order. Returns how
// many.
int policy_file_tensors(struct st_tensor out[POLICY_FILE_TENSORS], const struct weights *w);

// NULL when absent.
const char *policy_file_meta(const struct policy_file *p, const char *key);

#endif
