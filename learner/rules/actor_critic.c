// actor_critic.c - equations (1) to (4) of actor_critic.h.
#include "learner/rules/actor_critic.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/worth/novelty.h"
#include "learner/worth/reward.h"

const double actor_critic_gamma_goal = 0.97, actor_critic_gamma_reward = 0.99;
static const double GAMMA_MIN = 0.5;

double actor_critic_gamma_of(const struct reward *reward) {
  return reward->kind == WORTH_REWARD_TASK ? actor_critic_gamma_reward : actor_critic_gamma_goal;
}

double actor_critic_gamma(const struct config *cfg, int horizon, double max) {
  return isnan(cfg->agent_gamma) ? fmin(fmax(1 - 1.0 / horizon, GAMMA_MIN), max) : cfg->agent_gamma;
}

void actor_critic_init(struct actor_critic *ac, struct agent *ag, const struct rule_setup *setup,
                       double gamma_max, const struct agent_parts *parts) {
  const struct config *cfg = setup->cfg;
  ac->seed = (uint64_t)cfg->run_seed;
  ac->gamma = actor_critic_gamma(cfg, setup->horizon, gamma_max);
  ac->soft = cfg->agent_value == AGENT_VALUE_SOFT;
  ac->residual = cfg->agent_temperature == AGENT_TEMPERATURE_RESIDUAL;
  ac->lambda = cfg->agent_residual_scale;
  ac->decay = cfg->agent_residual_decay;
  ac->lowest = cfg->agent_alpha_min;
  ac->highest = cfg->agent_alpha_max;
  ac->alpha = cfg->agent_alpha;
  ac->max_batch = (int)cfg->train_batch;
  agent_init(ag, setup->nets, cfg, &setup->shape, setup->scaling, parts, setup->horizon);
  if (cfg->explore_bonus > 0) {
    ac->bonus = (float)((1 - ac->gamma) * cfg->explore_bonus);
    ac->novelty = novelty_new(setup->nets, cfg, &setup->shape, setup->scaling);
  }
  const size_t B = (size_t)ac->max_batch;
  const struct rows_part part[] = {
      {&ac->next_act, B * (size_t)setup->shape.act},
      {&ac->next_logp, B},
      {&ac->V, B},
      {&ac->y, B},
      {&ac->n, B},
  };
  ac->block = rows_new(part, sizeof part / sizeof *part);
}

void actor_critic_release(struct actor_critic *ac) {
  novelty_free(ac->novelty);
  free(ac->block);
}

void actor_critic_noise(struct rng *rng, const struct actor_critic *ac, uint64_t key) {
  rng_init(rng, ac->seed, RNG_UPDATE, key);
}

float actor_critic_alpha(const struct actor_critic *ac, const struct agent *ag) {
  return ac->residual ? (float)ac->alpha : agent_alpha(ag);
}

void actor_critic_value(struct actor_critic *ac, struct agent *ag, const struct batch *b,
                        float alpha, struct rng *rng) {
  const int B = b->B;
  CHECK(B >= 1 && B <= ac->max_batch);
  agent_sample(ag, ac->next_act, ac->next_logp, b->next_obs, b->goal, rng, B);
  agent_min_target(ag, ac->V, b->next_obs, b->goal, ac->next_act, B);
  if (ac->soft) {
    agent_subtract_entropy(ac->V, alpha, ac->next_logp, B);
  }
}

void actor_critic_values(struct actor_critic *ac, struct agent *ag, const struct batch *b) {
  if (ac->novelty) {
    novelty_loss(ac->novelty, ac->n, b);
    // eq. (4)
    for (int i = 0; i < b->B; i++) {
      ac->n[i] *= b->head[i] > 0 ? ac->bonus : 0;
      ac->y[i] += ac->n[i];
    }
  }
  agent_critic_loss(ag, b, ac->y);
}

void actor_critic_descend(struct actor_critic *ac, struct agent *ag, const struct batch *b,
                          float alpha, struct rng *rng) {
  actor_critic_values(ac, ag, b);
  agent_policy_loss(ag, b, alpha, rng);
  agent_temperature_loss(ag);
  actor_critic_report(ac, ag, alpha, b->B);
}

void actor_critic_report(struct actor_critic *ac, const struct agent *ag, float alpha, int B) {
  double loss_q = 0;
  for (int i = 0; i < ag->parts.critics; i++) {
    loss_q += ag->critic[i].loss / ag->parts.critics;
  }
  ac->figures = (struct actor_critic_figures){
      .loss_q = (float)loss_q,
      .loss_pi = (float)ag->policy.loss,
      .alpha = alpha,
      .value = (float)rows_mean(ac->V, B),
      .q = (float)ag->mean_q,
      .entropy = (float)-ag->mean_logp,
  };
}

void actor_critic_stepped(struct actor_critic *ac, const struct agent *ag, float error) {
  // eq. (3)
  if (ac->residual) {
    const double now = 0.5 * ac->lambda * (double)error;
    const double alpha = ac->decay * ac->alpha + (1 - ac->decay) * now;
    ac->alpha = fmin(fmax(alpha, ac->lowest), ac->highest);
  }
  ac->figures.alpha = actor_critic_alpha(ac, ag);
}

void actor_critic_rule_stepped(void *self, const struct agent *ag) {
  struct actor_critic *ac = self;
  actor_critic_stepped(ac, ag, ac->figures.loss_q);
}

const struct kept_number actor_critic_kept[ACTOR_CRITIC_NKEPT] = {
    {"temperature", "residual", offsetof(struct actor_critic, alpha)}};
