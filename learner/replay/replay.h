// replay.h - whole episodes in memory; O(1) uniform sampling of transitions with relabelled goals.
//
//   rows  ring of (obs | achieved | act | reward) records, one per state; an episode is contiguous,
//   so row
//         r + 1 is the successor of row r and nothing is stored twice
//   steps ring of one small record per transition, in commit order: its row, its time, its
//         hindsight indices; a uniform draw over steps is a uniform draw over transitions
//
// A drawn transition keeps the goal of its rollout with probability 1 - hindsight, else takes the
// achieved goal of one of its k hindsight indices, uniformly.
// The oldest whole episodes leave while the steps would exceed capacity, or the episodes
// max(16, 8 ceil(capacity / horizon)). The rule knows lengths alone, never places in the rings:
// adding only the episodes that are still inside to a fresh replay gives an equal one.
//
// One owner thread. Only replay_new allocates.
#ifndef LEARNER_REPLAY_REPLAY_H
#define LEARNER_REPLAY_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/episode.h"

struct batch;
struct replay;
struct rng;

// capacity: transitions. hindsight: share in [0, 1].
struct replay *replay_new(const struct dims *dims, int64_t capacity, double hindsight);
void replay_free(struct replay *r);  // NULL is allowed

// Bytes that a replay takes once so many transitions were added, in episodes of full length: what
// is not written yet takes none.
uint64_t replay_bytes(const struct dims *dims, int64_t capacity, int64_t added);

// Copies the episode's arrays in; makes room first.
void replay_add(struct replay *r, const struct episode *ep);

// b->B transitions, uniformly with replacement. CHECKs that replay is not empty. Draws from rng in
// a fixed order, so equal contents and equal rng give equal batches. Changes nothing in r, so that
// several threads may sample at once.
void replay_sample(const struct replay *r, struct batch *b, struct rng *rng);

// The same transitions with the goals of their rollouts: no hindsight.
void replay_sample_plain(const struct replay *r, struct batch *b, struct rng *rng);

// In a family of tasks (learner/agent/context.h), of which each episode is in the one that its
// ticket's seed says: the task of a transition that is drawn uniformly; transitions of one task,
// which must have some; and whether it has.
int replay_draw_member(const struct replay *r, int members, struct rng *rng);
void replay_sample_member(const struct replay *r, struct batch *b, int members, int member,
                          struct rng *rng);
bool replay_has_member(const struct replay *r, int members, int member);

int64_t replay_size(const struct replay *r);      // transitions
int64_t replay_episodes(const struct replay *r);  // episodes still inside
uint64_t replay_evicted(const struct replay *r);  // episodes that left, ever

#endif
