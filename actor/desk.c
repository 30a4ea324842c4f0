// desk.c - a small table of versions, in any order: a ticket names one of a few.
#include "actor/desk.h"

#include <stdlib.h>

#include "common/base/check.h"

enum { KEEP_NEWEST = 2 };  // although no ticket names them

struct entry {
  uint64_t version;
  struct weights *weights;  // one reference; NULL: not here
  int names;                // tickets that name it
  bool asked;
  int64_t asked_ms;  // when last
};

struct desk {
  struct entry *entries;
  int n, room;
};

struct desk *desk_new(void) {
  return must_alloc(1, sizeof(struct desk));
}

void desk_free(struct desk *d) {
  if (d != NULL) {
    desk_clear(d);
    free(d->entries);
    free(d);
  }
}

static struct entry *find(const struct desk *d, uint64_t version) {
  for (int i = 0; i < d->n; i++) {
    if (d->entries[i].version == version) {
      return &d->entries[i];
    }
  }
  return NULL;
}

static struct entry *find_or_add(struct desk *d, uint64_t version) {
  struct entry *e = find(d, version);
  if (e != NULL) {
    return e;
  }
  if (d->n == d->room) {
    d->room = 2 * d->room + 16;
    d->entries = must_realloc(d->entries, (size_t)d->room, sizeof *d->entries);
  }
  d->entries[d->n] = (struct entry){.version = version};
  return &d->entries[d->n++];
}

static bool is_old(const struct desk *d, const struct entry *e) {
  int newer = 0;
  for (int i = 0; i < d->n; i++) {
    newer += d->entries[i].weights != NULL && d->entries[i].version > e->version;
  }
  return newer >= KEEP_NEWEST;
}

static void drop_unnamed(struct desk *d) {
  for (int i = d->n - 1; i >= 0; i--) {
    struct entry *e = &d->entries[i];
    if (e->names == 0 && (e->weights == NULL || is_old(d, e))) {
      weights_unref(e->weights);
      *e = d->entries[--d->n];
    }
  }
}

struct weights *desk_name(struct desk *d, uint64_t version) {
  struct entry *e = find_or_add(d, version);
  e->names++;
  return e->weights;
}

void desk_unname(struct desk *d, uint64_t version) {
  struct entry *e = find(d, version);
  CHECK(e != NULL && e->names > 0);
  e->names--;
  drop_unnamed(d);
}

bool desk_put(struct desk *d, struct weights *w) {
  struct entry *e = find_or_add(d, w->version);
  if (e->weights != NULL) {
    weights_unref(w);
    return false;
  }
  e->weights = w;
  const bool waited_for = e->names > 0;
  drop_unnamed(d);
  return waited_for;
}

uint64_t desk_ask(struct desk *d, int64_t now_ms, int64_t interval_ms) {
  for (int i = 0; i < d->n; i++) {
    struct entry *e = &d->entries[i];
    if (e->weights == NULL && (!e->asked || now_ms - e->asked_ms >= interval_ms)) {
      e->asked = true;
      e->asked_ms = now_ms;
      return e->version;
    }
  }
  return 0;
}

void desk_clear(struct desk *d) {
  for (int i = 0; i < d->n; i++) {
    weights_unref(d->entries[i].weights);
    d->entries[i].weights = NULL;
  }
  drop_unnamed(d);
}
