// test_rundir.c - a run's folder: made once, locked, checked against what comes back to it; a part
// of one, or one of another format, is refused and left as it is.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "learner/checked.h"
#include "learner/manifest.h"
#include "learner/nn/gemm.h"
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
  cr_assert(has("config.yaml") && has("manifest.json") && has("log.txt"));

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
  const char *const fixed[] = {"run.seed=1",    "agent.gamma=0.9",       "ledger.window=400",
                               "net.hidden=32", "train.publish_every=2", "net.precision=bf16"};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    cfg = saved;
    cr_assert_eq(config_set(&cfg, fixed[i]), ERR_OK);
    cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_CONFIG, "%s", fixed[i]);
  }
  const char *const open[] = {"run.steps=50000",     "ledger.timeout=5000", "wire.port=0",
                              "checkpoint.every=77", "status.every=1",      "net.backend=openblas"};
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

// ---- another library ----

static char *read_named(const char *name, size_t *n) {
  char *path = run_files_path(folder, name);
  void *data;
  cr_assert_eq(fsio_read(&data, n, path, 1 << 20), ERR_OK);
  free(path);
  return data;
}

static void assert_products(const char *want) {
  struct manifest m;
  cr_assert_eq(manifest_read(&m, folder), ERR_OK);
  cr_assert_str_eq(m.products, want);
}

// A run goes on with another library; one line, also in its log, names both and says what gives the
// same bits.
Test(rundir, other_products_are_told) {
  struct rundir run;
  char begun[128];
  cr_assert_eq(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32), ERR_OK);
  snprintf(begun, sizeof begun, "%s", gemm_kernel());
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  cr_assert_eq(manifest_set_saved(run.path), ERR_OK);
  rundir_close(&run);
  const bool another = gemm_has(NET_BACKEND_ONEDNN, NET_PRECISION_F32);
  for (int same = 0; same < 2; same++) {
    cr_assert_eq(gemm_init(same ? NET_BACKEND_AUTO : NET_BACKEND_OPENBLAS, NET_PRECISION_F32),
                 ERR_OK);
    const bool differ = strcmp(begun, gemm_kernel()) != 0;
    size_t before, n;
    free(read_named("log.txt", &before));
    cr_assert_eq(open_run(&run, RESUME_MUST), ERR_OK);
    rundir_close(&run);
    char *log = read_named("log.txt", &n);
    cr_assert_eq(n > before, differ, "%s", log);
    if (differ) {
      const char *line = log + before;
      cr_assert(another && !same && strchr(line, '\n') == log + n - 1);
      cr_assert_not_null(strstr(line, begun), "%s", line);
      cr_assert_not_null(strstr(line, gemm_kernel()), "%s", line);
      cr_assert_not_null(strstr(line, "net.backend=onednn"), "%s", line);
    }
    free(log);
    assert_products(begun);
  }
}

// without a checkpoint it begins anew: nothing to warn of, and it is a run of the other library
Test(rundir, a_run_without_a_checkpoint_takes_the_products_of_now) {
  if (!gemm_has(NET_BACKEND_ONEDNN, NET_PRECISION_F32)) {
    cr_skip_test("this build has one library for products");
  }
  struct rundir run;
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(gemm_init(i == 1 ? NET_BACKEND_ONEDNN : NET_BACKEND_OPENBLAS, NET_PRECISION_F32),
                 ERR_OK);
    cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
    rundir_close(&run);
    assert_products(gemm_kernel());
    size_t n;
    free(read_named("log.txt", &n));
    cr_assert_eq(n, 0);
  }
}

// ---- damage ----

static void write_named(const char *name, const void *data, size_t n) {
  char *path = run_files_path(folder, name);
  cr_assert_eq(fsio_write_atomic(path, data, n), ERR_OK);
  free(path);
}

static char logged[4096];

// Opening is refused with this code, in one line that holds all words, up to a NULL; so are the
// settings. No file appears.
static void expect_refused(enum err want, const char *what, const char *const *words) {
  struct rundir run;
  struct config base;
  config_defaults(&base);
  const bool lock = has("run.lock");
  int fd = memfd_create("log", 0);
  log_set_file(fd);
  const enum err got = open_run(&run, RESUME_AUTO);
  log_set_file(-1);
  const ssize_t n = pread(fd, logged, sizeof logged - 1, 0);
  close(fd);
  logged[n > 0 ? n : 0] = '\0';
  cr_assert_eq(got, want, "%s: %d\n%s", what, got, logged);
  cr_assert(n > 0 && strchr(logged, '\n') == logged + n - 1, "%s: one line, not\n%s", what, logged);
  for (int i = 0; words[i] != NULL; i++) {
    cr_assert_not_null(strstr(logged, words[i]), "%s: no \"%s\" in\n%s", what, words[i], logged);
  }
  cr_assert_eq(rundir_settings(&base, folder), want, "%s", what);
  cr_assert_eq(has("run.lock"), lock, "%s", what);
}

// Every byte of the two files, flipped; every length.
Test(rundir, a_flip_or_a_cut_of_any_byte_is_found) {
  struct rundir run;
  cr_assert_eq(config_set(&cfg, "agent.gamma=0.98"), ERR_OK);
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  rundir_close(&run);
  log_set_level(LOG_ERROR);
  const char *const names[] = {"config.yaml", "manifest.json"};
  for (int k = 0; k < 2; k++) {
    const char *const words[] = {names[k], "is not what was written", "from a copy", NULL};
    size_t n;
    char *bytes = read_named(names[k], &n);
    for (size_t i = 0; i < n; i += 1 + n / 97) {
      bytes[i] ^= (char)(1u << i % 8);
      write_named(names[k], bytes, n);
      bytes[i] ^= (char)(1u << i % 8);
      expect_refused(ERR_FORMAT, names[k], words);
      write_named(names[k], bytes, i);
      expect_refused(ERR_FORMAT, names[k], words);
    }
    write_named(names[k], bytes, n);
    free(bytes);
  }
  cr_assert_eq(open_run(&run, RESUME_MUST), ERR_OK);
  rundir_close(&run);
}

Test(rundir, settings_come_back) {
  struct rundir run;
  struct config back;
  config_defaults(&back);
  cr_assert_eq(rundir_settings(&back, folder), ERR_OK, "there is no run: the defaults stay");
  cr_assert_eq(back.agent_tau, cfg.agent_tau);
  cr_assert_eq(config_set(&cfg, "agent.gamma=0.98"), ERR_OK);
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  rundir_close(&run);
  cr_assert_eq(rundir_settings(&back, folder), ERR_OK);
  cr_assert_eq(back.agent_gamma, 0.98);
}

// ---- parts of a run ----

enum { CONFIG, MANIFEST, CHECKPOINTS, REPLAY, POLICY, PARTS };
static const char *const PART[PARTS] = {"config.yaml", "manifest.json", "checkpoints", "replay",
                                        "policy.safetensors"};

// Makes the folder anew with these parts, bit i for PART[i]; the first two as a start wrote them.
static void make_parts(unsigned parts, const char *config, size_t nconfig, const char *manifest,
                       size_t nmanifest) {
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
  for (int i = 0; i < PARTS; i++) {
    char *path = run_files_path(folder, PART[i]);
    const bool is_file = i == CONFIG || i == MANIFEST || i == POLICY;
    cr_assert_eq(fsio_mkdirs(is_file ? folder : path), ERR_OK);
    if (!is_file && parts >> i & 1) {
      char *inside = run_files_path(path, "something");
      cr_assert_eq(fsio_write_atomic(inside, "precious", 8), ERR_OK);
      free(inside);
    }
    free(path);
  }
  if (parts & 1u << CONFIG) {
    write_named(PART[CONFIG], config, nconfig);
  }
  if (parts & 1u << MANIFEST) {
    write_named(PART[MANIFEST], manifest, nmanifest);
  }
  if (parts & 1u << POLICY) {
    write_named(PART[POLICY], "precious", 8);
  }
}

// every mixture of what is there and what is missing; empty folders count for nothing
Test(rundir, a_part_of_a_run_is_refused_and_left_as_it_is) {
  struct rundir run;
  size_t nconfig, nmanifest;
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  rundir_close(&run);
  log_set_level(LOG_ERROR);
  char *config = read_named(PART[CONFIG], &nconfig);
  char *manifest = read_named(PART[MANIFEST], &nmanifest);
  const unsigned both = 1u << CONFIG | 1u << MANIFEST;
  for (unsigned parts = 0; parts < 1u << PARTS; parts++) {
    char what[32];
    snprintf(what, sizeof what, "parts %02x", parts);
    make_parts(parts, config, nconfig, manifest, nmanifest);
    if ((parts & both) == both || (parts & ~(1u << CONFIG)) == 0) {
      cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK, "%s", what);
      cr_assert_eq(run.fresh, (parts & both) != both, "%s", what);
      cr_assert_eq(run.saved, (parts & 1u << POLICY) != 0, "%s", what);
      rundir_close(&run);
      continue;
    }
    const char *words[PARTS + 3] = {folder, "another run name"};
    int n = 2;
    for (int i = 0; i < PARTS; i++) {
      if (i <= MANIFEST || parts >> i & 1) {
        words[n++] = PART[i];  // as missing, or as still there
      }
    }
    expect_refused(ERR_CONFIG, what, words);
    for (int i = 0; i < PARTS; i++) {
      char inside[64];
      snprintf(inside, sizeof inside, "%s%s", PART[i],
               i == CHECKPOINTS || i == REPLAY ? "/something" : "");
      cr_assert_eq(has(inside), (parts >> i & 1) != 0, "%s: %s", what, PART[i]);
    }
    // whatever is asked for
    cr_assert_eq(open_run(&run, RESUME_NEVER), ERR_CONFIG, "%s", what);
    cr_assert_eq(open_run(&run, RESUME_MUST), ERR_CONFIG, "%s", what);
  }
  free(config);
  free(manifest);
}

// config.yaml alone is a start that was cut short: its settings are the base of the next one
Test(rundir, a_start_that_was_cut_short_is_made_again) {
  struct rundir run;
  cr_assert_eq(config_set(&cfg, "agent.gamma=0.98"), ERR_OK);
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  rundir_close(&run);
  char *path = run_files_path(folder, "manifest.json");
  cr_assert_eq(unlink(path), 0);
  free(path);
  struct config base;
  config_defaults(&base);
  cr_assert_eq(rundir_settings(&base, folder), ERR_OK);
  cr_assert_eq(base.agent_gamma, 0.98);
  cr_assert_eq(open_run(&run, RESUME_MUST), ERR_CONFIG, "there is no run yet");
  cr_assert_eq(open_run(&run, RESUME_NEVER), ERR_OK);
  cr_assert(run.fresh);
  rundir_close(&run);
}

// somebody's own file of that name is not replaced
Test(rundir, a_config_that_is_not_ours_is_left_alone) {
  const char text[] = "odac:\n  gamma: 0.98\n";
  write_named("config.yaml", text, sizeof text - 1);
  expect_refused(ERR_FORMAT, "own file",
                 (const char *const[]){"config.yaml is not what was written", NULL});
  size_t n;
  char *now = read_named("config.yaml", &n);
  cr_assert_str_eq(now, text);
  free(now);
}

// ---- other formats ----

Test(rundir, a_run_of_0_1_0_is_refused) {
  static const char manifest[] =
      "{\n  \"run\": \"1c0d8d6ff0a8bfc1\",\n  \"task\": \"box2d\",\n  \"task_digest\": "
      "\"0123456789abcdef\",\n  \"created\": \"2026-11-24T03:52:12Z\",\n  \"telos\": \"0.1.0\"\n}";
  static const char config[] = "odac:\n  a_setting_that_is_gone: 1\n";
  write_named("manifest.json", manifest, sizeof manifest - 1);
  write_named("config.yaml", config, sizeof config - 1);
  expect_refused(
      ERR_CONFIG, "0.1.0",
      (const char *const[]){folder, "written by telos 0.1.0", "format 1",
                            "finish it with the version that wrote it", "another run name", NULL});
}

Test(rundir, a_run_of_a_later_format_is_refused) {
  struct rundir run;
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  rundir_close(&run);
  log_set_level(LOG_ERROR);
  size_t n;
  char *text = read_named("manifest.json", &n);
  char *format = strstr(text, "\"format\": 2,");
  cr_assert_not_null(format);
  format[strlen("\"format\": ")] = '3';
  *strchr(text, '\n') = ' ';
  // what follows the digest's line, as it would be written
  char *path = run_files_path(folder, "manifest.json"), *body = strchr(text, ',') + 2;
  char *whole = malloc(n + 3);
  snprintf(whole, n + 3, "{\n%s", body);
  cr_assert_eq(checked_write(path, CHECKED_JSON, whole), ERR_OK);
  expect_refused(ERR_CONFIG, "later",
                 (const char *const[]){folder, "in format 3, this telos reads format 2", NULL});
  free(whole);
  free(path);
  free(text);
}

Test(rundir, what_was_saved_is_known) {
  struct rundir run;
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  cr_assert_not(run.saved);
  const uint64_t id = run.run;
  cr_assert_eq(manifest_set_saved(run.path), ERR_OK);
  cr_assert_eq(manifest_set_saved(run.path), ERR_OK);
  rundir_close(&run);
  cr_assert_eq(open_run(&run, RESUME_AUTO), ERR_OK);
  cr_assert(run.saved);
  cr_assert_eq(run.run, id);
  rundir_close(&run);
}
