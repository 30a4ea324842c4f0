// test_progress.c - rows of progress.csv and what of it stays; recent episodes.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fsio.h"
#include "learner/curve_file.h"
#include "learner/progress.h"
#include "tests/unit/capture.h"

static char folder[] = "/tmp/telos-progress-XXXXXX", path[64];
static const struct figure figures[] = {{.name = "loss"}, {.name = "kl"}};
static const struct rule rule = {.figure = figures, .nfigure = 2};
static const struct recent_figures recent = {50, 2.5, NAN, 0};
static const char header[] =
    "steps,episodes,updates,version,ep_len,ep_return,ep_distance,ep_success,loss,kl,seconds\n";

static void set_up(void) {
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/progress.csv", folder);
}

static void tear_down(void) {
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}

TestSuite(progress, .init = set_up, .fini = tear_down);

static void write_file(const char *a, const char *b) {
  char text[4096];
  const int n = snprintf(text, sizeof text, "%s%s", a, b);
  cr_assert_eq(fsio_write_atomic(path, text, (size_t)n), ERR_OK);
}

static void expect_file(const char *a, const char *b) {
  char text[4096];
  void *bytes;
  size_t n;
  snprintf(text, sizeof text, "%s%s", a, b);
  cr_assert_eq(fsio_read(&bytes, &n, path, 4096), ERR_OK);
  cr_assert_str_eq(bytes, text);
  free(bytes);
}

static struct progress *begin(const struct fold *f, uint64_t every) {
  struct progress *p;
  cr_assert_eq(progress_open(&p, folder, f, &rule, every), ERR_OK);
  return p;
}

Test(progress, a_row_an_interval) {
  struct fold f = {.plan.steps = 2000};
  struct progress *p = begin(&f, 100);
  static const uint64_t due[] = {100, 250, 400, 401, 2000}, undue[] = {99, 199, 399};
  static const uint64_t before[] = {99, 199, 250, 399, 1999};
  for (size_t i = 0; i < 5; i++) {
    f.steps = due[i];
    cr_assert(progress_due(p, &f, before[i]), "%d", (int)due[i]);
  }
  for (size_t i = 0; i < 3; i++) {
    f.steps = undue[i];
    cr_assert_not(progress_due(p, &f, undue[i] / 100 * 100), "%d", (int)undue[i]);
  }
  f.steps = 2050;
  cr_assert(progress_due(p, &f, 2010), "the last commit");
  progress_close(p);
}

Test(progress, a_row_as_it_is_written) {
  struct fold f = {.plan.steps = 2000};
  write_file("left of another run", "");
  struct progress *p = begin(&f, 100);
  expect_file(header, "");
  f.steps = 100;
  f.episodes = 2;
  f.version = 3;
  f.figure[0] = NAN;
  f.figure[1] = 0.1;
  cr_assert_eq(progress_add(p, &f, &recent), ERR_OK);
  cr_assert_eq(progress_sync(p), ERR_OK);
  cr_assert_eq(strncmp(progress_row(p), "100,2,0,3,50,2.5,,0,,0.1,0.", 26), 0, "%s",
               progress_row(p));
  expect_file(header, progress_row(p));
  progress_close(p);
}

Test(progress, what_comes_again_is_cut) {
  struct fold f = {.plan.steps = 2000, .steps = 200, .episodes = 4};
  static const char kept[] = "100,2,0,3,50,,,,,,1.000\n200,4,9,4,50,,,,1,2,900.000\n";
  write_file(header,
             "100,2,0,3,50,,,,,,1.000\n100,torn\n200,4,9,4,50,,,,1,2,900.000\n"
             "250,5,9,4,50,,,,1,2,950.000\n300,6,9,4,50,,,,1,2,99");
  capture_begin();
  struct progress *p = begin(&f, 100);
  const char *said = capture_end();
  cr_assert(strstr(said, "damaged in line 3") && strstr(said, "damaged in line 6"), "%s", said);
  expect_file(header, kept);
  f.steps = 300;
  cr_assert_eq(progress_add(p, &f, &recent), ERR_OK);
  const char *seconds = strrchr(progress_row(p), ',') + 1;
  cr_assert_eq(strncmp(seconds, "900.", 4), 0, "they go on: %s", seconds);
  progress_close(p);
}

Test(progress, other_columns_are_told) {
  struct fold f = {.plan.steps = 2000, .steps = 200, .episodes = 4};
  write_file("steps,total_steps,seconds\n", "100,2000,1.000\n");
  capture_begin();
  progress_close(begin(&f, 100));
  const char *said = capture_end();
  cr_assert_not_null(strstr(said, "has other columns than this telos writes"), "%s", said);
  expect_file(header, "");
}

static void add(struct recent *r, int T, float reward, float final) {
  const struct dims dims = {
      .obs = 1, .act = 1, .goal = 1, .horizon = 9, .hindsight = 1, .reward = 1};
  const struct task task = {.success_radius = 0.5};
  struct episode *ep = episode_new(&dims);
  ep->T = T;
  ep->reward[0] = reward;
  ep->achieved[T] = final;
  recent_add(r, ep, &task);
  episode_free(ep);
}

Test(progress, recent_episodes) {
  static struct recent r;
  cr_assert(isnan(recent_means(&r, 5).length), "none yet");
  add(&r, 4, 1, 1);
  add(&r, 8, 3, 0.25);
  struct recent_figures m = recent_means(&r, 5);
  cr_assert(m.length == 6 && m.ret == 2 && m.distance == 0.625 && m.success == 0.5);
  cr_assert_eq(recent_means(&r, 1).length, 8, "of the last one");
  for (int i = 0; i < RECENT_EPISODES; i++) {
    add(&r, 2 + i % 2, 1, 0);
  }
  m = recent_means(&r, 1000);
  cr_assert(m.length == 2.5 && m.ret == 1 && m.distance == 0 && m.success == 1);
  recent_clear(&r);
  cr_assert(isnan(recent_means(&r, 5).length));
}
