// checkpoint.h - the whole state of a run, whole or absent.
//
//   <run>/checkpoints/step_000123000/learner.safetensors   tensors of the learner, weights in use
//                                    state.json            the fold, the replay log's position, and
//                                                          the digest of the tensors
//                                    policy.safetensors    for others to act with; not read back
// Written into a temporary folder, every file and the folder fsynced, then renamed into place.
// state.json begins with the XXH3-64 of its own remaining bytes, so no byte of a checkpoint can
// change unseen. The newest whole one wins; a damaged one (missing file, digest, JSON, replay
// position) is named in one warning and the one before it is used.
//
// Equal states are equal files: no time, host or path is in them. One thread at a time.
#ifndef LEARNER_CHECKPOINT_H
#define LEARNER_CHECKPOINT_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/fault.h"
#include "common/nn/safetensors.h"
#include "learner/fold.h"
#include "learner/replay/segments.h"

struct checkpoint {
  // identity: must equal the resumed run's, else ERR_CONFIG
  uint64_t run;  // run id
  uint64_t task_digest;
  struct fold *fold;  // at a commit's end
  struct segment_position position;
  // tensors of the learner: on write borrowed; on read checked against the file's and filled
  struct st_tensor *tensors;
  int ntensors;
  // writes what else is to lie in the folder, which nobody reads back; NULL: nothing
  enum err (*also)(void *ctx, const char *folder);
  void *ctx;
};

// Writes step_<steps>, then deletes all but the newest keep, and those of a later step: they were
// refused when the run was resumed. ERR_IO: earlier checkpoints are as they were.
NODISCARD enum err checkpoint_write(const char *run_dir, const struct checkpoint *c, int keep);

// The position of the checkpoint that needs the oldest segment: for segments_remove. ERR_FORMAT
// when none can be read.
NODISCARD enum err checkpoint_oldest_needed(const char *run_dir, struct segment_position *out);

// Steps of the newest checkpoint in a run's folder by its name, whether it is whole or not; 0:
// there is none.
uint64_t checkpoint_newest_steps(const char *run_dir);

// Tries checkpoints newest first until one is whole and accept(ctx, c, fault) returns ERR_OK
// (accept rebuilds replay from the segments; ERR_FORMAT from it, with the reason in *fault, means:
// try the one before).
//
// On entry c holds what is expected: run, task_digest, a fresh fold with the plan, and
// tensors with their names, types and shapes. A whole checkpoint that differs in these, or has
// another format, is ERR_CONFIG, with both values in the line. The tensors' data is overwritten
// only by a whole checkpoint; fold and position only on success.
// *found = 0 and ERR_OK when there is none at all; ERR_FORMAT when all are damaged.
NODISCARD enum err checkpoint_read(const char *run_dir, struct checkpoint *c, int *found,
                                   enum err (*accept)(void *ctx, const struct checkpoint *c,
                                                      struct fault *fault),
                                   void *ctx);

#endif
