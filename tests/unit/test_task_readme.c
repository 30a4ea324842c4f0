// test_task_readme.c - actor/tasks/README.md says what is so: its examples run, its names and hooks
// are those of the code, and its table of bundled tasks is what these files give.
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fsio.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/hook.h"
#include "common/task/task.h"
#include "common/task/trial.h"
#include "tests/unit/capture.h"
#include "tests/unit/source.h"

enum { MAX_FILE = 1 << 20, EXAMPLES = 3, STEPS = 50 };

// the file's text; free with free()
static char *read_source(const char *file) {
  void *bytes = NULL;
  size_t n = 0;
  cr_assert_eq(fsio_read(&bytes, &n, source_path("%s", file), MAX_FILE), ERR_OK, "%s", file);
  char *text = strndup(bytes, n);
  free(bytes);
  return text;
}

// some random steps: enough to see that an example is a task and not only a file
static void run(const struct task *task) {
  struct env *env = env_new(task);
  float *goal = calloc((size_t)task->goal + 1, sizeof *goal);
  float *act = calloc((size_t)task->act, sizeof *act);
  struct rng rng;
  struct env_step step = {0};
  rng_init(&rng, 1, RNG_TEST, 0);
  cr_expect_eq(env_reset(env, goal, &rng), ERR_OK, "%s", task->name);
  for (int t = 0; t < STEPS && !step.terminated; t++) {
    rng_fill_uniform(&rng, act, (size_t)task->act, -1.0f, 1.0f);
    cr_assert_eq(env_step(env, act, &rng, &step), ERR_OK, "%s, step %d", task->name, t);
  }
  free(goal);
  free(act);
  env_free(env);
  // nor does a trial of an example warn of anything
  struct trial *trial = calloc(1, sizeof *trial);
  trial_run(trial, task);
  cr_expect_eq(trial->n, 0, "%s: %s", task->name, trial->line[0]);
  free(trial);
}

Test(task_readme, whole_models_are_tasks) {
  static const char open[] = "```xml\n<mujoco", close[] = "</mujoco>\n```";
  char *text = read_source("actor/tasks/README.md");
  int n = 0;
  for (char *p = text; (p = strstr(p, open)); n++) {
    p += strlen("```xml\n");
    char *end = strstr(p, close);
    cr_assert_not_null(end, "example %d does not end", n);
    struct task *task = NULL;
    cr_assert_eq(task_from_xml(&task, p, (size_t)(end - p) + strlen("</mujoco>"), "example"),
                 ERR_OK, "example %d", n);
    run(task);
    task_free(task);
    p = end;
  }
  cr_expect_eq(n, EXAMPLES);
  free(text);
}

// A model with this element of <custom>: is its name unknown to the convention?
static bool is_unknown(const char *element, const char *name) {
  char xml[512];
  snprintf(xml, sizeof xml, "<mujoco model='m'><custom><%s name='%s' data='1'/></custom></mujoco>",
           element, name);
  struct task *task = NULL;
  capture_begin();
  const enum err err = task_from_xml(&task, xml, strlen(xml), "test");
  const char *log = capture_end();
  cr_assert_eq(err, ERR_CONFIG);
  char unknown[300];
  snprintf(unknown, sizeof unknown, "\"%s\" is unknown", name);
  return strstr(log, unknown) != NULL;
}

Test(task_readme, names_are_those_of_the_convention) {
  char *text = read_source("actor/tasks/README.md");
  // each name here is known there
  int n = 0;
  for (char *p = text; (p = strstr(p, "telos.")); n++) {
    char name[128];
    size_t len = strlen("telos.");
    while (islower((unsigned char)p[len]) || p[len] == '_' || p[len] == '.') {
      len++;
    }
    len -= p[len - 1] == '.' && len > strlen("telos.") + 1 && p[len] != '<' && p[len] != 's';
    snprintf(name, sizeof name, "%.*s", (int)len, p);
    p += len;
    // telos.* is no name, and the table's is that of a height field
    if (len > strlen("telos.") && strcmp(name, "telos.goal_table") != 0) {
      cr_expect_not(is_unknown("numeric", name), "%s is documented and unknown", name);
    }
  }
  cr_expect(n > 60, "only %d names found", n);

  // each name there is documented here
  char *code = read_source("common/task/convention.c");
  char *p = strstr(code, "known_names[] = {");
  char *end = p ? strstr(p, "};") : NULL;
  cr_assert(p && end);
  for (n = 0; (p = strstr(p, "{\"telos.")) && p < end; n++) {
    p += 2;
    char name[128];
    snprintf(name, sizeof name, "`%.*s", (int)strcspn(p, "\""), p);
    const bool family = name[strlen(name) - 1] == '.';
    snprintf(name + strlen(name), sizeof name - strlen(name), family ? "" : "`");
    cr_expect(strstr(text, name) || family, "%s is not documented", name);
  }
  cr_expect(n > 30, "only %d names found in the code", n);
  free(code);
  free(text);
}

Test(task_readme, hooks_are_those_of_the_table) {
  char *text = read_source("actor/tasks/README.md");
  char *p = strstr(text, "| hook | numbers |");
  cr_assert_not_null(p);
  size_t rows = 0, hooks = 0;
  for (char *line = p; strncmp(line, "\n\n", 2) != 0; line++) {
    rows += strncmp(line, "\n| `", 4) == 0;
  }
  for (; hook_at(hooks); hooks++) {
    char row[80];
    snprintf(row, sizeof row, "\n| `%s` |", hook_at(hooks)->name);
    cr_expect(strstr(p, row) != NULL, "no row%s", row);
  }
  cr_expect_eq(rows, hooks);
  free(text);
}

struct bundled {
  char *text;
  int n;
};

// name, widths and steps as the table has them
static void compare_row(void *ctx, const char *name, const char *path) {
  struct bundled *b = ctx;
  char row[200];
  snprintf(row, sizeof row, "\n| `%s` | ", name);
  const char *at = strstr(b->text, row);
  cr_expect(at != NULL, "%s is not in the table", name);
  if (strncmp(path, source_path("actor/tasks"), strlen(source_path("actor/tasks"))) != 0) {
    return;  // a task from elsewhere
  }
  b->n++;
  if (strcmp(name, "tendon-arm") == 0 &&
      access("/usr/share/mujoco/model/tendon_arm/arm26.xml", R_OK) != 0) {
    return;
  }
  struct task *task = NULL;
  cr_assert_eq(task_load(&task, path), ERR_OK, "%s", path);
  snprintf(row, sizeof row, "\n| `%s` | %d | %d | %d | %d | %.4g Hz |", name, task->obs, task->goal,
           task->act, task->horizon, 1 / (task->model->opt.timestep * task->frame_skip));
  cr_expect(strstr(b->text, row) != NULL, "no row%s", row);
  task_free(task);
}

Test(task_readme, table_of_bundled_tasks) {
  struct bundled b = {.text = read_source("actor/tasks/README.md")};
  setenv("TELOS_TASK_PATH", source_path("actor/tasks"), 1);
  task_list(compare_row, &b);
  int rows = 0;
  for (char *p = strstr(b.text, "| task | obs |"); p && strncmp(p, "\n\n", 2) != 0; p++) {
    rows += strncmp(p, "\n| `", 4) == 0;
  }
  cr_expect_eq(rows, b.n, "%d rows, %d tasks", rows, b.n);
  free(b.text);
}
