// ticket.c - both lists of seeds are one stream; evaluations take the upper half of its indices,
// which no id reaches.
#include "common/ticket.h"

#include "common/base/rng.h"

uint64_t ticket_seed(uint64_t run_seed, uint64_t id) {
  struct rng rng;
  rng_init(&rng, run_seed, RNG_TICKET, id);
  return rng_u64(&rng);
}

uint64_t ticket_eval_seed(uint64_t run_seed, uint64_t index) {
  return ticket_seed(run_seed, index | UINT64_C(1) << TICKET_ID_BITS);
}

int ticket_member(uint64_t seed, int members) {
  struct rng rng;
  rng_init(&rng, seed, RNG_MEMBER, 0);
  return (int)rng_below(&rng, (uint32_t)members);
}
