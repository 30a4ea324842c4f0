// batch.c - the arrays of a minibatch, each of its own allocation.
#include "learner/replay/batch.h"

#include <stdlib.h>

#include "common/base/check.h"

struct batch *batch_new(const struct dims *dims, int B) {
  CHECK(dims && B >= 1);
  CHECK(dims->obs >= 1 && dims->act >= 1 && dims->goal >= 1);
  struct batch *b = must_alloc(1, sizeof *b);
  b->B = B;
  const int width[] = {dims->obs, dims->obs, dims->act, dims->goal, dims->goal, dims->goal, 1};
  float **array[] = {&b->obs,           &b->next_obs, &b->act, &b->achieved,
                     &b->next_achieved, &b->goal,     &b->done};
  for (size_t i = 0; i < sizeof width / sizeof *width; i++) {
    *array[i] = must_alloc((size_t)B * (size_t)width[i], sizeof(float));
  }
  return b;
}

void batch_free(struct batch *b) {
  if (!b) {
    return;
  }
  float *array[] = {b->obs, b->next_obs, b->act, b->achieved, b->next_achieved, b->goal, b->done};
  for (size_t i = 0; i < sizeof array / sizeof *array; i++) {
    free(array[i]);
  }
  free(b);
}

struct batch batch_rows(const struct batch *b, const struct dims *dims, int first, int n) {
  CHECK(b && dims && first >= 0 && n >= 1 && n <= b->B - first);
  const size_t row = (size_t)first;
  const size_t obs = row * (size_t)dims->obs, goal = row * (size_t)dims->goal;
  return (struct batch){
      .B = n,
      .obs = b->obs + obs,
      .next_obs = b->next_obs + obs,
      .act = b->act + row * (size_t)dims->act,
      .achieved = b->achieved + goal,
      .next_achieved = b->next_achieved + goal,
      .goal = b->goal + goal,
      .done = b->done + row,
  };
}
