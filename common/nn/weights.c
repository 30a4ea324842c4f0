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

enum { ALONG_HEADS, ALONG_MEMBERS, ALONG_SHARE, ALONG_FIXED };

static size_t before_goals(int heads, int members, int width1) {
  return ALONG_FIXED + (size_t)(heads - 1 + 2 * members) * (size_t)width1;
}

size_t weights_along_size(int heads, int members, int width1, int ngoal, int goal) {
  CHECK(heads >= 1 && members >= 0 && width1 >= 1 && ngoal >= 0 && goal >= 0);
  const bool any = heads > 1 || members > 0 || ngoal > 0;
  return any ? before_goals(heads, members, width1) + (size_t)ngoal * (size_t)goal : 0;
}

struct weights_places weights_along_lay(float *data, int heads, int members, float share,
                                        int width1) {
  data[ALONG_HEADS] = (float)heads;
  data[ALONG_MEMBERS] = (float)members;
  data[ALONG_SHARE] = share;
  const size_t width = (size_t)width1;
  struct weights_places at = {.heads_shift = data + ALONG_FIXED};
  at.mean = at.heads_shift + (size_t)(heads - 1) * width;
  at.sample = at.mean + (size_t)members * width;
  at.goals = at.sample + (size_t)members * width;
  return at;
}

// a NaN is in no range
static bool in_range(float x, float least, float most) {
  return x >= least && x <= most;
}

bool weights_along_read(struct weights_along *along, const float *data, size_t n, int width1,
                        int goal) {
  *along = (struct weights_along){.heads = 1};
  if (n == 0) {
    return true;
  }
  if (n < ALONG_FIXED || !in_range(data[ALONG_HEADS], 1, WEIGHTS_MAX_HEADS) ||
      !in_range(data[ALONG_MEMBERS], 0, WEIGHTS_MAX_MEMBERS) ||
      !in_range(data[ALONG_SHARE], 0, 1)) {
    return false;
  }
  const int heads = (int)data[ALONG_HEADS], members = (int)data[ALONG_MEMBERS];
  const size_t before = before_goals(heads, members, width1);
  if (n < before || (goal == 0 ? n > before : (n - before) % (size_t)goal != 0)) {
    return false;
  }
  const size_t width = (size_t)width1;
  along->heads = heads;
  along->members = members;
  along->share = data[ALONG_SHARE];
  along->heads_shift = data + ALONG_FIXED;
  along->mean = along->heads_shift + (size_t)(heads - 1) * width;
  along->sample = along->mean + (size_t)members * width;
  along->ngoal = goal == 0 ? 0 : (int)((n - before) / (size_t)goal);
  along->goals = data + before;
  return true;
}

struct weights_along weights_along(const struct weights *w, int goal) {
  struct weights_along along;
  CHECK(weights_along_read(&along, w->data + w->nparam, w->n - w->nparam, w->width[1], goal));
  return along;
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
