// checkpoint_files.h - the two files in the folder of one checkpoint; for checkpoint.c alone, which
// decides what folders there are.
//
// Reading gives ERR_FORMAT for damage, with the reason in *fault and nothing logged: whether it
// matters is decided above. ERR_CONFIG is logged: the checkpoint is whole and of something else.
#ifndef LEARNER_CHECKPOINT_FILES_H
#define LEARNER_CHECKPOINT_FILES_H

#include "common/nn/mlp_shape.h"
#include "learner/checkpoint.h"

// the remedy when a checkpoint is whole and of something else
#define CHECKPOINT_REMEDY "use the settings and task of this run, or start over in another folder"

// What state.json says about the other file.
struct state_tensors {
  uint64_t digest;                // XXH3-64 of learner.safetensors
  int width[MLP_MAX_LAYERS + 1];  // of the policy network, the same for all versions
  int nlayer;
};

// state.json of c, whose other file has this digest.
NODISCARD enum err state_write(const char *folder, const struct checkpoint *c, uint64_t digest);

// All of a checkpoint but its tensors and weights: the position, and the fold, fresh before. On
// entry c has the expected identity. What is about the other file comes in *tensors.
NODISCARD enum err state_read(struct checkpoint *c, struct state_tensors *tensors,
                              const char *folder, struct fault *fault);

// The position alone, of whatever run.
NODISCARD enum err state_read_position(struct segment_position *out, const char *folder,
                                       struct fault *fault);

// learner.safetensors of c: its tensors, and the fold's weights. Its digest in *digest.
NODISCARD enum err tensors_write(const char *folder, const struct checkpoint *c, uint64_t *digest);

// Into c's tensors, and into its fold the weights that it names.
NODISCARD enum err tensors_read(struct checkpoint *c, const struct state_tensors *tensors,
                                const char *folder, struct fault *fault);

#endif
