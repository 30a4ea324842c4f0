// training.c - a minibatch is drawn part by part on the crew, as the trainer does it.
#include "tests/bench/training.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/crew.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"
#include "learner/rules/rules.h"
#include "learner/rules/updater.h"

enum { TRANSITIONS = 100000, WARM_UP = 20 };

struct training {
  struct config cfg;
  struct dims dims;
  struct replay *replay;
  struct batch *batch;
  struct crew *crew;
  struct updater *updater;
  int parts;  // of a minibatch, which threads share
  enum rng_stream stream;
  uint64_t index;  // of the draw
  uint64_t update;
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
  const struct training *t = ctx;
  const int rows = t->batch->B / t->parts;
  struct batch part = batch_rows(t->batch, &t->dims, i * rows, rows);
  struct rng rng;
  rng_init(&rng, 1, t->stream, t->index * (uint64_t)t->parts + (uint64_t)i);
  replay_sample(t->replay, &part, &rng);
}

static const struct batch *draw(void *ctx, enum rng_stream stream, uint64_t index) {
  struct training *t = ctx;
  t->stream = stream;
  t->index = index;
  crew_run(t->crew, draw_part, t, t->parts);
  return t->batch;
}

static void update(struct training *t) {
  CHECK(updater_update(t->updater, draw(t, RNG_BATCH, t->update), t->update) == ERR_OK);
  t->update++;
}

struct training *training_new(const struct config *cfg, const struct dims *dims, int threads) {
  struct training *t = must_alloc(1, sizeof *t);
  t->cfg = *cfg;
  t->cfg.outcome_prefit = 0;  // not what is measured
  t->dims = *dims;
  t->replay = replay_new(dims, TRANSITIONS, cfg->replay_hindsight);
  t->batch = batch_new(dims, (int)cfg->train_batch);
  t->parts = updater_shards(cfg);
  t->crew = crew_new(threads < t->parts ? threads : t->parts);
  fill(t->replay, dims);
  t->updater = updater_new(rules_of(&t->cfg), &t->cfg, &t->dims, t->crew);
  CHECK(updater_prepare(t->updater, &(struct draws){.draw = draw, .ctx = t}) == ERR_OK);
  for (int i = 0; i < WARM_UP; i++) {
    update(t);
  }
  return t;
}

void training_free(struct training *t) {
  updater_free(t->updater);
  crew_free(t->crew);
  batch_free(t->batch);
  replay_free(t->replay);
  free(t);
}

int training_threads(const struct training *t) {
  return crew_threads(t->crew);
}

double training_rate(struct training *t, double seconds) {
  const double start = now_s();
  double took;
  int n = 0;
  do {
    update(t);
    n++;
    took = now_s() - start;
  } while (took < seconds);
  return n / took;
}
