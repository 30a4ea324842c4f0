// test_sweep_plan.c - what a sweep runs: lists from text and from files, their product and order,
// names of runs, and one line for each mistake.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "deploy/launch/sweep_plan.h"
#include "tests/unit/capture.h"

static const struct config_row *row(const char *key) {
  const struct config_row *found;
  cr_assert_eq(config_require_row(&found, "test", key, strlen(key)), ERR_OK);
  return found;
}

static void set(struct sweep_plan *p, const char *key, const char *values) {
  cr_assert_eq(sweep_plan_values(p, row(key), values, "test"), ERR_OK);
}

// the names of all runs, in order, with a blank behind each
static const char *names(const struct sweep_plan *p) {
  static char text[8192];
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < sweep_plan_runs(p); i++) {
    struct sweep_run run;
    sweep_plan_run(&run, p, i);
    used += (size_t)snprintf(text + used, sizeof text - used, "%s/%s ", run.task->model, run.name);
  }
  return text;
}

// "group.name=value" of run i, with a blank behind each
static const char *settings(const struct sweep_plan *p, int i) {
  static char text[1024];
  size_t used = 0;
  struct sweep_run run;
  struct sweep_words words = {0};
  sweep_plan_run(&run, p, i);
  sweep_plan_settings(&words, p, &run);
  for (int k = 0; k < words.n; k++) {
    used += (size_t)snprintf(text + used, sizeof text - used, "%s ", words.v[k]);
  }
  sweep_words_release(&words);
  return text;
}

Test(sweep_plan, one_task_is_one_run) {
  struct sweep_plan p = {0};
  cr_assert_eq(sweep_plan_add_task(&p, "box2d", "test"), ERR_OK);
  cr_assert_eq(sweep_plan_seeds(&p, "0", "test"), ERR_OK);
  cr_expect_str_eq(names(&p), "box2d/40000-s0 ");
  cr_expect_str_eq(settings(&p, 0), "run.steps=40000 run.seed=0 ");
  sweep_plan_release(&p);
}

// seeds are outermost; of a cell the last setting changes fastest
Test(sweep_plan, runs_in_order) {
  struct sweep_plan p = {0};
  cr_assert_eq(sweep_plan_add_task(&p, "box2d:1000", "test"), ERR_OK);
  cr_assert_eq(sweep_plan_add_task(&p, "ant:1e6", "test"), ERR_OK);
  cr_assert_eq(sweep_plan_rules(&p, "odac, sac", "test"), ERR_OK);
  cr_assert_eq(sweep_plan_seeds(&p, "3,0..1", "test"), ERR_OK);
  set(&p, "net.hidden", "[16,16],32");
  set(&p, "train.batch", "64");
  cr_expect_eq(sweep_plan_cells(&p), 8);
  cr_expect_eq(sweep_plan_runs(&p), 24);
  const char *text = names(&p);
  static const char seed3[] =
      "box2d/odac-1000-net.hidden=16x16-s3 box2d/odac-1000-net.hidden=32-s3 "
      "box2d/sac-1000-net.hidden=16x16-s3 box2d/sac-1000-net.hidden=32-s3 "
      "ant/odac-1000000-net.hidden=16x16-s3 ant/odac-1000000-net.hidden=32-s3 "
      "ant/sac-1000000-net.hidden=16x16-s3 ant/sac-1000000-net.hidden=32-s3 "
      "box2d/odac-1000-net.hidden=16x16-s0 ";
  cr_expect_eq(strncmp(text, seed3, strlen(seed3)), 0, "%s", text);
  cr_expect_str_eq(settings(&p, 9), "net.hidden=[32] train.batch=64 run.steps=1000 run.seed=0 ");
  sweep_plan_release(&p);
}

// a setting that is given again has its new values, at its old place
Test(sweep_plan, later_values_replace_earlier_ones) {
  struct sweep_plan p = {0};
  cr_assert_eq(sweep_plan_add_task(&p, "box2d", "test"), ERR_OK);
  cr_assert_eq(sweep_plan_seeds(&p, "0..7", "test"), ERR_OK);
  cr_assert_eq(sweep_plan_seeds(&p, "2", "test"), ERR_OK);
  set(&p, "agent.gamma", "0.9,0.98");
  set(&p, "run.steps", "2e3");
  set(&p, "agent.gamma", "auto");
  cr_expect_str_eq(names(&p), "box2d/2000-s2 ");
  cr_expect_str_eq(settings(&p, 0), "agent.gamma=auto run.steps=2000 run.seed=2 ");
  sweep_plan_release(&p);
}

static const char FILE_TEXT[] =
    "reference: the paper\n"
    "tasks:\n"
    "  - {task: box2d, steps: 1000, reference: 1.7 (1.20)}\n"
    "  - task: fetch-push\n"
    "    reference: {odac: 19 (6), sac: none}\n"
    "  - ant:5000\n"
    "rules: [odac, her]\n"
    "seeds: [0..1, 5]\n"
    "settings:\n"
    "  run.steps: 3000\n"
    "  agent: {gamma: [0.9, 0.98], lr: 1e-3}\n"
    "  net.hidden: [[16, 16], [32]]\n"
    "  outcome.hidden: [8, 8]\n"
    "jobs: 3\n";

Test(sweep_plan, files_say_the_same) {
  struct sweep_plan p = {0};
  cr_assert_eq(sweep_plan_yaml(&p, FILE_TEXT, strlen(FILE_TEXT), "s.yaml"), ERR_OK);
  cr_expect_str_eq(p.reference, "the paper");
  cr_expect_eq(p.jobs, 3);
  cr_expect_eq(p.ntasks, 3);
  cr_expect_eq(p.nseeds, 3);
  cr_expect_eq(p.seeds[2], 5);
  cr_expect_eq(sweep_plan_runs(&p), 3 * 2 * 2 * 2 * 3);
  cr_expect_str_eq(settings(&p, 0),
                   "agent.gamma=0.9 agent.lr=0.001 net.hidden=[16, 16] outcome.hidden=[8, 8] "
                   "run.steps=1000 run.seed=0 ");
  static const struct {
    int run;
    const char *name, *reference;
  } some[] = {{0, "odac-1000-agent.gamma=0.9-net.hidden=16x16-s0", "1.7 (1.20)"},
              {4, "her-1000-agent.gamma=0.9-net.hidden=16x16-s0", "1.7 (1.20)"},
              {8, "odac-3000-agent.gamma=0.9-net.hidden=16x16-s0", "19 (6)"},
              {15, "her-3000-agent.gamma=0.98-net.hidden=32-s0", ""},
              {16, "odac-5000-agent.gamma=0.9-net.hidden=16x16-s0", ""},
              {71, "her-5000-agent.gamma=0.98-net.hidden=32-s5", ""}};
  for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
    struct sweep_run run;
    sweep_plan_run(&run, &p, some[i].run);
    cr_expect_str_eq(run.name, some[i].name);
    cr_expect_str_eq(sweep_plan_reference(&run), some[i].reference);
  }
  sweep_plan_release(&p);
}

Test(sweep_plan, bad_files_get_one_line_with_a_place) {
  static const struct {
    const char *text, *line;
  } cases[] = {
      {"", "s.yaml:1:1: expected a sweep"},
      {"[box2d]", "s.yaml:1:1: expected a sweep"},
      {"task: box2d", "s.yaml:1:1: unknown key task; did you mean tasks?"},
      {"seeds: 1\nnothing: 1", "s.yaml:2:1: unknown key nothing; expected tasks, rules"},
      {"seeds: 1\nseeds: 2", "s.yaml:2:1: seeds is given twice, first in line 1"},
      {"tasks: box2d", "s.yaml:1:8: tasks: expected a list"},
      {"tasks: [box2d:many]", "s.yaml:1:9: steps many: expected a whole number"},
      {"tasks: [{steps: 3}]", "s.yaml:1:9: a task without the key task"},
      {"tasks:\n- {task: a, stps: 3}", "s.yaml:2:13: unknown key stps of a task"},
      {"tasks:\n- {task: a, steps: -3}", "s.yaml:2:20: steps -3: expected a whole number"},
      {"tasks: [[a]]", "s.yaml:1:9: tasks: expected a value"},
      {"rules: odca", "s.yaml:1:8: there is no rule odca; did you mean odac?"},
      {"rules: []", "s.yaml:1:8: there is no rule ''; telos rules lists them"},
      {"rules: {a: b}", "s.yaml:1:8: rules: expected a value"},
      {"seeds: 3..0", "s.yaml:1:8: seeds 3..0: expected numbers and ranges"},
      {"seeds: [1, 0..2]", "s.yaml:1:8: seed 1 is given twice"},
      {"jobs: 0", "s.yaml:1:7: jobs 0: expected a whole number from 1 to"},
      {"settings: 3", "s.yaml:1:11: settings: expected"},
      {"settings: {agent.gama: 0.9}", "s.yaml:1:12: unknown setting agent.gama; did you mean"},
      {"settings: {agent.gamma: 7}", "s.yaml:1:25: agent.gamma = 7 is out of range"},
      {"settings:\n  agent.gamma: [0.9, 0.90]", "s.yaml:2:16: agent.gamma = 0.9 is given twice"},
      {"settings: {agent: {gamma: 0.9}, agent.gamma: 0.8}", "s.yaml:1:33: agent.gamma is given"},
      {"settings: {run.seed: 1}", "s.yaml:1:22: a sweep has its seeds from"},
      {"settings: {run.steps: [1, 2]}", "s.yaml:1:23: several lengths are several tasks"},
      {"settings: {net.hidden: [[[1]]]}", "s.yaml:1:26: net.hidden: expected a value, not a list"},
      {"tasks: &a [box2d]", "s.yaml:1:8: anchors and aliases"},
      {"tasks: [", "s.yaml:2:1: not valid YAML"},
      {"jobs: 1\n---\njobs: 2", "s.yaml:2:1: a second document"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct sweep_plan p = {.jobs = 5};
    capture_begin();
    const enum err err = sweep_plan_yaml(&p, cases[i].text, strlen(cases[i].text), "s.yaml");
    const char *got = capture_end();
    cr_expect_eq(err, ERR_CONFIG, "%s", cases[i].text);
    cr_expect(strstr(got, cases[i].line) != NULL, "%s\n%s", cases[i].text, got);
    const char *end = strchr(got, '\n');
    cr_expect(end != NULL && end[1] == '\0', "one line: %s", got);
    cr_expect_eq(p.jobs, 5, "the plan stays as it was");
    cr_expect_eq(p.ntasks, 0);
    sweep_plan_release(&p);
  }
}

// the last check, before anything runs
Test(sweep_plan, plans_that_cannot_run) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%s/actor/tasks", getenv("TELOS_SOURCE"));
  cr_assert_eq(setenv("TELOS_TASK_PATH", folder, 1), 0);
  static const struct {
    const char *text, *line;
    enum err err;
  } cases[] = {
      {"seeds: 1", "which tasks?", ERR_USAGE},
      {"tasks: [no-such-task]", "no-such-task", ERR_CONFIG},
      {"tasks: [box2d, box2d]", "two runs would have the folder box2d/40000-s0", ERR_CONFIG},
      {"tasks: [box2d]\nrules: odac, odac", "two runs would have the folder", ERR_CONFIG},
      {"tasks: ['box2d:900']", "train.warmup_steps = 1000 must be less than", ERR_CONFIG},
      {"tasks: [box2d]\nseeds: 0..9999\nsettings: {train.batch: [32, 64]}", "more than 10000 runs",
       ERR_CONFIG},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct sweep_plan p = {0};
    cr_assert_eq(sweep_plan_yaml(&p, cases[i].text, strlen(cases[i].text), "s.yaml"), ERR_OK);
    capture_begin();
    const enum err err = sweep_plan_complete(&p);
    const char *got = capture_end();
    cr_expect_eq(err, cases[i].err, "%s", cases[i].text);
    cr_expect(strstr(got, cases[i].line) != NULL, "%s\n%s", cases[i].text, got);
    sweep_plan_release(&p);
  }
}

// the file behind the table of results, and the example of its page
Test(sweep_plan, files_of_the_repository) {
  struct sweep_plan p = {0};
  char path[4096];
  void *text;
  size_t n;
  snprintf(path, sizeof path, "%s/actor/tasks", getenv("TELOS_SOURCE"));
  cr_assert_eq(setenv("TELOS_TASK_PATH", path, 1), 0);
  snprintf(path, sizeof path, "%s/tests/bench/results.yaml", getenv("TELOS_SOURCE"));
  cr_assert_eq(sweep_plan_file(&p, path), ERR_OK);
  cr_assert_eq(sweep_plan_complete(&p), ERR_OK);
  cr_expect_eq(sweep_plan_runs(&p), 28);

  snprintf(path, sizeof path, "%s/tests/bench/README.md", getenv("TELOS_SOURCE"));
  cr_assert_eq(fsio_read(&text, &n, path, 1 << 20), ERR_OK);
  const char *example = strstr(text, "```yaml\ntasks:");
  cr_assert_not_null(example);
  example += strlen("```yaml\n");
  n = (size_t)(strstr(example, "```") - example);
  cr_assert_eq(sweep_plan_yaml(&p, example, n, "README.md"), ERR_OK);
  cr_expect_eq(sweep_plan_runs(&p), 3 * 2 * 2 * 4);
  free(text);
  sweep_plan_release(&p);
}

Test(sweep_plan, a_task_given_as_a_file_has_its_models_folder) {
  struct sweep_plan p = {0};
  char path[4096];
  snprintf(path, sizeof path, "%s/actor/tasks/box2d.xml", getenv("TELOS_SOURCE"));
  cr_assert_eq(sweep_plan_add_task(&p, path, "test"), ERR_OK);
  cr_assert_eq(sweep_plan_complete(&p), ERR_OK);
  cr_expect_str_eq(names(&p), "box2d/40000-s0 ");
  sweep_plan_release(&p);
}
