// bench_ledger.c - what the ledger costs per episode: assign, answer, next and committed, on one
// thread, with few open tickets, with few where many can be, and with the most; with and without
// audits.
//
//   bench_ledger          prints one line per case: tickets/s and ns per ticket, median of 9
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "learner/fold.h"
#include "learner/ledger.h"
#include "tests/bench/bench.h"

enum { RUNS = 9, TICKETS = 100000, ACTORS = 4 };

// Seconds for TICKETS commits. Every actor fills its slots, then all answers come, the newest
// tickets first, so that the reorder buffer fills; episodes are tiny, since the ledger never looks
// into them.
static double run(int room, int open, double audit) {
  static const struct dims dims = {.obs = 1, .act = 1, .goal = 1, .horizon = 1, .hindsight = 1};
  const struct ledger_options opt = {
      .seed = 1, .audit = audit, .timeout_ms = 1000, .eval_episodes = 1};
  struct fold fold;
  fold_init(&fold,
            &(struct fold_plan){
                .window = (uint64_t)room, .horizon = (uint64_t)(room / open), .steps = UINT64_MAX});
  CHECK(fold_room(&fold) == room && fold.nopen == open);
  struct ticket *held = must_alloc((size_t)open * 2, sizeof *held);
  int *holder = must_alloc((size_t)open * 2, sizeof *holder);
  struct ledger *l = ledger_new(&opt, &fold);
  for (int i = 0; i < ACTORS; i++) {
    ledger_join(l, i, (uint64_t)i, open);
  }
  double start = now_cpu_s();
  uint64_t committed = 0;
  while (committed < TICKETS) {
    int n = 0;
    for (bool more = true; more;) {
      more = false;
      for (int i = 0; i < ACTORS; i++) {
        if (ledger_assign(l, &held[n], i, 0)) {
          holder[n++] = i;
          more = true;
        }
      }
    }
    while (n-- > 0) {
      struct episode *ep = episode_new(&dims);
      ep->ticket = held[n];
      ep->digest = held[n].seed;
      CHECK(ledger_answer(l, holder[n], &ep) == LEDGER_ACCEPTED);
    }
    for (struct episode *ep; (ep = ledger_next(l)); committed++) {
      episode_free(ep);
      ledger_committed(l, &(struct fold_issue){.n = 1, .version = 1});
    }
  }
  double took = (now_cpu_s() - start) / (double)committed;
  ledger_free(l);
  fold_release(&fold);
  free(held);
  free(holder);
  return took;
}

int main(void) {
  static const struct {
    int room, open;
    double audit;
  } cases[] = {{16, 16, 0},   {16, 16, 1},     {1600, 16, 0},
               {1600, 16, 1}, {4096, 4096, 0}, {4096, 4096, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    double took[RUNS];
    run(cases[i].room, cases[i].open, cases[i].audit);
    for (int k = 0; k < RUNS; k++) {
      took[k] = run(cases[i].room, cases[i].open, cases[i].audit);
    }
    const double median = bench_median(took, RUNS);
    printf("ledger open=%d of %d audit=%g  %.0f tickets/s  %.0f ns/ticket\n", cases[i].open,
           cases[i].room, cases[i].audit, 1 / median, 1e9 * median);
  }
  return 0;
}
