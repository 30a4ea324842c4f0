// acting.h - who acts on which task, as told on the command line of telos-play.
#ifndef PLAY_ACTING_H
#define PLAY_ACTING_H

#include <stdint.h>

#include "common/base/err.h"
#include "deploy/launch/policy_source.h"

struct play_args;
struct script;

enum acting_by { ACTING_BY_POLICY, ACTING_BY_RANDOM, ACTING_BY_ZERO, ACTING_BY_SCRIPT };

struct acting {
  struct policy_source source;  // policy and task
  enum acting_by by;
  struct script *script;
  float *goal;  // (goal) or NULL
  uint64_t seed;
};

// Finds and loads what the arguments name. ERR_USAGE or ERR_CONFIG (logged), or what reading the
// policy gave. Release with acting_release, whatever the result.
NODISCARD enum err acting_open(struct acting *c, const struct play_args *a);
void acting_release(struct acting *c);

#endif
