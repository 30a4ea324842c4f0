// frames.h - for benches: what a learner does with the messages of episodes, without a network.
#ifndef TESTS_BENCH_FRAMES_H
#define TESTS_BENCH_FRAMES_H

#include <stddef.h>

#include "common/episode.h"

struct replay;
struct segments;
struct wire_decoder;

enum { FRAMES = 1500, FRAMES_RUN_SEED = 1 };

// The answers to tickets 0 .. FRAMES - 1 of a ledger with that seed, encoded, with random numbers.
struct frames {
  struct dims dims;
  size_t n[FRAMES];
  size_t at[FRAMES];  // offset in data
  unsigned char *data;
  unsigned char *copy;  // room for any of them
};

struct frames *frames_new(const struct dims *dims);
void frames_free(struct frames *f);

// An episode of full length with random numbers, the answer to ticket id; not sealed.
void frames_episode(struct episode *ep, uint64_t id);

// Decodes, checks, answers a ledger, logs when segments is not NULL, adds to replay and commits all
// frames, in order. segments: a fresh log. Returns seconds of CPU.
double frames_ingest(const struct frames *f, struct replay *replay, struct segments *segments,
                     struct wire_decoder *decoder);

#endif
