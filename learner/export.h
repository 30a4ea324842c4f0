// export.h - policies as files of the run's folder, for others to act with.
//
//   policy.safetensors          the newest version, with each checkpoint
//   best/policy.safetensors     that of the best evaluation (learner/results.h)
//   videos/step_*.safetensors   the policy of an evaluation, for somebody else to draw
//
// No training reads any of this, and nothing of it enters the fold. Trainer's thread only.
#ifndef LEARNER_EXPORT_H
#define LEARNER_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/nn/weights.h"
#include "common/task/task.h"

// What a policy file tells of its origin; all borrowed.
struct export_origin {
  const struct config *cfg;
  const struct task *task;
  const char *algorithm;  // name of the rule
};

// w, which was the policy after so many env steps, to a file of the run's folder.
NODISCARD enum err export_policy(const char *run_dir, const char *name, const struct weights *w,
                                 const struct export_origin *from, uint64_t steps);

// The policy of the best evaluation so far, after so many env steps, with its score.
NODISCARD enum err export_best(const char *run_dir, const struct weights *w,
                               const struct export_origin *from, uint64_t steps, double score);

// Whether an evaluation is the first one at or beyond a multiple of every env steps; 0: never.
// before: steps of the evaluation before it. The fold knows both, so a resumed run writes the same.
bool export_wants_video(uint64_t steps, uint64_t before, uint64_t every);

// The policy of such an evaluation. False (logged): it could not be written.
bool export_video(const char *run_dir, const struct weights *w, const struct export_origin *from,
                  uint64_t steps);

#endif
