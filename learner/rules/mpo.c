// mpo.c - equations (1) to (8) of mpo.h, in their order.
#include "learner/rules/mpo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/rules/backup.h"

static const struct agent_parts parts = {
    .critics = 2, .slow_critics = true, .slow_policy = true, .temperature = true};

// of the multipliers: where they begin, and what they are kept in
static const float TRUST_START = 2.3f, TRUST_LOWEST = -18.0f, TRUST_HIGHEST = 18.0f;

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct mpo *m = self;
  const struct config *cfg = setup->cfg;
  m->reward = reward_of(cfg, setup->shape.goal);
  actor_critic_init(&m->base, ag, setup, actor_critic_gamma_of(&m->reward), &parts);
  net_init(&m->trust, setup->nets,
           &(struct net_setup){.name = "trust",
                               .remedy = "lower mpo.trust_lr",
                               .nfree = 2,
                               .start = TRUST_START,
                               .lowest = TRUST_LOWEST,
                               .highest = TRUST_HIGHEST,
                               .lr = (float)cfg->mpo_trust_lr});
  reward_begin(&m->reward, setup->nets, cfg, &setup->shape, setup->scaling);
  m->M = (int)cfg->mpo_actions;
  m->kl = cfg->mpo_kl;
  m->kl_mean = cfg->mpo_kl_mean;
  m->kl_std = cfg->mpo_kl_std;
  const size_t B = (size_t)m->base.max_batch, act = (size_t)setup->shape.act, M = (size_t)m->M;
  const struct rows_part part[] = {
      {&m->r, B},         {&m->head, B * 2 * act}, {&m->eps, M * B * act},  {&m->q, M * B},
      {&m->act, B * act}, {&m->logp, B},           {&m->dhead, B * 2 * act}};
  m->block = rows_new(part, sizeof part / sizeof *part);
}

static void release(void *self) {
  struct mpo *m = self;
  actor_critic_release(&m->base);
  reward_release(&m->reward);
  net_release(&m->trust);
  free(m->block);
}

// ---- E-step ----

struct mpo_weights mpo_weigh(float *q, double alpha, int M, int stride) {
  struct mpo_weights out = {0};
  double highest = -INFINITY, sum = 0;
  for (int j = 0; j < M; j++) {
    const double x = (double)q[j * stride] / alpha;
    // what is not a number stays, so that it is found
    highest = x > highest || isnan(x) ? x : highest;
  }
  for (int j = 0; j < M; j++) {
    sum += exp((double)q[j * stride] / alpha - highest);
  }
  out.log_mean = highest + log(sum / M);
  for (int j = 0; j < M; j++) {
    const double x = (double)q[j * stride] / alpha;
    const double w = exp(x - highest) / sum;
    out.mean_q += w * alpha * x;
    out.kl += w * (x - out.log_mean);
    q[j * stride] = (float)w;
  }
  return out;
}

// head, eps and q of M actions in each state
static void sample(struct mpo *m, struct agent *ag, const struct batch *b, struct rng *rng) {
  const int B = b->B, act = ag->shape.act;
  double logp = 0;
  memcpy(m->head, agent_head(ag, true, b->obs, b->goal, B),
         (size_t)B * 2 * (size_t)act * sizeof(float));
  rng_fill_normal(rng, m->eps, (size_t)m->M * (size_t)B * (size_t)act);
  for (int j = 0; j < m->M; j++) {
    policy_sample(m->act, m->logp, m->head, m->eps + j * B * act, B, act);
    agent_min_target(ag, m->q + j * B, b->obs, b->goal, m->act, B);
    logp += rows_mean(m->logp, B) / m->M;
  }
  ag->mean_logp = logp;
}

// (3), (4)
static void weigh(struct mpo *m, struct agent *ag, float alpha, int B) {
  struct mpo_weights sum = {0};
  for (int i = 0; i < B; i++) {
    const struct mpo_weights row = mpo_weigh(m->q + i, (double)alpha, m->M, B);
    sum.log_mean += row.log_mean;
    sum.mean_q += row.mean_q;
    sum.kl += row.kl;
  }
  m->figures.kl = (float)(sum.kl / B);
  ag->log_alpha.loss = (double)alpha * (m->kl + sum.log_mean / B);
  // by log alpha: alpha dF / dalpha
  ag->log_alpha.grad[0] = (float)(ag->log_alpha.loss - sum.mean_q / B);
}

// ---- M-step ----

// what (5) needs of one number of an action in one row
struct moments {
  double first, second;  // (8)
};

static struct moments moments_of(const struct mpo *m, int row, int i, int B, int act) {
  struct moments sum = {0};
  for (int j = 0; j < m->M; j++) {
    const double w = (double)m->q[j * B + row];
    const double eps = (double)m->eps[(j * B + row) * act + i];
    sum.first += w * eps;
    sum.second += w * eps * eps;
  }
  return sum;
}

// (5), (6) and their gradient by the head
static void fit(struct mpo *m, struct agent *ag, const struct batch *b) {
  static const double HALF_LOG_2PI = 0.91893853320467274;
  const int B = b->B, act = ag->shape.act;
  const double nu_mean = exp((double)m->trust.theta[0]), nu_std = exp((double)m->trust.theta[1]);
  const float *head = agent_head(ag, false, b->obs, b->goal, B);
  double fit = 0, k_mean = 0, k_std = 0;
  for (int row = 0; row < B; row++) {
    const float *now = head + row * 2 * act, *old = m->head + row * 2 * act;
    float *dhead = m->dhead + row * 2 * act;
    for (int i = 0; i < act; i++) {
      const double s = (double)policy_log_std(now[act + i]);
      const double s0 = (double)policy_log_std(old[act + i]);
      const double sigma0 = exp(s0), ratio = exp(2 * (s0 - s));  // sigma0^2 / sigma^2
      const double delta = ((double)now[i] - (double)old[i]) / sigma0;
      const struct moments w = moments_of(m, row, i, B, act);
      fit += 0.5 * (w.second - 2 * delta * w.first + delta * delta) + s0 + HALF_LOG_2PI;
      fit += 0.5 * ratio * w.second + s + HALF_LOG_2PI;
      k_mean += 0.5 * delta * delta;
      k_std += s - s0 + 0.5 * (ratio - 1);
      dhead[i] = (float)((delta - w.first + nu_mean * delta) / sigma0 / B);
      const double ds = (1 - ratio * w.second + nu_std * (1 - ratio)) / B;
      dhead[act + i] = policy_inward(now[act + i], (float)ds);
    }
  }
  m->figures.kl_mean = (float)(k_mean / B);
  m->figures.kl_std = (float)(k_std / B);
  ag->policy.loss = (fit + nu_mean * k_mean + nu_std * k_std) / B;
  ag->policy.loss += agent_clone(ag, m->dhead, head, b);
  agent_policy_gradient(ag, m->dhead, B);
  // (7)
  const double left_mean = m->kl_mean - k_mean / B, left_std = m->kl_std - k_std / B;
  m->trust.loss = nu_mean * left_mean + nu_std * left_std;
  m->trust.grad[0] = (float)(nu_mean * left_mean);
  m->trust.grad[1] = (float)(nu_std * left_std);
}

static enum err prepare(void *self, struct agent *ag, const struct draws *draws) {
  (void)ag;
  struct mpo *m = self;
  return reward_prepare(&m->reward, draws);
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct mpo *m = self;
  struct actor_critic *ac = &m->base;
  const float alpha = actor_critic_alpha(ac, ag);
  struct rng rng;
  actor_critic_noise(&rng, ac, key);

  reward_rows(m->r, &m->reward, b);
  actor_critic_value(ac, ag, b, alpha, &rng);
  backup_reward(ac->y, m->r, ac->V, b->done, ac->gamma, b->B);  // (1)
  actor_critic_values(ac, ag, b);                               // (2)
  sample(m, ag, b, &rng);
  weigh(m, ag, alpha, b->B);  // (3), (4)
  fit(m, ag, b);              // (5) - (8)
  reward_loss(&m->reward, b);
  m->figures.reward = (float)rows_mean(m->r, b->B);
  actor_critic_report(ac, ag, alpha, b->B);
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) ACTOR_CRITIC_FIGURE(struct mpo, name, unit, help, combine)
    ACTOR_CRITIC_FIGURES(F)
#undef F
#define F(name, unit, help, combine) \
  {#name, unit, help, offsetof(struct mpo, figures.name), FIGURE_##combine},
        MPO_FIGURES(F)
#undef F
};

static const struct kept_number kept[] = {ACTOR_CRITIC_KEPT(struct mpo),
                                          REWARD_KEPT(struct mpo, reward)};

const struct rule mpo_rule = {
    .name = "mpo",
    .needs = RULE_REWARD,
    .side = true,
    .size = sizeof(struct mpo),
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
