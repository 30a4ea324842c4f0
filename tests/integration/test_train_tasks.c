// test_train_tasks.c - every bundled goal task through the real fleet: learner, actors, hindsight,
// updates, evaluation; the same for reward tasks with a rule for them, and a reason without one.
//
// The runs are short, since what a policy learns in them is not the point: every task's model,
// sampler, action mode and sizes go over the wire and through an update. README has the figures of
// long runs with the commands that made them.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/harness.h"

static const char *const small[] = {
    "net.hidden=16",   "outcome.hidden=16",      "train.batch=32",
    "run.steps=1000",  "train.warmup_steps=500", "train.updates_per_step=0.5",
    "eval.episodes=5", "wire.heartbeat=200",     "status.every=0.05",
};

static struct proc *start_train(const char *task, const char *rule) {
  const char *argv[32] = {harness_program("telos"),
                          "train",
                          task,
                          "--runs",
                          harness_folder(),
                          "--name",
                          "x",
                          "--rule",
                          rule};
  for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
    argv[9 + i] = small[i];
  }
  return proc_start_argv(NULL, argv);
}

// a log line at level W or E, or NULL
static const char *complaint(const char *text) {
  for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    if (strncmp(line, "W ", 2) == 0 || strncmp(line, "E ", 2) == 0) {
      return line;
    }
  }
  return NULL;
}

// what it printed
static const char *train(const char *task, const char *rule) {
  struct proc *p = start_train(task, rule);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", task);
  cr_expect_null(complaint(proc_stderr(p)), "%s: %.200s", task, complaint(proc_stderr(p)));
  cr_expect_null(complaint(harness_read(harness_path("%s/x/log.txt", task), NULL)), "%s", task);
  return proc_stdout(p);
}

static void trains(const char *task) {
  const char *result = strstr(train(task, "odac"), "\nevaluation: score ");
  cr_assert_not_null(result, "%s", task);
  double score, ci, distance;
  cr_assert_eq(sscanf(result,
                      "\nevaluation: score %lf +- %lf (100 x final / initial distance), "
                      "distance %lf",
                      &score, &ci, &distance),
               3, "%s", task);
  cr_expect(isfinite(score) && isfinite(ci) && distance > 0, "%s", task);
}

Test(train_tasks, box2d_and_ant) {
  static const char *const tasks[] = {"box2d", "box2d-random", "box2d-fine", "box2d-fine-random",
                                      "ant",   "ant-random",   "ant-xy",     "ant-xy-random"};
  for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
    trains(tasks[i]);
  }
}

Test(train_tasks, hands) {
  static const char *const tasks[] = {
      "sawyer-push",          "sawyer-push-random", "sawyer-faucet",
      "sawyer-faucet-random", "sawyer-window",      "sawyer-window-random",
      "fetch-push",           "fetch-push-random",  "fetch-push-original"};
  for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
    trains(tasks[i]);
  }
}

// a model that is not ours, by a file that leaves it untouched
Test(train_tasks, tendon_arm) {
  if (access("/usr/share/mujoco/model/tendon_arm/arm26.xml", R_OK) != 0) {
    cr_skip_test("libmujoco-samples is not installed");
  }
  trains("tendon-arm");
}

Test(train_tasks, a_task_without_a_goal_is_refused) {
  static const char *const tasks[] = {"half-cheetah", "hopper", "walker2d", "ant-forward",
                                      "humanoid"};
  for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
    struct proc *p = start_train(tasks[i], "odac");
    cr_expect_eq(proc_wait_exit(p), 78, "%s", tasks[i]);
    cr_expect_not_null(
        strstr(proc_stderr(p), "has rewards and no goal; rule odac needs sensors named"), "%s: %s",
        tasks[i], proc_stderr(p));
    cr_expect_not_null(strstr(proc_stderr(p), "--rule: sac, virel"), "%s", proc_stderr(p));
  }
}

// .. but a rule that learns from rewards trains it, and its score is the return
Test(train_tasks, a_task_with_rewards) {
  static const char *const tasks[] = {"half-cheetah", "hopper", "walker2d", "ant-forward",
                                      "humanoid"};
  for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
    const char *result = strstr(train(tasks[i], "sac"), "\nevaluation: return ");
    cr_assert_not_null(result, "%s", tasks[i]);
    double score, ci;
    cr_assert_eq(sscanf(result, "\nevaluation: return %lf +- %lf\n", &score, &ci), 2, "%s",
                 tasks[i]);
    cr_expect(isfinite(score) && isfinite(ci), "%s", tasks[i]);
  }
}
