// ring.h - the open tickets of one kind: who has them, what was answered, which need an actor.
//
// A ring holds the tickets first..end-1, ticket id in slot id % room, so looking one up, issuing
// and committing are O(1) and nothing moves. Which tickets still need an actor is one bit a slot.
// That bit is always computed from the ticket's answers and assignments, never kept in step by
// hand: whoever changes a slot ends with ring_refresh.
//
// What the changes mean is the ledger's to know (ledger.h), the only user; hence open structs.
#ifndef LEARNER_RING_H
#define LEARNER_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/episode.h"
#include "common/ticket.h"

// a ticket that needs at most two more answers has at most two holders
enum { RING_MAX_HOLDS = 2 };

struct hold {
  uint64_t who;  // a stay (stays.h)
  int64_t since_ms;
};

struct answer {
  uint64_t name, digest;  // of an actor, which outlives its stays
  struct episode *ep;
};

struct slot {
  struct ticket ticket;
  uint64_t order;  // position in the common issue order of all rings
  bool audited;
  bool settled;       // final: answers[0] is the answer
  uint64_t lapsed;    // the stay that let it time out last; 0: none
  int64_t lapsed_ms;  // when
  int nholds, nanswers;
  struct hold holds[RING_MAX_HOLDS];
  struct answer *answers;  // oldest first
};

struct ring {
  uint64_t first, end;     // ids of the tickets in it
  int room;                // slots
  struct slot *slots;      // (room)
  struct answer *answers;  // storage of all slots' answers
  uint64_t *wanted;        // bit per slot: needs an actor
  int nwanted;             // bits that are set
};

// Empty, with room for so many tickets of so many answers; the next one is id `first`.
void ring_init(struct ring *r, int room, int answers_each, uint64_t first);
void ring_release(struct ring *r);  // its answers are the caller's to remove before

static inline struct slot *ring_slot(const struct ring *r, uint64_t id) {
  return &r->slots[id % (uint64_t)r->room];
}

// Opens ticket `end`; CHECKs that there is room for it.
void ring_issue(struct ring *r, const struct ticket *t, uint64_t order, bool audited);

// An audited ticket wants two answers, and one more for as long as all it has disagree.
bool ring_needs_actor(const struct slot *s);

void ring_refresh(struct ring *r, const struct slot *s);

// The first ticket at or after this one that needs an actor, or r->end.
uint64_t ring_next_wanted(const struct ring *r, uint64_t id);

// ---- one slot ----

bool slot_holds(const struct slot *s, uint64_t who);
const struct answer *slot_answer_of(const struct slot *s, uint64_t name);  // NULL: none
void slot_remove_answer(struct slot *s, int i);                            // frees its episode

#endif
