// policy_source.h - a trained policy as a person names it, with the task that it is for.
#ifndef LAUNCH_POLICY_SOURCE_H
#define LAUNCH_POLICY_SOURCE_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/nn/policy_file.h"
#include "common/task/task.h"

struct policy_source {
  char *path;  // of the policy file
  struct policy_file policy;
  struct task *task;
  uint64_t seed;  // the run's; its evaluation tickets begin from it
  int episodes;   // of one of the run's evaluations; the default for a file by itself
};

// The one operand of a verb that takes a run, from the words after its options. ERR_USAGE (logged):
// there is none, or more than one, or a setting, which a run keeps. verb: "telos eval"; things:
// what it takes, "run".
NODISCARD enum err policy_source_operand(const char **what, char *const *words, int n,
                                         const char *verb, const char *things);

// The file of a policy alone: what and checkpoint as below. *file is yours, also after an error;
// NULL when there is no name to give.
NODISCARD enum err policy_source_file(char **file, const char *what, const char *checkpoint);

// what: a run's folder or a policy file; task: a name or a file, NULL for the one that the run
// holds or the policy names. checkpoint: which policy of a run, "best", "last" or the steps of a
// checkpoint; NULL: the last. ERR_USAGE: it is none of these, or what is a file. ERR_CONFIG: the
// run does not have it, or the task is unknown, or has other sizes. A task that has changed since
// is warned of. Release with policy_source_release, whatever the result.
NODISCARD enum err policy_source_open(struct policy_source *s, const char *what, const char *task,
                                      const char *checkpoint);
void policy_source_release(struct policy_source *s);

#endif
