// along.h - what goes along with a version of the policy (common/nn/weights.h): the shifts of heads
// and contexts, and goals that the learner sets. A function of the fold, so that an episode stays
// one of its ticket and of the version that it names.
#ifndef LEARNER_ALONG_H
#define LEARNER_ALONG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct dims;
struct replay;
struct updater;

// Floats of it; 0: nothing goes along.
size_t along_size(const struct config *cfg, const struct dims *dims);

// That of a version, from networks and replay as they are now; NULL: nothing. updated: there was an
// update; before, there are no goals. Free with free().
float *along_new(const struct config *cfg, const struct dims *dims, struct updater *u,
                 const struct replay *replay, uint64_t version, bool updated);

#endif
