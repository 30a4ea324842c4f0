// test_rundir.c - a run's folder: made once, locked, checked against what comes back to it.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "learner/rundir.h"
#include "tests/unit/source.h"

static char folder[4096];
static struct task *task;
static struct config cfg;

static void set_up(void) {
  const char *tmp = getenv("TELOS_TEST_TMP");
  cr_assert(tmp == NULL || fsio_mkdirs(tmp) == ERR_OK);
  snprintf(folder, sizeof folder, "%s/test_rundir_XXXXXX", tmp != NULL ? tmp : "/tmp");
  cr_assert_not_null(mkdtemp(folder));
  task = source_task("box2d");
  config_defaults(&cfg);
}

static void tear_down(void) {
  task_free(task);
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}

TestSuite(rundir, .init = set_up, .fini = tear_down);

static enum err open_run(struct rundir *run, enum resume resume) {
  return rundir_open(run, folder, resume, &cfg, task, "telos-learner --task box2d");
}

static bool has(const char *name) {
  char *path = run_files_path(folder, name);
  const bool yes = fsio_exists(path);
  free(path);
  return yes;
}

Test(rundir, a_fresh_run_and_its_return) {
  struct rundir run;
  cr_assert_not(run_files_exist(folder));
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  cr_assert(run.fresh);
  const uint64_t id = run.run;
  rundir_close(&run);
  cr_assert(run_files_exist(folder));
  cr_assert(has("config.yaml") && has("manifest.json") && has("log.txt") && has("progress.csv"));

  cr_assert_eq(open_run(&run, RESUME_MUST), ERR_OK);
  cr_assert_not(run.fresh);
  cr_assert_eq(run.run, id, "the run keeps its id");
  rundir_close(&run);
}

Test(rundir, resume_rules) {
  struct rundir run;
  cr_assert_eq(open_run(&run, RESUME_MUST), ERR_CONFIG, "there is none");
  cr_assert_not(has("run.lock"), "and nothing was made");
  cr_assert_eq(open_run(&run, RESUME_NEVER), ERR_OK);
  rundir_close(&run);
  cr_assert_eq(open_run(&run, RESUME_NEVER), ERR_CONFIG, "there is one");
}

Test(rundir, one_learner_at_a_time) {
  struct rundir run, other;
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  cr_assert_eq(open_run(&other, RESUME_AUTO), ERR_UNAVAILABLE);
  rundir_close(&run);
  cr_assert_eq(open_run(&other, RESUME_AUTO), ERR_OK);
  rundir_close(&other);
}

Test(rundir, what_may_change_and_what_may_not) {
  struct rundir run;
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  rundir_close(&run);
  const struct config saved = cfg;
  const char *const fixed[] = {"run.seed=1", "odac.gamma=0.9", "ledger.window=400", "net.hidden=32",
                               "train.publish_every=2"};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    cfg = saved;
    cr_assert_eq(config_set(&cfg, fixed[i]), ERR_OK);
    cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_CONFIG, "%s", fixed[i]);
  }
  const char *const open[] = {"run.steps=50000", "ledger.timeout=5000", "wire.port=0",
                              "checkpoint.every=77", "status.every=1"};
  for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
    cfg = saved;
    cr_assert_eq(config_set(&cfg, open[i]), ERR_OK);
    cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK, "%s", open[i]);
    rundir_close(&run);
  }
}

Test(rundir, another_task_is_refused) {
  struct rundir run;
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  rundir_close(&run);
  task->digest++;
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_CONFIG);
  task->digest--;
}

Test(rundir, damaged_manifest) {
  struct rundir run;
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  rundir_close(&run);
  char *path = run_files_path(folder, "manifest.json");
  cr_assert_eq(fsio_write_atomic(path, "{\"run\": 1", 9), ERR_OK);
  free(path);
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_FORMAT);
}
