// bench_rate.c - updates a second as in training, with any settings: a minibatch with relabelled
// goals from a replay of 100,000 transitions, then the update of the default rule.
//
//   bench_rate [--turns] [group.name=value ..]
//
// The sizes are those of fetch-push. By the wall clock, since an update may use several threads:
// learner.threads, or as many as there are cores.
// Without --turns: one line, the median of nine rounds. With it: "ready", then a round for each
// line of standard input, answered by one number; tests/bench/peers.sh takes turns that way.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/agent/crew.h"
#include "learner/nn/gemm.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"
#include "learner/rules/rules.h"
#include "learner/rules/updater.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 9, TRANSITIONS = 100000, WARM_UP = 20 };

static const double round_s = 0.5;

struct source {
  const struct dims *dims;
  struct replay *replay;
  struct batch *batch;
  struct crew *crew;
  int parts;  // of a minibatch, which threads share
  enum rng_stream stream;
  uint64_t index;
};

static void fill(struct replay *replay, const struct dims *d) {
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  struct episode *ep = episode_new(d);
  ep->T = d->horizon;
  const size_t T = (size_t)ep->T;
  for (int i = 0; i < TRANSITIONS / d->horizon; i++) {
    rng_fill_normal(&rng, ep->obs, (T + 1) * (size_t)d->obs);
    rng_fill_normal(&rng, ep->achieved, (T + 1) * (size_t)d->goal);
    rng_fill_normal(&rng, ep->desired, (size_t)d->goal);
    rng_fill_uniform(&rng, ep->act, T * (size_t)d->act, -1, 1);
    for (int t = 0; t < ep->T; t++) {
      for (int k = 0; k < d->hindsight; k++) {
        ep->hindsight[t * d->hindsight + k] =
            (uint16_t)(t + 1 + (int)rng_below(&rng, (uint32_t)(ep->T - t)));
      }
    }
    replay_add(replay, ep);
  }
  episode_free(ep);
}

static void draw_part(void *ctx, int i) {
  const struct source *from = ctx;
  const int rows = from->batch->B / from->parts;
  struct batch part = batch_rows(from->batch, from->dims, i * rows, rows);
  struct rng rng;
  rng_init(&rng, 1, from->stream, from->index * (uint64_t)from->parts + (uint64_t)i);
  replay_sample(from->replay, &part, &rng);
}

// as the trainer draws
static const struct batch *draw(void *ctx, enum rng_stream stream, uint64_t index) {
  struct source *from = ctx;
  from->stream = stream;
  from->index = index;
  crew_run(from->crew, draw_part, from, from->parts);
  return from->batch;
}

// updates a second over about round_s
static double rate(struct updater *u, struct source *source, uint64_t *index) {
  const double start = now_s();
  double seconds;
  int n = 0;
  do {
    CHECK(updater_update(u, draw(source, RNG_BATCH, *index), *index) == ERR_OK);
    ++*index;
    n++;
    seconds = now_s() - start;
  } while (seconds < round_s);
  return n / seconds;
}

int main(int argc, char **argv) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.outcome_prefit = 0;  // not what is measured
  bool turns = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--turns") == 0) {
      turns = true;
    } else if (config_set(&cfg, argv[i]) != ERR_OK) {
      return 64;
    }
  }
  if (config_check(&cfg) != ERR_OK || gemm_init(cfg.net_backend, cfg.net_precision) != ERR_OK) {
    return 64;
  }
  const struct dims d = {.obs = 25, .act = 4, .goal = 3, .horizon = 50, .hindsight = 4};
  const int parts = updater_shards(&cfg);
  const int threads = cfg.learner_threads > 0 ? (int)cfg.learner_threads : cpu_cores();
  struct source source = {.dims = &d,
                          .replay = replay_new(&d, TRANSITIONS, cfg.replay_hindsight),
                          .batch = batch_new(&d, (int)cfg.train_batch),
                          .crew = crew_new(threads < parts ? threads : parts),
                          .parts = parts};
  fill(source.replay, &d);
  struct updater *u = updater_new(rules_at(0), &cfg, &d, source.crew);
  CHECK(updater_prepare(u, &(struct draws){.draw = draw, .ctx = &source}) == ERR_OK);
  uint64_t index = 0;
  for (int i = 0; i < WARM_UP; i++, index++) {
    CHECK(updater_update(u, draw(&source, RNG_BATCH, index), index) == ERR_OK);
  }
  if (turns) {
    printf("ready\n");
    fflush(stdout);
    for (int c; (c = getchar()) != EOF;) {
      if (c == '\n') {
        printf("%.3f\n", rate(u, &source, &index));
        fflush(stdout);
      }
    }
  } else {
    double rates[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      rates[round] = rate(u, &source, &index);
    }
    printf(
        "fetch-push sizes, batch %d, %d threads: %.1f updates/s, with the draw of the minibatch\n",
        (int)cfg.train_batch, crew_threads(source.crew), bench_median(rates, ROUNDS));
  }
  updater_free(u);
  crew_free(source.crew);
  batch_free(source.batch);
  replay_free(source.replay);
  return 0;
}
