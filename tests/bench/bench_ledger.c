// bench_ledger.c - what the ledger costs per episode: assign, answer, next and committed, on one
// thread, with few open tickets, with few where many can be, and with the most; for 4 actors and
// for 4,096; with and without audits.
//
// After each answer and each commit all actors are offered what there is, as the learner does.
// "in order": the oldest ticket is answered first, so each answer commits, and one actor among all
// has room for the ticket that follows. "reversed": the newest first, so the reorder buffer fills.
// The limit is what any learner does with the answer itself: a copy and a digest of an episode of
// Fetch Push.
//
//   bench_ledger          prints one line per case: tickets/s and ns per ticket, median of 9
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "learner/fold.h"
#include "learner/ledger.h"
#include "tests/bench/bench.h"

enum { RUNS = 9, TICKETS = 50000, ANSWER_BYTES = 51 * (25 + 3) * 4 + 50 * (4 * 4 + 4 * 2) };

struct work {
  struct ticket ticket;
  int actor;
};

// A fleet that holds tickets, in the order in which they were given out.
struct fleet {
  struct ledger *ledger;
  int actors;
  struct work *held;  // (room) a ring
  int room, first, n;
};

static void grant(struct fleet *f) {
  for (int i = 0; i < f->actors && ledger_wants(f->ledger); i++) {
    struct work w = {.actor = i};
    while (ledger_assign(f->ledger, &w.ticket, i, 0)) {
      CHECK(f->n < f->room);
      f->held[(f->first + f->n++) % f->room] = w;
    }
  }
}

// The oldest, or the newest.
static struct work take(struct fleet *f, bool reversed) {
  CHECK(f->n > 0);
  const struct work w = f->held[(f->first + (reversed ? f->n - 1 : 0)) % f->room];
  f->first = (f->first + !reversed) % f->room;
  f->n--;
  return w;
}

// Seconds a commit. Episodes are tiny, since the ledger never looks into them.
static double run(int actors, int room, int open, double audit, bool reversed) {
  static const struct dims dims = {.obs = 1, .act = 1, .goal = 1, .horizon = 1, .hindsight = 1};
  const struct ledger_options opt = {
      .seed = 1, .audit = audit, .timeout_ms = 1000, .eval_episodes = 1};
  struct fold fold;
  fold_init(&fold,
            &(struct fold_plan){
                .window = (uint64_t)room, .horizon = (uint64_t)(room / open), .steps = UINT64_MAX});
  CHECK(fold_room(&fold) == room && fold.nopen == open);
  // an audited ticket is held twice
  const int holds = audit > 0 ? 2 * open : open;
  struct fleet f = {.ledger = ledger_new(&opt, &fold), .actors = actors, .room = holds};
  f.held = must_alloc((size_t)holds, sizeof *f.held);
  for (int i = 0; i < actors; i++) {
    ledger_join(f.ledger, i, (uint64_t)i, (holds + actors - 1) / actors);
  }
  uint64_t committed = 0;
  const double start = now_cpu_s();
  grant(&f);
  while (committed < TICKETS) {
    const struct work w = take(&f, reversed);
    struct episode *ep = episode_new(&dims);
    ep->ticket = w.ticket;
    ep->digest = w.ticket.seed;
    CHECK(ledger_answer(f.ledger, w.actor, &ep) == LEDGER_ACCEPTED);
    grant(&f);
    while ((ep = ledger_next(f.ledger)) != NULL) {
      episode_free(ep);
      ledger_committed(f.ledger, &(struct fold_issue){.n = 1, .version = 1});
      committed++;
      grant(&f);
    }
  }
  const double took = (now_cpu_s() - start) / (double)committed;
  ledger_free(f.ledger);
  fold_release(&fold);
  free(f.held);
  return took;
}

// seconds of a copy and a digest
static double limit(void) {
  static unsigned char from[ANSWER_BYTES], to[ANSWER_BYTES];
  volatile uint64_t sink = 0;
  const double start = now_cpu_s();
  for (int i = 0; i < TICKETS; i++) {
    from[i % ANSWER_BYTES]++;
    memcpy(to, from, sizeof to);
    sink = sink + XXH3_64bits(to, sizeof to);
  }
  return (now_cpu_s() - start) / TICKETS;
}

int main(void) {
  static const struct {
    int actors, room, open;
    double audit;
  } cases[] = {{4, 16, 16, 0},      {4, 16, 16, 1},        {4, 1600, 16, 0},
               {4, 4096, 4096, 0},  {4, 4096, 4096, 1},    {4096, 1600, 16, 0},
               {4096, 1600, 16, 1}, {4096, 4096, 4096, 0}, {4096, 4096, 4096, 1}};
  for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
    const bool reversed = i % 2 == 1;
    const int actors = cases[i / 2].actors, room = cases[i / 2].room, open = cases[i / 2].open;
    const double audit = cases[i / 2].audit;
    double took[RUNS], ratio[RUNS];
    run(actors, room, open, audit, reversed);
    for (int k = 0; k < RUNS; k++) {
      took[k] = run(actors, room, open, audit, reversed);
      ratio[k] = limit() / took[k];
    }
    const double median = bench_median(took, RUNS);
    printf(
        "ledger actors=%d open=%d of %d audit=%g %-8s  %9.0f tickets/s  %6.0f ns/ticket  copy and "
        "digest of an answer: ratio %.3f\n",
        actors, open, room, audit, reversed ? "reversed" : "in order", 1 / median, 1e9 * median,
        bench_median(ratio, RUNS));
    fflush(stdout);
  }
  return 0;
}
