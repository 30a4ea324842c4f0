// beta.c - equations (1) to (6) of beta.h.
#include "learner/rules/beta.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/rules/backup.h"

static const struct agent_parts parts = {.critics = 1, .temperature = true};

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct beta *o = self;
  const struct config *cfg = setup->cfg;
  o->reward = reward_of(cfg, setup->shape.goal);
  actor_critic_init(&o->base, ag, setup, actor_critic_gamma_of(&o->reward), &parts);
  net_init(&o->value, setup->nets,
           &(struct net_setup){.name = "value",
                               .remedy = "lower agent.lr",
                               .hidden = &cfg->net_hidden,
                               .in = agent_inputs(ag),
                               .out = 1,
                               .lr = (float)cfg->agent_lr,
                               .target = true,
                               .tau = (float)cfg->agent_tau});
  reward_begin(&o->reward, setup->nets, cfg, &setup->shape, setup->scaling);
  o->tape = mlp_tape_new(&o->value.mlp, o->base.max_batch, 0);
  const size_t B = (size_t)o->base.max_batch;
  const struct rows_part part[] = {{&o->r, B}, {&o->next_value, B}, {&o->dv, B}};
  o->block = rows_new(part, sizeof part / sizeof *part);
}

static void release(void *self) {
  struct beta *o = self;
  actor_critic_release(&o->base);
  reward_release(&o->reward);
  net_release(&o->value);
  mlp_tape_free(o->tape);
  free(o->block);
}

// V of both forms at the next states: into base.V and next_value
static void next_values(struct beta *o, const struct agent *ag, const struct batch *b) {
  const struct mlp slow = net_target(&o->value);
  const size_t bytes = (size_t)b->B * sizeof(float);
  agent_lay(ag, mlp_input(o->tape), agent_inputs(ag), b->next_obs, b->goal, b->B);
  memcpy(o->base.V, mlp_forward(&slow, o->tape, b->B), bytes);
  memcpy(o->next_value, mlp_forward(&o->value.mlp, o->tape, b->B), bytes);
}

// (5) and its gradient, for the policy_q of agent_policy_loss
static void value_loss(struct beta *o, const struct agent *ag, const struct batch *b) {
  agent_lay(ag, mlp_input(o->tape), agent_inputs(ag), b->obs, b->goal, b->B);
  const float *v = mlp_forward(&o->value.mlp, o->tape, b->B);
  double sum = 0;
  for (int i = 0; i < b->B; i++) {
    const float error = v[i] - ag->policy_q[i];
    sum += (double)error * error;
    o->dv[i] = 2 * error / (float)b->B;
  }
  o->value.loss = sum / b->B;
  mlp_backward(&o->value.mlp, o->tape, o->value.grad, o->dv, b->B);
}

// (6), with Q(s, a, g) of agent_critic_loss
static double residual(const struct beta *o, const struct agent *ag, const struct batch *b) {
  double sum = 0;
  for (int i = 0; i < b->B; i++) {
    const double next = (1 - (double)b->done[i]) * (double)o->next_value[i];
    const double r = (double)o->r[i] + (double)o->base.n[i];
    const double error = (double)ag->q[i] - r - o->base.gamma * next;
    sum += error * error;
  }
  return sum / b->B;
}

static enum err prepare(void *self, struct agent *ag, const struct draws *draws) {
  (void)ag;
  struct beta *o = self;
  return reward_prepare(&o->reward, draws);
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct beta *o = self;
  struct actor_critic *ac = &o->base;
  const float alpha = actor_critic_alpha(ac, ag);
  struct rng rng;
  actor_critic_noise(&rng, ac, key);

  reward_rows(o->r, &o->reward, b);
  next_values(o, ag, b);
  backup_reward(ac->y, o->r, ac->V, b->done, ac->gamma, b->B);  // (1)
  actor_critic_values(ac, ag, b);                               // (2)
  agent_policy_loss(ag, b, alpha, &rng);                        // (3), (4)
  agent_temperature_loss(ag);
  value_loss(o, ag, b);                     // (5)
  o->residual = (float)residual(o, ag, b);  // (6)
  actor_critic_report(ac, ag, alpha, b->B);
  reward_loss(&o->reward, b);
  o->mean_reward = (float)rows_mean(o->r, b->B);
}

static void stepped(void *self, const struct agent *ag) {
  struct beta *o = self;
  actor_critic_stepped(&o->base, ag, o->residual);
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) ACTOR_CRITIC_FIGURE(struct beta, name, unit, help, combine)
    ACTOR_CRITIC_FIGURES(F)
#undef F
        {"reward", "", "r", offsetof(struct beta, mean_reward), FIGURE_MEAN},
    {"residual", "", "e", offsetof(struct beta, residual), FIGURE_MEAN},
};

static const struct kept_number kept[] = {ACTOR_CRITIC_KEPT(struct beta),
                                          REWARD_KEPT(struct beta, reward)};

const struct rule beta_rule = {
    .name = "beta",
    .needs = RULE_REWARD,
    .side = true,
    .size = sizeof(struct beta),
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
