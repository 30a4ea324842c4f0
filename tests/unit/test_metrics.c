// test_metrics.c - the progress line there and back, and the CSV columns.
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "common/config/metrics.h"

enum {
  FIGURES = 0
#define M(name, format, unit, help) +1
#define W(name, words, help) +1
#include "common/config/metrics.def"
#undef M
#undef W
};

static int count(const char *text, char c) {
  int n = 0;
  for (; *text != '\0'; text++) {
    n += *text == c;
  }
  return n;
}

// each figure a different whole number, which every format prints exactly
static struct metrics numbered(void) {
  struct metrics m;
  double next = 1;
#define M(name, format, unit, help) m.name = next++;
#define W(name, words, help) m.name = 1;
#include "common/config/metrics.def"
#undef M
#undef W
  return m;
}

Test(metrics, clear_knows_nothing) {
  struct metrics m = numbered();
  metrics_clear(&m);
#define M(name, format, unit, help) cr_expect(isnan(m.name), #name);
#define W(name, words, help) cr_expect_eq(m.name, -1, #name);
#include "common/config/metrics.def"
#undef M
#undef W
}

Test(metrics, a_figure_is_set_by_its_name) {
  const struct metrics all = numbered();
  struct metrics m;
  metrics_clear(&m);
#define M(name, format, unit, help) \
  metrics_set(&m, #name, all.name); \
  cr_expect_eq(m.name, all.name, #name);
#define W(name, words, help)   \
  metrics_set(&m, #name, 1.0); \
  cr_expect_eq(m.name, -1, "a word is no number");
#include "common/config/metrics.def"
#undef M
#undef W
  // one changes no other, and an unknown one none
  struct metrics one;
  metrics_clear(&one);
  metrics_set(&one, "loss", 5.0);
  metrics_set(&one, "loss_q", 5.0);
  cr_expect_eq(one.loss_q, 5.0);
  cr_expect(isnan(one.loss_pi) && isnan(one.steps) && isnan(one.eval_success));
}

Test(metrics, line_reads_back) {
  char line[2048];
  struct metrics m = numbered(), back;
  size_t n = metrics_line(line, sizeof line, &m);
  cr_expect_eq(n, strlen(line));
  cr_expect_eq(strncmp(line, "progress steps=1 total_steps=2 episodes=3 ", 42), 0, "%s", line);
  cr_expect(strstr(line, " seconds=5.0 ") != NULL, "%s", line);
  cr_expect_eq(count(line, '='), FIGURES);
  metrics_clear(&back);
  cr_assert(metrics_parse(&back, line));
#define M(name, format, unit, help) cr_expect_eq(back.name, m.name, #name);
#define W(name, words, help) cr_expect_eq(back.name, m.name, #name);
#include "common/config/metrics.def"
#undef M
#undef W
}

Test(metrics, words) {
  static const struct {
    enum metrics_limit limit;
    const char *word;
  } cases[] = {{METRICS_LIMIT_LEARNER, " limit=learner "},
               {METRICS_LIMIT_ACTORS, " limit=actors "},
               {METRICS_LIMIT_WINDOW, " limit=window "},
               {(enum metrics_limit) - 1, " limit=- "},
               {(enum metrics_limit)3, " limit=- "}};
  for (int i = 0; i < 5; i++) {
    char line[2048];
    struct metrics m = numbered(), back;
    m.limit = (int)cases[i].limit;
    metrics_line(line, sizeof line, &m);
    cr_expect(strstr(line, cases[i].word) != NULL, "%s", line);
    cr_assert(metrics_parse(&back, line));
    cr_expect_eq(back.limit, i < 3 ? (int)cases[i].limit : -1);
  }
  // a word of a later version is not known
  struct metrics m;
  cr_assert(metrics_parse(&m, "progress limit=learner steps=1"));
  cr_expect_eq(m.limit, METRICS_LIMIT_LEARNER);
  cr_assert(metrics_parse(&m, "progress limit=learn steps=1"));
  cr_expect(m.limit == -1 && m.steps == 1);
}

Test(metrics, unknown_figures_are_a_dash_and_come_back_as_nan) {
  char line[2048];
  struct metrics m, back = numbered();
  metrics_clear(&m);
  m.steps = 1000;
  m.loss_pi = -0.00012344;
  m.alpha = INFINITY;
  metrics_line(line, sizeof line, &m);
  cr_expect_eq(strncmp(line, "progress steps=1000 total_steps=- ", 34), 0, "%s", line);
  cr_expect(strstr(line, " loss_pi=-0.0001234 ") != NULL, "%s", line);
  cr_assert(metrics_parse(&back, line));
  cr_expect_eq(back.steps, 1000.0);
  // four digits are printed: half a unit of the fourth
  cr_expect_float_eq(back.loss_pi, m.loss_pi, 5e-8);
  cr_expect_eq(back.alpha, INFINITY);
  cr_expect(isnan(back.total_steps) && isnan(back.eval_success));
}

Test(metrics, parse_ignores_unknown_keys_and_the_end_of_the_line) {
  struct metrics m;
  cr_assert(metrics_parse(&m, "progress steps=5 colour=blue  episodes=2\r\n"));
  cr_expect(m.steps == 5 && m.episodes == 2 && isnan(m.updates));
  cr_expect(metrics_parse(&m, "progress"));
  cr_expect(isnan(m.steps));
  // a key that begins like one of ours is another
  cr_assert(metrics_parse(&m, "progress step=5 steps_=6 =7"));
  cr_expect(isnan(m.steps));
}

Test(metrics, what_is_no_progress_line_changes_nothing) {
  const char *bad[] = {"",
                       "I learner: listening",
                       " progress steps=1",
                       "progress: steps=1",
                       "progressive steps=1",
                       "progress_=1 steps=1",
                       "progress steps",
                       "progress steps=",
                       "progress steps=1x",
                       "progress steps=--",
                       "progress steps=1 done"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct metrics m = numbered();
    cr_expect_not(metrics_parse(&m, bad[i]), "%s", bad[i]);
    cr_expect_eq(m.steps, 1.0, "%s", bad[i]);
  }
}

Test(metrics, a_buffer_that_is_too_small_is_a_bug, .signal = SIGABRT) {
  char line[64];
  struct metrics m = numbered();
  (void)metrics_line(line, sizeof line, &m);
}
