// batch.c - the arrays of a minibatch, in one block.
#include "learner/replay/batch.h"

#include <stdlib.h>

#include "common/base/check.h"

enum { LINE = 64 / sizeof(float) };

// floats of a row of each array
static void widths(size_t out[BATCH_ARRAYS], const struct dims *d) {
#define A(name, width, what) out[BATCH_##name] = (size_t)(width);
#include "learner/replay/batch.def"
#undef A
}

struct batch *batch_new(const struct dims *dims, int B) {
  CHECK(dims && B >= 1);
  CHECK(dims->obs >= 1 && dims->act >= 1 && dims->goal >= 1 - dims->reward);
  struct batch *b = must_alloc(1, sizeof *b);
  b->B = B;
  // each array begins with a cache line
  size_t width[BATCH_ARRAYS], at[BATCH_ARRAYS], total = 0;
  widths(width, dims);
  for (int k = 0; k < BATCH_ARRAYS; k++) {
    at[k] = total;
    total += ((size_t)B * width[k] + LINE - 1) / LINE * LINE;
  }
  b->block = must_alloc(total, sizeof *b->block);
#define A(name, w, what) b->name = b->block + at[BATCH_##name];
#include "learner/replay/batch.def"
#undef A
  return b;
}

void batch_free(struct batch *b) {
  if (b) {
    free(b->block);
    free(b);
  }
}

void batch_arrays(struct batch_array out[BATCH_ARRAYS], const struct batch *b,
                  const struct dims *dims) {
  size_t width[BATCH_ARRAYS];
  widths(width, dims);
#define A(name, w, what) \
  out[BATCH_##name] = (struct batch_array){b->name, (size_t)b->B * width[BATCH_##name]};
#include "learner/replay/batch.def"
#undef A
}

struct batch batch_rows(const struct batch *b, const struct dims *dims, int first, int n) {
  CHECK(b && dims && first >= 0 && n >= 1 && n <= b->B - first);
  size_t width[BATCH_ARRAYS];
  widths(width, dims);
  return (struct batch){
      .B = n,
#define A(name, w, what) .name = b->name + (size_t)first * width[BATCH_##name],
#include "learner/replay/batch.def"
#undef A
  };
}
