// given.h - what a run is given beside its task: demonstrations, and a policy to start from.
//
// Each has its digest among the settings (demos.digest, start.policy), which no resumed run may
// change, and a copy in the run's folder, so that the run goes on without the file that was given.
#ifndef LEARNER_GIVEN_H
#define LEARNER_GIVEN_H

#include "common/base/err.h"
#include "common/nn/policy_file.h"

struct config;
struct demos;
struct dims;
struct task;

struct given {
  struct demos *demos;       // NULL: none
  struct policy_file start;  // its weights NULL: none
  char *start_path;          // where it was read
};

// Where files come from, as the command line has them; NULL: not given, the run's own then.
struct given_paths {
  const char *demos, *from;  // from: a policy file, or a run
  const char *run;           // the run's folder
};

// Reads what is given, or what the settings say that the run was given, and sets their digests.
// ERR_CONFIG: not given although the settings have it, or of other sizes or layers. ERR_FORMAT:
// damaged, or not the file that the run began with. ERR_IO: not readable. Each logged. Free with
// given_release, whatever the result.
NODISCARD enum err given_load(struct given *g, struct config *cfg, const struct given_paths *paths,
                              const struct task *task, const struct dims *dims);
void given_release(struct given *g);

// Copies into the run's folder.
NODISCARD enum err given_keep(const struct given *g, const struct given_paths *paths);

#endif
