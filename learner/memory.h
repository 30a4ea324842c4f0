// memory.h - the memory that a run will take, before it has taken any.
//
// Rings and networks grow to their size hours after the start; a machine that is too small would
// end the learner then. So the sum is worked out from settings and task at the start. It is an
// estimate: episodes are counted at full length, and what libraries take is a rough number, if any.
#ifndef LEARNER_MEMORY_H
#define LEARNER_MEMORY_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/episode.h"

struct memory {       // bytes
  uint64_t replay;    // transitions, up to replay.capacity or to the run's end
  uint64_t episodes;  // of open tickets and of evaluations, until their turn comes
  uint64_t networks;  // parameters, gradients (also of shards), Adam's moments, activations,
                      // versions of the policy
};

void memory_estimate(struct memory *out, const struct config *cfg, const struct dims *dims);

// The largest replay.capacity with which the run takes at most limit bytes, rounded down to two
// digits; 0: there is none.
int64_t memory_largest_capacity(const struct config *cfg, const struct dims *dims, uint64_t limit);

// ERR_CONFIG (logged, with what to change): the run would take more than limit bytes.
NODISCARD enum err memory_check(const struct config *cfg, const struct dims *dims, uint64_t limit);

// `ulimit -v` counts addresses, of which each thread that computes updates reserves some 220 MB.
// How many of the wanted threads have room in so many bytes (ram_space), at least 1; all of them
// when learner.threads names a number.
int memory_threads(const struct config *cfg, const struct dims *dims, int wanted, uint64_t space);

// ERR_CONFIG (logged, with what to change): the run with so many threads takes more than that.
NODISCARD enum err memory_check_space(const struct config *cfg, const struct dims *dims,
                                      int threads, uint64_t space);

// Logs what the run will take of limit bytes; a warning when little is left.
void memory_tell(const struct config *cfg, const struct dims *dims, uint64_t limit);

#endif
