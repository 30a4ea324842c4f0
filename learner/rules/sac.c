// sac.c - equations (1) to (6) of sac.h, in their order.
#include "learner/rules/sac.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/rules/backup.h"

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct sac *s = self;
  s->reward = reward_of(setup->cfg, setup->shape.goal);
  actor_critic_init(&s->base, ag, setup, actor_critic_gamma_of(&s->reward), &agent_twin);
  reward_begin(&s->reward, setup->nets, setup->cfg, &setup->shape, setup->scaling);
  s->r = must_alloc((size_t)s->base.max_batch, sizeof *s->r);
}

static void release(void *self) {
  struct sac *s = self;
  actor_critic_release(&s->base);
  reward_release(&s->reward);
  free(s->r);
}

static enum err prepare(void *self, struct agent *ag, const struct draws *draws) {
  (void)ag;
  struct sac *s = self;
  return reward_prepare(&s->reward, draws);
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct sac *s = self;
  struct actor_critic *ac = &s->base;
  const float alpha = actor_critic_alpha(ac, ag);
  struct rng rng;
  actor_critic_noise(&rng, ac, key);

  reward_rows(s->r, &s->reward, b);                             // (1)
  actor_critic_value(ac, ag, b, alpha, &rng);                   // (2)
  backup_reward(ac->y, s->r, ac->V, b->done, ac->gamma, b->B);  // (3)
  actor_critic_descend(ac, ag, b, alpha, &rng);                 // (4) - (6)
  reward_loss(&s->reward, b);
  s->mean_reward = (float)rows_mean(s->r, b->B);
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) ACTOR_CRITIC_FIGURE(struct sac, name, unit, help, combine)
    ACTOR_CRITIC_FIGURES(F)
#undef F
        {"reward", "", "r, mean of the minibatch", offsetof(struct sac, mean_reward), FIGURE_MEAN},
};

static const struct kept_number kept[] = {ACTOR_CRITIC_KEPT(struct sac),
                                          REWARD_KEPT(struct sac, reward)};

const struct rule sac_rule = {
    .name = "sac",
    .needs = RULE_REWARD,
    .side = true,
    .size = sizeof(struct sac),
    .init = init,
    .prepare = prepare,
    .losses = losses,
    .stepped = actor_critic_rule_stepped,
    .release = release,
    .figure = figures,
    .nfigure = sizeof figures / sizeof *figures,
    .kept = kept,
    .nkept = sizeof kept / sizeof *kept,
};
