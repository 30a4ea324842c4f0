// test_determinism_rules.c - the promise of test_determinism.c for every update rule, and for
// heads, contexts and goals of the learner: one actor, three of them, and a learner that is killed
// and resumed.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/bundle.h"
#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"

// a rule on a task: one actor, three of them, and a learner that is killed and resumed
static void expect_rule(const char *rule, const char *task) {
  const char *const settings[] = {"--rule",
                                  rule,
                                  "run.steps=2500",
                                  "train.warmup_steps=500",
                                  "train.updates_per_step=4",
                                  "net.hidden=64,64",
                                  NULL};
  const char *one = fleet_train_task(task, harness_text("%s-one", rule), settings, 1, 1);
  harness_assert_same(one, fleet_train_task(task, harness_text("%s-three", rule), settings, 3, 1));
  struct fleet *f = fleet_new(harness_text("%s-killed", rule), settings);
  f->task = task;
  fleet_start(f, 2, 1);
  fleet_wait_checkpoint(f->learner, f->run, 1000);
  cr_assert(proc_running(f->learner), "%s on %s: the run was too short", rule, task);
  fleet_kill_learner(f, 1000, 2500 - 1);
  fleet_wait_listening(f);
  fleet_end(f);
  harness_assert_same(one, fleet_policy(f));
  free(f);
}

// every row of common/config/rules.def
Test(determinism, every_rule) {
  const struct named_rule *rule;
  for (int r = 0; (rule = config_rule_at(r)) != NULL; r++) {
    if (strcmp(rule->needs, "demonstrations") != 0) {  // test_record.c has those
      expect_rule(rule->bundle.name, "box2d");
    }
  }
}

// the reward of the task, episodes that end, and no goal
Test(determinism, rules_with_a_reward) {
  expect_rule("sac", "hopper");
  expect_rule("virel", "hopper");
  expect_rule("beta", "hopper");
  expect_rule("mpo", "hopper");
  expect_rule("drive", "hopper");
}

// heads, contexts and goals of the learner go along with the policy
Test(determinism, what_goes_along_with_the_policy) {
  static const char *const settings[] = {
      "goals.share=0.5",          "explore.heads=3",  "explore.bonus=1",
      "context.members=4",        "run.steps=2500",   "train.warmup_steps=500",
      "train.updates_per_step=4", "net.hidden=64,64", NULL};
  const char *task = harness_text("%s/tests/tasks/gains.xml", getenv("TELOS_SOURCE"));
  const char *one = fleet_train_task(task, "along-one", settings, 1, 1);
  harness_assert_same(one, fleet_train_task(task, "along-three", settings, 3, 1));
  struct fleet *f = fleet_new("along-killed", settings);
  f->task = task;
  fleet_start(f, 2, 1);
  fleet_wait_checkpoint(f->learner, f->run, 1000);
  cr_assert(proc_running(f->learner), "the run was too short");
  fleet_kill_learner(f, 1000, 2500 - 1);
  fleet_wait_listening(f);
  fleet_end(f);
  harness_assert_same(one, fleet_policy(f));
  free(f);
  cr_assert_neq(harness_digest(one),
                harness_digest(fleet_train_task(task, "along-none", settings + 4, 1, 1)));
}
