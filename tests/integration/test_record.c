// test_record.c - what a run is given, with real programs: demonstrations, recorded and learned
// from to the same bits by any fleet, and a policy to start from; kept in the run's folder, and
// every mistake with them told.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/bundle.h"
#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"

static const char *script(void) {
  return harness_text("%s/tests/scripts/box2d.txt", getenv("TELOS_SOURCE"));
}

static struct proc *record(const char *out, const char *more, const char *value) {
  return proc_start(NULL, harness_program("telos"), "record", "box2d", "--script", script(),
                    "--episodes", "5", "--out", out, more, value, NULL);
}

static const char *demos(void) {
  const char *path = harness_path("demos.tfrecord");
  struct proc *p = record(path, NULL, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert(strstr(proc_stdout(p), "5 episodes of box2d"), "%s", proc_stdout(p));
  return path;
}

Test(record, equal_seeds_record_equal_files) {
  const char *again = harness_path("again.tfrecord"), *other = harness_path("other.tfrecord");
  const char *first = demos();
  cr_assert_eq(proc_wait_exit(record(again, NULL, NULL)), 0);
  cr_assert_eq(proc_wait_exit(record(other, "--seed", "1")), 0);
  harness_assert_same(first, again);
  cr_assert_neq(harness_digest(first), harness_digest(other));
}

// the learner is killed and started again without the file that it was given
static void kill_and_go_on(struct fleet *f, const char *option) {
  proc_signal(f->learner, SIGKILL);
  cr_assert_eq(proc_wait_exit(f->learner), -SIGKILL);
  int i = 0;
  while (strcmp(f->settings[i], option) != 0) {
    i++;
  }
  for (; i + 2 <= f->nsettings; i++) {
    f->settings[i] = f->settings[i + 2];
  }
  f->nsettings -= 2;
  fleet_start_learner(f);
}

// A learner is killed in the middle of the run that gave this policy with these settings, and goes
// on without the file of the option, which it finds in its own folder.
static void expect_same_without(const char *policy, const char *name, const char *const *settings,
                                const char *option, const char *file) {
  struct fleet *f = fleet_new(name, settings);
  fleet_start(f, 2, 1);
  fleet_wait_checkpoint(f->learner, f->run, 1000);
  cr_assert(proc_running(f->learner), "the run was too short");
  unlink(file);
  kill_and_go_on(f, option);
  fleet_wait_listening(f);
  fleet_end(f);
  harness_assert_same(policy, fleet_policy(f));
  free(f);
}

// one actor, three, and a learner that is killed
static void expect_same(const char *rule) {
  const char *given = demos();
  const char *const settings[] = {"--demos",
                                  given,
                                  "--rule",
                                  rule,
                                  "run.steps=2500",
                                  "train.warmup_steps=500",
                                  "train.updates_per_step=4",
                                  NULL};
  const char *one = fleet_train(harness_text("%s-one", rule), settings, 1, 1);
  harness_assert_same(one, fleet_train(harness_text("%s-three", rule), settings, 3, 1));
  expect_same_without(one, harness_text("%s-killed", rule), settings, "--demos", given);
}

// the default rule, and all that learn from nothing else
Test(record, any_fleet_learns_the_same_from_them) {
  const struct named_rule *rule;
  expect_same("odac");
  for (int r = 0; (rule = config_rule_at(r)) != NULL; r++) {
    if (strcmp(rule->needs, "demonstrations") == 0) {
      expect_same(rule->bundle.name);
    }
  }
  const char *const without[] = {"run.steps=2500", "train.warmup_steps=500",
                                 "train.updates_per_step=4", NULL};
  cr_assert_neq(harness_digest(harness_path("odac-one/policy.safetensors")),
                harness_digest(fleet_train("without", without, 1, 1)));
}

// ---- mistakes ----

static void expect_refused(struct proc *p, int code, const char *words) {
  cr_assert_eq(proc_wait_exit(p), code, "%s", proc_stderr(p));
  cr_assert(strstr(proc_stderr(p), words), "%s: %s", words, proc_stderr(p));
}

static struct proc *learner(const char *run, const char *a, const char *b, const char *c,
                            const char *d) {
  return proc_start(NULL, harness_program("telos-learner"), "--task", "box2d", "--run", run,
                    "wire.port=0", "wire.weights_port=0", a, b, c, d, NULL);
}

Test(record, a_mistake_is_told) {
  const char *given = demos(), *run = harness_path("run");
  expect_refused(learner(run, "--rule", "bc", NULL, NULL), 78, "--demos FILE");
  expect_refused(learner(run, "--demos", script(), NULL, NULL), 65, "byte 0");
  expect_refused(learner(run, "--demos", harness_path("none"), NULL, NULL), 74, "none");
  expect_refused(learner(run, "demos.digest=0123456789abcdef", NULL, NULL, NULL), 78,
                 "give the file with --demos FILE");
  cr_assert_neq(access(run, F_OK), 0, "nothing may be made of a run that is refused");
  // a run that was begun with one file does not go on with another one
  const char *const settings[] = {"--demos", given, "run.steps=1500", NULL};
  fleet_train("run", settings, 1, 1);
  const char *other = harness_path("other.tfrecord");
  cr_assert_eq(proc_wait_exit(record(other, "--seed", "1")), 0);
  expect_refused(learner(run, "--demos", other, "run.steps=3000", NULL), 78, "demos.digest");
  cr_assert_eq(rename(other, harness_path("run/demos.tfrecord")), 0);
  expect_refused(learner(run, "run.steps=3000", NULL, NULL, NULL), 65, "restore it");
  cr_assert_eq(unlink(harness_path("run/demos.tfrecord")), 0);
  expect_refused(learner(run, "run.steps=3000", NULL, NULL, NULL), 78, "demos.tfrecord");
}

static struct proc *telos_record(const char *a, const char *b, const char *c, const char *d,
                                 const char *e) {
  return proc_start(NULL, harness_program("telos"), "record", a, b, c, d, e, NULL);
}

Test(record, a_recording_that_cannot_be_is_told) {
  const char *few = harness_path("stay.txt");
  harness_write(few, "0 0 50\n", 7);
  expect_refused(telos_record("box2d", NULL, NULL, NULL, NULL), 64, "--script FILE or --policy");
  expect_refused(telos_record("--script", script(), NULL, NULL, NULL), 64, "one task");
  expect_refused(telos_record("bxo2d", "--script", script(), NULL, NULL), 78, "box2d");
  expect_refused(telos_record("fetch-push", "--script", script(), NULL, NULL), 78,
                 "too few numbers");
  expect_refused(telos_record("box2d", "--script", script(), "--noise", "x"), 64, "--noise x");
  expect_refused(telos_record("box2d", "--script", few, "--episodes", "2"), 78,
                 "0 of 40 episodes succeeded");
  expect_refused(telos_record("box2d", "--script", script(), "--out", "no/such/folder"), 74,
                 "no/such/folder");
}

// ---- a policy to start from ----

// a run with a step size of 0 ends with the policy that it started from, wherever that is given;
// any fleet trains it alike, and the run goes on without the file
Test(record, a_run_starts_from_a_policy) {
  const char *const first[] = {"run.steps=1500", NULL};
  const char *teacher = fleet_train("teacher", first, 1, 1);
  const char *const still[] = {"--from", harness_path("teacher"), "agent.lr=0", "run.steps=1500",
                               NULL};
  const char *kept = fleet_train("still", still, 1, 1);
  struct proc *a = proc_start(NULL, harness_program("telos"), "eval", teacher, "--json", NULL);
  struct proc *b = proc_start(NULL, harness_program("telos"), "eval", kept, "--json", NULL);
  cr_assert_eq(proc_wait_exit(a), 0);
  cr_assert_eq(proc_wait_exit(b), 0);
  double score[2];
  cr_assert_eq(sscanf(strstr(proc_stdout(a), "\"score\""), "\"score\": %lf", &score[0]), 1);
  cr_assert_eq(sscanf(strstr(proc_stdout(b), "\"score\""), "\"score\": %lf", &score[1]), 1);
  cr_assert(score[1] > score[0] - 0.01 && score[1] < score[0] + 0.01, "%g, then %g", score[0],
            score[1]);
  const char *const on[] = {
      "--from", teacher, "run.steps=2500", "train.warmup_steps=500", "train.updates_per_step=4",
      NULL};
  const char *one = fleet_train("on", on, 1, 1);
  expect_same_without(one, "on-killed", on, "--from", teacher);
}

Test(record, a_policy_that_does_not_fit_is_told) {
  const char *const settings[] = {"run.steps=1500", NULL};
  const char *policy = fleet_train("teacher", settings, 1, 1), *run = harness_path("run");
  expect_refused(learner(run, "--from", policy, "net.hidden=32,32", NULL), 78, "net.hidden=16");
  expect_refused(learner(run, "--from", script(), NULL, NULL), 65, "box2d.txt");
  expect_refused(learner(run, "--from", harness_path("none"), NULL, NULL), 74, "none");
  expect_refused(learner(run, "start.policy=0123456789abcdef", NULL, NULL, NULL), 78,
                 "give the file with --from RUN");
}
