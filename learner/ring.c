// ring.c - the oldest ticket that needs an actor is found by scanning words of bits from the ring's
// start, and making a ticket assignable again is setting its bit, wherever it stands.
#include "learner/ring.h"

#include <stdlib.h>

#include "common/base/check.h"

enum { WORD_BITS = 64 };

void ring_init(struct ring *r, int room, int answers_each, uint64_t first) {
  r->first = r->end = first;
  r->room = room;
  r->slots = must_alloc((size_t)room, sizeof *r->slots);
  r->answers = must_alloc((size_t)room * (size_t)answers_each, sizeof *r->answers);
  r->wanted = must_alloc((size_t)(room + WORD_BITS - 1) / WORD_BITS, sizeof *r->wanted);
  for (int i = 0; i < room; i++) {
    r->slots[i].answers = r->answers + (size_t)i * (size_t)answers_each;
  }
}

void ring_release(struct ring *r) {
  free(r->slots);
  free(r->answers);
  free(r->wanted);
}

bool ring_needs_actor(const struct slot *s) {
  int want = 1;
  if (s->audited) {
    want = s->nanswers < 2 ? 2 : s->nanswers + 1;
  }
  return !s->settled && s->nanswers + s->nholds < want;
}

void ring_refresh(struct ring *r, const struct slot *s) {
  size_t i = (size_t)(s - r->slots);
  uint64_t *word = &r->wanted[i / WORD_BITS], bit = UINT64_C(1) << (i % WORD_BITS);
  const uint64_t was = *word;
  *word = ring_needs_actor(s) ? was | bit : was & ~bit;
  r->nwanted += ((*word & bit) != 0) - ((was & bit) != 0);
}

void ring_issue(struct ring *r, const struct ticket *t, uint64_t order, bool audited) {
  CHECK(t->id == r->end && r->end - r->first < (uint64_t)r->room);
  struct slot *s = ring_slot(r, t->id);
  s->ticket = *t;
  s->order = order;
  s->audited = audited;
  s->settled = false;
  s->lapsed = 0;
  s->nholds = 0;
  s->nanswers = 0;
  r->end++;
  ring_refresh(r, s);
}

// the first slot in [from, to) that needs an actor, or to
static int scan(const struct ring *r, int from, int to) {
  for (int i = from; i < to; i = (i / WORD_BITS + 1) * WORD_BITS) {
    const uint64_t word = r->wanted[i / WORD_BITS] >> (i % WORD_BITS);
    if (word) {
      const int at = i + __builtin_ctzll(word);
      return at < to ? at : to;
    }
  }
  return to;
}

uint64_t ring_next_wanted(const struct ring *r, uint64_t id) {
  if (id >= r->end) {
    return r->end;
  }
  // slots from..to-1, and what goes around the ring's end
  const int from = (int)(id % (uint64_t)r->room), to = from + (int)(r->end - id);
  if (to <= r->room) {
    return id + (uint64_t)(scan(r, from, to) - from);
  }
  int at = scan(r, from, r->room);
  if (at == r->room) {
    at += scan(r, 0, to - r->room);
  }
  return id + (uint64_t)(at - from);
}

// ---- one slot ----

bool slot_holds(const struct slot *s, uint64_t who) {
  for (int i = 0; i < s->nholds; i++) {
    if (s->holds[i].who == who) {
      return true;
    }
  }
  return false;
}

const struct answer *slot_answer_of(const struct slot *s, uint64_t name) {
  for (int i = 0; i < s->nanswers; i++) {
    if (s->answers[i].name == name) {
      return &s->answers[i];
    }
  }
  return NULL;
}

void slot_remove_answer(struct slot *s, int i) {
  episode_free(s->answers[i].ep);
  s->nanswers--;
  for (; i < s->nanswers; i++) {
    s->answers[i] = s->answers[i + 1];
  }
}
