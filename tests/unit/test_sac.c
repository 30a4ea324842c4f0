// Tests of soft actor-critic and what its settings make of it: rewards against hand-computed ones;
// a one-step problem whose best policy is known in closed form; a choice that soft values get
// wrong and VIREL's get right; the reward of a task that cannot give it is refused.
#include "learner/rules/sac.h"

#include <criterion/criterion.h>
#include <math.h>

#include "common/config/bundle.h"
#include "common/config/config.h"
#include "learner/rules/backup.h"
#include "tests/unit/capture.h"
#include "tests/unit/minibatch.h"

enum { B = 128 };

// ---- rewards ----

Test(sac, rewards_are_the_tasks_or_by_distance) {
  const struct dims dims = {.obs = 1, .act = 1, .goal = 2, .horizon = 10, .reward = 1};
  struct batch *b = batch_new(&dims, 2);
  const float next[] = {1, 2, 0, 0}, goal[] = {4, 6, 0.3f, 0.4f}, reward[] = {7, -2};
  memcpy(b->next_achieved, next, sizeof next);
  memcpy(b->goal, goal, sizeof goal);
  memcpy(b->reward, reward, sizeof reward);
  const struct {
    struct reward reward;
    float want[2];
  } cases[] = {
      {{WORTH_REWARD_TASK, 2, 0, 2}, {14, -4}},
      {{WORTH_REWARD_DISTANCE, 1, 0, 2}, {-5, -0.5f}},
      {{WORTH_REWARD_DISTANCE, 3, 0, 2}, {-15, -1.5f}},
      {{WORTH_REWARD_SPARSE, 1, 0.5001, 2}, {-1, 0}},
      {{WORTH_REWARD_SPARSE, 4, 0.4999, 2}, {-4, -4}},
      {{WORTH_REWARD_SPARSE, 1, 5.0001, 2}, {0, 0}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    float r[2];
    reward_rows(r, &cases[i].reward, b);
    for (int k = 0; k < 2; k++) {
      cr_assert_float_eq(r[k], cases[i].want[k], 1e-5, "case %zu: %g", i, (double)r[k]);
    }
  }
  batch_free(b);
}

// eq. (3): nothing follows a true end
Test(sac, targets_discount_the_next_value_unless_it_ends) {
  const float r[] = {1, 1, -2}, V[] = {10, 10, -4}, done[] = {0, 1, 0};
  const double want[] = {10, 1, -5.6};
  float y[3];
  backup_reward(y, r, V, done, 0.9, 3);
  for (int i = 0; i < 3; i++) {
    cr_assert_float_eq(y[i], want[i], 1e-6);
  }
}

static void expect_resolve(const char *setting, const struct dims *dims, double given,
                           enum worth_reward want, double radius, const char *words) {
  struct config cfg;
  config_defaults(&cfg);
  cr_assert_eq(config_set(&cfg, setting), ERR_OK);
  capture_begin();
  const enum err err = reward_resolve(&cfg, dims, given);
  const char *line = capture_end();
  cr_assert_eq(err, words ? ERR_CONFIG : ERR_OK, "%s", setting);
  if (words) {
    cr_assert(strstr(line, words), "%s: %s", setting, line);
    return;
  }
  cr_assert_eq(cfg.worth_reward, want, "%s", setting);
  cr_assert(isnan(radius) ? isnan(cfg.worth_radius) : cfg.worth_radius == radius);
}

Test(sac, a_task_decides_what_is_auto) {
  const struct dims rewards = {.obs = 1, .act = 1, .horizon = 1, .reward = 1},
                    goals = {.obs = 1, .act = 1, .horizon = 1, .goal = 2};
  expect_resolve("worth.reward=auto", &rewards, 0, WORTH_REWARD_TASK, NAN, NULL);
  expect_resolve("worth.reward=auto", &goals, 0, WORTH_REWARD_DISTANCE, NAN, NULL);
  expect_resolve("worth.reward=sparse", &goals, 0.25, WORTH_REWARD_SPARSE, 0.25, NULL);
  expect_resolve("worth.reward=sparse", &goals, 0, 0, NAN, "success radius");
  expect_resolve("worth.reward=task", &goals, 0, 0, NAN, "no sensors named");
  expect_resolve("worth.reward=distance", &rewards, 0, 0, NAN, "no goal");
}

// ---- learning where the answer is known ----

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
  struct updater *u = updater_new(&sac_rule, cfg, &DIMS, NULL);
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

// the best policy at temperature alpha is proportional to exp(r / alpha): a normal one around x / 2
// with variance alpha / 2
Test(sac, one_quadratic_step_gives_the_policy_in_closed_form) {
  struct config cfg = small("sac");
  cfg.agent_temperature = AGENT_TEMPERATURE_CONSTANT;
  cfg.agent_alpha = 0.02;
  struct updater *u = learn(&cfg, quadratic, 1, 4000);
  for (int i = -1; i <= 1; i++) {
    double mean, sd;
    policy_at(&mean, &sd, u, 0, 0.8f * (float)i);
    cr_assert_float_eq(mean, 0.4 * i, 0.06, "at %g: mean %g", 0.8 * i, mean);
    cr_assert_float_eq(sd, 0.1, 0.025, "at %g: sd %g", 0.8 * i, sd);
  }
  updater_free(u);
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

Test(sac, soft_values_prefer_what_is_wide) {
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
Test(sac, virel_takes_what_is_best) {
  struct config cfg = small("virel");
  struct updater *u = learn(&cfg, wide_or_narrow, 3, 6000);
  const struct sac *s = u->self;
  double mean, sd;
  policy_at(&mean, &sd, u, 0, 0);
  cr_assert_lt(s->base.alpha, 0.05, "%g", s->base.alpha);
  cr_assert_lt(mean, -0.1, "%g", mean);
  updater_free(u);
}
