// Tests of learning curves for telos plot: which runs are one series, what a point of it is, and
// what of eval.csv is read.
#include "deploy/launch/plot_data.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fsio.h"
#include "common/config/bundle.h"
#include "tests/unit/capture.h"

static char dir[64];

static void setup(void) {
  snprintf(dir, sizeof dir, "/tmp/telos_plot_XXXXXX");
  cr_assert(mkdtemp(dir));
}

static void teardown(void) {
  cr_expect_eq(fsio_remove_tree(dir), ERR_OK);
}

TestSuite(plot_data, .init = setup, .fini = teardown);

// a run of this name with this eval.csv; NULL: without one
static struct run_info *make_run(struct run_info *r, const char *name, int seed, const char *eval) {
  char path[128], file[160];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  cr_assert_eq(mkdir(path, 0755), 0);
  snprintf(file, sizeof file, "%s/eval.csv", path);
  cr_assert(eval == NULL || fsio_write_atomic(file, eval, strlen(eval)) == ERR_OK);
  *r = (struct run_info){.path = strdup(path), .task = strdup("box2d"), .rule = "odac"};
  config_defaults(&r->cfg);
  r->cfg.run_seed = seed;
  return r;
}

// columns in another order than ours, and one more; an empty score; rows that do not ascend
static const char FIRST[] =
    "version,steps,score,more,seconds\n1,100,90,x,1.5\n2,200,,x,2\n3,300,50,x,2.5\n4,300,40,x,3\n";
static const char SECOND[] = "version,steps,score,more,seconds\n1,100,80,x,1\n3,400,20,x,4\n";

Test(plot_data, seeds_are_one_series) {
  struct run_info r[4];
  make_run(&r[0], "a", 0, FIRST);
  make_run(&r[1], "b", 1, SECOND);
  make_run(&r[2], "c", 2, NULL);
  make_run(&r[3], "d", 0, SECOND);
  r[3].cfg.agent_gamma = 0.9;
  const struct run_list runs = {r, 4};
  struct plot_data d = {0};
  capture_begin();
  cr_assert_eq(plot_data_read(&d, &runs, false), ERR_OK);
  const char *text = capture_end();
  cr_assert(strstr(text, "/c has no evaluations"), "%s", text);
  cr_assert_eq(d.n, 2);
  cr_expect_str_eq(d.series[0].label, "odac");
  cr_expect_str_eq(d.series[1].label, "odac agent.gamma=0.9");
  cr_assert(d.series[0].ncurve == 2 && d.series[1].ncurve == 1);
  cr_assert_eq(d.series[0].curves[0].n, 2, "an empty score and a second row of 300 are no points");
  // straight between evaluations: 70 and 60 at 200 steps less a third
  const struct plot_point p = plot_data_at(&d.series[0], 200);
  cr_expect(p.n == 2 && fabs(p.least - 60) < 1e-9 && fabs(p.most - 70) < 1e-9);
  cr_expect_float_eq(p.mean, 65, 1e-9);
  // where one has ended, and before both begin
  cr_expect_eq(plot_data_at(&d.series[0], 350).n, 1);
  cr_expect_eq(plot_data_at(&d.series[0], 99).n, 0);
  cr_expect_eq(plot_data_at(&d.series[0], 400).n, 1);
  plot_data_release(&d);
  for (int i = 0; i < 4; i++) {
    free(r[i].path);
    free(r[i].task);
  }
}

Test(plot_data, by_seconds_and_with_the_task) {
  struct run_info r[2];
  make_run(&r[0], "a", 0, FIRST);
  make_run(&r[1], "b", 0, SECOND);
  free(r[1].task);
  r[1].task = strdup("ant");
  const struct run_list runs = {r, 2};
  struct plot_data d = {0};
  cr_assert_eq(plot_data_read(&d, &runs, true), ERR_OK);
  cr_assert_eq(d.n, 2);
  cr_expect_str_eq(d.series[0].label, "box2d odac");
  cr_expect_str_eq(d.series[1].label, "ant odac");
  cr_assert_eq(d.series[0].curves[0].n, 3);
  cr_expect_float_eq(plot_data_at(&d.series[0], 2).mean, 70, 1e-9);
  plot_data_release(&d);
  for (int i = 0; i < 2; i++) {
    free(r[i].path);
    free(r[i].task);
  }
}

Test(plot_data, nothing_to_draw_and_no_common_scale) {
  struct run_info r[2];
  make_run(&r[0], "a", 0, "steps,score\n");
  const struct run_list none = {r, 1};
  struct plot_data d = {0};
  capture_begin();
  cr_expect_eq(plot_data_read(&d, &none, false), ERR_CONFIG);
  const char *text = capture_end();
  cr_expect(strstr(text, "there are no evaluations"), "%s", text);
  plot_data_release(&d);
  free(r[0].path);
  free(r[0].task);
  make_run(&r[0], "b", 0, FIRST);
  make_run(&r[1], "c", 0, SECOND);
  r[1].result.distance = NAN;  // a return
  const struct run_list mixed = {r, 2};
  d = (struct plot_data){0};
  capture_begin();
  cr_expect_eq(plot_data_read(&d, &mixed, false), ERR_CONFIG);
  text = capture_end();
  cr_expect(strstr(text, "plot them apart"), "%s", text);
  plot_data_release(&d);
  for (int i = 0; i < 2; i++) {
    free(r[i].path);
    free(r[i].task);
  }
}
