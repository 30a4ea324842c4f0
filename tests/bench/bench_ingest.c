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
#include "common/base/rng.h"
#include "learner/fold.h"
#include "learner/ledger.h"
#include "learner/replay/replay.h"
#include "proto/wire.h"
#include "tests/bench/bench.h"

enum { RUNS = 9, EPISODES = 1500, WINDOW = 64, RUN_SEED = 1, CAPACITY = 1000000 };

struct frames {
  struct dims dims;
  size_t n[EPISODES];
  size_t at[EPISODES];  // offset in data
  unsigned char *data;
  unsigned char *copy;  // as long as the longest
};

static void fill(struct episode *ep, uint64_t id) {
  const size_t T = (size_t)ep->dims.horizon;
  struct rng r;
  rng_init(&r, id, RNG_TEST, 0);
  ep->ticket = (struct ticket){
      .id = id, .seed = ticket_seed(RUN_SEED, id), .version = 1, .kind = TICKET_TRAIN};
  ep->T = ep->dims.horizon;
  rng_fill_uniform(&r, ep->obs, (T + 1) * (size_t)ep->dims.obs, -3, 3);
  rng_fill_uniform(&r, ep->act, T * (size_t)ep->dims.act, -1, 1);
  rng_fill_uniform(&r, ep->achieved, (T + 1) * (size_t)ep->dims.goal, -3, 3);
  rng_fill_uniform(&r, ep->desired, (size_t)ep->dims.goal, -3, 3);
  for (size_t t = 0; t < T; t++) {
    for (int i = 0; i < ep->dims.hindsight; i++) {
      ep->hindsight[t * (size_t)ep->dims.hindsight + (size_t)i] =
          (uint16_t)(t + 1 + rng_below(&r, (uint32_t)(T - t)));
    }
  }
}

// The answers to tickets 0.. of a ledger, encoded.
static struct frames *frames_new(const struct dims *dims) {
  struct frames *f = must_alloc(1, sizeof *f);
  struct wire_encoder *encoder = wire_encoder_new();
  struct episode *ep = episode_new(dims);
  size_t used = 0;
  f->dims = *dims;
  for (int i = 0; i < EPISODES; i++) {
    fill(ep, (uint64_t)i);
    episode_seal(ep);
    const struct wire_msg msg = {.type = WIRE_EPISODE, .episode = {1, ep}};
    const void *frame = wire_encode(encoder, &f->n[i], &msg);
    if (i == 0) {
      // ids and versions are varints: later frames are a few bytes longer
      f->data = must_alloc(EPISODES, f->n[0] + 64);
      f->copy = must_alloc(1, f->n[0] + 64);
    }
    f->at[i] = used;
    memcpy(f->data + used, frame, f->n[i]);
    used += f->n[i];
  }
  episode_free(ep);
  wire_encoder_free(encoder);
  return f;
}

static void frames_free(struct frames *f) {
  free(f->data);
  free(f->copy);
  free(f);
}

static void answer(struct ledger *l, struct wire_decoder *decoder, const struct frames *f, int i) {
  struct wire_msg msg;
  const enum err err = wire_decode(decoder, &msg, f->data + f->at[i], f->n[i]);
  CHECK(err == ERR_OK);
  CHECK(ledger_answer(l, 0, &msg.episode.episode) == LEDGER_ACCEPTED);
}

// Seconds for all frames.
static double run_ingest(const struct frames *f, struct replay *replay,
                         struct wire_decoder *decoder) {
  const struct ledger_options opt = {.seed = RUN_SEED, .timeout_ms = 60000, .eval_episodes = 1};
  struct fold fold;
  fold_init(&fold, &(struct fold_plan){.window = WINDOW, .horizon = 1, .steps = UINT64_MAX});
  struct ledger *l = ledger_new(&opt, &fold);
  ledger_join(l, 0, 1, WINDOW);
  struct ticket ticket;
  const double start = now_cpu_s();
  for (int i = 0; i < EPISODES; i++) {
    while (ledger_assign(l, &ticket, 0, 0)) {
    }
    answer(l, decoder, f, i);
    for (struct episode *ep; (ep = ledger_next(l)) != NULL;) {
      replay_add(replay, ep);
      episode_free(ep);
      ledger_committed(l, &(struct fold_issue){.n = 1, .version = 1});
    }
  }
  const double took = now_cpu_s() - start;
  ledger_free(l);
  fold_release(&fold);
  return took;
}

// Seconds for memcpy and XXH3 of all frames.
static double run_limit(const struct frames *f) {
  volatile uint64_t sink = 0;
  const double start = now_cpu_s();
  for (int i = 0; i < EPISODES; i++) {
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
  fill(ep, 0);
  for (int i = 0; i <= CAPACITY / dims->horizon; i++) {
    replay_add(replay, ep);
  }
  episode_free(ep);

  const double transitions = (double)EPISODES * dims->horizon;
  double ingest[RUNS], limit[RUNS], ratio[RUNS];
  for (int i = -1; i < RUNS; i++) {
    const double a = transitions / run_ingest(f, replay, decoder), b = transitions / run_limit(f);
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
