// test_sweep.c - telos sweep with real runs: stopped and killed half-way it goes on, and its
// policies are those of telos train; a run that fails is named, and the others go on.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/harness.h"
#include "tests/integration/small.h"

static const char SMALL[] =
    "tasks: ['box2d:2000']\n"
    "settings:\n"
    "  train: {warmup_steps: 500, batch: 32, updates_per_step: 8}\n"
    "  net.hidden: [16, 16]\n"
    "  outcome.hidden: [16]\n"
    "  eval: {every: 500, episodes: 5}\n"
    "  checkpoint.every: 500\n"
    "  status.every: 0.1\n"
    "  wire.heartbeat: 200\n";

static const char *sweep_file(void) {
  const char *path = harness_path("small.yaml");
  harness_write(path, SMALL, sizeof SMALL - 1);
  return path;
}

static struct proc *sweep(const char *const *more) {
  const char *argv[32] = {harness_program("telos"), "sweep", sweep_file(), "--out",
                          harness_path("out")};
  int n = 5;
  for (int i = 0; more[i] != NULL; i++) {
    argv[n++] = more[i];
  }
  return proc_start_argv(NULL, argv);
}

#define SWEEP(...) sweep((const char *const[]){__VA_ARGS__, NULL})
#define FOUR SWEEP("--seeds", "0..1", "--jobs", "2", "agent.gamma=0.9,0.95")

static bool has(const char *text, const char *part) {
  return strstr(text, part) != NULL;
}

static const char *policy(const char *gamma, int seed) {
  return harness_path("out/box2d/2000-agent.gamma=%s-s%d/policy.safetensors", gamma, seed);
}

// the policy of the same run by itself
static const char *train(const char *gamma, int seed) {
  const char *name = harness_text("%s-%d", gamma, seed);
  struct proc *p =
      proc_start(NULL, harness_program("telos"), "train", "box2d", "--runs", harness_path("plain"),
                 "--name", name, "run.steps=2000", "train.warmup_steps=500", "train.batch=32",
                 "train.updates_per_step=8", "net.hidden=16,16", "outcome.hidden=16",
                 "eval.every=500", "eval.episodes=5", "wire.heartbeat=200",
                 harness_text("agent.gamma=%s", gamma), harness_text("run.seed=%d", seed), NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  return harness_path("plain/box2d/%s/policy.safetensors", name);
}

Test(sweep, stopped_and_killed_it_comes_to_the_same) {
  struct proc *p = FOUR;
  proc_wait_line(p, "1 of 4: box2d/2000-agent.gamma=");
  // two sweeps do not share a folder
  struct proc *second = FOUR;
  small_assert_end(second, 69, "a second sweep", (const char *const[]){"in use", NULL});
  proc_signal(p, SIGINT);
  cr_assert_eq(proc_wait_exit(p), 75, "%s%s", proc_stdout(p), proc_stderr(p));
  cr_expect(has(proc_stdout(p), "Go on with\n"), "%s", proc_stdout(p));
  cr_expect(has(proc_stdout(p), "sweep ") && has(proc_stdout(p), "--seeds 0..1"), "%s",
            proc_stdout(p));
  cr_expect_eq(harness_family(NULL, "telos-learner", NULL, 0), 0);

  // what a killed sweep leaves saves by itself
  p = FOUR;
  proc_wait_line(p, " done before; 2 at a time");
  harness_wait_family(p, "telos-learner", 2);
  proc_signal(p, SIGKILL);
  cr_assert_eq(proc_wait_exit(p), -SIGKILL);
  harness_wait_family(NULL, "telos-learner", 0);
  harness_wait_family(NULL, "telos", 0);

  p = FOUR;
  cr_assert_eq(proc_wait_exit(p), 0, "%s%s", proc_stdout(p), proc_stderr(p));
  cr_expect(has(proc_stdout(p), "; 0 left\n"), "%s", proc_stdout(p));
  for (int seed = 0; seed < 2; seed++) {
    harness_assert_same(policy("0.9", seed), train("0.9", seed));
    harness_assert_same(policy("0.95", seed), train("0.95", seed));
  }

  // what it wrote
  const char *csv = harness_read(harness_path("out/results.csv"), NULL);
  cr_expect_eq(small_count(csv, "box2d,odac,0.9"), 4, "%s", csv);
  cr_expect_eq(small_count(csv, "box2d,odac,0.95,2000,1,"), 1, "%s", csv);
  const char *curves = harness_read(harness_path("out/curves.csv"), NULL);
  for (int steps = 500; steps <= 2000; steps += 500) {
    cr_expect_eq(small_count(curves, harness_text("box2d,odac,0.9,0,%d,", steps)), 1, "%s", curves);
  }
  const char *table = harness_read(harness_path("out/results.md"), NULL);
  cr_expect(has(proc_stdout(p), table), "%s", table);
  cr_expect_eq(small_count(table, "| `box2d` | `odac` | 0.9"), 2, "%s", table);
}

Test(sweep, what_is_done_is_kept) {
  struct proc *p = SWEEP("train.updates_per_step=1", "--seeds", "3");
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  const char *run = harness_path("out/box2d/2000-s3");
  const uint64_t tree = small_tree(run);
  const char *log = harness_read(harness_text("%s.log", run), NULL);

  // another seed is added
  p = SWEEP("train.updates_per_step=1", "--seeds", "3,1");
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect(has(proc_stdout(p), "2 runs in ") && has(proc_stdout(p), ", 1 done before"), "%s",
            proc_stdout(p));
  cr_expect_eq(small_tree(run), tree);
  cr_expect_str_eq(harness_read(harness_text("%s.log", run), NULL), log);
  const char *table = harness_read(harness_path("out/results.md"), NULL);

  // the table alone, to the last digit
  cr_assert_eq(remove(harness_path("out/results.md")), 0);
  p = SWEEP("train.updates_per_step=1", "--seeds", "3,1", "--table");
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  const char *again = harness_read(harness_path("out/results.md"), NULL);
  cr_expect_eq(strncmp(again, table, (size_t)(strstr(table, "\n\n") - table)), 0, "%s", again);

  // with other settings it is another run
  p = SWEEP("train.updates_per_step=2", "--seeds", "3");
  small_assert_end(p, 78, "other settings",
                   (const char *const[]){run, "train.updates_per_step", "--out", NULL});
  cr_expect_eq(small_tree(run), tree);
}

// a sparse reward has its radius from the task: the run that was done has it written out
Test(sweep, a_rule_that_does_not_fit_fails_alone) {
  struct proc *p = SWEEP("hopper:2000", "box2d:2000", "--rules", "her,sac",
                         "train.updates_per_step=1", "train.warmup_steps=500");
  cr_assert_eq(proc_wait_exit(p), 1, "%s", proc_stderr(p));
  cr_expect_eq(small_count(proc_stderr(p), "E "), 1, "%s", proc_stderr(p));
  cr_expect(has(proc_stderr(p), "hopper/her-2000-s0 failed with exit code 78: ") &&
                has(proc_stderr(p), "hopper/her-2000-s0.log"),
            "%s", proc_stderr(p));
  const char *csv = harness_read(harness_path("out/results.csv"), NULL);
  cr_expect_eq(small_count(csv, "box2d,her,") + small_count(csv, "box2d,sac,") +
                   small_count(csv, "hopper,sac,"),
               3, "%s", csv);
  p = SWEEP("box2d:2000", "--rules", "her,sac", "train.updates_per_step=1",
            "train.warmup_steps=500");
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect(has(proc_stdout(p), "2 done before"), "%s", proc_stdout(p));
}

Test(sweep, mistakes_are_told_before_anything_starts) {
  static const struct {
    const char *words[3];
    int code;
    const char *message;
  } cases[] = {{{"--rules", "sacc", NULL}, 78, "there is no rule sacc; did you mean sac?"},
               {{"--seeds", "a..b", NULL}, 78, "--seeds: seeds a..b"},
               {{"agent.gama=0.9", NULL}, 78, "argument agent.gama=0.9: unknown setting"},
               {{"boxd", NULL}, 78, "box2d"},
               {{"--run", "x", NULL}, 64, "--run"},
               {{"other.yaml", NULL}, 64, "one sweep file"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct proc *p = sweep(cases[i].words);
    small_assert_end(p, cases[i].code, cases[i].words[0],
                     (const char *const[]){cases[i].message, NULL});
    cr_expect_not(harness_exists(harness_path("out")));
  }
}
