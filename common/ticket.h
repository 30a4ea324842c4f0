// ticket.h - an order for one episode.
//
// The episode is a pure function of its ticket (and of the weights and the task that it names). The
// learner issues tickets, an actor computes episodes, the learner commits them in ticket order.
// Whoever knows a run's seed can write its tickets: evaluations are repeated that way.
#ifndef COMMON_TICKET_H
#define COMMON_TICKET_H

#include <stdint.h>

enum ticket_kind {
  TICKET_WARMUP = 1,  // uniform random actions
  TICKET_TRAIN = 2,   // exploring policy
  TICKET_EVAL = 3,    // deterministic policy
};

struct ticket {
  uint64_t id;  // 0, 1, 2, .. in issue order; evaluation tickets count in a sequence of their own
  uint64_t seed;
  uint64_t version;  // weights to act with
  enum ticket_kind kind;
};

enum { TICKET_ID_BITS = 63 };  // ids are below 2^63: the rest of a word names evaluations

// Which task of a family the episode of a ticket with this seed is in, below members (>= 1).
int ticket_member(uint64_t seed, int members);

// Seed of training ticket id, and of evaluation ticket index (the same list for every version).
uint64_t ticket_seed(uint64_t run_seed, uint64_t id);
uint64_t ticket_eval_seed(uint64_t run_seed, uint64_t index);

#endif
