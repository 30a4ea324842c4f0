// Tests of the latent context: its posterior is the conjugate one; the encoder's gradient is that
// of its loss; and in a family of bandits it learns to tell the hidden mean, of members it never
// saw, too.
#include "learner/agent/context.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "common/nn/mlp_shape.h"
#include "common/nn/policy.h"
#include "common/nn/rowmlp.h"
#include "learner/agent/scaling.h"
#include "learner/replay/batch.h"
#include "learner/rules/rules.h"
#include "tests/unit/capture.h"
#include "tests/unit/minibatch.h"

// x_n ~ N(m, s^2) with m ~ N(0, 1): the posterior of m, when the encoder says (x_n, log 1 / s^2)
Test(context, posterior_is_the_conjugate_one) {
  enum { MOST = 40, SIZE = 2 };
  float head[MOST * 2 * SIZE];
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  for (int n = 0; n <= MOST; n += 8) {
    const double s[SIZE] = {0.5, 3};
    double sum[SIZE] = {0};
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < SIZE; k++) {
        float x;
        rng_fill_normal(&rng, &x, 1);
        sum[k] += (double)x;
        head[i * 2 * SIZE + k] = x;
        head[i * 2 * SIZE + SIZE + k] = (float)-log(s[k] * s[k]);
      }
    }
    double mu[SIZE], variance[SIZE];
    context_posterior(mu, variance, head, n, SIZE);
    for (int k = 0; k < SIZE; k++) {
      const double precision = 1 + n / (s[k] * s[k]);
      cr_expect_float_eq(variance[k], 1 / precision, 1e-6);
      cr_expect_float_eq(mu[k], sum[k] / (s[k] * s[k]) / precision, 1e-5);
    }
  }
}

// ---- the gradient ----

enum { B = 24 };
static const struct policy_shape SHAPE = {.obs = 3, .goal = 2, .act = 2};
static const struct dims DIMS = {
    .obs = 3, .act = 2, .goal = 2, .horizon = 10, .hindsight = 1, .reward = 1};

static double loss(struct agent *ag, const struct batch *b, const float *y) {
  struct rng rng;
  rng_init(&rng, 3, RNG_CONTEXT, 0);
  agent_begin(ag, b);
  agent_infer(ag, b, &rng);
  agent_critic_loss(ag, b, y);
  agent_context_loss(ag);
  return ag->context ? ag->critic[0].loss + ag->critic[1].loss : NAN;
}

// of F_Q1 + F_Q2 + kl KL by all of the encoder's parameters, for given targets
Test(context, gradient_equals_central_differences) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.train_batch = B;
  cfg.net_hidden = (struct widths){.n = 2, .v = {6, 5}};
  cfg.explore_heads = 2;
  cfg.context_members = 3;
  cfg.context_size = 2;
  cfg.context_hidden = (struct widths){.n = 1, .v = {7}};
  cfg.worth_reward = WORTH_REWARD_TASK;
  struct nets nets = {.seed = 1};
  struct scaling *scaling = scaling_new(&SHAPE);
  struct agent ag;
  agent_init(&ag, &nets, &cfg, &SHAPE, scaling, &agent_twin, 10);
  const struct net *net = nets.at[nets.n - 1];
  cr_assert_str_eq(net->name, "context");
  cr_assert_eq(net->mlp.width[0], 3 + 2 + 3 + 1);
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, 0);
  for (int i = 0; i < nets.n; i++) {
    // the prior, which is constant, is scaled up by those who use it
    const float most = nets.at[i]->constant && nets.at[i]->mlp.nlayer > 0 ? 0.02f : 0.5f;
    rng_fill_uniform(&rng, nets.at[i]->theta, nets.at[i]->n, -most, most);
  }
  struct batch *b = minibatch_random(&DIMS, B, 4);
  float y[B];
  rng_fill_normal(&rng, y, B);
  for (int i = 0; i < B; i++) {
    b->head[i] = (float)(i % 2);
  }
  loss(&ag, b, y);
  float *grad = must_alloc(net->n, sizeof *grad);
  memcpy(grad, net->grad, net->n * sizeof *grad);
  double error = 0, size = 0;
  for (size_t i = 0; i < net->n; i++) {
    const float x = net->theta[i], h = 0x1p-9f;
    net->theta[i] = x + h;
    loss(&ag, b, y);
    const double above = net->loss;
    net->theta[i] = x - h;
    loss(&ag, b, y);
    const double want = (above - net->loss) / (2.0 * (double)h);
    net->theta[i] = x;
    error += ((double)grad[i] - want) * ((double)grad[i] - want);
    size += want * want;
  }
  cr_expect_lt(sqrt(error), 2e-2 * sqrt(size), "error %g of %g", sqrt(error), sqrt(size));
  cr_expect_gt(size, 1e-3);
  // the KL is a part of it
  cr_expect_gt(net->loss, ag.critic[0].loss + ag.critic[1].loss);
  free(grad);
  batch_free(b);
  agent_release(&ag);
  scaling_free(scaling);
}

// ---- a family of bandits ----

// One step and one state; member m pays -(a - m)^2. Nothing but the rewards of its actions tells m.
enum { PARTS = 4, ROWS = 32, WIDTH = 32 };
static const struct dims BANDIT = {.obs = 1, .act = 1, .goal = 0, .horizon = 1, .reward = 1};

static void pull(const struct batch *b, float m, struct rng *rng) {
  for (int i = 0; i < b->B; i++) {
    const float a = 2 * rng_float(rng) - 1;
    b->act[i] = a;
    b->reward[i] = -(a - m) * (a - m);
    b->done[i] = 1;
  }
}

// the mean action of the published policy, with the context of the rows of b, or of none
static double best_action(struct updater *u, const struct batch *b) {
  int width[MLP_MAX_LAYERS + 1];
  const int n = updater_layers(u, width);
  float *theta = must_alloc(mlp_nparam(width, n), sizeof *theta);
  float mean[WIDTH], sample[WIDTH], scratch[2 * WIDTH], out[2], a;
  struct rng rng;
  rng_init(&rng, 1, RNG_CONTEXTS, 0);
  updater_publish(u, theta);
  updater_context_shifts(u, mean, sample, b, &rng);
  for (int j = 0; j < WIDTH; j++) {
    mean[j] += theta[WIDTH + j];
  }
  const float obs[1] = {0};
  rowmlp_forward(out, theta, width, n, obs, mean, scratch);
  policy_act(&a, out, NULL, 1);
  free(theta);
  return (double)a;
}

Test(context, tells_members_of_a_family_apart) {
  struct config cfg;
  config_defaults(&cfg);
  cr_assert_eq(config_rule(&cfg, "sac"), ERR_OK);
  cfg.run_seed = 2;
  cfg.worth_reward = WORTH_REWARD_TASK;
  cfg.train_batch = PARTS * ROWS;
  cfg.train_shards = PARTS;
  cfg.net_hidden = (struct widths){.n = 2, .v = {WIDTH, WIDTH}};
  cfg.agent_lr = 3e-3;
  cfg.agent_alpha = 0.01;
  cfg.agent_temperature = AGENT_TEMPERATURE_CONSTANT;
  cfg.context_members = 5;
  cfg.context_size = 2;
  cfg.context_kl = 0.01;
  cfg.context_hidden = (struct widths){.n = 2, .v = {WIDTH, WIDTH}};
  struct updater *u = updater_new(rules_of(&cfg), &cfg, &BANDIT, NULL);
  struct batch *b = batch_new(&BANDIT, PARTS * ROWS);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  for (uint64_t i = 0; i < 5000; i++) {
    for (int k = 0; k < PARTS; k++) {
      const struct batch part = batch_rows(b, &BANDIT, k * ROWS, ROWS);
      pull(&part, 0.4f * (float)rng_below(&rng, 5) - 0.8f, &rng);
    }
    cr_assert(i > 0 || minibatch_prepare(u, b) == ERR_OK);
    cr_assert_eq(updater_update(u, b, i), ERR_OK);
  }
  // those it learned from, and those between them
  for (int k = -4; k <= 4; k++) {
    const struct batch part = batch_rows(b, &BANDIT, 0, ROWS);
    pull(&part, 0.2f * (float)k, &rng);
    const double a = best_action(u, &part);
    cr_expect_float_eq(a, 0.2 * k, 0.12, "member %g: %g", 0.2 * k, a);
  }
  const double blind = best_action(u, NULL);
  cr_expect_lt(fabs(blind), 0.6, "%g", blind);
  batch_free(b);
  updater_free(u);
}

// ---- what is refused ----

static void expect_refused(const struct config *from, bool family, const char *words) {
  struct config cfg = *from;
  capture_begin();
  const enum err err = rules_resolve(&cfg, &DIMS, 0.1, family, "box2d");
  const char *text = capture_end();
  cr_expect_eq(err, ERR_CONFIG);
  cr_expect(strstr(text, words), "%s", text);
}

Test(context, is_refused_where_there_is_none) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.context_members = 4;
  expect_refused(&cfg, false, "task box2d is no family: give it telos.random.*");
  cr_expect_eq(rules_resolve(&cfg, &DIMS, 0.1, true, "box2d"), ERR_OK);
  snprintf(cfg.demos_digest, sizeof cfg.demos_digest, "0123456789abcdef");
  expect_refused(&cfg, true, "demonstrations are of no task of a family");
  cr_assert_eq(config_rule(&cfg, "bc"), ERR_OK);
  expect_refused(&cfg, true, "rule bc has no context");
}
