// batch.h - one minibatch: what replay gives and what rules learn from.
//
// B rows; arrays are owned by the object; float32 row-major. Only batch_new allocates.
#ifndef LEARNER_REPLAY_BATCH_H
#define LEARNER_REPLAY_BATCH_H

#include "common/base/rng.h"
#include "common/episode.h"

struct batch {
  int B;
  float *obs, *next_obs;            // (B x obs)
  float *act;                       // (B x act)
  float *achieved, *next_achieved;  // (B x goal)  phi(s), phi(s')
  float *goal;                      // (B x goal)  after relabelling
  float *done;                      // (B)         1 at a true end, else 0
};

// Minibatches before the first update: a function of the run's seed, stream and index, and of what
// replay holds. RNG_BATCH, i is the minibatch of update i; those of RNG_SCALING have the goals of
// their rollouts, without hindsight. Borrowed until the next draw.
struct draws {
  const struct batch *(*draw)(void *ctx, enum rng_stream stream, uint64_t index);
  void *ctx;
};

struct batch *batch_new(const struct dims *dims, int B);
void batch_free(struct batch *b);  // NULL is allowed

// Rows [first, first + n) of b, borrowed.
struct batch batch_rows(const struct batch *b, const struct dims *dims, int first, int n);

#endif
