// test_fold.c - which tickets are issued when, what is due when, what tickets and evaluations name,
// and that exactly those weights are kept: by hand, and against a plain model over random runs.
#include "learner/fold.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/config/config.h"

// three tickets as long as episodes have 10 steps
static const struct fold_plan PLAN = {.window = 30,
                                      .horizon = 10,
                                      .steps = 100,
                                      .publish_every = 1,
                                      .eval_every = 30,
                                      .checkpoint_every = 40};

enum { MAX_NAMED = 512 };

static struct weights *make_weights(uint64_t version) {
  return weights_new(version, (int[]){1, 1}, 1, (float[]){(float)version, 0});
}

// A fold with its first policy published.
static void start(struct fold *f, const struct fold_plan *plan) {
  fold_init(f, plan);
  fold_publish(f, make_weights(1));
}

// One episode of T steps, with an update; a new version when one is due.
static struct fold_issue commit(struct fold *f, int T) {
  fold_add(f, T);
  f->updates++;
  if (fold_publishes(f)) {
    fold_publish(f, make_weights(f->version + 1));
  }
  return fold_commit(f);
}

static void evaluated(struct fold *f, uint64_t version) {
  fold_evaluated(f, &(struct evaluation){.version = version, .n = 5, .score = 7});
}

// The weights are those of these versions, no others; ends with 0.
static void expect_weights(const struct fold *f, const uint64_t *versions) {
  int n = 0;
  for (; versions[n] > 0; n++) {
    cr_assert(n < f->nweights && f->weights[n]->version == versions[n], "%d of %d", n, f->nweights);
    cr_assert_eq(fold_weights(f, versions[n]), f->weights[n]);
  }
  cr_assert_eq(f->nweights, n);
  cr_assert_eq(fold_newest(f), f->weights[n - 1]);
  cr_assert_null(fold_weights(f, 999));
  uint64_t named[MAX_NAMED];
  cr_assert_eq(fold_named(f, named), n);
  cr_assert_arr_eq(named, versions, (size_t)n * sizeof *named);
  cr_assert_eq(fold_oldest(f), versions[0]);
}

Test(fold, a_fresh_one_names_the_first_version) {
  struct fold f;
  start(&f, &PLAN);
  cr_expect_eq(f.version, 1);
  cr_expect_eq(f.next, 0);
  cr_expect_not(fold_complete(&f));
  expect_weights(&f, (uint64_t[]){1, 0});
  cr_expect_eq(f.last.n, 0);
  fold_release(&f);
}

Test(fold, a_ticket_names_the_newest_version_of_its_issue) {
  struct fold f;
  start(&f, &PLAN);
  for (uint64_t version = 2; version <= 3; version++) {
    const struct fold_issue issue = commit(&f, 10);
    cr_expect(issue.n == 1 && issue.warmup == 0 && issue.version == version);
    cr_expect_eq(f.nopen, 3);
    cr_expect_eq(f.open[2].version, version);
  }
  cr_expect_eq(f.open[0].version, 1);
  cr_expect_eq(f.open[1].version, 2);
  expect_weights(&f, (uint64_t[]){1, 2, 3, 0});
  commit(&f, 10);
  expect_weights(&f, (uint64_t[]){2, 3, 4, 0});
  cr_expect_eq(f.next, 3);
  cr_expect_eq(f.steps, 30);
  cr_expect_eq(f.episodes, 3);
  fold_release(&f);
}

Test(fold, versions_are_published_when_they_are_due) {
  struct fold_plan plan = PLAN;
  plan.publish_every = 3;
  struct fold f;
  start(&f, &plan);
  // no update yet: no version, however many commits
  for (int i = 0; i < 5; i++) {
    fold_add(&f, 1);
    cr_assert_not(fold_publishes(&f));
    fold_commit(&f);
  }
  // then at once, and after every three steps
  const uint64_t want[] = {2, 2, 2, 3, 3, 3, 4};
  for (int i = 0; i < 7; i++) {
    commit(&f, 1);
    cr_assert_eq(f.version, want[i], "commit %d", i);
  }
  // what is more than due does not count for the next one
  commit(&f, 5);
  cr_assert_eq(f.version, 5);
  commit(&f, 2);
  cr_assert_eq(f.version, 5);
  commit(&f, 1);
  cr_assert_eq(f.version, 6);
  // and at the end
  commit(&f, 2);
  cr_assert_eq(f.version, 6);
  f.plan.steps = f.steps + 1;
  commit(&f, 1);
  cr_expect(fold_complete(&f));
  cr_expect_eq(f.version, 7);
  fold_release(&f);
}

// how many of 100 commits of T steps are followed by a new version
static uint64_t published(uint64_t publish_every, int T) {
  struct fold f;
  start(&f,
        &(struct fold_plan){
            .window = 100, .horizon = 1000, .steps = UINT64_MAX, .publish_every = publish_every});
  for (int i = 0; i < 100; i++) {
    commit(&f, T);
  }
  const uint64_t n = f.version - 1;
  fold_release(&f);
  return n;
}

Test(fold, publication_is_counted_in_steps) {
  cr_expect_eq(published(1, 1), 100);
  cr_expect_eq(published(50, 1), 2);
  cr_expect_eq(published(50, 10), 20);
  cr_expect_eq(published(50, 20), 33, "rounded up to whole episodes");
  cr_expect_eq(published(50, 49), 50);
  cr_expect_eq(published(50, 50), 100);
  cr_expect_eq(published(50, 1000), 100, "never more than one an episode");
}

// Episodes of the shortest bundled task have 50 steps: by default each is followed by a version.
Test(fold, the_default_publishes_after_every_whole_episode) {
  struct config cfg;
  config_defaults(&cfg);
  const uint64_t every = (uint64_t)cfg.train_publish_every;
  cr_expect_eq(published(every, 50), 100);
  cr_expect_eq(published(every, 10), 20);
}

Test(fold, evaluations_keep_their_weights_until_the_result_is_in) {
  struct fold_plan plan = PLAN;
  plan.window = 1;  // two tickets, whatever the lengths
  struct fold f;
  start(&f, &plan);
  commit(&f, 29);
  cr_expect_not(fold_evaluates(&f));
  commit(&f, 1);
  cr_expect(fold_evaluates(&f), "30 steps");
  cr_expect_eq(f.next_eval_steps, 60);
  commit(&f, 29);
  cr_expect_not(fold_evaluates(&f));
  commit(&f, 35);
  cr_expect(fold_evaluates(&f), "94 steps");
  cr_expect_eq(f.next_eval_steps, 120);
  commit(&f, 1);
  commit(&f, 1);
  cr_expect_not(fold_evaluates(&f));
  // versions 3 and 5 are owed, tickets name 6 and 7
  expect_weights(&f, (uint64_t[]){3, 5, 6, 7, 0});
  evaluated(&f, 3);
  expect_weights(&f, (uint64_t[]){5, 6, 7, 0});
  cr_expect_eq(f.last.steps, 30);
  cr_expect_eq(f.last.version, 3);
  cr_expect_eq(f.last.score, 7);
  // the last one is always due
  commit(&f, 4);
  cr_expect(fold_complete(&f));
  cr_expect(fold_evaluates(&f));
  cr_expect_eq(f.nowed, 2);
  evaluated(&f, 8);
  cr_expect_eq(f.last.steps, 100);
  evaluated(&f, 5);
  cr_expect_eq(f.last.steps, 94);
  cr_expect_eq(f.nowed, 0);
  fold_release(&f);
}

Test(fold, too_many_evaluations_are_left_out_but_never_the_last) {
  struct fold_plan plan = PLAN;
  plan.eval_every = 1;
  struct fold f;
  start(&f, &plan);
  for (int i = 0; i < 99; i++) {
    commit(&f, 1);
    cr_assert_eq(fold_evaluates(&f), i < FOLD_MAX_EVALS - 1, "commit %d", i);
  }
  commit(&f, 1);
  cr_expect(fold_evaluates(&f));
  cr_expect_eq(f.nowed, FOLD_MAX_EVALS);
  cr_expect_eq(fold_oldest(&f), 2);
  fold_release(&f);

  // none but the last
  plan.eval_every = 0;
  start(&f, &plan);
  for (int i = 0; i < 100; i++) {
    commit(&f, 1);
    cr_assert_eq(fold_evaluates(&f), i == 99);
  }
  fold_release(&f);
}

Test(fold, checkpoints_are_due) {
  struct fold f;
  start(&f, &PLAN);
  const int T[] = {39, 1, 1, 38, 2, 18, 1};
  const bool due[] = {false, true, false, false, true, false, true};
  for (int i = 0; i < 7; i++) {
    commit(&f, T[i]);
    cr_assert_eq(fold_saves(&f), due[i], "%d steps", (int)f.steps);
  }
  fold_release(&f);
}

Test(fold, swap_exchanges_all) {
  struct fold a, b;
  start(&a, &PLAN);
  start(&b, &PLAN);
  commit(&b, 10);
  fold_swap(&a, &b);
  cr_expect_eq(a.steps, 10);
  cr_expect_eq(b.steps, 0);
  expect_weights(&a, (uint64_t[]){1, 2, 0});
  expect_weights(&b, (uint64_t[]){1, 0});
  fold_release(&a);
  fold_release(&b);
}

// ---- window and warm-up in steps ----

static int opened(uint64_t window, uint64_t horizon) {
  struct fold f;
  fold_init(&f, &(struct fold_plan){.window = window, .horizon = horizon, .steps = 100});
  const int n = f.nopen;
  cr_assert_leq(n, fold_room(&f));
  for (int i = 0; i < n; i++) {
    cr_assert(f.open[i].version == 1 && !f.open[i].warmup);
  }
  fold_release(&f);
  return n;
}

// eq. (1) before the first episode
Test(fold, the_window_is_counted_in_steps) {
  cr_expect_eq(opened(1600, 100), 16);
  cr_expect_eq(opened(1600, 50), 32);
  cr_expect_eq(opened(1649, 100), 16, "to the nearest");
  cr_expect_eq(opened(1650, 100), 17);
  cr_expect_eq(opened(1600, 1000), FOLD_MIN_OPEN);
  cr_expect_eq(opened(1, 1), FOLD_MIN_OPEN);
  cr_expect_eq(opened(3, 1), 3);
  cr_expect_eq(opened(1000000000, 1000), FOLD_MAX_OPEN);
  cr_expect_eq(opened(1, 1000000000), FOLD_MIN_OPEN);
}

// eq. (2): the tickets below warmup / horizon, rounded up, when every episode is a whole one
Test(fold, warm_up_of_whole_episodes) {
  for (uint64_t warmup = 0; warmup <= 5000; warmup += 50) {
    struct fold f;
    start(&f,
          &(struct fold_plan){
              .window = 1600, .warmup = warmup, .horizon = 100, .steps = 1e6, .publish_every = 1});
    for (uint64_t k = 0; k < 100; k++) {
      for (uint64_t i = 0; i < 16; i++) {
        cr_assert_eq(f.open[i].warmup, 100 * (k + i) < warmup, "ticket %d, warm-up %d",
                     (int)(k + i), (int)warmup);
      }
      const struct fold_issue issue = commit(&f, 100);
      cr_assert(issue.n == 1 && f.nopen == 16);
      cr_assert_eq(issue.warmup, 100 * (k + 16) < warmup);
    }
    fold_release(&f);
  }
}

// a horizon of 1,000 and random episodes of 20: many tickets, and fifty of them for 1,000 steps
Test(fold, short_episodes_open_more_tickets) {
  struct fold f;
  start(&f,
        &(struct fold_plan){
            .window = 1600, .warmup = 1000, .horizon = 1000, .steps = 1000000, .publish_every = 1});
  cr_assert_eq(f.nopen, 2);
  cr_expect(f.open[0].warmup && !f.open[1].warmup);
  struct fold_issue issue = commit(&f, 20);
  cr_expect_eq(f.nopen, 80);
  cr_expect_eq(issue.n, 79);
  cr_expect_eq(issue.version, 2);
  cr_expect_eq(issue.warmup, 48, "20 steps are done, one ticket of 20 is open, 48 make 1,000");
  for (int i = 0; i < f.nopen; i++) {
    cr_assert_eq(f.open[i].warmup, i >= 1 && i <= 48, "ticket %d", i + 1);
    cr_assert_eq(f.open[i].version, i == 0 ? 1 : 2, "ticket %d", i + 1);
  }
  issue = commit(&f, 20);
  cr_expect(issue.n == 1 && issue.warmup == 0 && f.nopen == 80);
  fold_release(&f);
}

// Episodes of 10 steps, thousands of them, then of 1,000: the lag in steps comes down to what it
// should be within a few of them, though the mean of all stays at 10.
Test(fold, long_episodes_issue_none_for_a_while) {
  struct fold f;
  start(&f, &(struct fold_plan){
                .window = 2000, .horizon = 1000, .steps = UINT64_MAX, .publish_every = 1});
  for (int i = 0; i < 5000; i++) {
    commit(&f, 10);
  }
  cr_assert_eq(f.nopen, 200);
  uint64_t next = f.next;
  for (int i = 0; i < 198; i++) {
    const struct fold_issue issue = commit(&f, 1000);
    cr_assert(issue.n == 0 && f.nopen == 199 - i, "commit %d", i);
    cr_assert_eq(f.next, ++next);
  }
  // what the two last tickets name, and the newest version, which none names yet
  expect_weights(&f, (uint64_t[]){5000, 5001, 5199, 0});
  for (int i = 0; i < 10; i++) {
    const struct fold_issue issue = commit(&f, 1000);
    cr_assert(issue.n == 1 && f.nopen == FOLD_MIN_OPEN);
    cr_assert_eq(issue.version, f.version);
  }
  fold_release(&f);
}

// ---- random runs: what is named follows from the tickets' versions, which the model writes down
// ----

enum { MAX_TICKETS = 4000 };

static int by_value(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

struct model {
  struct fold_plan plan;
  struct fold_ticket tickets[MAX_TICKETS];
  int next, issued;
  uint64_t owed[FOLD_MAX_EVALS];  // versions
  int nowed;
  double steps, S, E;
};

// eqs. (1) and (2)
static void model_issue(struct model *m, uint64_t version) {
  // one division of whole numbers: exact where it matters
  double n = floor((2 * (double)m->plan.window * m->E + m->S) / (2 * m->S));
  n = fmin(fmax(n, FOLD_MIN_OPEN), FOLD_MAX_OPEN);
  while (m->issued - m->next < (int)n) {
    cr_assert_lt(m->issued, MAX_TICKETS);
    const double before = m->steps * m->E + (m->issued - m->next) * m->S;
    m->tickets[m->issued++] =
        (struct fold_ticket){.version = version, .warmup = before < (double)m->plan.warmup * m->E};
  }
}

static void model_commit(struct model *m, int T, uint64_t version) {
  if (m->next == 0) {
    m->S = m->E = 0;
  }
  m->next++;
  m->steps += T;
  m->S += T;
  m->E++;
  if (m->E == 64) {
    m->S = floor(m->S / 2);
    m->E = 32;
  }
  model_issue(m, version);
}

// what is open, and whose weights there are
static void expect_model(const struct fold *f, const struct model *m) {
  cr_assert_eq(f->nopen, m->issued - m->next);
  cr_assert_eq(f->next, (uint64_t)m->next);
  uint64_t names[MAX_NAMED] = {0};
  int count = 0;
  for (int i = 0; i < f->nopen; i++) {
    const struct fold_ticket *t = &m->tickets[m->next + i];
    cr_assert(f->open[i].version == t->version && f->open[i].warmup == t->warmup, "ticket %d",
              m->next + i);
    names[count++] = t->version;
  }
  memcpy(names + count, m->owed, (size_t)m->nowed * sizeof *m->owed);
  count += m->nowed;
  names[count++] = f->version;
  qsort(names, (size_t)count, sizeof *names, by_value);
  int distinct = 1;
  for (int i = 1; i < count; i++) {
    if (names[i] != names[distinct - 1]) {
      names[distinct++] = names[i];
    }
  }
  names[distinct] = 0;
  expect_weights(f, names);
}

static void random_run(uint64_t number) {
  struct rng r;
  rng_init(&r, number, RNG_TEST, 0);
  const uint64_t horizon = 20 + rng_below(&r, 100);
  const struct fold_plan plan = {.window = 1 + rng_below(&r, 400),
                                 .warmup = rng_below(&r, 1000),
                                 .horizon = horizon,
                                 .steps = 4000,
                                 .publish_every = 1 + rng_below(&r, 120),
                                 .eval_every = rng_below(&r, 3) ? 1 + rng_below(&r, 200) : 0,
                                 .checkpoint_every = 100};
  struct fold f;
  start(&f, &plan);
  static struct model m;
  m = (struct model){.plan = plan, .S = (double)horizon, .E = 1};
  model_issue(&m, 1);
  int most = 1 + (int)rng_below(&r, (uint32_t)horizon);  // of the lengths now
  while (!fold_complete(&f)) {
    if (rng_below(&r, 20) == 0) {
      most = 1 + (int)rng_below(&r, (uint32_t)horizon);
    }
    const int T = 1 + (int)rng_below(&r, (uint32_t)most), issued = m.issued;
    const struct fold_issue issue = commit(&f, T);
    model_commit(&m, T, f.version);
    int warmup = 0;
    for (int i = issued; i < m.issued; i++) {
      warmup += m.tickets[i].warmup;
      // the first of an issue, not the last
      cr_assert(i == issued || m.tickets[i - 1].warmup || !m.tickets[i].warmup);
    }
    cr_assert(issue.n == m.issued - issued && issue.warmup == warmup);
    cr_assert_eq(issue.version, f.version);
    cr_assert_geq(f.nopen, FOLD_MIN_OPEN);
    if (fold_evaluates(&f)) {
      m.owed[m.nowed++] = f.version;
    }
    if (m.nowed > 0 && rng_below(&r, 3) == 0) {
      // results may come in any order
      const int i = (int)rng_below(&r, (uint32_t)m.nowed);
      evaluated(&f, m.owed[i]);
      m.owed[i] = m.owed[--m.nowed];
    }
    expect_model(&f, &m);
  }
  fold_release(&f);
}

Test(fold, exactly_the_named_weights_are_kept) {
  for (uint64_t number = 0; number < 500; number++) {
    random_run(number);
  }
}
