// weights.c - a snapshot of parameters with a count of its holders.
//
// The count sits in a struct around the public one, where no caller can touch it. Taking a
// reference needs no ordering, since the caller already holds one; dropping the last one must see
// every other holder's reads done before the memory is freed, hence acquire and release.
#include "common/nn/weights.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/check.h"

struct counted {
  struct weights weights;  // first, so that both have one address
  atomic_int holders;
};

struct weights *weights_new(uint64_t version, const int *width, int nlayer, const float *data) {
  return weights_new_along(version, width, nlayer, data, NULL, 0);
}

struct weights *weights_new_along(uint64_t version, const int *width, int nlayer, const float *data,
                                  const float *along, size_t nalong) {
  CHECK(data && (along || nalong == 0));
  const size_t nparam = mlp_nparam(width, nlayer), n = nparam + nalong;
  struct counted *c = must_alloc(1, sizeof *c);
  atomic_init(&c->holders, 1);
  struct weights *w = &c->weights;
  w->version = version;
  w->nlayer = nlayer;
  memcpy(w->width, width, sizeof *width * ((size_t)nlayer + 1));
  w->nparam = nparam;
  w->n = n;
  w->data = must_alloc(n, sizeof *w->data);
  memcpy(w->data, data, sizeof *w->data * nparam);
  if (nalong > 0) {
    memcpy(w->data + nparam, along, sizeof *w->data * nalong);
  }
  w->digest = XXH3_64bits(w->data, sizeof *w->data * n);
  return w;
}

int weights_goals(float *share, const float **goals, const struct weights *w, int goal) {
  if (w->n == w->nparam || goal == 0) {
    return 0;
  }
  *share = w->data[w->nparam];
  *goals = w->data + w->nparam + 1;
  return (int)((w->n - w->nparam - 1) / (size_t)goal);
}

struct weights *weights_ref(struct weights *w) {
  CHECK(w);
  int before = atomic_fetch_add_explicit(&((struct counted *)w)->holders, 1, memory_order_relaxed);
  CHECK(before >= 1);
  return w;
}

void weights_unref(struct weights *w) {
  if (!w) {
    return;
  }
  int before = atomic_fetch_sub_explicit(&((struct counted *)w)->holders, 1, memory_order_acq_rel);
  CHECK(before >= 1);
  if (before == 1) {
    free(w->data);
    free(w);
  }
}
