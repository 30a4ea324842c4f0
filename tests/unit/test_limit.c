// test_limit.c - which side limits, and the sentence about it: every case, what is unknown left
// out.
#include "common/config/limit.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(limit, which_side) {
  cr_assert_eq(limit_side(0.0, 1, 16), METRICS_LIMIT_LEARNER);
  cr_assert_eq(limit_side(0.099, 64, 16), METRICS_LIMIT_LEARNER);
  cr_assert_eq(limit_side(0.1, 15, 16), METRICS_LIMIT_ACTORS);
  cr_assert_eq(limit_side(1.0, 0, 1), METRICS_LIMIT_ACTORS, "nobody is here");
  cr_assert_eq(limit_side(0.5, 16, 16), METRICS_LIMIT_WINDOW);
  cr_assert_eq(limit_side(0.5, 64, 16), METRICS_LIMIT_WINDOW);
}

#define LEARNER_HELP                                                            \
  ": more actors will not help; a larger batch at fewer updates (train.batch, " \
  "train.updates_per_step: another experiment) will"

Test(limit, in_words) {
  static const struct {
    enum metrics_limit limit;
    double wait, idle, threads, open;
    const char *want;
  } cases[] = {
      {METRICS_LIMIT_LEARNER, 0, 0.94, 16, 16,
       "the learner is the limit: 100 % busy, actors idle 94 % (1 of 16 rollout threads would "
       "do)" LEARNER_HELP},
      {METRICS_LIMIT_LEARNER, 0.034, 0.5, 4, 16,
       "the learner is the limit: 97 % busy, actors idle 50 % (3 of 4 rollout threads would "
       "do)" LEARNER_HELP},
      {METRICS_LIMIT_LEARNER, 0.05, 0.99, 1, 16,
       "the learner is the limit: 95 % busy, actors idle 99 %" LEARNER_HELP},
      {METRICS_LIMIT_LEARNER, 0, NAN, 4, 16, "the learner is the limit: 100 % busy" LEARNER_HELP},
      {METRICS_LIMIT_ACTORS, 1, NAN, 0, 16,
       "actors are the limit: there are none, and the learner is 0 % busy"},
      {METRICS_LIMIT_ACTORS, 0.6, 0.03, 2, 16,
       "actors are the limit: learner 40 % busy, 2 rollout threads idle 3 %: more actors will "
       "help, up to the 16 tickets that ledger.window keeps open"},
      {METRICS_LIMIT_ACTORS, 0.6, NAN, 1, 16,
       "actors are the limit: learner 40 % busy: more actors will help, up to the 16 tickets "
       "that ledger.window keeps open"},
      {METRICS_LIMIT_ACTORS, 0.6, 0.5, 1, 16,
       "actors are the limit: learner 40 % busy, 1 rollout thread idle 50 %: cores of their own, "
       "or a faster network, will help before more actors do"},
      {METRICS_LIMIT_WINDOW, 0.5, 0.75, 64, 16,
       "ledger.window is the limit: learner 50 % busy, 64 rollout threads idle 75 %, 16 tickets "
       "open: more actors will not help; a larger ledger.window will (another experiment)"},
      {METRICS_LIMIT_WINDOW, 0.5, NAN, 64, 16,
       "ledger.window is the limit: learner 50 % busy, 16 tickets open: more actors will not "
       "help; a larger ledger.window will (another experiment)"},
      {(enum metrics_limit) - 1, 0.5, 0.5, 2, 16, ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct metrics m;
    metrics_clear(&m);
    m.limit = (int)cases[i].limit;
    m.learner_wait = cases[i].wait;
    m.actor_idle = cases[i].idle;
    m.threads = cases[i].threads;
    m.open = cases[i].open;
    char text[LIMIT_TEXT];
    limit_text(text, sizeof text, &m);
    cr_expect_str_eq(text, cases[i].want);
  }
}

// more threads are promised where they can be had
Test(limit, what_would_give_updates_more_threads) {
  static const struct {
    int bound;
    const char *end;
  } cases[] = {
      {METRICS_BOUND_THREADS, "another experiment), or a larger learner.threads, will"},
      {METRICS_BOUND_SHARDS,
       "another experiment), or a larger train.shards (another experiment, too), will"},
      {METRICS_BOUND_CORES, "another experiment) will"},
      {-1, "another experiment) will"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct metrics m;
    metrics_clear(&m);
    m.limit = METRICS_LIMIT_LEARNER;
    m.learner_wait = 0.0;
    m.update_bound = cases[i].bound;
    char text[LIMIT_TEXT];
    limit_text(text, sizeof text, &m);
    const size_t n = strlen(text), end = strlen(cases[i].end);
    cr_expect(n > end && strcmp(text + n - end, cases[i].end) == 0, "%s", text);
  }
}

// a fleet as large as can be
Test(limit, the_longest_text_fits) {
  for (int limit = METRICS_LIMIT_LEARNER; limit <= METRICS_LIMIT_WINDOW; limit++) {
    struct metrics m;
    metrics_clear(&m);
    m.limit = limit;
    m.learner_wait = 0.0;
    m.actor_idle = 0.4;
    m.threads = m.open = 4194304;
    m.update_bound = METRICS_BOUND_SHARDS;
    char text[LIMIT_TEXT + 100];
    limit_text(text, sizeof text, &m);
    cr_expect_lt(strlen(text), LIMIT_TEXT, "%s", text);
  }
}
