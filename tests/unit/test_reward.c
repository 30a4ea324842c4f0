// Tests of the rewards that rules are given: against hand-computed ones; the reward of a task that
// cannot give it is refused.
#include "learner/worth/reward.h"

#include <criterion/criterion.h>
#include <math.h>

#include "common/config/config.h"
#include "learner/rules/backup.h"
#include "tests/unit/capture.h"
#include "tests/unit/minibatch.h"

Test(reward, rewards_are_the_tasks_or_by_distance) {
  const struct dims dims = {.obs = 1, .act = 1, .goal = 2, .horizon = 10, .reward = 1};
  struct batch *b = batch_new(&dims, 2);
  const float next[] = {1, 2, 0, 0}, goal[] = {4, 6, 0.3f, 0.4f}, reward[] = {7, -2};
  memcpy(b->next_achieved, next, sizeof next);
  memcpy(b->goal, goal, sizeof goal);
  memcpy(b->reward, reward, sizeof reward);
  struct {
    struct reward reward;
    float want[2];
  } cases[] = {
      {{.kind = WORTH_REWARD_TASK, .scale = 2, .radius = 0, .goal = 2}, {14, -4}},
      {{.kind = WORTH_REWARD_DISTANCE, .scale = 1, .radius = 0, .goal = 2}, {-5, -0.5f}},
      {{.kind = WORTH_REWARD_DISTANCE, .scale = 3, .radius = 0, .goal = 2}, {-15, -1.5f}},
      {{.kind = WORTH_REWARD_SPARSE, .scale = 1, .radius = 0.5001, .goal = 2}, {-1, 0}},
      {{.kind = WORTH_REWARD_SPARSE, .scale = 4, .radius = 0.4999, .goal = 2}, {-4, -4}},
      {{.kind = WORTH_REWARD_SPARSE, .scale = 1, .radius = 5.0001, .goal = 2}, {0, 0}},
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
Test(reward, targets_discount_the_next_value_unless_it_ends) {
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

Test(reward, a_task_decides_what_is_auto) {
  const struct dims rewards = {.obs = 1, .act = 1, .horizon = 1, .reward = 1},
                    goals = {.obs = 1, .act = 1, .horizon = 1, .goal = 2};
  expect_resolve("worth.reward=auto", &rewards, 0, WORTH_REWARD_TASK, NAN, NULL);
  expect_resolve("worth.reward=auto", &goals, 0, WORTH_REWARD_DISTANCE, NAN, NULL);
  expect_resolve("worth.reward=sparse", &goals, 0.25, WORTH_REWARD_SPARSE, 0.25, NULL);
  expect_resolve("worth.reward=sparse", &goals, 0, 0, NAN, "success radius");
  expect_resolve("worth.reward=task", &goals, 0, 0, NAN, "no sensors named");
  expect_resolve("worth.reward=distance", &rewards, 0, 0, NAN, "no goal");
}
