// test_runs.c - telos runs tells of each run below a folder: its state while it runs, after it was
// stopped and when it is done, and the scores that its own files have.
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/harness.h"
#include "tests/integration/small.h"

// the list of the folder as JSON; free with json_decref
static json_t *list(const char *folder) {
  struct proc *p = proc_start(NULL, harness_program("telos"), "runs", folder, "--json", NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  json_t *all = json_loads(proc_stdout(p), 0, NULL);
  cr_assert(json_is_array(all), "%s", proc_stdout(p));
  return all;
}

static const char *word(json_t *run, const char *key) {
  return json_string_value(json_object_get(run, key));
}

static void expect_state(const char *folder, const char *state) {
  json_t *all = list(folder);
  cr_assert_eq(json_array_size(all), 1);
  cr_assert_str_eq(word(json_array_get(all, 0), "state"), state);
  json_decref(all);
}

Test(runs, a_run_from_its_beginning_to_its_end) {
  static const char *const more[] = {"agent.gamma=0.9", "--rule", "her", NULL};
  const char *folder = harness_path("runs"), *run = harness_path("runs/box2d/a");
  struct proc *learner = small_learner(run, more);
  small_endpoint(learner);
  expect_state(folder, "running");
  proc_signal(learner, SIGTERM);
  cr_assert_eq(proc_wait_exit(learner), 75);
  expect_state(folder, "stopped");
  small_finish(run, more);

  json_t *all = list(folder), *r = json_array_get(all, 0);
  cr_assert_eq(json_array_size(all), 1);
  cr_expect_str_eq(word(r, "run"), run);
  cr_expect_str_eq(word(r, "task"), "box2d");
  cr_expect_str_eq(word(r, "rule"), "her");
  cr_expect_str_eq(word(r, "state"), "done");
  cr_expect(strstr(word(r, "settings"), "agent.gamma=0.9"), "%s", word(r, "settings"));
  cr_expect(strstr(word(r, "settings"), "worth.reward") == NULL, "that is the rule");
  cr_expect(strstr(word(r, "settings"), "wire.port") == NULL, "that decides nothing");
  cr_expect(strstr(word(r, "command"), "--run"));
  cr_expect_eq(json_real_value(json_object_get(r, "steps")), 4000);
  // the last and the best row of the run's own table
  const char *text = harness_read(harness_text("%s/eval.csv", run), NULL);
  double last = NAN, best = INFINITY;
  for (const char *row = strchr(text, '\n') + 1; *row != '\0'; row = strchr(row, '\n') + 1) {
    cr_assert_eq(sscanf(row, "%*f,%*d,%*d,%lf", &last), 1);
    best = last < best ? last : best;
  }
  cr_expect_float_eq(json_real_value(json_object_get(r, "score")), last, 1e-3);
  cr_expect_float_eq(json_real_value(json_object_get(r, "best_score")), best, 1e-6 * best);
  json_decref(all);

  // as a table: a heading and the run
  struct proc *p = proc_start(NULL, harness_program("telos"), "runs", folder, NULL);
  cr_assert_eq(proc_wait_exit(p), 0);
  cr_expect_eq(small_count(proc_stdout(p), "run "), 1);
  cr_expect_eq(small_count(proc_stdout(p), run), 1);
}

// the settings that differ, and no others; and both results
Test(runs, compared) {
  static const char *const more[] = {"agent.gamma=0.9", "learner.threads=1", NULL};
  const char *a = small_reference(), *b = harness_path("b");
  small_finish(b, more);
  struct proc *p = proc_start(NULL, harness_program("telos"), "compare", a, b, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  const char *text = proc_stdout(p), *gamma = strstr(text, "\nagent.gamma ");
  cr_assert(gamma, "%s", text);
  char first[32], second[32];
  cr_assert_eq(sscanf(gamma, " agent.gamma %31s %31s", first, second), 2);
  cr_expect(strcmp(first, "auto") == 0 && strcmp(second, "0.9") == 0, "%s", text);
  cr_expect_eq(small_count(text, "learner.threads"), 0, "that decides nothing");
  cr_expect_eq(small_count(text, "net.hidden"), 0, "that is the same");
  for (int i = 0; i < 2; i++) {
    json_t *all = list(i == 0 ? a : b);
    const double score = json_real_value(json_object_get(json_array_get(all, 0), "score"));
    cr_expect(strstr(strstr(text, "\nscore"), harness_text("%.2f +- ", score)), "%s", text);
    json_decref(all);
  }
}

Test(runs, compared_with_what_is_no_run) {
  struct proc *p =
      proc_start(NULL, harness_program("telos"), "compare", small_reference(), "/tmp", NULL);
  small_assert_end(p, 78, "no run", (const char *const[]){"/tmp", "is no run", NULL});
  p = proc_start(NULL, harness_program("telos"), "compare", "one", NULL);
  small_assert_end(p, 64, "one run", (const char *const[]){"2 to 16", NULL});
}

// ---- pictures ----

static void expect_begins(const char *path, const char *bytes, size_t n) {
  size_t size;
  const char *text = harness_read(path, &size);
  cr_assert(size > 1000 && memcmp(text, bytes, n) == 0, "%s: %zu bytes", path, size);
}

Test(runs, drawn) {
  if (system("command -v gnuplot >/dev/null") != 0) {
    cr_skip_test("gnuplot is not installed");
  }
  // a name with what shells and gnuplot look at
  const char *run = small_reference(), *svg = harness_path("it's a $1 'plot'.svg");
  const char *png = harness_path("a.png");
  struct proc *p = proc_start(NULL, harness_program("telos"), "plot", run, "--out", svg, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  expect_begins(svg, "<?xml", 5);
  cr_expect(strstr(harness_read(svg, NULL), "(1 seed)"));
  p = proc_start(NULL, harness_program("telos"), "plot", run, "--x", "seconds", "--out", png, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  expect_begins(png, "\x89PNG", 4);
  p = proc_start(NULL, harness_program("telos"), "plot", run, "--out", "/no/such/a.svg", NULL);
  small_assert_end(p, 74, "no folder", (const char *const[]){"/no/such/a.svg", NULL});
}

Test(runs, not_drawn) {
  const char *run = small_reference();
  struct proc *p = proc_start((const char *const[]){"PATH=/nowhere", NULL},
                              harness_program("telos"), "plot", run, NULL);
  small_assert_end(p, 78, "no gnuplot", (const char *const[]){"gnuplot", "apt-get", NULL});
  p = proc_start(NULL, harness_program("telos"), "plot", run, "--out", "a.pdf", NULL);
  small_assert_end(p, 64, "a.pdf", (const char *const[]){".svg or .png", NULL});
  p = proc_start(NULL, harness_program("telos"), "plot", run, "--x", "hours", NULL);
  small_assert_end(p, 64, "hours", (const char *const[]){"steps or seconds", NULL});
}

Test(runs, a_folder_that_is_not_there) {
  struct proc *p = proc_start(NULL, harness_program("telos"), "runs", "/no/such/folder", NULL);
  small_assert_end(p, 74, "no folder", (const char *const[]){"/no/such/folder", NULL});
}
