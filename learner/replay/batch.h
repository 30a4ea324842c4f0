// batch.h - one minibatch: what replay gives and what rules learn from.
//
// B rows; arrays are owned by the object; float32 row-major. Only batch_new allocates.
#ifndef LEARNER_REPLAY_BATCH_H
#define LEARNER_REPLAY_BATCH_H

#include <stddef.h>

#include "common/base/rng.h"
#include "common/episode.h"

struct batch {
  int B;
  float *block;  // holds the following; NULL when they are borrowed
  // (B x width) each, see batch.def
#define A(name, width, what) float *name;
#include "learner/replay/batch.def"
#undef A
};

enum {
#define A(name, width, what) BATCH_##name,
#include "learner/replay/batch.def"
#undef A
  BATCH_ARRAYS
};

// An array of a minibatch, and its floats.
struct batch_array {
  float *at;
  size_t n;
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

// All arrays of b, in the order of batch.def.
void batch_arrays(struct batch_array out[BATCH_ARRAYS], const struct batch *b,
                  const struct dims *dims);

// Rows [first, first + n) of b, borrowed.
struct batch batch_rows(const struct batch *b, const struct dims *dims, int first, int n);

#endif
