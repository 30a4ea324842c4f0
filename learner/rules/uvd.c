// uvd.c - equations (1) to (4) of uvd.h, in their order.
#include "learner/rules/uvd.h"

#include <stdlib.h>

#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/rules/backup.h"
#include "learner/worth/outcome.h"

static const float K = 10.0f;  // of (2)

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct uvd *u = self;
  actor_critic_init(&u->base, ag, setup, actor_critic_gamma_goal, &agent_twin);
  u->outcome = outcome_new(setup->nets, setup->cfg, &setup->shape, setup->scaling);
  const size_t B = (size_t)u->base.max_batch;
  const struct rows_part part[] = {{&u->l, B}, {&u->r, B}};
  u->block = rows_new(part, sizeof part / sizeof *part);
}

static void release(void *self) {
  struct uvd *u = self;
  actor_critic_release(&u->base);
  outcome_free(u->outcome);
  free(u->block);
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct uvd *u = self;
  struct actor_critic *ac = &u->base;
  const float alpha = actor_critic_alpha(ac, ag);
  struct rng rng;
  actor_critic_noise(&rng, ac, key);

  outcome_loglik(u->outcome, u->l, b);
  outcome_closeness(u->outcome, u->r, b);  // (1)
  for (int i = 0; i < b->B; i++) {
    u->r[i] *= K;  // (2)
  }
  actor_critic_value(ac, ag, b, alpha, &rng);                 // (3)
  backup_best(ac->y, u->r, ac->V, b->done, ac->gamma, b->B);  // (4)
  actor_critic_descend(ac, ag, b, alpha, &rng);
  u->nll = (float)outcome_loss(u->outcome, b);
  u->mean_reward = (float)rows_mean(u->r, b->B);
  u->log_lik = (float)rows_mean(u->l, b->B);
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) ACTOR_CRITIC_FIGURE(struct uvd, name, unit, help, combine)
    ACTOR_CRITIC_FIGURES(F)
#undef F
        {"reward", "", "r", offsetof(struct uvd, mean_reward), FIGURE_MEAN},
    {"log_lik", "nats", "log p_d(g | s, a)", offsetof(struct uvd, log_lik), FIGURE_MEAN},
    {"nll", "nats", "F_p", offsetof(struct uvd, nll), FIGURE_MEAN},
};

const struct rule uvd_rule = {
    .name = "uvd",
    .needs = RULE_GOAL,
    .side = true,
    .size = sizeof(struct uvd),
    .init = init,
    .losses = losses,
    .stepped = actor_critic_rule_stepped,
    .release = release,
    .figure = figures,
    .nfigure = sizeof figures / sizeof *figures,
    .kept = actor_critic_kept,
    .nkept = ACTOR_CRITIC_NKEPT,
};
