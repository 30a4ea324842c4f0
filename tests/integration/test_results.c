// test_results.c - what a run leaves of its course: eval.csv, progress.csv and best/ are functions
// of the seed, but for the column seconds, whoever computes and whoever dies meanwhile; and best/
// is the best.
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/nn/policy_file.h"
#include "tests/events.h"
#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"

// 12 evaluations, a row of progress an episode; more work for the learner, so that there is time to
// kill it
#define OFTEN "eval.every=500", "progress.every=50", "train.updates_per_step=4"
static const char *const often[] = {OFTEN, NULL};

// eval.csv or progress.csv without its last column
static char *curve(const char *run, const char *file) {
  char *text = harness_read(harness_text("%s/%s", run, file), NULL), *to = text;
  for (char *line = text; *line != '\0';) {
    char *end = line + strcspn(line, "\n");
    cr_assert_eq(*end, '\n', "the last row is cut off: %s", line);
    char *comma = memrchr(line, ',', (size_t)(end - line));
    cr_assert(comma != NULL);
    memmove(to, line, (size_t)(comma - line));
    to += comma - line;
    *to++ = '\n';
    line = end + 1;
  }
  *to = '\0';
  return text;
}

static void expect_same(const char *run, const char *other) {
  struct events e = events_read(run), f = events_read(other);
  for (int i = 0; i < e.n; i++) {
    const char *tag = e.point[i].tag;
    if (strcmp(tag, "time/fps") != 0 && strcmp(tag, "time/time_elapsed") != 0) {
      cr_assert_str_eq(events_curve(&e, tag), events_curve(&f, tag), "%s", tag);
    }
  }
  cr_assert(e.n > 0 && e.n == f.n);
  events_release(&e);
  events_release(&f);
  static const char *const files[] = {"eval.csv", "progress.csv"};
  for (int i = 0; i < 2; i++) {
    const char *a = curve(run, files[i]), *b = curve(other, files[i]);
    cr_assert_str_eq(a, b, "%s\n%s", a, b);
  }
  harness_assert_same(harness_text("%s/best/policy.safetensors", run),
                      harness_text("%s/best/policy.safetensors", other));
}

// Rows of ascending steps; the best of them is the policy in best/.
static void expect_best(const char *run, int rows) {
  double before = 0, best = INFINITY, best_steps = 0, seconds_before = 0;
  const char *line = strchr(harness_read(harness_text("%s/eval.csv", run), NULL), '\n') + 1;
  for (; *line != '\0'; line = strchr(line, '\n') + 1, rows--) {
    double steps, score, seconds;
    cr_assert_eq(sscanf(line, "%lf,%*d,%*d,%lf", &steps, &score), 2, "%s", line);
    seconds = strtod((const char *)memrchr(line, ',', strcspn(line, "\n")) + 1, NULL);
    cr_assert(steps > before && seconds >= seconds_before, "%s", line);
    if (score < best) {
      best = score;
      best_steps = steps;
    }
    before = steps;
    seconds_before = seconds;
  }
  cr_assert_eq(rows, 0, "%d rows are missing", rows);
  struct policy_file p;
  cr_assert_eq(policy_file_read(&p, harness_text("%s/best/policy.safetensors", run)), ERR_OK);
  cr_assert_float_eq(strtod(policy_file_meta(&p, "score"), NULL), best, 1e-6);
  cr_assert_eq(strtod(policy_file_meta(&p, "steps"), NULL), best_steps);
  policy_file_release(&p);
}

static const char *train(const char *name, const char *const *settings, int actors, int threads) {
  fleet_train(name, settings, actors, threads);
  return harness_path("%s", name);
}

Test(results, any_fleet_gives_the_same) {
  const char *one = train("one", often, 1, 1);
  expect_best(one, 12);
  expect_same(one, train("three", often, 3, 2));
  // the comparison can fail
  const char *const settings[] = {OFTEN, "run.seed=1", NULL};
  const char *seed = train("seed", settings, 2, 1);
  cr_assert_str_neq(curve(one, "eval.csv"), curve(seed, "eval.csv"));
  cr_assert_str_neq(curve(one, "progress.csv"), curve(seed, "progress.csv"));
}

Test(results, a_learner_that_is_killed_gives_the_same) {
  const char *one = train("one", often, 1, 1);
  struct fleet *f = fleet_new("killed", often);
  fleet_start(f, 2, 1);
  for (int kills = 0; kills < 3; kills++) {
    fleet_wait_checkpoint(f->learner, f->run, 1500 * (kills + 1));
    cr_assert(proc_running(f->learner), "the run was too short: %d kills", kills);
    fleet_kill_learner(f, 1500 * (kills + 1), 1000000);
    fleet_wait_listening(f);
  }
  fleet_end(f);
  expect_same(one, f->run);
  expect_best(f->run, 12);
  harness_assert_same(harness_text("%s/policy.safetensors", one), fleet_policy(f));
  free(f);
}

// Evaluations beyond the checkpoint are cut, and come again; what is damaged is told and made anew.
Test(results, what_is_beyond_the_checkpoint_is_cut) {
  const char *one = train("one", often, 1, 1);
  struct fleet *f = fleet_new("cut", often);
  fleet_start(f, 2, 1);
  fleet_wait_checkpoint(f->learner, f->run, 2500);
  proc_signal(f->learner, SIGKILL);
  cr_assert_eq(proc_wait_exit(f->learner), -SIGKILL);
  const char *file = harness_text("%s/eval.csv", f->run);
  const char *text = harness_text("%s%s%s", harness_read(file, NULL),
                                  "5900,59,5,1,1,1,1,1,,0,1.0\n", "not a row\n");
  harness_write(file, text, strlen(text));
  fleet_start_learner(f);
  fleet_wait_listening(f);
  cr_assert(strstr(harness_read(file, NULL), "5900,59") == NULL);
  fleet_end(f);
  cr_assert(strstr(proc_stderr(f->learner), "eval.csv is damaged in line"), "%s",
            proc_stderr(f->learner));
  expect_same(one, f->run);
  free(f);
}

// the number under a name in row i of progress.csv; NaN: an empty field
static double progress(const char *run, int i, const char *name) {
  char *text = harness_read(harness_text("%s/progress.csv", run), NULL);
  char *header = strsep(&text, "\n"), *row = NULL, *key, *value;
  for (; i >= 0; i--) {
    row = strsep(&text, "\n");
    cr_assert(row != NULL && *row != '\0', "row %d is missing", i);
  }
  while ((key = strsep(&header, ",")) != NULL && (value = strsep(&row, ",")) != NULL) {
    if (strcmp(key, name) == 0) {
      return *value != '\0' ? strtod(value, NULL) : NAN;
    }
  }
  cr_assert_fail("no column %s", name);
  return NAN;
}

// With a replay of fewer episodes than rows have means of. Seconds go on, rows beyond the
// checkpoint are cut, what is torn is told; and the figures of the last update are known behind a
// checkpoint, even if no update follows.
Test(results, progress_goes_on_where_the_checkpoint_is) {
  const char *const settings[] = {"run.steps=20000", "progress.every=1000",
                                  "train.updates_per_step=4e-4", "replay.capacity=1000", NULL};
  const char *one = train("one", settings, 1, 1);
  struct fleet *f = fleet_new("killed", settings);
  fleet_start(f, 2, 1);
  const char *file = harness_text("%s/progress.csv", f->run);
  for (int kills = 0; kills < 2; kills++) {
    fleet_wait_checkpoint(f->learner, f->run, 4000 * (kills + 1));
    proc_signal(f->learner, SIGKILL);
    cr_assert_eq(proc_wait_exit(f->learner), -SIGKILL);
    const char *text = harness_read(file, NULL);
    int commas = 0;
    for (const char *p = text; *p != '\n'; p++) {
      commas += *p == ',';
    }
    const char *empty = harness_text("%.*s", commas - 8, ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,");
    text = kills == 0 ? harness_text("%s19950,1,1,1,,,,%s,900.0\n", text, empty)
                      : harness_text("%s19950,1,1,1,,,,%s,90", text, empty);
    harness_write(file, text, strlen(text));
    fleet_start_learner(f);
    fleet_wait_listening(f);
  }
  fleet_end(f);
  cr_assert(strstr(proc_stderr(f->learner), "progress.csv is damaged in line"), "%s",
            proc_stderr(f->learner));
  expect_same(one, f->run);
  double steps = 0, seconds = 0;
  for (int i = 0; i < 20; i++) {
    const double s = progress(f->run, i, "steps"), t = progress(f->run, i, "seconds");
    cr_assert(s >= 1000.0 * (i + 1) && s > steps && t >= seconds && t < 800, "%g %g", s, t);
    cr_assert(i < 3 || isfinite(progress(f->run, i, "loss_q")));
    cr_assert(progress(f->run, i, "ep_len") > 0 && progress(f->run, i, "ep_distance") > 0);
    steps = s;
    seconds = t;
  }
  cr_assert_eq(steps, 20000);
  free(f);
}

// ---- policies of a run, by name ----

static struct proc *eval(const char *run, const char *checkpoint) {
  return proc_start(NULL, harness_program("telos"), "eval", run, "--json", "--checkpoint",
                    checkpoint, NULL);
}

// the score that telos eval gives a policy of a run
static double score(const char *run, const char *checkpoint) {
  struct proc *p = eval(run, checkpoint);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert_str_empty(proc_stderr(p), "the task is the run's own");
  const char *text = strstr(proc_stdout(p), "\"score\": ");
  cr_assert(text != NULL);
  return strtod(text + 9, NULL);
}

static void expect_refused(struct proc *p, int code, const char *words) {
  cr_assert_eq(proc_wait_exit(p), code, "%s", proc_stderr(p));
  cr_assert(strstr(proc_stderr(p), words) != NULL, "%s: %s", words, proc_stderr(p));
}

// A run of a task that is a file, which is gone since.
Test(results, a_run_needs_nothing_but_its_folder) {
  const char *task = harness_path("gone.xml");
  const char *xml =
      harness_read(harness_text("%s/tests/tasks/short.xml", getenv("TELOS_SOURCE")), NULL);
  harness_write(task, xml, strlen(xml));
  struct fleet *f = fleet_new("run", often);
  f->task = task;
  fleet_start(f, 2, 1);
  fleet_end(f);
  unlink(task);
  struct policy_file p;
  cr_assert_eq(policy_file_read(&p, harness_text("%s/best/policy.safetensors", f->run)), ERR_OK);
  cr_assert_float_eq(score(f->run, "best"), strtod(policy_file_meta(&p, "score"), NULL), 1e-9);
  policy_file_release(&p);
  const long steps = fleet_checkpoint(f->run);
  cr_assert_eq(score(f->run, "last"), score(f->run, harness_text("%ld", steps)));
  harness_assert_same(fleet_policy(f),
                      harness_text("%s/checkpoints/step_%09ld/policy.safetensors", f->run, steps));

  expect_refused(eval(f->run, "7"), 78, harness_text("%ld", steps));
  expect_refused(eval(f->run, "first"), 64, "expected best, last");
  expect_refused(eval(fleet_policy(f), "best"), 64, "give the run's folder");
  struct proc *export = proc_start(NULL, harness_program("telos"), "export", f->run, "--format",
                                   "npz", "--checkpoint", "best", NULL);
  cr_assert_eq(proc_wait_exit(export), 0, "%s", proc_stderr(export));
  cr_assert(harness_exists(harness_text("%s/best/policy.npz", f->run)));
  harness_write(harness_text("%s/task.mjb", f->run), "garbage", 7);
  expect_refused(eval(f->run, "last"), 65, "--task");
  unlink(harness_text("%s/best/policy.safetensors", f->run));
  expect_refused(eval(f->run, "best"), 78, "--checkpoint last");
  free(f);
}
