// stays.h - which actors the ledger knows now, and which of them were found faulty.
//
// One stay of an actor (who) is index + LEDGER_MAX_ACTORS x a count of joins, so that it is never 0
// and never comes twice: assignments belong to a stay. Answers belong to the actor's name, which
// outlives its stays.
//
// The ledger is the only user (ledger.h); hence open structs.
#ifndef LEARNER_STAYS_H
#define LEARNER_STAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "learner/ledger.h"

struct stay {
  uint64_t who;     // 0: nobody
  uint64_t name;    // the caller's
  int slots, held;  // tickets: at most, now
  bool faulty, reported;
};

struct stays {
  struct stay at[LEDGER_MAX_ACTORS];
  uint64_t joins;
  int present;     // actors that are here
  int unreported;  // faulty ones that stays_faulty has not returned yet
};

// The arguments of ledger_join and ledger_leave; who leaves holds nothing any more.
void stays_join(struct stays *s, int actor, uint64_t name, int slots);
void stays_leave(struct stays *s, int actor);

// CHECKs that this actor is here.
struct stay *stays_joined(struct stays *s, int actor);

// The actor of a stay if it is still here, else NULL.
struct stay *stays_present(struct stays *s, uint64_t who);

// Index of the actor with this name, or -1: it is not here.
int stays_find(const struct stays *s, uint64_t name);

// Actors that are here and not faulty.
int stays_sound(const struct stays *s);

// Finds actor i faulty; false: it was already.
bool stays_accuse(struct stays *s, int i);

// A faulty actor that was not returned yet, or -1.
int stays_faulty(struct stays *s);

#endif
