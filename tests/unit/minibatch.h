// minibatch.h - for tests of update rules: random minibatches, and a rule's whole state as bytes.
#ifndef TESTS_UNIT_MINIBATCH_H
#define TESTS_UNIT_MINIBATCH_H

#include <stdint.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "learner/replay/batch.h"
#include "learner/rules/updater.h"

enum { MINIBATCH_MAX_TENSORS = 64 };

// n rows of order 1, every fifth a true end, of heads 0 to 2. Free with batch_free.
static inline struct batch *minibatch_random(const struct dims *dims, int n, uint64_t index) {
  struct rng rng;
  rng_init(&rng, 6, RNG_TEST, index);
  struct batch *b = batch_new(dims, n);
  const size_t rows = (size_t)n, obs = (size_t)dims->obs, goal = (size_t)dims->goal;
  rng_fill_normal(&rng, b->obs, rows * obs);
  rng_fill_normal(&rng, b->next_obs, rows * obs);
  rng_fill_uniform(&rng, b->act, rows * (size_t)dims->act, -1, 1);
  rng_fill_normal(&rng, b->achieved, rows * goal);
  rng_fill_normal(&rng, b->next_achieved, rows * goal);
  rng_fill_normal(&rng, b->goal, rows * goal);
  rng_fill_normal(&rng, b->reward, rows * (size_t)dims->reward);
  for (int i = 0; i < n; i++) {
    b->demo[i] = i % 3 == 1 ? 1.0f : 0.0f;
    b->head[i] = (float)(i / 2 % 3);
    b->done[i] = i % 5 == 4 ? 1.0f : 0.0f;
  }
  return b;
}

static inline const struct batch *minibatch_same(void *ctx, enum rng_stream stream,
                                                 uint64_t index) {
  (void)stream;
  (void)index;
  return ctx;
}

// updater_prepare, where every draw gives b
static inline enum err minibatch_prepare(struct updater *u, struct batch *b) {
  return updater_prepare(u, &(struct draws){.draw = minibatch_same, .ctx = b});
}

// every tensor of the state, one after the other; *n bytes. Free with free().
static inline unsigned char *minibatch_state(struct updater *u, size_t *n) {
  struct st_tensor tensor[MINIBATCH_MAX_TENSORS];
  const int ntensor = updater_tensors(u, tensor, MINIBATCH_MAX_TENSORS);
  CHECK(ntensor <= MINIBATCH_MAX_TENSORS);
  *n = 0;
  for (int i = 0; i < ntensor; i++) {
    *n += st_bytes(&tensor[i]);
  }
  unsigned char *all = must_alloc(*n, 1), *at = all;
  for (int i = 0; i < ntensor; i++) {
    memcpy(at, tensor[i].data, st_bytes(&tensor[i]));
    at += st_bytes(&tensor[i]);
  }
  return all;
}

#endif
