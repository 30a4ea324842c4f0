// test_ledger.c - the ticket rules one by one, then all of them at once: thousands of random
// schedules of delays, losses, duplicates, crashes, joins, expiries, wrong answers and restarts,
// each of which must commit the one sequence that the options determine.
//
// Episodes here are a bare struct whose T stands for the content. This file defines episode_free,
// so that it can count: every episode made must be freed or handed back exactly once.
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "learner/fold.h"
#include "learner/ledger.h"

static long live_episodes;

void episode_free(struct episode *ep) {
  if (ep) {
    live_episodes--;
    free(ep);
  }
}

static uint64_t mix(uint64_t x, uint64_t y) {
  x = (x ^ y) * UINT64_C(0x9e3779b97f4a7c15);
  return x ^ (x >> 29);
}

// the one right content of a ticket
static int truth(const struct ticket *t) {
  return 1 + (int)(mix(mix(mix(t->id, t->seed), t->version), (uint64_t)t->kind) % 1000000);
}

static uint64_t digest_of(const struct ticket *t, int T) {
  return mix(mix(mix(mix(t->id, t->seed), t->version), (uint64_t)t->kind), (uint64_t)T);
}

static struct episode *make(const struct ticket *t, int T) {
  struct episode *ep = calloc(1, sizeof *ep);
  CHECK(ep);
  ep->ticket = *t;
  ep->T = T;
  ep->digest = digest_of(t, T);
  live_episodes++;
  return ep;
}

static enum ledger_verdict send(struct ledger *l, int actor, const struct ticket *t, int T) {
  struct episode *ep = make(t, T);
  enum ledger_verdict v = ledger_answer(l, actor, &ep);
  CHECK((v == LEDGER_ACCEPTED) == (ep == NULL));
  episode_free(ep);
  return v;
}

// ---- the rules, one by one ----

// The ledger of a run whose open tickets are next .. next + n - 1; at most room are ever open.
static struct ledger *ledger_at(const struct ledger_options *opt, int room, uint64_t next,
                                const struct fold_ticket *open, int n) {
  // a ledger only reads the fold
  const struct fold fold = {.plan = {.window = (uint64_t)room, .steps = 1},
                            .next = next,
                            .open = (struct fold_ticket *)(uintptr_t)open,
                            .nopen = n};
  cr_assert(n <= fold_room(&fold));
  return ledger_new(opt, &fold);
}

// n tickets of version 1 are open, the first two of them for the warm-up.
static struct ledger *fresh(int n, double audit) {
  struct ledger_options opt = {.seed = 7, .audit = audit, .timeout_ms = 100, .eval_episodes = 3};
  struct fold_ticket open[FOLD_MAX_OPEN];
  for (int i = 0; i < n; i++) {
    open[i] = (struct fold_ticket){.version = 1, .warmup = i < 2};
  }
  return ledger_at(&opt, n, 0, open, n);
}

static struct ticket grant(struct ledger *l, int actor, int64_t now) {
  struct ticket t = {0};
  cr_assert(ledger_assign(l, &t, actor, now), "no ticket for actor %d", actor);
  return t;
}

static bool nothing_for(struct ledger *l, int actor) {
  struct ticket t;
  return !ledger_assign(l, &t, actor, 0);
}

// One committed, one issued.
static void committed(struct ledger *l, uint64_t version) {
  ledger_committed(l, &(struct fold_issue){.n = 1, .version = version});
}

static void commit_one(struct ledger *l, uint64_t id, uint64_t version) {
  struct episode *ep = ledger_next(l);
  cr_assert(ep && ep->ticket.id == id);
  episode_free(ep);
  committed(l, version);
}

// somebody who was never here before
static void join(struct ledger *l, int actor, int slots) {
  static uint64_t name = 0;
  ledger_join(l, actor, ++name, slots);
}

static void end(struct ledger *l) {
  ledger_free(l);
  cr_assert_eq(live_episodes, 0);
}

Test(ledger, issue_names_seed_kind_and_version) {
  struct ledger *l = fresh(3, 0);
  join(l, 5, 10);
  for (uint64_t k = 0; k < 3; k++) {
    struct ticket t = grant(l, 5, 0);
    cr_assert(t.id == k && t.version == 1 && t.seed == ticket_seed(7, k));
    cr_assert_eq(t.kind, k < 2 ? TICKET_WARMUP : TICKET_TRAIN);
    cr_assert_eq(send(l, 5, &t, truth(&t)), LEDGER_ACCEPTED);
  }
  cr_assert(nothing_for(l, 5), "no more are open");
  // ticket 3 is issued by the commit of 0, ticket 4 by that of 1
  commit_one(l, 0, 8);
  commit_one(l, 1, 9);
  struct ticket t3 = grant(l, 5, 0), t4 = grant(l, 5, 0);
  cr_assert(t3.id == 3 && t3.version == 8 && t4.id == 4 && t4.version == 9);
  cr_assert(nothing_for(l, 5));
  commit_one(l, 2, 9);
  end(l);
}

// what a commit issues is the fold's to say: several, of both kinds, or none
Test(ledger, a_commit_issues_several_or_none) {
  struct ledger_options opt = {.seed = 7, .timeout_ms = 100, .eval_episodes = 3};
  struct fold_ticket open[2] = {{.version = 1, .warmup = true}, {.version = 1}};
  struct ledger *l = ledger_at(&opt, 6, 0, open, 2);
  join(l, 0, 10);
  struct ticket t[8];
  for (int i = 0; i < 2; i++) {
    t[i] = grant(l, 0, 0);
  }
  cr_assert(nothing_for(l, 0));
  cr_assert(t[0].kind == TICKET_WARMUP && t[1].kind == TICKET_TRAIN);
  send(l, 0, &t[0], truth(&t[0]));
  episode_free(ledger_next(l));
  // a ticket for the warm-up may come after one that is not
  ledger_committed(l, &(struct fold_issue){.n = 5, .warmup = 2, .version = 3});
  cr_assert_eq(ledger_counts(l).open, 6);
  for (int i = 2; i < 7; i++) {
    t[i] = grant(l, 0, 0);
    cr_assert(t[i].id == (uint64_t)i && t[i].version == 3, "ticket %d", i);
    cr_assert_eq(t[i].kind, i < 4 ? TICKET_WARMUP : TICKET_TRAIN, "ticket %d", i);
  }
  cr_assert(nothing_for(l, 0));
  for (int i = 1; i < 5; i++) {
    send(l, 0, &t[i], truth(&t[i]));
    episode_free(ledger_next(l));
    ledger_committed(l, &(struct fold_issue){.version = 4});
    cr_assert_eq(ledger_counts(l).open, 6 - i);
    cr_assert(nothing_for(l, 0));
    cr_assert_eq(send(l, 0, &t[i], truth(&t[i])), LEDGER_DUPLICATE);
    struct ticket other = t[i];
    other.kind = TICKET_WARMUP + TICKET_TRAIN - t[i].kind;
    cr_assert_eq(send(l, 0, &other, truth(&t[i])), LEDGER_UNKNOWN, "its kind is remembered");
  }
  end(l);
}

Test(ledger, seeds_differ) {
  for (uint64_t i = 0; i < 200; i++) {
    for (uint64_t j = 0; j < 200; j++) {
      cr_assert(i == j || ticket_seed(1, i) != ticket_seed(1, j));
      cr_assert(ticket_seed(1, i) != ticket_eval_seed(1, j));
    }
    cr_assert_neq(ticket_seed(1, i), ticket_seed(2, i));
  }
}

Test(ledger, commits_in_order_of_ids) {
  struct ledger *l = fresh(3, 0);
  join(l, 0, 3);
  struct ticket t[3] = {grant(l, 0, 0), grant(l, 0, 0), grant(l, 0, 0)};
  send(l, 0, &t[2], truth(&t[2]));
  send(l, 0, &t[1], truth(&t[1]));
  cr_assert_null(ledger_next(l), "ticket 0 is missing");
  send(l, 0, &t[0], truth(&t[0]));
  for (uint64_t k = 0; k < 3; k++) {
    struct episode *ep = ledger_next(l);
    cr_assert(ep && ep->ticket.id == k);
    episode_free(ep);
  }
  cr_assert_null(ledger_next(l), "each id once, at most those that are open");
  cr_assert_eq(ledger_counts(l).open, 3);
  end(l);
}

Test(ledger, slots_bound_what_an_actor_holds) {
  struct ledger *l = fresh(8, 0);
  join(l, 0, 2);
  struct ticket a = grant(l, 0, 0);
  grant(l, 0, 0);
  cr_assert(nothing_for(l, 0));
  send(l, 0, &a, truth(&a));
  cr_assert_eq(grant(l, 0, 0).id, 2, "an answer frees a slot");
  cr_assert(nothing_for(l, 0));
  // a leave forgets what was held
  ledger_leave(l, 0);
  join(l, 0, 1);
  cr_assert_eq(grant(l, 0, 0).id, 1);
  cr_assert(nothing_for(l, 0));
  end(l);
}

Test(ledger, leaving_gives_tickets_back_oldest_first) {
  struct ledger *l = fresh(4, 0);
  join(l, 0, 4);
  join(l, 1, 4);
  for (int i = 0; i < 4; i++) {
    grant(l, i % 2, 0);
  }
  cr_assert_eq(ledger_counts(l).assigned, 4);
  ledger_leave(l, 0);
  cr_assert_eq(ledger_counts(l).assigned, 2);
  cr_assert_eq(ledger_counts(l).reissued, 2);
  cr_assert_eq(grant(l, 1, 0).id, 0);
  cr_assert_eq(grant(l, 1, 0).id, 2);
  cr_assert(nothing_for(l, 1));
  end(l);
}

Test(ledger, leaving_keeps_answers) {
  struct ledger *l = fresh(1, 0);
  join(l, 0, 1);
  struct ticket t = grant(l, 0, 0);
  send(l, 0, &t, truth(&t));
  ledger_leave(l, 0);
  commit_one(l, 0, 1);
  end(l);
}

Test(ledger, timeout_makes_assignable_and_late_answers_count) {
  struct ledger *l = fresh(2, 0);
  join(l, 0, 1);
  join(l, 1, 1);
  struct ticket t = grant(l, 0, 1000);
  cr_assert_eq(ledger_expire(l, 1100), 0, "not longer than timeout_ms");
  cr_assert_eq(ledger_expire(l, 1101), 1);
  cr_assert_eq(ledger_expire(l, 1101), 0, "once");
  cr_assert_eq(grant(l, 1, 1101).id, t.id);
  // the slot of the slow one is free again
  cr_assert_eq(grant(l, 0, 1101).id, 1);
  // its late answer is as good as any, and frees the other's slot
  cr_assert_eq(send(l, 0, &t, truth(&t)), LEDGER_ACCEPTED);
  cr_assert_eq(ledger_counts(l).assigned, 1);
  cr_assert_eq(send(l, 1, &t, truth(&t)), LEDGER_DUPLICATE);
  commit_one(l, 0, 1);
  cr_assert_eq(grant(l, 1, 1102).id, 2);
  end(l);
}

// timeout 100 ms: the idle one takes what is oldest whenever it may
Test(ledger, an_actor_that_never_answers_holds_up_nothing) {
  struct ledger *l = fresh(2, 0);
  join(l, 0, 2);
  join(l, 1, 1);
  struct ticket t = grant(l, 0, 0);
  cr_assert_eq(grant(l, 0, 0).id, 1);
  cr_assert_eq(ledger_expire(l, 101), 2);
  struct ticket none;
  cr_assert(!ledger_assign(l, &none, 0, 101), "it had its chance");
  cr_assert_eq(grant(l, 1, 101).id, t.id);
  cr_assert(!ledger_assign(l, &none, 0, 201));
  // nobody else took ticket 1 for as long again
  cr_assert_eq(grant(l, 0, 202).id, 1);
  cr_assert_eq(ledger_expire(l, 303), 2);
  // alone, it may try again at once
  ledger_leave(l, 1);
  cr_assert_eq(grant(l, 0, 303).id, t.id);
  end(l);
}

Test(ledger, later_answers_are_compared_and_dropped) {
  struct ledger *l = fresh(2, 0);
  join(l, 0, 2);
  struct ticket t[20];
  for (uint64_t k = 0; k < 20; k++) {
    t[k] = grant(l, 0, 0);
    cr_assert_eq(send(l, 0, &t[k], truth(&t[k])), LEDGER_ACCEPTED);
    cr_assert_eq(send(l, 0, &t[k], truth(&t[k])), LEDGER_DUPLICATE, "final");
    cr_assert_eq(send(l, 0, &t[k], 1 + truth(&t[k])), LEDGER_MISMATCH);
    struct episode *ep = ledger_next(l);
    cr_assert_eq(send(l, 0, &t[k], truth(&t[k])), LEDGER_DUPLICATE, "taken");
    episode_free(ep);
    committed(l, 1 + k);
  }
  // four times as many as can be open, 8, are remembered
  for (uint64_t k = 0; k < 20; k++) {
    bool kept = k >= 12;
    cr_assert_eq(send(l, 0, &t[k], truth(&t[k])), kept ? LEDGER_DUPLICATE : LEDGER_UNKNOWN);
    cr_assert_eq(send(l, 0, &t[k], 1 + truth(&t[k])), kept ? LEDGER_MISMATCH : LEDGER_UNKNOWN);
  }
  struct ticket wrong = t[19];
  wrong.version++;
  cr_assert_eq(send(l, 0, &wrong, truth(&wrong)), LEDGER_UNKNOWN);
  struct ledger_counts c = ledger_counts(l);
  cr_assert(c.duplicates == 48 && c.mismatches == 28);
  cr_assert_eq(ledger_faulty(l), -1, "without an audit nobody is accused");
  end(l);
}

Test(ledger, unknown_answers_are_dropped) {
  struct ledger *l = fresh(2, 0);
  join(l, 0, 2);
  struct ticket t = grant(l, 0, 0), w;
  w = t, w.id = 2;
  cr_assert_eq(send(l, 0, &w, 1), LEDGER_UNKNOWN, "not issued yet");
  w = t, w.id = UINT64_MAX;
  cr_assert_eq(send(l, 0, &w, 1), LEDGER_UNKNOWN);
  w = t, w.seed++;
  cr_assert_eq(send(l, 0, &w, 1), LEDGER_UNKNOWN);
  w = t, w.version++;
  cr_assert_eq(send(l, 0, &w, 1), LEDGER_UNKNOWN);
  w = t, w.kind = TICKET_TRAIN;
  cr_assert_eq(send(l, 0, &w, 1), LEDGER_UNKNOWN);
  w = t, w.kind = TICKET_EVAL;
  cr_assert_eq(send(l, 0, &w, 1), LEDGER_UNKNOWN);
  w = t, w.kind = (enum ticket_kind)77;
  cr_assert_eq(send(l, 0, &w, 1), LEDGER_UNKNOWN);
  cr_assert_eq(ledger_counts(l).assigned, 1, "it is still held");
  cr_assert_eq(send(l, 0, &t, truth(&t)), LEDGER_ACCEPTED);
  end(l);
}

Test(ledger, answer_from_one_it_was_never_assigned_to) {
  struct ledger *l = fresh(1, 0);
  join(l, 0, 1);
  struct ticket t = grant(l, 0, 0);
  ledger_leave(l, 0);
  join(l, 1, 1);
  cr_assert_eq(send(l, 1, &t, truth(&t)), LEDGER_ACCEPTED, "sent again after a reconnect");
  commit_one(l, 0, 1);
  end(l);
}

Test(ledger, audit_needs_two_different_actors) {
  struct ledger *l = fresh(1, 1);
  join(l, 0, 4);
  struct ticket t = grant(l, 0, 0);
  cr_assert(nothing_for(l, 0), "it holds the ticket");
  cr_assert_eq(ledger_counts(l).audit_waiting, 1);
  cr_assert_eq(send(l, 0, &t, truth(&t)), LEDGER_ACCEPTED);
  cr_assert(nothing_for(l, 0), "it answered the ticket");
  cr_assert_eq(send(l, 0, &t, truth(&t)), LEDGER_DUPLICATE, "the same actor does not count twice");
  cr_assert_eq(send(l, 0, &t, 1 + truth(&t)), LEDGER_MISMATCH, "it contradicts itself");
  cr_assert_null(ledger_next(l));
  cr_assert_eq(ledger_counts(l).audit_waiting, 1);
  join(l, 1, 1);
  cr_assert_eq(ledger_counts(l).audit_waiting, 0);
  struct ticket u = grant(l, 1, 0);
  cr_assert_eq(u.id, t.id);
  cr_assert_eq(send(l, 1, &u, truth(&u)), LEDGER_ACCEPTED);
  cr_assert_eq(ledger_counts(l).audits, 1);
  cr_assert_eq(ledger_faulty(l), -1);
  commit_one(l, 0, 1);
  end(l);
}

Test(ledger, audit_takes_a_newcomer_for_somebody_else) {
  struct ledger *l = fresh(1, 1);
  join(l, 3, 1);
  struct ticket t = grant(l, 3, 0);
  send(l, 3, &t, truth(&t));
  ledger_leave(l, 3);
  join(l, 3, 1);
  cr_assert_eq(ledger_counts(l).audit_waiting, 0);
  cr_assert_eq(grant(l, 3, 0).id, 0);
  cr_assert_eq(send(l, 3, &t, truth(&t)), LEDGER_ACCEPTED);
  commit_one(l, 0, 1);
  end(l);
}

Test(ledger, audit_knows_an_actor_that_comes_back) {
  struct ledger *l = fresh(1, 1);
  const uint64_t name = UINT64_C(0xfedcba9876543210);
  ledger_join(l, 3, name, 1);
  struct ticket t = grant(l, 3, 0);
  send(l, 3, &t, truth(&t));
  ledger_leave(l, 3);
  // at another index, with the same episode in hand: neither asked nor believed twice
  ledger_join(l, 4, name, 1);
  cr_assert(nothing_for(l, 4));
  cr_assert_eq(ledger_counts(l).audit_waiting, 1);
  cr_assert_eq(send(l, 4, &t, truth(&t)), LEDGER_DUPLICATE);
  cr_assert_null(ledger_next(l));
  join(l, 3, 1);
  cr_assert_eq(grant(l, 3, 0).id, 0);
  cr_assert_eq(send(l, 3, &t, truth(&t)), LEDGER_ACCEPTED);
  commit_one(l, 0, 1);
  end(l);
}

Test(ledger, audit_accuses_who_came_back_under_another_index) {
  struct ledger *l = fresh(1, 1);
  ledger_join(l, 0, 77, 1);
  struct ticket t = grant(l, 0, 0);
  send(l, 0, &t, truth(&t) ^ 1);
  ledger_leave(l, 0);
  ledger_join(l, 9, 77, 1);
  join(l, 1, 1);
  join(l, 2, 1);
  send(l, 1, &t, truth(&t));
  send(l, 2, &t, truth(&t));
  cr_assert_eq(ledger_faulty(l), 9);
  commit_one(l, 0, 1);
  end(l);
}

Test(ledger, audit_asks_until_two_agree) {
  struct ledger *l = fresh(3, 1);
  for (int i = 0; i < 5; i++) {
    join(l, i, 3);
  }
  // 0 and 1 disagree; 2 disagrees with both; 3 agrees with 1
  struct ticket t = grant(l, 0, 0);
  grant(l, 1, 0);
  // 0 also answers ticket 1, and holds ticket 2
  struct ticket t1 = grant(l, 0, 0);
  send(l, 0, &t1, truth(&t1));
  grant(l, 0, 0);
  send(l, 0, &t, 1);
  send(l, 1, &t, truth(&t));
  cr_assert_null(ledger_next(l));
  cr_assert_eq(grant(l, 2, 0).id, 0, "a third is asked");
  struct ticket next = grant(l, 3, 0);
  cr_assert_eq(next.id, 1, "one at a time");
  cr_assert_eq(send(l, 2, &t, 2), LEDGER_ACCEPTED);
  cr_assert_eq(ledger_faulty(l), -1, "no two agree yet");
  cr_assert_eq(grant(l, 4, 0).id, 0);
  ledger_leave(l, 4);
  cr_assert_eq(grant(l, 3, 0).id, 0);
  cr_assert_eq(ledger_counts(l).answered, 2);
  cr_assert_eq(send(l, 3, &t, truth(&t)), LEDGER_ACCEPTED);
  cr_assert_eq(ledger_faulty(l), 0);
  cr_assert_eq(ledger_faulty(l), 2);
  cr_assert_eq(ledger_faulty(l), -1);
  // the right answer that 0 gave to ticket 1 is gone, and so is its hold of ticket 2
  cr_assert_eq(ledger_counts(l).answered, 1);
  cr_assert_eq(ledger_counts(l).assigned, 1, "ticket 1, by actor 3");
  cr_assert_eq(ledger_counts(l).mismatches, 2);
  cr_assert(nothing_for(l, 0), "faulty ones get nothing");
  cr_assert_eq(send(l, 0, &t1, truth(&t1)), LEDGER_UNKNOWN);
  struct episode *ep = ledger_next(l);
  cr_assert_eq(ep->T, truth(&t));
  episode_free(ep);
  // a newcomer under the index is somebody else
  ledger_leave(l, 0);
  join(l, 0, 1);
  cr_assert_eq(grant(l, 0, 0).id, 1);
  cr_assert_eq(send(l, 0, &t1, truth(&t1)), LEDGER_ACCEPTED);
  end(l);
}

Test(ledger, faulty_one_that_left_is_not_reported) {
  struct ledger *l = fresh(1, 1);
  join(l, 0, 1);
  struct ticket t = grant(l, 0, 0);
  send(l, 0, &t, 1);
  ledger_leave(l, 0);
  join(l, 0, 1);
  join(l, 1, 1);
  send(l, 0, &t, truth(&t));
  send(l, 1, &t, truth(&t));
  cr_assert_eq(ledger_faulty(l), -1, "the newcomer is innocent");
  commit_one(l, 0, 1);
  // found, but it leaves before it is reported
  ledger_leave(l, 1);
  join(l, 1, 1);
  cr_assert_eq(send(l, 1, &t, 1), LEDGER_MISMATCH, "against an audited committed digest");
  ledger_leave(l, 1);
  cr_assert_eq(ledger_faulty(l), -1);
  end(l);
}

Test(ledger, late_answer_against_an_audit_is_faulty) {
  for (int committed = 0; committed < 2; committed++) {
    struct ledger *l = fresh(1, 1);
    for (int i = 0; i < 3; i++) {
      join(l, i, 1);
    }
    struct ticket t = grant(l, 0, 0);
    send(l, 1, &t, truth(&t));
    send(l, 2, &t, truth(&t));
    if (committed) {
      commit_one(l, 0, 1);
    }
    cr_assert_eq(send(l, 0, &t, 1), LEDGER_MISMATCH);
    cr_assert_eq(ledger_faulty(l), 0);
    end(l);
  }
}

Test(ledger, faulty_ones_unaudited_answers_are_dropped) {
  struct ledger *l = fresh(16, 0.5);
  struct ticket t[16];
  for (int i = 0; i < 3; i++) {
    join(l, i, 16);
  }
  // actor 0 answers everything right until the last audited ticket
  int n = 0;
  while (ledger_assign(l, &t[n], 0, 0)) {
    n++;
  }
  cr_assert_eq(n, 16);
  int last = -1, unaudited = 0;
  for (int i = 0; i < 16; i++) {
    struct ticket u;
    if (ledger_assign(l, &u, 1, 0)) {
      last = (int)u.id;
    }
  }
  cr_assert_gt(last, 0);
  for (int i = 0; i < 16; i++) {
    send(l, 0, &t[i], i == last ? 1 : truth(&t[i]));
  }
  // ticket 0 may be taken already: that cannot be undone
  struct episode *ep = ledger_next(l);
  episode_free(ep);
  unaudited = ledger_counts(l).answered;
  cr_assert_eq(unaudited, 16);
  send(l, 1, &t[last], truth(&t[last]));
  send(l, 2, &t[last], truth(&t[last]));
  cr_assert_eq(ledger_faulty(l), 0);
  cr_assert_eq(ledger_counts(l).answered, 1 + (ep != NULL));
  ledger_leave(l, 0);
  // everything can still be finished by the others
  for (int i = 0; i < 16; i++) {
    send(l, 1, &t[i], truth(&t[i]));
    send(l, 2, &t[i], truth(&t[i]));
  }
  for (n = ep != NULL; (ep = ledger_next(l)); n++) {
    cr_assert(ep->ticket.id == (uint64_t)n && ep->T == truth(&ep->ticket));
    episode_free(ep);
  }
  cr_assert_eq(n, 16);
  end(l);
}

Test(ledger, many_disagreeing_answers) {
  // three times as many liars as answers are kept: two honest ones still decide
  struct ledger *l = fresh(1, 1);
  struct ticket t = {0};
  for (int i = 0; i < 3 * LEDGER_MAX_ANSWERS; i++) {
    join(l, i, 1);
    t = grant(l, i, 0);
    cr_assert_eq(send(l, i, &t, -1 - i), LEDGER_ACCEPTED);
  }
  join(l, 100, 1);
  join(l, 101, 1);
  send(l, 100, &t, truth(&t));
  cr_assert_null(ledger_next(l));
  send(l, 101, &t, truth(&t));
  struct episode *ep = ledger_next(l);
  cr_assert(ep && ep->T == truth(&t));
  episode_free(ep);
  for (int i = 3 * LEDGER_MAX_ANSWERS - LEDGER_MAX_ANSWERS + 2; i < 3 * LEDGER_MAX_ANSWERS; i++) {
    cr_assert_eq(ledger_faulty(l), i, "who is still on record");
  }
  cr_assert_eq(ledger_faulty(l), -1);
  end(l);
}

Test(ledger, evaluations) {
  struct ledger *l = fresh(2, 1);
  join(l, 0, 100);
  join(l, 1, 100);
  cr_assert(ledger_evaluate(l, 1));
  struct ticket t[5], e[3];
  for (int i = 0; i < 5; i++) {
    t[i] = grant(l, 0, 0);
    cr_assert_eq(t[i].kind, i < 2 ? TICKET_WARMUP : TICKET_EVAL, "in issue order");
  }
  // not audited: nothing of it is left for the other
  grant(l, 1, 0);
  grant(l, 1, 0);
  cr_assert(nothing_for(l, 1));
  // training goes on without it, and tickets issued later are handed out later
  for (int i = 0; i < 2; i++) {
    send(l, 0, &t[i], truth(&t[i]));
    send(l, 1, &t[i], truth(&t[i]));
    commit_one(l, (uint64_t)i, 6);
  }
  cr_assert(ledger_evaluate(l, 6));
  cr_assert_eq(grant(l, 1, 0).kind, TICKET_TRAIN);
  cr_assert_eq(grant(l, 1, 0).kind, TICKET_TRAIN);
  for (int i = 0; i < 3; i++) {
    e[i] = grant(l, 1, 0);
    cr_assert(e[i].kind == TICKET_EVAL && e[i].version == 6);
    cr_assert(e[i].seed == t[2 + i].seed && e[i].seed == ticket_eval_seed(7, (uint64_t)i));
    cr_assert_eq(send(l, 1, &e[i], truth(&e[i])), LEDGER_ACCEPTED);
  }
  struct episode *eps[3];
  uint64_t version;
  cr_assert_not(ledger_evaluated(l, eps, &version), "the older one comes first");
  cr_assert_eq(ledger_evals_pending(l), 2);
  for (int i = 4; i >= 2; i--) {
    send(l, 0, &t[i], truth(&t[i]));
  }
  for (uint64_t v = 1; v <= 6; v += 5) {
    cr_assert(ledger_evaluated(l, eps, &version));
    cr_assert_eq(version, v);
    for (uint64_t i = 0; i < 3; i++) {
      cr_assert(eps[i]->ticket.seed == ticket_eval_seed(7, i) && eps[i]->ticket.version == v);
      episode_free(eps[i]);
    }
  }
  cr_assert_not(ledger_evaluated(l, eps, &version));
  cr_assert_eq(send(l, 0, &t[2], truth(&t[2])), LEDGER_UNKNOWN, "collected: forgotten");
  for (int i = 0; i < FOLD_MAX_EVALS; i++) {
    cr_assert(ledger_evaluate(l, 9));
  }
  cr_assert_not(ledger_evaluate(l, 9));
  cr_assert_eq(ledger_evals_pending(l), FOLD_MAX_EVALS);
  end(l);
}

Test(ledger, finish_leaves_evaluations) {
  struct ledger *l = fresh(3, 0);
  join(l, 0, 2);
  struct ticket t = grant(l, 0, 0), u = grant(l, 0, 0);
  send(l, 0, &t, truth(&t));
  ledger_evaluate(l, 4);
  episode_free(ledger_next(l));
  ledger_finish(l);
  cr_assert_null(ledger_next(l));
  cr_assert_eq(send(l, 0, &u, truth(&u)), LEDGER_UNKNOWN);
  committed(l, 5);
  cr_assert_eq(send(l, 0, &t, truth(&t)), LEDGER_DUPLICATE);
  cr_assert_eq(ledger_counts(l).open, 0);
  for (int i = 0; i < 3; i++) {
    t = grant(l, 0, 0);
    cr_assert_eq(t.kind, TICKET_EVAL);
    send(l, 0, &t, truth(&t));
  }
  cr_assert(nothing_for(l, 0));
  struct episode *eps[3];
  uint64_t version;
  cr_assert(ledger_evaluated(l, eps, &version));
  for (int i = 0; i < 3; i++) {
    episode_free(eps[i]);
  }
  ledger_finish(l);
  end(l);
}

Test(ledger, resume_opens_the_given_tickets) {
  struct ledger_options opt = {.seed = 7, .timeout_ms = 1, .eval_episodes = 1};
  struct fold_ticket open[] = {{4, false}, {4, true}, {5, false}};
  struct ledger *l = ledger_at(&opt, 9, 1000, open, 3);
  join(l, 0, 9);
  for (uint64_t k = 0; k < 3; k++) {
    struct ticket t = grant(l, 0, 0);
    cr_assert(t.id == 1000 + k && t.version == open[k].version);
    cr_assert_eq(t.kind, open[k].warmup ? TICKET_WARMUP : TICKET_TRAIN);
    send(l, 0, &t, truth(&t));
  }
  struct ticket before = {
      .id = 999, .seed = ticket_seed(7, 999), .version = 0, .kind = TICKET_TRAIN};
  cr_assert_eq(send(l, 0, &before, 1), LEDGER_UNKNOWN, "committed by the run before");
  commit_one(l, 1000, 5);
  cr_assert_eq(grant(l, 0, 0).id, 1003);
  end(l);
}

Test(ledger, resume_issues_the_evaluations_that_are_owed) {
  struct ledger_options opt = {.seed = 7, .timeout_ms = 1, .eval_episodes = 2};
  struct fold_ticket open = {.version = 8};
  struct fold fold = {.plan = {.window = 1, .steps = 100},
                      .steps = 50,
                      .next = 9,
                      .open = &open,
                      .nopen = 1,
                      .owed = {{.version = 3, .steps = 20}, {.version = 8, .steps = 50}},
                      .nowed = 2};
  struct ledger *l = ledger_new(&opt, &fold);
  join(l, 0, 9);
  const uint64_t versions[] = {8, 3, 3, 8, 8};
  for (int i = 0; i < 5; i++) {
    struct ticket t = grant(l, 0, 0);
    cr_assert(t.version == versions[i] && (t.kind == TICKET_EVAL) == (i > 0));
  }
  cr_assert(nothing_for(l, 0));
  cr_assert_eq(ledger_evals_pending(l), 2);
  end(l);

  // all is committed: evaluations alone
  fold.steps = 100;
  l = ledger_new(&opt, &fold);
  join(l, 0, 9);
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(grant(l, 0, 0).kind, TICKET_EVAL);
  }
  cr_assert(nothing_for(l, 0));
  cr_assert_eq(ledger_counts(l).open, 0);
  end(l);
}

Test(ledger, as_many_tickets_as_there_can_be) {
  struct ledger *l = fresh(FOLD_MAX_OPEN, 0);
  join(l, LEDGER_MAX_ACTORS - 1, 5000);
  struct ticket t;
  uint64_t n = 0;
  for (; ledger_assign(l, &t, LEDGER_MAX_ACTORS - 1, 0); n++) {
    cr_assert_eq(t.id, n);
  }
  cr_assert_eq(n, FOLD_MAX_OPEN);
  cr_assert_not(ledger_wants(l));
  ledger_leave(l, LEDGER_MAX_ACTORS - 1);
  cr_assert(ledger_wants(l));
  join(l, 0, 1);
  cr_assert_eq(grant(l, 0, 0).id, 0);
  end(l);
}

// ---- random schedules ----

enum {
  SIM_ACTORS = 12,   // indices, reused by newcomers
  SIM_HELD = 16,     // tickets in one actor's hands
  SIM_SENT = 6,      // answers an actor may send again
  SIM_ORPHANS = 32,  // answers of crashed actors, sent again after a reconnect
  SIM_TICKETS = 64,  // most commits of a schedule
  SIM_OPEN = 32,     // most open tickets
  SIM_GIVERS = 24,   // most kept answers per id that are looked at
  SIM_EVALS = 80,
  SIM_TIMEOUT = 60,  // ms
  SIM_EVAL_EPISODES = 6,
  SIM_EVENTS_PER_TICKET = 1500,
};

struct work {
  struct ticket ticket;
  int T;
};

struct sim_actor {
  bool here, liar, lied;  // lied: a wrong answer that must be found was kept
  uint64_t identity;
  struct work held[SIM_HELD], sent[SIM_SENT];
  int nheld, nsent;
};

struct sim {
  // what the schedule fixes
  unsigned number;
  struct ledger_options opt;
  int room;  // most open tickets
  struct fold_ticket tickets[SIM_TICKETS + SIM_OPEN];
  struct fold_issue issues[SIM_TICKETS + 1];  // [n]: with commit n; [0]: at the start
  uint64_t total, publish_every, evaluate_every, restart_at;
  bool losses, liars;  // losses: answers get lost and timeouts happen
  int keep;            // honest actors that are always here
  // its course
  struct rng rng;
  struct ledger *ledger;
  int64_t now;
  long events;
  struct sim_actor actors[SIM_ACTORS];
  uint64_t identities;
  uint64_t next_lie;  // every wrong answer is wrong in its own way
  struct work orphans[SIM_ORPHANS];
  int norphans;
  // the fold: episodes out, and what has been committed
  struct episode *out[64];
  int nout;
  uint64_t committed;
  bool finished;
  // evaluations in order of issue: due < issued means backlog
  uint64_t evals[SIM_EVALS];
  int neval_due, neval_issued, neval_done;
  // by id: who gave answers that were kept in the life of this ledger
  uint64_t givers[SIM_TICKETS][SIM_GIVERS];
  int ngivers[SIM_TICKETS], nkept[SIM_TICKETS];
};

// over all schedules of a test, to see that they did what they are for
struct sim_totals {
  double most_events;  // per ticket, of the longest schedule
  uint64_t reissued, duplicates, mismatches, audits;
  long found, restarts;
};

static struct sim_totals totals;

// fail with the schedule's number first: simulate(number, ..) is all it takes to see it again
__attribute__((format(printf, 4, 5))) static void sim_failed(const struct sim *s, int line,
                                                             const char *cond, const char *format,
                                                             ...) {
  char text[200];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  cr_assert_fail("line %d, schedule %u, event %ld: %s: %s", line, s->number, s->events, cond, text);
}

#define SIM_ASSERT(s, cond, ...)                     \
  do {                                               \
    if (!(cond)) {                                   \
      sim_failed((s), __LINE__, #cond, __VA_ARGS__); \
    }                                                \
  } while (0)

static int below(struct sim *s, int n) {
  return (int)rng_below(&s->rng, (uint32_t)n);
}

static bool chance(struct sim *s, int percent) {
  return below(s, 100) < percent;
}

// the newest version once n episodes are committed
static uint64_t version_after(const struct sim *s, uint64_t n) {
  return 1 + n / s->publish_every;
}

// the tickets issued until n episodes are committed
static uint64_t issued_after(const struct sim *s, uint64_t n) {
  uint64_t issued = 0;
  for (uint64_t i = 0; i <= n; i++) {
    issued += (uint64_t)s->issues[i].n;
  }
  return issued;
}

static struct ticket reference(const struct sim *s, uint64_t id) {
  const struct fold_ticket *t = &s->tickets[id];
  return (struct ticket){.id = id,
                         .seed = ticket_seed(s->opt.seed, id),
                         .version = t->version,
                         .kind = t->warmup ? TICKET_WARMUP : TICKET_TRAIN};
}

// What a fold could decide: at each commit none, one or several tickets, of any kind, but never
// that none is open.
static void sim_plan(struct sim *s) {
  uint64_t end = 0;
  int want = 1 + below(s, s->room);
  for (uint64_t n = 0; n <= s->total; n++) {
    if (chance(s, 25)) {
      want = 1 + below(s, s->room);
    }
    const int open = (int)(end - n);
    struct fold_issue *issue = &s->issues[n];
    issue->n = want > open ? want - open : 0;
    issue->warmup = chance(s, 30) ? below(s, issue->n + 1) : 0;
    issue->version = version_after(s, n);
    for (int i = 0; i < issue->n; i++) {
      s->tickets[end++] =
          (struct fold_ticket){.version = issue->version, .warmup = i < issue->warmup};
    }
  }
}

// the ledger of a learner that starts after so many commits
static struct ledger *sim_ledger(const struct sim *s) {
  return ledger_at(&s->opt, s->room, s->committed, &s->tickets[s->committed],
                   (int)(issued_after(s, s->committed) - s->committed));
}

static bool audited(const struct sim *s, uint64_t id) {
  struct rng rng;
  rng_init(&rng, s->opt.seed, RNG_AUDIT, id);
  return (double)rng_float(&rng) < s->opt.audit;
}

static int honest_here(const struct sim *s) {
  int n = 0;
  for (int i = 0; i < SIM_ACTORS; i++) {
    n += s->actors[i].here && !s->actors[i].liar;
  }
  return n;
}

static void sim_join(struct sim *s, bool liar) {
  int i = below(s, SIM_ACTORS);
  struct sim_actor *a = &s->actors[i];
  if (a->here) {
    return;
  }
  memset(a, 0, sizeof *a);
  a->here = true;
  a->liar = liar;
  a->identity = ++s->identities;
  ledger_join(s->ledger, i, a->identity, 1 + below(s, 4));
  // a newcomer may have what others could not deliver (not a liar: two wrong answers that agree
  // with each other are beyond any audit)
  while (!liar && s->norphans > 0 && a->nheld < SIM_HELD / 2) {
    a->held[a->nheld++] = s->orphans[--s->norphans];
  }
}

static void sim_leave(struct sim *s, int i) {
  struct sim_actor *a = &s->actors[i];
  a->here = false;
  ledger_leave(s->ledger, i);
  // half of those that go come back under another name; the others crashed for good
  if (!a->liar && chance(s, 50)) {
    for (int k = 0; k < a->nheld && s->norphans < SIM_ORPHANS; k++) {
      s->orphans[s->norphans++] = a->held[k];
    }
    for (int k = 0; k < a->nsent && s->norphans < SIM_ORPHANS; k++) {
      s->orphans[s->norphans++] = a->sent[k];
    }
  }
}

static void sim_ask(struct sim *s, int i) {
  struct sim_actor *a = &s->actors[i];
  struct ticket t;
  const bool wants = ledger_wants(s->ledger);
  if (a->nheld == SIM_HELD || !ledger_assign(s->ledger, &t, i, s->now)) {
    return;
  }
  SIM_ASSERT(s, wants, "a ticket, although none needed an actor");
  if (t.kind != TICKET_EVAL) {
    struct ticket ref = reference(s, t.id);
    SIM_ASSERT(s, !s->finished, "training ticket after the finish");
    SIM_ASSERT(s, t.id < issued_after(s, s->committed), "not issued yet");
    SIM_ASSERT(s, t.seed == ref.seed && t.version == ref.version && t.kind == ref.kind,
               "ticket %lu names version %lu", t.id, t.version);
    for (int k = 0; t.id < s->total && audited(s, t.id) && k < s->ngivers[t.id]; k++) {
      SIM_ASSERT(s, s->givers[t.id][k] != a->identity, "ticket %lu: it answered that", t.id);
    }
  }
  int T = truth(&t);
  if (a->liar && chance(s, 50)) {
    T = -(int)++s->next_lie;
  }
  a->held[a->nheld++] = (struct work){.ticket = t, .T = T};
}

// drain the faulty ones: each must be here and a liar; it gets nothing more and is refused
static void sim_refuse(struct sim *s) {
  int i;
  while ((i = ledger_faulty(s->ledger)) >= 0) {
    SIM_ASSERT(s, i < SIM_ACTORS && s->actors[i].here, "actor %d is not here", i);
    SIM_ASSERT(s, s->actors[i].liar, "actor %d is honest", i);
    SIM_ASSERT(s, nothing_for(s->ledger, i), "actor %d was found faulty", i);
    totals.found++;
    s->actors[i].here = false;
    ledger_leave(s->ledger, i);
  }
}

static void sim_send(struct sim *s, int i, const struct work *w) {
  struct sim_actor *a = &s->actors[i];
  uint64_t id = w->ticket.id;
  bool right = w->T == truth(&w->ticket);
  enum ledger_verdict v = send(s->ledger, i, &w->ticket, w->T);
  SIM_ASSERT(s, s->liars || v != LEDGER_MISMATCH, "nobody lies");
  if (v == LEDGER_ACCEPTED && w->ticket.kind != TICKET_EVAL && id < s->total) {
    SIM_ASSERT(s, id >= s->committed, "ticket %lu is committed", id);
    s->nkept[id]++;
    SIM_ASSERT(s, s->liars || s->nkept[id] <= 1 + audited(s, id), "ticket %lu: too many", id);
    if (right && s->ngivers[id] < SIM_GIVERS) {
      s->givers[id][s->ngivers[id]++] = a->identity;
    }
    a->lied |= !right && audited(s, id);
  }
  sim_refuse(s);
}

static void sim_answer(struct sim *s, int i) {
  struct sim_actor *a = &s->actors[i];
  if (a->nheld == 0) {
    return;
  }
  int k = below(s, a->nheld);
  struct work w = a->held[k];
  a->held[k] = a->held[--a->nheld];
  // now and then an answer is lost: only the timeout helps
  if (s->losses && chance(s, 7)) {
    return;
  }
  a->sent[a->nsent < SIM_SENT ? a->nsent++ : below(s, SIM_SENT)] = w;
  sim_send(s, i, &w);
}

// an answer to a ticket that was never issued
static void sim_garbage(struct sim *s, int i) {
  const uint64_t issued = issued_after(s, s->committed);
  const int open = (int)(issued - s->committed);
  struct work w = {.ticket = reference(s, s->committed + (uint64_t)below(s, open)), .T = 1};
  switch (below(s, 4)) {
    case 0:
      w.ticket.id = issued + (uint64_t)below(s, 3);
      break;
    case 1:
      w.ticket.seed++;
      break;
    case 2:
      w.ticket.version++;
      break;
    default:
      w.ticket.kind = TICKET_WARMUP + TICKET_TRAIN - w.ticket.kind;
  }
  SIM_ASSERT(s, send(s->ledger, i, &w.ticket, w.T) == LEDGER_UNKNOWN, "it was never issued");
}

static void sim_evaluate(struct sim *s) {
  while (s->neval_issued < s->neval_due && ledger_evaluate(s->ledger, s->evals[s->neval_issued])) {
    s->neval_issued++;
  }
}

static void sim_take(struct sim *s) {
  struct episode *ep = ledger_next(s->ledger);
  if (!ep) {
    return;
  }
  uint64_t id = s->committed + (uint64_t)s->nout;
  struct ticket ref = reference(s, id);
  SIM_ASSERT(s, ep->ticket.id == id, "ticket %lu out of order", ep->ticket.id);
  SIM_ASSERT(s, ep->ticket.seed == ref.seed && ep->ticket.kind == ref.kind, "ticket %lu", id);
  SIM_ASSERT(s, ep->ticket.version == ref.version, "ticket %lu: %lu", id, ep->ticket.version);
  SIM_ASSERT(s, (s->liars && !audited(s, id)) || ep->T == truth(&ref), "ticket %lu", id);
  if (audited(s, id) && id < s->total) {
    bool two = false;
    for (int k = 1; k < s->ngivers[id]; k++) {
      two |= s->givers[id][k] != s->givers[id][0];
    }
    SIM_ASSERT(s, two, "ticket %lu was not audited by two", id);
  }
  s->out[s->nout++] = ep;
}

static void sim_commit(struct sim *s) {
  if (s->nout == 0 || s->finished) {
    return;
  }
  episode_free(s->out[0]);
  memmove(s->out, s->out + 1, (size_t)--s->nout * sizeof s->out[0]);
  s->committed++;
  ledger_committed(s->ledger, &s->issues[s->committed]);
  if (s->committed % s->evaluate_every == 0 && s->neval_due < SIM_EVALS) {
    s->evals[s->neval_due++] = version_after(s, s->committed);
  }
  // what is open follows from the count alone
  const uint64_t issued = issued_after(s, s->committed);
  SIM_ASSERT(s, (uint64_t)ledger_counts(s->ledger).open == issued - s->committed, "after %lu",
             s->committed);
  if (s->committed == s->total) {
    ledger_finish(s->ledger);
    s->finished = true;
  }
}

static void sim_collect(struct sim *s) {
  struct episode *eps[SIM_EVAL_EPISODES];
  uint64_t version;
  sim_evaluate(s);
  while (ledger_evaluated(s->ledger, eps, &version)) {
    SIM_ASSERT(s, version == s->evals[s->neval_done], "evaluation %d", s->neval_done);
    for (int i = 0; i < s->opt.eval_episodes; i++) {
      const struct ticket *t = &eps[i]->ticket;
      SIM_ASSERT(s, t->version == version && t->kind == TICKET_EVAL, "evaluation %d", i);
      SIM_ASSERT(s, t->seed == ticket_eval_seed(s->opt.seed, (uint64_t)i), "evaluation %d", i);
      SIM_ASSERT(s, s->liars || eps[i]->T == truth(t), "evaluation %d", i);
      episode_free(eps[i]);
    }
    s->neval_done++;
  }
}

// the learner dies after a commit and resumes from what a checkpoint would hold
static void sim_restart(struct sim *s) {
  totals.restarts++;
  for (; s->nout > 0; s->nout--) {
    episode_free(s->out[s->nout - 1]);
  }
  ledger_free(s->ledger);
  SIM_ASSERT(s, live_episodes == 0, "%ld episodes leaked", live_episodes);
  s->ledger = sim_ledger(s);
  s->neval_issued = s->neval_done;
  memset(s->ngivers, 0, sizeof s->ngivers);
  memset(s->nkept, 0, sizeof s->nkept);
  // everyone reconnects, with all that is in their hands
  for (int i = 0; i < SIM_ACTORS; i++) {
    struct sim_actor *a = &s->actors[i];
    if (a->here) {
      a->identity = ++s->identities;
      a->lied = false;
      ledger_join(s->ledger, i, a->identity, 1 + below(s, 4));
    }
  }
}

static void sim_churn(struct sim *s, int i) {
  if (chance(s, 50) || honest_here(s) < s->keep) {
    sim_join(s, s->liars && honest_here(s) > s->keep && chance(s, 40));
  } else if (s->actors[i].here && (s->actors[i].liar || honest_here(s) > s->keep)) {
    sim_leave(s, i);
  }
}

static void sim_event(struct sim *s) {
  s->events++;
  s->now += below(s, 4);
  int what = below(s, 100), i = below(s, SIM_ACTORS);
  struct sim_actor *a = &s->actors[i];
  if (what < 5) {
    sim_churn(s, i);
  } else if (what < 8) {
    ledger_expire(s->ledger, s->now);
  } else if (what < 15) {
    sim_take(s);
  } else if (what < 22) {
    sim_commit(s);
  } else if (what < 26) {
    sim_collect(s);
  } else if (!a->here) {
    return;
  } else if (what < 60) {
    sim_ask(s, i);
  } else if (what < 94) {
    sim_answer(s, i);
  } else if (what < 98) {
    if (a->nsent > 0) {
      sim_send(s, i, &a->sent[below(s, a->nsent)]);
    }
  } else {
    sim_garbage(s, i);
  }
  if (s->committed == s->restart_at && !s->finished) {
    s->restart_at = UINT64_MAX;
    sim_restart(s);
  }
}

static bool sim_done(const struct sim *s) {
  return s->finished && s->neval_done == s->neval_due;
}

static struct sim *sim_new(unsigned number, double audit, bool liars) {
  struct sim *s = calloc(1, sizeof *s);
  CHECK(s);
  s->number = number;
  rng_init(&s->rng, 1, RNG_TEST, number);
  s->liars = liars;
  s->losses = chance(s, 60);
  s->opt = (struct ledger_options){.seed = rng_u64(&s->rng),
                                   .audit = audit,
                                   .timeout_ms = s->losses ? SIM_TIMEOUT : 1000000000,
                                   .eval_episodes = 1 + below(s, SIM_EVAL_EPISODES)};
  s->room = FOLD_MIN_OPEN + below(s, SIM_OPEN - FOLD_MIN_OPEN + 1);
  s->total = 8 + (uint64_t)below(s, SIM_TICKETS - 8);
  s->publish_every = 1 + (uint64_t)below(s, 5);
  s->evaluate_every = 2 + (uint64_t)below(s, 20);
  s->restart_at = chance(s, 40) ? 1 + (uint64_t)below(s, (int)s->total - 1) : UINT64_MAX;
  s->keep = audit > 0 ? 2 : 1;
  sim_plan(s);
  s->ledger = sim_ledger(s);
  int crowd = s->keep + below(s, SIM_ACTORS - s->keep);
  while (honest_here(s) < crowd) {
    sim_join(s, false);
  }
  for (int i = 0; liars && i < SIM_ACTORS; i++) {
    sim_join(s, true);
  }
  return s;
}

static void simulate(unsigned number, double audit, bool liars) {
  struct sim *s = sim_new(number, audit, liars);
  const long tickets = (long)issued_after(s, s->total);
  while (!sim_done(s) && s->events < SIM_EVENTS_PER_TICKET * tickets) {
    sim_event(s);
  }
  SIM_ASSERT(s, sim_done(s), "deadlock: %lu of %lu commits, %d of %d evaluations", s->committed,
             s->total, s->neval_done, s->neval_due);
  // who lied in an audit and stayed has been found
  for (int i = 0; i < SIM_ACTORS; i++) {
    SIM_ASSERT(s, !(s->actors[i].here && s->actors[i].lied), "liar %d was not found", i);
  }
  struct ledger_counts c = ledger_counts(s->ledger);
  SIM_ASSERT(s, c.open == s->nout, "only taken ones stay open");
  totals.reissued += c.reissued;
  totals.duplicates += c.duplicates;
  totals.mismatches += c.mismatches;
  totals.audits += c.audits;
  double events = (double)s->events / (double)tickets;
  totals.most_events = events > totals.most_events ? events : totals.most_events;
  for (; s->nout > 0; s->nout--) {
    episode_free(s->out[s->nout - 1]);
  }
  ledger_free(s->ledger);
  SIM_ASSERT(s, live_episodes == 0, "%ld episodes leaked", live_episodes);
  free(s);
}

static void simulate_all(unsigned from, unsigned n, double audit, bool liars) {
  for (unsigned i = from; i < from + n; i++) {
    simulate(i, audit, liars);
  }
  cr_log_info(
      "%u schedules: at most %.0f events a ticket, %lu issued again, %lu duplicates, "
      "%lu audits, %lu mismatches, %ld liars found, %ld restarts",
      n, totals.most_events, totals.reissued, totals.duplicates, totals.audits, totals.mismatches,
      totals.found, totals.restarts);
  cr_assert(totals.reissued > n && totals.duplicates > n && totals.restarts > 0);
  cr_assert((totals.audits > n) == (audit > 0) && (totals.mismatches > 0) == liars);
  cr_assert((totals.found > 0) == (liars && audit > 0));
}

Test(ledger_schedules, without_audit) {
  simulate_all(0, 4000, 0, false);
}

Test(ledger_schedules, some_audited) {
  simulate_all(100000, 3000, 0.3, false);
}

Test(ledger_schedules, all_audited) {
  simulate_all(200000, 3000, 1, false);
}

Test(ledger_schedules, all_audited_with_faulty_actors) {
  simulate_all(300000, 3000, 1, true);
}

Test(ledger_schedules, some_audited_with_faulty_actors) {
  simulate_all(400000, 1500, 0.3, true);
}

Test(ledger_schedules, faulty_actors_without_audit) {
  simulate_all(500000, 500, 0, true);
}
