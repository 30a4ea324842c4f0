// bench_ingest.c - episodes from frame to replay on one core: decode, validate, answer the ledger,
// insert, commit; against memcpy and XXH3 of the same frames.
//
//   bench_ingest          prints one line per size, median of 9; exit code 1 below the target
//
// Every run takes all frames once, in order, through a ledger of its own; the replay is full, so
// each insertion also evicts. The limit touches the same bytes in the same order: what no ingest
// that copies and checks its input can beat.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "learner/replay/replay.h"
#include "proto/wire.h"
#include "tests/bench/bench.h"
#include "tests/bench/frames.h"

enum { RUNS = 9, CAPACITY = 1000000 };

// Seconds for memcpy and XXH3 of all frames.
static double run_limit(const struct frames *f) {
  volatile uint64_t sink = 0;
  const double start = now_cpu_s();
  for (int i = 0; i < FRAMES; i++) {
    memcpy(f->copy, f->data + f->at[i], f->n[i]);
    sink = sink + XXH3_64bits(f->copy, f->n[i]);
  }
  return now_cpu_s() - start;
}

// One line of the report; true when the target is met.
static bool measure(const char *name, const struct dims *dims, double target) {
  struct frames *f = frames_new(dims);
  struct replay *replay = replay_new(dims, CAPACITY, 0.8);
  struct wire_decoder *decoder = wire_decoder_new(dims, 64 << 20);
  // a full replay, whose memory has been touched
  struct episode *ep = episode_new(dims);
  frames_episode(ep, 0);
  for (int i = 0; i <= CAPACITY / dims->horizon; i++) {
    replay_add(replay, ep);
  }
  episode_free(ep);

  const double transitions = (double)FRAMES * dims->horizon;
  double ingest[RUNS], limit[RUNS], ratio[RUNS];
  for (int i = -1; i < RUNS; i++) {
    const double a = transitions / frames_ingest(f, replay, NULL, decoder),
                 b = transitions / run_limit(f);
    if (i >= 0) {
      ingest[i] = a;
      limit[i] = b;
      ratio[i] = a / b;
    }
  }
  const double rate = bench_median(ingest, RUNS);
  printf("%s: ingest %.0f transitions/s (target %.0f), memcpy + XXH3 %.0f, ratio %.3f%s\n", name,
         rate, target, bench_median(limit, RUNS), bench_median(ratio, RUNS),
         rate >= target ? "" : " MISSED");
  wire_decoder_free(decoder);
  replay_free(replay);
  frames_free(f);
  return rate >= target;
}

int main(void) {
  const struct dims box2d = {.obs = 2, .act = 2, .goal = 2, .horizon = 100, .hindsight = 4};
  const struct dims wide = {.obs = 42, .act = 8, .goal = 10, .horizon = 100, .hindsight = 4};
  const bool small = measure("box2d, 6 floats a transition", &box2d, 1.5e6);
  const bool large = measure("60 floats a transition", &wide, 0.8e6);
  return small && large ? 0 : 1;
}
