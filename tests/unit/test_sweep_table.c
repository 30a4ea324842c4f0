// test_sweep_table.c - the tables of a sweep from results by hand, and what is read from the files
// of runs.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fsio.h"
#include "common/config/metrics.h"
#include "deploy/launch/sweep_table.h"

static const char PLAN[] =
    "reference: the paper\n"
    "tasks: [{task: box2d, steps: 2000, reference: {odac: 1.7 (1.20)}}, 'ant:3000']\n"
    "rules: [odac, sac]\n"
    "seeds: 0..3\n"
    "settings: {net.hidden: [[16, 16], [8]], train.batch: 64}\n";

static const struct sweep_result NOTHING = {
    .score = NAN, .ci = NAN, .distance = NAN, .success = NAN, .ret = NAN};

// of 8 cells and 4 seeds all have score 10 cell + seed, but for sac on ant with 8 units
static void make(struct sweep_plan *p, struct sweep_result *r) {
  cr_assert_eq(sweep_plan_yaml(p, PLAN, strlen(PLAN), "s.yaml"), ERR_OK);
  cr_assert_eq(sweep_plan_runs(p), 32);
  for (int i = 0; i < 32; i++) {
    const int cell = i % 8, seed = i / 8;
    r[i] = NOTHING;
    if (cell == 7 && seed > 0) {
      continue;
    }
    r[i].done = true;
    r[i].score = 10 * cell + seed;
    r[i].ci = 0.5;
    r[i].distance = 0.25;
    r[i].success = cell < 2 ? 1 - 0.04 * seed : NAN;
    r[i].seconds = 90 + 60 * seed;
  }
}

// the first lines, up to the machine
static void expect_table(const char *text, const char *want) {
  const char *end = strstr(text, "\n\n");
  cr_assert_not_null(end);
  cr_expect(strncmp(text, want, (size_t)(end + 1 - text)) == 0 &&
                strlen(want) == (size_t)(end + 1 - text),
            "%s\nin place of\n%s", text, want);
  cr_expect(strstr(end, "2 runs at a time; ") != NULL && strstr(end, "; telos ") != NULL &&
                strstr(end, ", MuJoCo ") != NULL,
            "%s", end);
}

// Scores s, s+1, s+2, s+3: mean s+1.5, sd sqrt(5/3), interquartile mean s+1.5. The interval is that
// of test_sweep_stats.c: of the mean of the middle two of four draws.
Test(sweep_table, cells_and_all_tasks) {
  struct sweep_plan p = {0};
  struct sweep_result r[32];
  make(&p, r);
  char *text = sweep_table_text(&p, &(struct sweep_options){.out = "x", .jobs = 2}, r);
  expect_table(
      text,
      "| task | rule | `net.hidden` | env steps | score by seed | mean | sd | interquartile mean "
      "(95 %) | success | minutes | the paper |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
      "| `box2d` | `odac` | [16, 16] | 2000 | 0.0, 1.0, 2.0, 3.0 | 1.5 | 1.3 | 1.5 (0.0 to 3.0) | "
      "88 to 100 % | 3.0 | 1.7 (1.20) |\n"
      "| `box2d` | `odac` | [8] | 2000 | 10.0, 11.0, 12.0, 13.0 | 11.5 | 1.3 | 11.5 (10.0 to 13.0) "
      "| 88 to 100 % | 3.0 | 1.7 (1.20) |\n"
      "| `box2d` | `sac` | [16, 16] | 2000 | 20.0, 21.0, 22.0, 23.0 | 21.5 | 1.3 | 21.5 (20.0 to "
      "23.0) |  | 3.0 |  |\n"
      "| `box2d` | `sac` | [8] | 2000 | 30.0, 31.0, 32.0, 33.0 | 31.5 | 1.3 | 31.5 (30.0 to 33.0) "
      "|  | 3.0 |  |\n"
      "| `ant` | `odac` | [16, 16] | 3000 | 40.0, 41.0, 42.0, 43.0 | 41.5 | 1.3 | 41.5 (40.0 to "
      "43.0) |  | 3.0 |  |\n"
      "| `ant` | `odac` | [8] | 3000 | 50.0, 51.0, 52.0, 53.0 | 51.5 | 1.3 | 51.5 (50.0 to 53.0) | "
      " | 3.0 |  |\n"
      "| `ant` | `sac` | [16, 16] | 3000 | 60.0, 61.0, 62.0, 63.0 | 61.5 | 1.3 | 61.5 (60.0 to "
      "63.0) |  | 3.0 |  |\n"
      "| `ant` | `sac` | [8] | 3000 | 70.0 | 70.0 |  | 70.0 |  | 1.5 |  |\n"
      "| all | `odac` | [16, 16] | | | 21.5 | | 21.5 (20.5 to 22.5) | | | |\n"
      "| all | `odac` | [8] | | | 31.5 | | 31.5 (30.5 to 32.5) | | | |\n"
      "| all | `sac` | [16, 16] | | | 41.5 | | 41.5 (40.5 to 42.5) | | | |\n");
  free(text);
  sweep_plan_release(&p);
}

// a folder of this test's own, in *path
static void make_folder(char *path, size_t n) {
  const char *tmp = getenv("TELOS_TEST_TMP");
  snprintf(path, n, "%s/sweep_XXXXXX", tmp != NULL ? tmp : "/tmp");
  cr_assert_eq(fsio_mkdirs(tmp != NULL ? tmp : "/tmp"), ERR_OK);
  cr_assert_not_null(mkdtemp(path));
}

static void write_file(const char *folder, const char *name, const char *text) {
  char path[4096];
  snprintf(path, sizeof path, "%s%s", folder, name);
  cr_assert_eq(fsio_write_atomic(path, text, strlen(text)), ERR_OK);
}

static void expect_file(const char *folder, const char *name, const char *start) {
  char path[4096];
  void *text;
  size_t n;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  cr_assert_eq(fsio_read(&text, &n, path, 1 << 20), ERR_OK);
  cr_expect_eq(strncmp(text, start, strlen(start)), 0, "%s\nin place of\n%s", (char *)text, start);
  free(text);
}

Test(sweep_table, files) {
  struct sweep_plan p = {0};
  struct sweep_result r[32];
  char out[4096], folder[4200];
  make(&p, r);
  make_folder(out, sizeof out);
  snprintf(folder, sizeof folder, "%s/box2d/odac-2000-net.hidden=16x16-s0", out);
  cr_assert_eq(fsio_mkdirs(folder), ERR_OK);
  // the second life began from an earlier checkpoint
  write_file(folder, "/log.txt",
             "T I learner: evaluation of version 5 (500 steps): distance 7.763, score 96.283 +- "
             "0.012, success 0 over 2 episodes\n"
             "T I learner: evaluation of version 9 (900 steps): distance 5, score 50.000 +- 1.000, "
             "success 0.5 over 2 episodes\n"
             "T I learner: something else\n"
             "T I learner: evaluation of version 9 (900 steps): distance 5, score 50.000 +- 1.000, "
             "success 0.5 over 2 episodes\n"
             "T I learner: evaluation of version 20 (2000 steps): return 12.5 +- 2 over 2 "
             "episodes\n");
  const struct sweep_options o = {.out = out, .jobs = 2};
  cr_assert_eq(sweep_table_write(&p, &o, r), ERR_OK);
  expect_file(out, "results.csv",
              "task,rule,net.hidden,steps,seed,score,score_ci95,distance,success,return,seconds\n"
              "box2d,odac,\"[16, 16]\",2000,0,0,0.5,0.25,1,,90\n"
              "box2d,odac,[8],2000,0,10,0.5,0.25,1,,90\n"
              "box2d,sac,\"[16, 16]\",2000,0,20,0.5,0.25,,,90\n");
  expect_file(out, "curves.csv",
              "task,rule,net.hidden,seed,steps,distance,score,score_ci95,success,return\n"
              "box2d,odac,\"[16, 16]\",0,500,7.763,96.283,0.012,0,\n"
              "box2d,odac,\"[16, 16]\",0,900,5,50,1,0.5,\n"
              "box2d,odac,\"[16, 16]\",0,2000,,12.5,2,,12.5\n");
  expect_file(out, "results.md", "| task | rule | `net.hidden` | env steps |");
  cr_expect_eq(fsio_remove_tree(out), ERR_OK);
  sweep_plan_release(&p);
}

// ---- what is read from a run ----

static void write_evaluations(const char *folder, double steps) {
  char text[4096];
  snprintf(text, sizeof text,
           "steps,version,episodes,score,score_ci95,final_distance,initial_distance,success,"
           "return,unstable,seconds\n"
           "100,1,5,99,1,1,1,1,1,0,1.0\n"
           "%.0f,20,5,12.345,0.5,0.25,2,,,0,2.0\n"
           // a row that is being written does not count
           "7,7,7",
           steps);
  write_file(folder, "/eval.csv", text);
}

Test(sweep_table, a_run_is_done_with_its_last_evaluation) {
  char folder[4096];
  struct sweep_result r;
  make_folder(folder, sizeof folder);
  sweep_result_read(&r, folder, 2000);
  cr_expect(!r.done && r.steps == 0 && isnan(r.score) && r.seconds == 0);
  write_evaluations(folder, 2000);
  sweep_result_read(&r, folder, 2000);
  cr_expect_not(r.done, "no policy");
  write_file(folder, "/policy.safetensors", "x");
  sweep_result_read(&r, folder, 2000);
  cr_expect(r.done && r.steps == 2000);
  cr_expect_float_eq(r.score, 12.345, 1e-9);
  cr_expect_float_eq(r.ci, 0.5, 1e-9);
  cr_expect_float_eq(r.distance, 0.25, 1e-9);
  cr_expect(isnan(r.success) && isnan(r.ret));
  sweep_result_read(&r, folder, 2001);
  cr_expect_not(r.done, "too few steps");
  write_evaluations(folder, 1500);
  sweep_result_read(&r, folder, 2000);
  cr_expect_not(r.done, "an evaluation is under way");
  cr_expect_eq(fsio_remove_tree(folder), ERR_OK);
}

// a life that was killed says no last word: its last progress line does
Test(sweep_table, seconds_of_several_lives) {
  cr_expect_eq(sweep_result_seconds(""), 0);
  cr_expect_float_eq(sweep_result_seconds("sweep: begins telos train\n"
                                          "progress steps=10 total_steps=20 seconds=1.5\n"
                                          "progress steps=12 total_steps=20 seconds=2.5\n"
                                          "\nsweep: begins telos train\n"
                                          "progress steps=14 total_steps=20 seconds=4\n"
                                          "sweep: ended after 4.25 s with exit code 75\n"
                                          "\nsweep: begins telos train\n"
                                          "sweep: ended after 0.5 s with exit code 78\n"
                                          "\nsweep: begins telos train\n"
                                          "progress steps=16 total_steps=20 seconds=8"),
                     2.5 + 4.25 + 0.5 + 8, 1e-12);
}

Test(sweep_table, the_error_of_the_last_life) {
  char folder[4096], path[4200];
  make_folder(folder, sizeof folder);
  snprintf(path, sizeof path, "%s/log", folder);
  char *error = sweep_result_error(path);
  cr_expect_str_eq(error, "");
  free(error);
  write_file(
      folder, "/log",
      "sweep: begins a\nE telos: old\n\nsweep: begins b\nE learner: first\nE learner: second\n"
      "I learner: gone\n");
  error = sweep_result_error(path);
  cr_expect_str_eq(error, "learner: second");
  free(error);
  cr_expect_eq(fsio_remove_tree(folder), ERR_OK);
}
