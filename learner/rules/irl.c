// irl.c - equations (1) to (3) of irl.h, in their order.
#include "learner/rules/irl.h"

#include <stdlib.h>

#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/rules/backup.h"
#include "learner/worth/adversary.h"

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct irl *o = self;
  actor_critic_init(&o->base, ag, setup, actor_critic_gamma_goal, &agent_twin);
  o->adversary = adversary_new(setup->nets, setup->cfg, &setup->shape, setup->scaling);
  const size_t B = (size_t)o->base.max_batch;
  const struct rows_part part[] = {{&o->f, B}, {&o->logp, B}};
  o->block = rows_new(part, sizeof part / sizeof *part);
}

static void release(void *self) {
  struct irl *o = self;
  actor_critic_release(&o->base);
  adversary_free(o->adversary);
  free(o->block);
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct irl *o = self;
  struct actor_critic *ac = &o->base;
  const float alpha = actor_critic_alpha(ac, ag);
  struct rng rng;
  actor_critic_noise(&rng, ac, key);

  adversary_reward(o->adversary, o->f, b);  // (1)
  const float *head = agent_head(ag, false, b->obs, b->goal, b->B);
  policy_density(o->logp, head, b->act, b->B, ag->shape.act);
  o->loss = (float)adversary_loss(o->adversary, b, o->logp);
  actor_critic_value(ac, ag, b, alpha, &rng);                   // (2)
  backup_reward(ac->y, o->f, ac->V, b->done, ac->gamma, b->B);  // (3)
  actor_critic_descend(ac, ag, b, alpha, &rng);
  o->mean_reward = (float)rows_mean(o->f, b->B);
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) ACTOR_CRITIC_FIGURE(struct irl, name, unit, help, combine)
    ACTOR_CRITIC_FIGURES(F)
#undef F
        {"reward", "", "f", offsetof(struct irl, mean_reward), FIGURE_MEAN},
    {"loss_f", "nats", "F_f", offsetof(struct irl, loss), FIGURE_MEAN},
};

const struct rule irl_rule = {
    .name = "irl",
    .needs = RULE_DEMOS,
    .side = true,
    .size = sizeof(struct irl),
    .init = init,
    .losses = losses,
    .stepped = actor_critic_rule_stepped,
    .release = release,
    .figure = figures,
    .nfigure = sizeof figures / sizeof *figures,
    .kept = actor_critic_kept,
    .nkept = ACTOR_CRITIC_NKEPT,
};
