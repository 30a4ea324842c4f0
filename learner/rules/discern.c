// discern.c - equations (1) to (4) of discern.h, in their order.
#include "learner/rules/discern.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/rules/backup.h"
#include "learner/worth/discriminator.h"

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct discern *d = self;
  actor_critic_init(&d->base, ag, setup, actor_critic_gamma_goal, &agent_twin);
  d->discriminator = discriminator_new(setup->nets, setup->cfg, &setup->shape, setup->scaling);
  d->floor = setup->cfg->discern_floor;
  const size_t B = (size_t)d->base.max_batch;
  const struct rows_part part[] = {{&d->l, B}, {&d->r, B}};
  d->block = rows_new(part, sizeof part / sizeof *part);
}

static void release(void *self) {
  struct discern *d = self;
  actor_critic_release(&d->base);
  discriminator_free(d->discriminator);
  free(d->block);
}

// (2)
static void clip_rows(float *r, const float *l, double floor, int B) {
  for (int i = 0; i < B; i++) {
    // what is not a number stays, so that it is found
    r[i] = l[i] < (float)-floor ? -1.0f : (float)((double)l[i] / floor);
  }
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct discern *d = self;
  struct actor_critic *ac = &d->base;
  const float alpha = actor_critic_alpha(ac, ag);
  struct rng rng;
  actor_critic_noise(&rng, ac, key);

  discriminator_loglik(d->discriminator, d->l, b);              // (1)
  clip_rows(d->r, d->l, d->floor, b->B);                        // (2)
  actor_critic_value(ac, ag, b, alpha, &rng);                   // (3)
  backup_reward(ac->y, d->r, ac->V, b->done, ac->gamma, b->B);  // (4)
  actor_critic_descend(ac, ag, b, alpha, &rng);
  discriminator_loss(d->discriminator);
  d->mean_reward = (float)rows_mean(d->r, b->B);
  d->log_lik = (float)rows_mean(d->l, b->B);
  d->size = discriminator_size(d->discriminator);
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) ACTOR_CRITIC_FIGURE(struct discern, name, unit, help, combine)
    ACTOR_CRITIC_FIGURES(F)
#undef F
        {"reward", "", "r", offsetof(struct discern, mean_reward), FIGURE_MEAN},
    {"log_lik", "nats", "l", offsetof(struct discern, log_lik), FIGURE_MEAN},
    {"embedding_size", "", "|xi|", offsetof(struct discern, size), FIGURE_MEAN},
};

const struct rule discern_rule = {
    .name = "discern",
    .needs = RULE_GOAL,
    .side = true,
    .size = sizeof(struct discern),
    .init = init,
    .losses = losses,
    .stepped = actor_critic_rule_stepped,
    .release = release,
    .figure = figures,
    .nfigure = sizeof figures / sizeof *figures,
    .kept = actor_critic_kept,
    .nkept = ACTOR_CRITIC_NKEPT,
};
