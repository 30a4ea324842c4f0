// test_report.c - what is said of unstable episodes, and how idle actors are.
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

Test(report, how_idle_actors_are) {
  const struct report_mark from = {.busy_ms = 100, .thread_ms = 1000};
  struct report_mark to = {.busy_ms = 400, .thread_ms = 3000};
  cr_assert_float_eq(report_idle(&from, &to, 0.5), 0.85, 1e-9);
  to.busy_ms = 100;
  cr_assert_eq(report_idle(&from, &to, 0.5), 1.0);
  to.busy_ms = 9000;
  cr_assert_eq(report_idle(&from, &to, 0.5), 0.0, "more than its interval");
  to.thread_ms = 1000;
  cr_assert_eq(report_idle(&from, &to, 0.25), 0.25, "no heartbeat came");
}
