// odac.c - equations (1) to (13) of odac.h, in their order.
//
// The outcome model is fitted alone first, and only then are N and the level of the critics
// measured: scales fall by a percent an update while N follows within a thousand, so that both
// would otherwise be wrong by several times for the first thousands of updates.
#include "learner/rules/odac.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/worth/outcome.h"

// smallest N: a minibatch of equal log-likelihoods must not divide by zero
static const double N_MIN = 1e-6;

// ---- construction ----

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct odac *o = self;
  const struct config *cfg = setup->cfg;
  actor_critic_init(&o->base, ag, setup, actor_critic_gamma_goal, &agent_twin);
  o->backup.gamma = o->base.gamma;
  o->backup.fixed = cfg->odac_discount == ODAC_DISCOUNT_FIXED;
  o->backup.q_max = isnan(cfg->odac_discount_max) ? o->backup.gamma : cfg->odac_discount_max;
  o->backup.kl_sign = (int)cfg->odac_time_kl_sign;
  o->time_temperature = cfg->odac_time_temperature;
  o->prefit = (uint64_t)cfg->outcome_prefit;
  o->reward_scale = cfg->odac_reward_scale;
  o->reward_decay = cfg->odac_reward_decay;
  o->bias_init = cfg->odac_bias_init;
  o->N = 1;
  o->outcome = outcome_new(setup->nets, cfg, &setup->shape, setup->scaling);
  const size_t B = (size_t)o->base.max_batch;
  const struct rows_part part[] = {{&o->l, B}, {&o->cl, B}, {&o->q0, B}, {&o->kl, B}};
  o->block = rows_new(part, sizeof part / sizeof *part);
}

static void release(void *self) {
  struct odac *o = self;
  actor_critic_release(&o->base);
  outcome_free(o->outcome);
  free(o->block);
}

// ---- pieces of an update ----

// eq. (3)
static void scale_rows(float *cl, double c, const float *l, int B) {
  for (int i = 0; i < B; i++) {
    cl[i] = (float)(c * l[i]);
  }
}

// ---- the rule ----

// what log pi weighs in a value
static double start_alpha(const struct actor_critic *ac, const struct agent *ag) {
  return !ac->soft ? 0 : ac->residual ? ac->alpha : exp((double)ag->log_alpha.theta[0]);
}

// the outcome model, then N, and the level at which the critics start, from the first minibatch.
// Its noise, for all rows at once, begins as that of the first part of the first update
static enum err prepare(void *self, struct agent *ag, const struct draws *draws) {
  struct odac *o = self;
  const enum err err = outcome_fit(o->outcome, draws, o->prefit, o->l);
  if (err != ERR_OK) {
    return err;
  }
  const struct batch *b = draws->draw(draws->ctx, RNG_BATCH, 0);
  const int B = b->B;
  struct rng rng;
  actor_critic_noise(&rng, &o->base, 0);
  outcome_loglik(o->outcome, o->l, b);
  const struct rows_range l = rows_range(o->l, B);
  const double N = fmax((double)l.highest - (double)l.lowest, N_MIN);
  scale_rows(o->cl, o->reward_scale / N, o->l, B);
  agent_sample(ag, o->base.next_act, o->base.next_logp, b->next_obs, b->goal, &rng, B);
  const double level =
      rows_mean(o->cl, B) - start_alpha(&o->base, ag) * rows_mean(o->base.next_logp, B);

  const float numbers[] = {(float)N, (float)level};
  if (!rows_finite(numbers, 2)) {
    log_error(
        "odac: the first minibatch has log-likelihoods over a range of %g and a level of %g: not "
        "finite; look for unbounded observations",
        N, level);
    return ERR_NUMERIC;
  }
  o->N = N;
  if (o->bias_init) {
    agent_set_level(ag, numbers[1]);
  }
  return ERR_OK;
}

static void report(struct odac *o, double c, double nll, int B) {
  const struct rows_range l = rows_range(o->l, B);
  o->figures = (struct odac_figures){
      .nll = (float)nll,
      .q0 = (float)rows_mean(o->q0, B),
      .kl = (float)rows_mean(o->kl, B),
      .log_lik = (float)rows_mean(o->l, B),
      .log_lik_lowest = l.lowest,
      .log_lik_highest = l.highest,
      .scale = (float)c,
  };
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct odac *o = self;
  struct actor_critic *ac = &o->base;
  const int B = b->B;
  const float alpha = actor_critic_alpha(ac, ag);
  const double c = o->reward_scale / o->N;
  o->backup.kappa = o->time_temperature * c;
  const struct backup_rows backup = {.y = ac->y, .q0 = o->q0, .kl = o->kl};
  struct rng rng;
  actor_critic_noise(&rng, ac, key);

  outcome_loglik(o->outcome, o->l, b);                            // (1)
  scale_rows(o->cl, c, o->l, B);                                  // (3)
  actor_critic_value(ac, ag, b, alpha, &rng);                     // (4)
  backup_outcome(&backup, o->cl, ac->V, b->done, &o->backup, B);  // (5) - (8)
  actor_critic_values(ac, ag, b);                                 // (9)
  agent_policy_loss(ag, b, alpha, &rng);                          // (10)
  agent_temperature_loss(ag);                                     // (11)
  const double nll = outcome_loss(o->outcome, b);                 // (12)
  actor_critic_report(ac, ag, alpha, B);
  report(o, c, nll, B);
}

static void stepped(void *self, const struct agent *ag) {
  struct odac *o = self;
  // eq. (2)
  const double range = (double)o->figures.log_lik_highest - (double)o->figures.log_lik_lowest;
  o->N = o->reward_decay * o->N + (1 - o->reward_decay) * range;
  o->N = fmax(o->N, N_MIN);
  actor_critic_stepped(&o->base, ag, o->base.figures.loss_q);
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) ACTOR_CRITIC_FIGURE(struct odac, name, unit, help, combine)
    ACTOR_CRITIC_FIGURES(F)
#undef F
#define F(name, unit, help, combine) \
  {#name, unit, help, offsetof(struct odac, figures.name), FIGURE_##combine},
        ODAC_FIGURES(F)
#undef F
};

static const struct kept_number kept[] = {
    {"reward", "range", offsetof(struct odac, N)},
    ACTOR_CRITIC_KEPT(struct odac),
};

const struct rule odac_rule = {
    .name = "odac",
    .needs = RULE_GOAL,
    .side = true,
    .size = sizeof(struct odac),
    .init = init,
    .prepare = prepare,
    .losses = losses,
    .stepped = stepped,
    .release = release,
    .figure = figures,
    .nfigure = sizeof figures / sizeof *figures,
    .kept = kept,
    .nkept = sizeof kept / sizeof *kept,
};
