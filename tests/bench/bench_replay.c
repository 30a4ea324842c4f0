// bench_replay.c - time to sample a minibatch of 256 with relabelled goals from 1,000,000
// transitions, one thread.
//
// Printed against the stated limit; against a bare loop that copies as many bytes from places of a
// plain random sequence in memory of the same size, without records, relabelling or prefetch; and
// as a share of the 2 x 256 update that the minibatch is for. Medians of nine after a warm-up.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/gemm.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"
#include "learner/rules/rules.h"
#include "learner/rules/updater.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 9, BATCH = 256, CAPACITY = 1000000, SAMPLES = 500, UPDATES = 10 };

// full of episodes with values of order 1
static struct replay *full_replay(const struct dims *d, struct rng *rng) {
  struct replay *r = replay_new(d, CAPACITY, 0.8);
  struct episode *ep = episode_new(d);
  ep->T = d->horizon;
  const size_t T = (size_t)ep->T;
  rng_fill_normal(rng, ep->obs, (T + 1) * (size_t)d->obs);
  rng_fill_normal(rng, ep->achieved, (T + 1) * (size_t)d->goal);
  rng_fill_uniform(rng, ep->act, T * (size_t)d->act, -1, 1);
  for (int i = 0; i < CAPACITY / d->horizon; i++) {
    for (int t = 0; t < ep->T; t++) {
      for (int k = 0; k < d->hindsight; k++) {
        ep->hindsight[t * d->hindsight + k] =
            (uint16_t)(t + 1 + (int)rng_below(rng, (uint32_t)(ep->T - t)));
      }
    }
    replay_add(r, ep);
  }
  CHECK(replay_size(r) == CAPACITY);
  episode_free(ep);
  return r;
}

// BATCH copies of two neighbouring records and one of another's goal
static void bare_gather(float *out, const float *rows, size_t width, size_t goal, struct rng *rng) {
  for (int i = 0; i < BATCH; i++) {
    const float *from = rows + (size_t)rng_below(rng, CAPACITY) * width;
    const float *other = rows + (size_t)rng_below(rng, CAPACITY) * width;
    memcpy(out, from, 2 * width * sizeof(float));
    memcpy(out + 2 * width, other, goal * sizeof(float));
    out += 2 * width + goal;
  }
}

static double gather_time(const struct dims *d, struct rng *rng) {
  const size_t width = (size_t)(d->obs + d->act + d->goal), goal = (size_t)d->goal;
  const size_t bytes = (CAPACITY + 1) * width * sizeof(float);
  float *rows = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(rows != MAP_FAILED);
  (void)madvise(rows, bytes, MADV_HUGEPAGE);
  rng_fill_uniform(rng, rows, (CAPACITY + 1) * width, -1, 1);
  float *out = must_alloc(BATCH, (2 * width + goal) * sizeof(float));
  double time[ROUNDS];
  for (int round = -1; round < ROUNDS; round++) {
    const double start = now_cpu_s();
    for (int i = 0; i < SAMPLES; i++) {
      bare_gather(out, rows, width, goal, rng);
    }
    time[round < 0 ? 0 : round] = (now_cpu_s() - start) / SAMPLES;
  }
  munmap(rows, bytes);
  free(out);
  return bench_median(time, ROUNDS);
}

// where the rule's prepare draws from
struct source {
  struct replay *replay;
  struct batch *batch;
};

static const struct batch *draw(void *ctx, enum rng_stream stream, uint64_t index) {
  const struct source *from = ctx;
  struct rng rng;
  rng_init(&rng, 1, stream, index);
  replay_sample(from->replay, from->batch, &rng);
  return from->batch;
}

// a minibatch for each update, as in training: the update leaves the caches cold for the sample
static void measure(const char *name, const struct dims *d, double limit_us) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.net_hidden = (struct widths){.n = 2, .v = {256, 256}};
  cfg.train_batch = BATCH;
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  struct replay *r = full_replay(d, &rng);
  struct batch *b = batch_new(d, BATCH);
  struct updater *u = updater_new(rules_of(&cfg), &cfg, d, NULL);
  struct source source = {.replay = r, .batch = b};
  CHECK(updater_prepare(u, &(struct draws){.draw = draw, .ctx = &source}) == ERR_OK);
  double alone[ROUNDS], between[ROUNDS], update[ROUNDS];
  uint64_t index = 0;
  for (int round = -1; round < ROUNDS; round++) {
    const int slot = round < 0 ? 0 : round;
    double start = now_cpu_s();
    for (int i = 0; i < SAMPLES; i++) {
      replay_sample(r, b, &rng);
    }
    alone[slot] = (now_cpu_s() - start) / SAMPLES;
    between[slot] = update[slot] = 0;
    for (int i = 0; i < UPDATES; i++) {
      start = now_cpu_s();
      replay_sample(r, b, &rng);
      const double middle = now_cpu_s();
      CHECK(updater_update(u, b, index++) == ERR_OK);
      between[slot] += (middle - start) / UPDATES;
      update[slot] += (now_cpu_s() - middle) / UPDATES;
    }
  }
  const double us = 1e6 * bench_median(alone, ROUNDS), cold = 1e6 * bench_median(between, ROUNDS);
  const double update_us = 1e6 * bench_median(update, ROUNDS),
               gather_us = 1e6 * gather_time(d, &rng);
  printf(
      "%-22s %6.1f us a sample, limit %2.0f us: %4.2f   bare gather %6.1f us: %4.2f   between "
      "updates %6.1f us: %.2f %% of an update (%.0f us)\n",
      name, us, limit_us, us / limit_us, gather_us, us / gather_us, cold, 100 * cold / update_us,
      update_us);
  updater_free(u);
  batch_free(b);
  replay_free(r);
}

int main(void) {
  CHECK(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32) == ERR_OK);
  const struct dims box = {.obs = 2, .act = 2, .goal = 2, .horizon = 100, .hindsight = 4};
  const struct dims wide = {.obs = 37, .act = 8, .goal = 15, .horizon = 100, .hindsight = 4};
  printf("replay_sample, 256 of 1,000,000 transitions, one thread; ratios below 1 are better\n");
  measure("box2d, 6 floats", &box, 25);
  measure("60 floats", &wide, 60);
  return 0;
}
