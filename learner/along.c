// along.c - shifts from the updater, contexts and goals from replay.
#include "learner/along.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "common/nn/weights.h"
#include "learner/replay/batch.h"
#include "learner/replay/goals.h"
#include "learner/replay/replay.h"
#include "learner/rules/updater.h"

enum { GOALS = 64 };

static int count_goals(const struct config *cfg, const struct dims *dims) {
  return cfg->goals_share > 0 && dims->goal > 0 ? GOALS : 0;
}

size_t along_size(const struct config *cfg, const struct dims *dims) {
  return weights_along_size((int)cfg->explore_heads, (int)cfg->context_members,
                            cfg->net_hidden.v[0], count_goals(cfg, dims), dims->goal);
}

static size_t row(int i, int width) {
  return (size_t)i * (size_t)width;
}

// The contexts of all tasks of the family, from transitions that have been committed: the prior's
// for one that has none.
static void infer_contexts(const struct weights_places *at, const struct config *cfg,
                           const struct dims *dims, struct updater *u, const struct replay *replay,
                           uint64_t version) {
  const int members = (int)cfg->context_members, width1 = cfg->net_hidden.v[0];
  // as many rows as a part of a minibatch, which the encoder learns from
  struct batch *b = batch_new(dims, (int)cfg->train_batch / u->nshard);
  for (int i = 0; i < members; i++) {
    struct rng rng;
    rng_init(&rng, (uint64_t)cfg->run_seed, RNG_CONTEXTS,
             version * (uint64_t)members + (uint64_t)i);
    const bool any = replay_has_member(replay, members, i);
    if (any) {
      replay_sample_member(replay, b, members, i, &rng);
    }
    updater_context_shifts(u, at->mean + row(i, width1), at->sample + row(i, width1),
                           any ? b : NULL, &rng);
  }
  batch_free(b);
}

float *along_new(const struct config *cfg, const struct dims *dims, struct updater *u,
                 const struct replay *replay, uint64_t version, bool updated) {
  const size_t n = along_size(cfg, dims);
  if (n == 0) {
    return NULL;
  }
  const bool goals = updated && count_goals(cfg, dims) > 0;
  const int heads = (int)cfg->explore_heads, members = (int)cfg->context_members;
  const int width1 = cfg->net_hidden.v[0];
  float *along = must_alloc(n, sizeof *along);
  const struct weights_places at =
      weights_along_lay(along, heads, members, goals ? (float)cfg->goals_share : 0, width1);
  for (int k = 1; k < heads; k++) {
    updater_head_shift(u, at.heads_shift + row(k - 1, width1), k);
  }
  if (members > 0) {
    infer_contexts(&at, cfg, dims, u, replay, version);
  }
  if (goals) {
    struct rng rng;
    rng_init(&rng, (uint64_t)cfg->run_seed, RNG_GOALS, version);
    goals_choose(at.goals, GOALS, replay, dims, &rng);
  }
  return along;
}
