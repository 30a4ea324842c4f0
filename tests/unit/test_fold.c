// test_fold.c - what is due when, what tickets and evaluations name, and that exactly those weights
// are kept: by hand, and against a plain model over random runs.
#include "learner/fold.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"

static const struct fold_plan PLAN = {
    .window = 3, .steps = 100, .publish_every = 1, .eval_every = 30, .checkpoint_every = 40};

static struct weights *make_weights(uint64_t version) {
  return weights_new(version, (int[]){1, 1}, 1, (float[]){(float)version, 0});
}

// A fold with its first policy published.
static void start(struct fold *f, const struct fold_plan *plan) {
  fold_init(f, plan);
  fold_publish(f, make_weights(1));
}

// One episode of T steps, with an update; a new version when one is due.
static void commit(struct fold *f, int T) {
  fold_add(f, T);
  f->updates++;
  if (fold_publishes(f)) {
    fold_publish(f, make_weights(f->version + 1));
  }
  fold_commit(f);
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
  uint64_t named[64];
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
  commit(&f, 10);
  cr_expect_arr_eq(f.versions, ((uint64_t[]){1, 1, 2}), 3 * sizeof *f.versions);
  commit(&f, 10);
  cr_expect_arr_eq(f.versions, ((uint64_t[]){1, 2, 3}), 3 * sizeof *f.versions);
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
  // then at once, and after every third
  const uint64_t want[] = {2, 2, 2, 3, 3, 3, 4};
  for (int i = 0; i < 7; i++) {
    commit(&f, 1);
    cr_assert_eq(f.version, want[i], "commit %d", i);
  }
  // and at the end
  commit(&f, 1);
  commit(&f, 87);
  cr_expect(fold_complete(&f));
  cr_expect_eq(f.version, 5);
  fold_release(&f);
}

Test(fold, evaluations_keep_their_weights_until_the_result_is_in) {
  struct fold f;
  start(&f, &PLAN);
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
  // versions 3 and 5 are owed, tickets name 5, 6 and 7
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

// ---- random runs: what is named follows from the tickets' versions, which the model writes down
// ----

enum { MAX_TICKETS = 400 };

static int by_value(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void random_run(uint64_t number) {
  struct rng r;
  rng_init(&r, number, RNG_TEST, 0);
  const struct fold_plan plan = {.window = 1 + (int)rng_below(&r, 9),
                                 .steps = 1000,
                                 .publish_every = 1 + rng_below(&r, 4),
                                 .eval_every = rng_below(&r, 3) ? 1 + rng_below(&r, 200) : 0,
                                 .checkpoint_every = 100};
  struct fold f;
  start(&f, &plan);
  uint64_t ticket[MAX_TICKETS], owed[FOLD_MAX_EVALS];  // versions
  int n = plan.window, nowed = 0;
  for (int i = 0; i < n; i++) {
    ticket[i] = 1;
  }
  for (int k = 0; !fold_complete(&f); k++) {
    commit(&f, 3 + (int)rng_below(&r, 20));
    ticket[n++] = f.version;
    if (fold_evaluates(&f)) {
      owed[nowed++] = f.version;
    }
    if (nowed > 0 && rng_below(&r, 3) == 0) {
      // results may come in any order
      const int i = (int)rng_below(&r, (uint32_t)nowed);
      evaluated(&f, owed[i]);
      owed[i] = owed[--nowed];
    }
    uint64_t names[64] = {0};
    int count = 0;
    for (int i = k + 1; i <= k + plan.window; i++) {
      names[count++] = ticket[i];
    }
    memcpy(names + count, owed, (size_t)nowed * sizeof *owed);
    count += nowed;
    qsort(names, (size_t)count, sizeof *names, by_value);
    int distinct = 1;
    for (int i = 1; i < count; i++) {
      if (names[i] != names[distinct - 1]) {
        names[distinct++] = names[i];
      }
    }
    names[distinct] = 0;
    expect_weights(&f, names);
    cr_assert_arr_eq(f.versions, ticket + k + 1, (size_t)plan.window * sizeof *ticket);
  }
  fold_release(&f);
}

Test(fold, exactly_the_named_weights_are_kept) {
  for (uint64_t number = 0; number < 500; number++) {
    random_run(number);
  }
}
