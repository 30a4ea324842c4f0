// frames.c - one owner for all of it, where the learner has a loop and a trainer.
#include "tests/bench/frames.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "learner/fold.h"
#include "learner/ledger.h"
#include "learner/replay/replay.h"
#include "learner/replay/segments.h"
#include "proto/wire.h"

enum { WINDOW = 64 };

void frames_episode(struct episode *ep, uint64_t id) {
  const size_t T = (size_t)ep->dims.horizon;
  struct rng r;
  rng_init(&r, id, RNG_TEST, 0);
  ep->ticket = (struct ticket){
      .id = id, .seed = ticket_seed(FRAMES_RUN_SEED, id), .version = 1, .kind = TICKET_TRAIN};
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

struct frames *frames_new(const struct dims *dims) {
  struct frames *f = must_alloc(1, sizeof *f);
  struct wire_encoder *encoder = wire_encoder_new();
  struct episode *ep = episode_new(dims);
  size_t used = 0;
  f->dims = *dims;
  for (int i = 0; i < FRAMES; i++) {
    frames_episode(ep, (uint64_t)i);
    episode_seal(ep);
    const struct wire_msg msg = {.type = WIRE_EPISODE, .episode = {1, ep}};
    const void *frame = wire_encode(encoder, &f->n[i], &msg);
    if (i == 0) {
      // ids and versions are varints: later frames are a few bytes longer
      f->data = must_alloc(FRAMES, f->n[0] + 64);
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

void frames_free(struct frames *f) {
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

double frames_ingest(const struct frames *f, struct replay *replay, struct segments *segments,
                     struct wire_decoder *decoder) {
  const struct ledger_options opt = {
      .seed = FRAMES_RUN_SEED, .timeout_ms = 60000, .eval_episodes = 1};
  struct fold fold;
  fold_init(&fold, &(struct fold_plan){.window = WINDOW, .horizon = 1, .steps = UINT64_MAX});
  struct ledger *l = ledger_new(&opt, &fold);
  ledger_join(l, 0, 1, WINDOW);
  struct ticket ticket;
  const double start = now_cpu_s();
  for (int i = 0; i < FRAMES; i++) {
    while (ledger_assign(l, &ticket, 0, 0)) {
    }
    answer(l, decoder, f, i);
    for (struct episode *ep; (ep = ledger_next(l)) != NULL;) {
      CHECK(segments == NULL || segments_append(segments, ep) == ERR_OK);
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
