// test_report.c - what is said of unstable episodes, and which side limits a run.
#include <criterion/criterion.h>
#include <string.h>

#include "learner/report.h"
#include "tests/unit/capture.h"

// what is said while n episodes go to the trainer, of which each `every`-th is unstable
static const char *told(struct report *r, int n, int every) {
  struct episode ep = {.T = 1};
  capture_begin();
  for (int i = 1; i <= n; i++) {
    ep.unstable = i % every == 0;
    report_episode(r, &ep);
  }
  return capture_end();
}

static int lines(const char *text) {
  int n = 0;
  for (; *text != '\0'; text++) {
    n += *text == '\n';
  }
  return n;
}

Test(report, unstable_episodes_are_told_at_powers_of_ten) {
  struct report r = {.warn_at = 1};
  cr_assert_str_empty(told(&r, 100, 1000), "none is unstable");
  const char *text = told(&r, 2000, 2);
  cr_assert_eq(lines(text), 4, "%s", text);
  static const char *const said[] = {"1 of 102 episodes became unstable", "10 of 120 ",
                                     "100 of 300 ", "1000 of 2100 "};
  for (int i = 0; i < 4; i++) {
    cr_assert(strstr(text, said[i]) != NULL, "no \"%s\" in\n%s", said[i], text);
  }
  cr_assert(strstr(text, "a smaller timestep or action scale helps") != NULL, "%s", text);
  cr_assert(r.episodes == 2100 && r.unstable == 1000);
}

Test(report, who_limits) {
  cr_assert_eq(report_limit(0.0, 1, 16), METRICS_LIMIT_LEARNER);
  cr_assert_eq(report_limit(0.099, 64, 16), METRICS_LIMIT_LEARNER);
  cr_assert_eq(report_limit(0.1, 15, 16), METRICS_LIMIT_ACTORS);
  cr_assert_eq(report_limit(1.0, 0, 1), METRICS_LIMIT_ACTORS, "nobody is here");
  cr_assert_eq(report_limit(0.5, 16, 16), METRICS_LIMIT_WINDOW);
  cr_assert_eq(report_limit(0.5, 64, 16), METRICS_LIMIT_WINDOW);
}
