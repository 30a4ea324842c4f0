// rng.h - counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011).
//
// A generator is a pure function of (seed, stream, index): the same three give the same sequence
// on any machine, in any thread, at any time. That is what makes an episode a pure function of
// its ticket, and an update a pure function of its number: nobody stores generator states.
//
//   key     = seed (64 bit)
//   counter = (block number 32 bit, index 64 bit, stream 32 bit); a block is four words
//
// Not for secrets. One struct belongs to one thread.
#ifndef COMMON_BASE_RNG_H
#define COMMON_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

// Who draws. Numbers are part of the determinism contract: append only.
// A minibatch is drawn in parts (learner/rules/updater.h).
enum rng_stream {
  RNG_TICKET = 1,     // learner: the seed of ticket <index>
  RNG_INIT = 2,       // learner: initial weights of network <index>
  RNG_BATCH = 3,      // learner: replay indices; part i of update u is <u parts + i>
  RNG_UPDATE = 4,     // learner: action noise, likewise
  RNG_AUDIT = 5,      // learner: is ticket <index> audited
  RNG_RESET = 6,      // actor, seeded by the ticket: reset and goal
  RNG_ACTION = 7,     // actor: exploration and action sampling
  RNG_DYNAMICS = 8,   // actor: the environment's action noise
  RNG_HINDSIGHT = 9,  // actor: hindsight table
  RNG_TABLE = 10,     // task: row <index> of a table of goals
  RNG_SCALING = 11,   // learner: replay indices for the scales of the task's numbers, likewise
  RNG_EXPLORE = 12,   // actor: how much the episode of a ticket explores
  RNG_PREFIT = 13,    // learner: replay indices for the outcome model alone, likewise
  RNG_RESAMPLE = 14,  // telos sweep: which scores are drawn again
  RNG_RECORD = 15,    // telos record: noise on demonstrations, seeded by the ticket
  RNG_GOALS = 16,     // learner: goals that go along with version <index>
  RNG_GOAL = 17,      // actor, seeded by the ticket: does it get one of them, and which
  RNG_HEADS = 18,     // learner: which head learns from the rows of a minibatch, as RNG_BATCH
  RNG_HEAD = 19,      // actor, seeded by the ticket: which head acts
  RNG_MEMBER = 20,    // both sides, seeded by the ticket: which task of a family
  RNG_FAMILY = 21,    // actor, seeded by the member: its parameters
  RNG_CONTEXT = 22,   // learner: noise of the context in part of an update, as RNG_UPDATE
  RNG_CONTEXTS = 23,  // learner: rows and noise of the contexts that go along with version <index>
  RNG_TEST = 100,
};

struct rng {
  uint32_t key[2];
  uint32_t counter[4];
  uint32_t block[4];
  int used;            // words of block already given out
  float spare_normal;  // second half of the last Box-Muller pair
  int has_spare;
};

void rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint64_t index);

uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);

// Uniform on [0, 1), 24 random bits.
float rng_float(struct rng *r);

// Uniform on {0, .., n-1}, exactly (rejection); n >= 1.
uint32_t rng_below(struct rng *r, uint32_t n);

// Standard normal by Box-Muller; u1 is taken from (0, 1], so the result is finite.
float rng_normal(struct rng *r);

// n standard normals / n uniforms on [lo, hi) into x: the same values as n single calls.
void rng_fill_normal(struct rng *r, float *x, size_t n);
void rng_fill_uniform(struct rng *r, float *x, size_t n, float lo, float hi);

#endif
