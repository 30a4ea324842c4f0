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

// What follows from a horizon stays in this range. Its end is measured: with 0.99 on tasks of 100
// steps an action is worth a third as much beside the noise of the critics, and the tasks in which
// a hand has to touch something are found, lost and found again.
static const double GAMMA_MIN = 0.5, GAMMA_MAX = 0.97;

// ---- construction ----

double odac_gamma(const struct config *cfg, int horizon) {
  return isnan(cfg->odac_gamma) ? fmin(fmax(1 - 1.0 / horizon, GAMMA_MIN), GAMMA_MAX)
                                : cfg->odac_gamma;
}

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct odac *o = self;
  const struct config *cfg = setup->cfg;
  o->seed = (uint64_t)cfg->run_seed;
  o->backup.gamma = odac_gamma(cfg, setup->horizon);
  o->backup.q_max = isnan(cfg->odac_discount_max) ? o->backup.gamma : cfg->odac_discount_max;
  o->backup.kl_sign = (int)cfg->odac_time_kl_sign;
  o->time_temperature = cfg->odac_time_temperature;
  o->prefit = (uint64_t)cfg->outcome_prefit;
  o->reward_scale = cfg->odac_reward_scale;
  o->reward_decay = cfg->odac_reward_decay;
  o->bias_init = cfg->odac_bias_init;
  o->N = 1;
  o->max_batch = (int)cfg->train_batch;
  agent_init(ag, setup->nets, cfg, &setup->shape, setup->scaling);
  o->outcome = outcome_new(setup->nets, cfg, &setup->shape, setup->scaling);
  const size_t B = (size_t)o->max_batch;
  const struct rows_part part[] = {
      {&o->next_act, B * (size_t)setup->shape.act},
      {&o->next_logp, B},
      {&o->l, B},
      {&o->cl, B},
      {&o->V, B},
      {&o->y, B},
      {&o->q0, B},
      {&o->kl, B},
  };
  o->block = rows_new(part, sizeof part / sizeof *part);
}

static void release(void *self) {
  struct odac *o = self;
  outcome_free(o->outcome);
  free(o->block);
}

// ---- pieces of an update ----

struct range {
  float lowest, highest;
};

static struct range range(const float *x, int n) {
  struct range r = {INFINITY, -INFINITY};
  for (int i = 0; i < n; i++) {
    r.lowest = fminf(r.lowest, x[i]);
    r.highest = fmaxf(r.highest, x[i]);
  }
  return r;
}

// eq. (3)
static void scale_rows(float *cl, double c, const float *l, int B) {
  for (int i = 0; i < B; i++) {
    cl[i] = (float)(c * l[i]);
  }
}

static void init_noise(struct rng *rng, const struct odac *o, uint64_t key) {
  rng_init(rng, o->seed, RNG_UPDATE, key);
}

// ---- the rule ----

// (12) alone, o->prefit steps on minibatches of their own
static enum err fit_outcome(struct odac *o, const struct draws *draws) {
  struct net *net = outcome_net(o->outcome);
  for (uint64_t i = 0; i < o->prefit && !net->constant; i++) {
    const struct batch *b = draws->draw(draws->ctx, RNG_PREFIT, i);
    outcome_loglik(o->outcome, o->l, b);
    const float loss = (float)outcome_loss(o->outcome, b);
    if (!rows_finite(&loss, 1) || !rows_finite(net->grad, net->n)) {
      log_error(
          "odac: step %llu of the outcome model alone is not finite; %s or look for unbounded "
          "observations",
          (unsigned long long)i, net->remedy);
      return ERR_NUMERIC;
    }
    net_step(net);
  }
  return ERR_OK;
}

// the outcome model, then N, and the level at which the critics start, from the first minibatch.
// Its noise, for all rows at once, begins as that of the first part of the first update
static enum err prepare(void *self, struct agent *ag, const struct draws *draws) {
  struct odac *o = self;
  const enum err err = fit_outcome(o, draws);
  if (err != ERR_OK) {
    return err;
  }
  const struct batch *b = draws->draw(draws->ctx, RNG_BATCH, 0);
  const int B = b->B;
  struct rng rng;
  init_noise(&rng, o, 0);
  outcome_loglik(o->outcome, o->l, b);
  const struct range l = range(o->l, B);
  const double N = fmax((double)l.highest - (double)l.lowest, N_MIN);
  scale_rows(o->cl, o->reward_scale / N, o->l, B);
  agent_sample(ag, o->next_act, o->next_logp, b->next_obs, b->goal, &rng, B);
  const double alpha = exp((double)ag->log_alpha.theta[0]);
  const double level = rows_mean(o->cl, B) - alpha * rows_mean(o->next_logp, B);

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

static void set_figures(struct odac *o, const struct agent *ag, double c, double nll, int B) {
  const struct range l = range(o->l, B);
  o->figures = (struct odac_figures){
      .loss_q = (float)(0.5 * (ag->critic[0].loss + ag->critic[1].loss)),
      .loss_pi = (float)ag->policy.loss,
      .nll = (float)nll,
      .alpha = agent_alpha(ag),
      .q0 = (float)rows_mean(o->q0, B),
      .kl = (float)rows_mean(o->kl, B),
      .log_lik = (float)rows_mean(o->l, B),
      .log_lik_lowest = l.lowest,
      .log_lik_highest = l.highest,
      .scale = (float)c,
      .value = (float)rows_mean(o->V, B),
      .q = (float)ag->mean_q,
      .entropy = (float)-ag->mean_logp,
  };
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct odac *o = self;
  const int B = b->B;
  const float alpha = agent_alpha(ag);
  const double c = o->reward_scale / o->N;
  o->backup.kappa = o->time_temperature * c;
  const struct backup_rows backup = {.y = o->y, .q0 = o->q0, .kl = o->kl};
  CHECK(B >= 1 && B <= o->max_batch);
  struct rng rng;
  init_noise(&rng, o, key);

  outcome_loglik(o->outcome, o->l, b);                                         // (1)
  scale_rows(o->cl, c, o->l, B);                                               // (3)
  agent_sample(ag, o->next_act, o->next_logp, b->next_obs, b->goal, &rng, B);  // a'
  agent_min_target(ag, o->V, b->next_obs, b->goal, o->next_act, B);            // (4)
  agent_subtract_entropy(o->V, alpha, o->next_logp, B);                        // (4)
  backup_outcome(&backup, o->cl, o->V, b->done, &o->backup, B);                // (5) - (8)
  agent_critic_loss(ag, b, o->y);                                              // (9)
  agent_policy_loss(ag, b, alpha, &rng);                                       // (10)
  agent_temperature_loss(ag);                                                  // (11)
  const double nll = outcome_loss(o->outcome, b);                              // (12)
  set_figures(o, ag, c, nll, B);
}

static void stepped(void *self, const struct agent *ag) {
  struct odac *o = self;
  // eq. (2)
  const double range = (double)o->figures.log_lik_highest - (double)o->figures.log_lik_lowest;
  o->N = o->reward_decay * o->N + (1 - o->reward_decay) * range;
  o->N = fmax(o->N, N_MIN);
  o->figures.alpha = agent_alpha(ag);
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) \
  {#name, unit, help, offsetof(struct odac, figures.name), FIGURE_##combine},
    ODAC_FIGURES(F)
#undef F
};

static const struct kept_number kept[] = {{"reward", "range", offsetof(struct odac, N)}};

const struct rule odac_rule = {
    .name = "odac",
    .help = "outcome-driven actor-critic: reach a goal without a reward",
    .source = "Rudner et al., NeurIPS 2021, arXiv:2104.10190, equations 6 to 9 and Algorithm 1",
    .needs = RULE_GOAL,
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
