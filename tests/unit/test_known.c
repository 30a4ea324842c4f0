// Tests that rules learn what is best where that is known: a one-step problem whose best policy has
// a closed form, and a choice that soft values get wrong and hard ones get right.
#include <criterion/criterion.h>
#include <math.h>

#include "common/config/bundle.h"
#include "common/config/config.h"
#include "learner/rules/beta.h"
#include "learner/rules/irl.h"
#include "learner/rules/rules.h"
#include "learner/rules/sac.h"
#include "learner/worth/adversary.h"
#include "tests/unit/minibatch.h"

enum { B = 128 };

// what follows (s, a), with s = (which state, a number in [-1, 1])
struct outcome_of {
  float reward, next;
  bool done;
};
typedef struct outcome_of world(float state, float number, float a);

static const struct dims DIMS = {.obs = 2, .act = 1, .goal = 0, .horizon = 10, .reward = 1};

// states 0 and up to most, uniform actions
static void fill(struct batch *b, world *what, int states, struct rng *rng) {
  for (int i = 0; i < b->B; i++) {
    const float state = (float)rng_below(rng, (uint32_t)states);
    const float number = 2 * rng_float(rng) - 1, a = 2 * rng_float(rng) - 1;
    const struct outcome_of after = what(state, number, a);
    b->obs[2 * i] = state;
    b->obs[2 * i + 1] = number;
    b->act[i] = a;
    b->reward[i] = after.reward;
    b->next_obs[2 * i] = after.next;
    b->next_obs[2 * i + 1] = 2 * rng_float(rng) - 1;
    b->done[i] = after.done ? 1 : 0;
  }
}

static struct updater *learn(const struct config *cfg, world *what, int states, int updates) {
  struct updater *u = updater_new(rules_of(cfg), cfg, &DIMS, NULL);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, B);
  for (int i = 0; i < updates; i++) {
    fill(b, what, states, &rng);
    cr_assert(i > 0 || minibatch_prepare(u, b) == ERR_OK);
    cr_assert_eq(updater_update(u, b, (uint64_t)i), ERR_OK);
  }
  batch_free(b);
  return u;
}

// mean and deviation of the policy's action in a state
static void policy_at(double *mean, double *sd, struct updater *u, float state, float number) {
  enum { N = B };
  float obs[2 * N], goal[1] = {0}, act[N], logp[N];
  for (int i = 0; i < N; i++) {
    obs[2 * i] = state;
    obs[2 * i + 1] = number;
  }
  struct rng rng;
  double sum = 0, square = 0;
  int n = 0;
  for (uint64_t k = 0; k < 20; k++) {
    rng_init(&rng, 2, RNG_TEST, k);
    agent_sample(&u->agent, act, logp, obs, goal, &rng, N);
    for (int i = 0; i < N; i++, n++) {
      sum += (double)act[i];
      square += (double)act[i] * (double)act[i];
    }
  }
  *mean = sum / n;
  *sd = sqrt(fmax(0, square / n - *mean * *mean));
}

static struct config small(const char *rule) {
  struct config cfg;
  config_defaults(&cfg);
  cr_assert_eq(config_rule(&cfg, rule), ERR_OK);
  cfg.run_seed = 3;
  cfg.train_batch = B;
  cfg.net_hidden = (struct widths){.n = 2, .v = {32, 32}};
  cfg.worth_reward = WORTH_REWARD_TASK;
  cfg.agent_lr = 3e-3;
  return cfg;
}

// one step, then the end: r = -(a - x / 2)^2
static struct outcome_of quadratic(float state, float x, float a) {
  (void)state;
  const float error = a - x / 2;
  return (struct outcome_of){.reward = -error * error, .done = true};
}

// the policy's mean is x / 2 to within this, its deviation in between; frees u
static void expect_best(struct updater *u, double tolerance, double least_sd, double most_sd) {
  for (int i = -1; i <= 1; i++) {
    double mean, sd;
    policy_at(&mean, &sd, u, 0, 0.8f * (float)i);
    cr_assert_float_eq(mean, 0.4 * i, tolerance, "at %g: mean %g", 0.8 * i, mean);
    cr_assert(sd > least_sd && sd < most_sd, "at %g: sd %g", 0.8 * i, sd);
  }
  updater_free(u);
}

// the best policy at temperature alpha is proportional to exp(r / alpha): a normal one around x / 2
// with variance alpha / 2
Test(known, one_quadratic_step_gives_the_policy_in_closed_form) {
  struct config cfg = small("sac");
  cfg.agent_temperature = AGENT_TEMPERATURE_CONSTANT;
  cfg.agent_alpha = 0.02;
  struct updater *u = learn(&cfg, quadratic, 1, 4000);
  expect_best(u, 0.06, 0.075, 0.125);
}

// In state 0 the sign of a chooses what is next: a > 0 state 1, where every action is worth 0;
// a < 0 state 2, which has one narrow action that is worth 0.3. The best is a < 0; but at alpha =
// 0.5 the soft value of state 1 is 0.5 log 2 = 0.35, that of state 2 below -0.5.
static struct outcome_of wide_or_narrow(float state, float x, float a) {
  (void)x;
  if (state == 0) {
    return (struct outcome_of){.next = a > 0 ? 1 : 2};
  }
  return (struct outcome_of){.reward = state == 1 ? 0 : 0.3f - 20 * a * a, .done = true};
}

Test(known, soft_values_prefer_what_is_wide) {
  struct config cfg = small("sac");
  cfg.agent_temperature = AGENT_TEMPERATURE_CONSTANT;
  cfg.agent_alpha = 0.5;
  struct updater *u = learn(&cfg, wide_or_narrow, 3, 3000);
  double mean, sd;
  policy_at(&mean, &sd, u, 0, 0);
  cr_assert_gt(mean, 0.1, "%g", mean);
  updater_free(u);
}

// the temperature falls as the critics come to agree with their targets, and the greedy policy
// finds what is best
Test(known, virel_takes_what_is_best) {
  struct config cfg = small("virel");
  struct updater *u = learn(&cfg, wide_or_narrow, 3, 6000);
  const struct sac *s = u->self;
  double mean, sd;
  policy_at(&mean, &sd, u, 0, 0);
  cr_assert_lt(s->base.alpha, 0.05, "%g", s->base.alpha);
  cr_assert_lt(mean, -0.1, "%g", mean);
  updater_free(u);
}

// the same for the form with a network of values
Test(known, beta_takes_what_is_best) {
  struct config cfg = small("beta");
  struct updater *u = learn(&cfg, wide_or_narrow, 3, 8000);
  const struct beta *o = u->self;
  double mean, sd;
  policy_at(&mean, &sd, u, 0, 0);
  cr_assert_lt(o->base.alpha, 0.05, "%g", o->base.alpha);
  cr_assert_lt(mean, -0.1, "%g", mean);
  updater_free(u);
}

// its policy moves to the best action from step to step
Test(known, mpo_moves_to_the_best_action) {
  struct config cfg = small("mpo");
  cfg.mpo_kl_std = 1e-2;
  struct updater *u = learn(&cfg, quadratic, 1, 5000);
  expect_best(u, 0.08, 0, 0.3);
}

// looking one step ahead in a model that it has learned
Test(known, drive_moves_to_the_best_action) {
  struct config cfg = small("drive");
  cfg.drive_hidden = (struct widths){.n = 2, .v = {32, 32}};
  cfg.drive_steps = 2;
  cfg.drive_eta_prior = 0.1;
  struct updater *u = learn(&cfg, quadratic, 1, 4000);
  expect_best(u, 0.08, 0, 1);
}

// cloning finds the Gaussian that the actions came from
Test(known, cloning_finds_the_gaussian_of_the_actions) {
  struct config cfg = small("bc");
  cfg.agent_lr = 3e-4;
  snprintf(cfg.demos_digest, sizeof cfg.demos_digest, "given");
  struct updater *u = updater_new(rules_of(&cfg), &cfg, &DIMS, NULL);
  struct rng rng;
  rng_init(&rng, 4, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, B);
  for (int i = 0; i < 8000; i++) {
    fill(b, quadratic, 1, &rng);
    for (int k = 0; k < B; k++) {
      // rows that are no demonstration would teach something else
      b->demo[k] = k % 4 == 0 ? 0.0f : 1.0f;
      const float u0 = 0.5f * b->obs[2 * k + 1] + 0.2f * rng_normal(&rng);
      b->act[k] = k % 4 == 0 ? -0.9f : tanhf(u0);
    }
    cr_assert(i > 0 || minibatch_prepare(u, b) == ERR_OK);
    cr_assert_eq(updater_update(u, b, (uint64_t)i), ERR_OK);
  }
  for (int i = -1; i <= 1; i++) {
    double mean, sd;
    policy_at(&mean, &sd, u, 0, 0.8f * (float)i);
    const double slope = 1 - tanh(0.4) * tanh(0.4);
    cr_assert_float_eq(mean, tanh(0.4 * i), 0.04, "at %g: mean %g", 0.8 * i, mean);
    cr_assert_float_eq(sd, 0.2 * (i == 0 ? 0.97 : slope), 0.03, "at %g: sd %g", 0.8 * i, sd);
  }
  batch_free(b);
  updater_free(u);
}

// a reward planted in demonstrations: their actions are exp(r) likely, with r = -((u - x / 2) /
// 0.3)^2 / 2 of the number before tanh. The learned one has the same differences between actions.
Test(known, irl_finds_the_planted_reward) {
  struct config cfg = small("irl");
  snprintf(cfg.demos_digest, sizeof cfg.demos_digest, "given");
  cfg.agent_lr = 1e-3;
  cfg.agent_alpha = 1;
  struct updater *u = updater_new(rules_of(&cfg), &cfg, &DIMS, NULL);
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, B);
  float head_noise[B], logp[B];
  for (int i = 0; i < 6000; i++) {
    fill(b, quadratic, 1, &rng);
    // the others' actions are the policy's own, as when it has acted in these states
    const float goal[1] = {0};
    agent_sample(&u->agent, head_noise, logp, b->obs, goal, &rng, B);
    for (int k = 0; k < B; k++) {
      b->demo[k] = k % 2 == 0 ? 1.0f : 0.0f;
      const float shown = tanhf(0.5f * b->obs[2 * k + 1] + 0.3f * rng_normal(&rng));
      b->act[k] = k % 2 == 0 ? shown : head_noise[k];
    }
    cr_assert(i > 0 || minibatch_prepare(u, b) == ERR_OK);
    cr_assert_eq(updater_update(u, b, (uint64_t)i), ERR_OK);
  }
  // f falls from the likeliest action, u = x / 2, to those a deviation away as the log of the
  // density of a = tanh(u) does
  const struct irl *o = u->self;
  for (int i = -1; i <= 1; i++) {
    float f[3];
    for (int k = 0; k < 3; k++) {
      b->obs[2 * k] = 0;
      b->obs[2 * k + 1] = 0.8f * (float)i;
      b->act[k] = tanhf(0.4f * (float)i + 0.3f * (float)(k - 1));
    }
    const struct batch three = batch_rows(b, &DIMS, 0, 3);
    adversary_reward(o->adversary, f, &three);
    for (int k = 0; k < 3; k += 2) {
      const double a0 = (double)b->act[1], a = (double)b->act[k];
      const double want = 0.5 + log1p(-a * a) - log1p(-a0 * a0);
      cr_assert_float_eq(f[1] - f[k], want, 0.2, "at %g: falls by %g, want %g", 0.8 * i,
                         (double)(f[1] - f[k]), want);
    }
  }
  // the policy is that of the demonstrations
  for (int i = -1; i <= 1; i++) {
    double mean, sd;
    policy_at(&mean, &sd, u, 0, 0.8f * (float)i);
    cr_assert_float_eq(mean, 0.95 * tanh(0.4 * i), 0.08, "at %g: mean %g", 0.8 * i, mean);
    cr_assert_float_eq(sd, 0.27, 0.08, "at %g: sd %g", 0.8 * i, sd);
  }
  batch_free(b);
  updater_free(u);
}
