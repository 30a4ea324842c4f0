// ledger.c - the rules of ledger.h over two rings of tickets: training and evaluation.
//
// A ring (ring.h) knows which tickets are open, who holds them, and what was answered; stays.h
// knows who is here. What happens to them is decided in this file: who gets which ticket, when an
// answer is final, who lost an audit, what is issued again. Every change to a slot ends in
// ring_refresh.
#include "learner/ledger.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "learner/fold.h"
#include "learner/ring.h"
#include "learner/stays.h"

enum { REMEMBERED_ROOMS = 4 };  // times as many commits as tickets can be open

struct past {
  uint64_t version, digest;
  enum ticket_kind kind;
};

enum { TRAIN, EVAL, RINGS };

struct ledger {
  struct ledger_options opt;
  struct ring rings[RINGS];
  uint64_t taken;   // training tickets below this were given out by ledger_next
  uint64_t begun;   // first id of this ledger: nothing is remembered below it
  uint64_t newest;  // version
  uint64_t issued;  // tickets of both rings so far
  bool finished;
  struct past *past;  // (npast) committed id in past[id % npast]
  uint64_t npast;
  struct stays stays;
  struct ledger_counts counts;
};

// ---- tickets ----

static bool is_audited(const struct ledger *l, uint64_t id) {
  struct rng rng;
  rng_init(&rng, l->opt.seed, RNG_AUDIT, id);
  return (double)rng_float(&rng) < l->opt.audit;
}

static struct ticket training_ticket(const struct ledger *l, uint64_t id, uint64_t version,
                                     enum ticket_kind kind) {
  return (struct ticket){
      .id = id, .seed = ticket_seed(l->opt.seed, id), .version = version, .kind = kind};
}

static bool same_ticket(const struct ticket *a, const struct ticket *b) {
  return a->id == b->id && a->seed == b->seed && a->version == b->version && a->kind == b->kind;
}

static void issue_training(struct ledger *l, uint64_t version, bool warmup) {
  struct ring *r = &l->rings[TRAIN];
  CHECK(version >= l->newest);
  l->newest = version;
  struct ticket t = training_ticket(l, r->end, version, warmup ? TICKET_WARMUP : TICKET_TRAIN);
  ring_issue(r, &t, l->issued++, is_audited(l, t.id));
}

// ---- assignments ----

// who let a ticket time out gets it back only when no one else took it for as long again: an actor
// that is here and never answers cannot hold up training
static bool is_left_to_others(const struct ledger *l, const struct slot *s, const struct stay *a,
                              int64_t now_ms) {
  return l->stays.present > 1 && s->lapsed == a->who && now_ms - s->lapsed_ms <= l->opt.timeout_ms;
}

// the oldest ticket of the ring that may be given to this actor, or NULL
static struct slot *oldest_for(const struct ledger *l, const struct ring *r, const struct stay *a,
                               int64_t now_ms) {
  uint64_t id = ring_next_wanted(r, r->first);
  for (; id < r->end; id = ring_next_wanted(r, id + 1)) {
    struct slot *s = ring_slot(r, id);
    if (!slot_holds(s, a->who) && !slot_answer_of(s, a->name) &&
        !is_left_to_others(l, s, a, now_ms)) {
      return s;
    }
  }
  return NULL;
}

// end assignment i of a slot; holders are always present, since leaving ends their assignments
static void end_hold(struct ledger *l, struct slot *s, int i) {
  struct stay *a = stays_present(&l->stays, s->holds[i].who);
  CHECK(a && a->held > 0);
  a->held--;
  s->holds[i] = s->holds[--s->nholds];
}

static bool end_hold_of(struct ledger *l, struct slot *s, uint64_t who) {
  for (int i = 0; i < s->nholds; i++) {
    if (s->holds[i].who == who) {
      end_hold(l, s, i);
      return true;
    }
  }
  return false;
}

static void end_all_holds_of(struct ledger *l, uint64_t who) {
  for (int k = 0; k < RINGS; k++) {
    struct ring *r = &l->rings[k];
    for (uint64_t id = r->first; id < r->end; id++) {
      struct slot *s = ring_slot(r, id);
      if (end_hold_of(l, s, who)) {
        l->counts.reissued++;
        ring_refresh(r, s);
      }
    }
  }
}

// what this actor answered and no audit confirmed is worth nothing, unless it is already taken
static void drop_answers_of(struct ledger *l, uint64_t name) {
  for (int k = 0; k < RINGS; k++) {
    struct ring *r = &l->rings[k];
    for (uint64_t id = k == TRAIN ? l->taken : r->first; id < r->end; id++) {
      struct slot *s = ring_slot(r, id);
      const struct answer *a = slot_answer_of(s, name);
      if (a && !(s->settled && s->audited)) {
        slot_remove_answer(s, (int)(a - s->answers));
        s->settled = false;
        l->counts.reissued++;
        ring_refresh(r, s);
      }
    }
  }
}

// two others agreed against this actor
static void accuse(struct ledger *l, uint64_t name) {
  const int i = stays_find(&l->stays, name);
  if (i >= 0 && stays_accuse(&l->stays, i)) {
    end_all_holds_of(l, l->stays.at[i].who);
  }
  drop_answers_of(l, name);
}

void ledger_join(struct ledger *l, int actor, uint64_t name, int slots) {
  stays_join(&l->stays, actor, name, slots);
}

void ledger_leave(struct ledger *l, int actor) {
  end_all_holds_of(l, stays_joined(&l->stays, actor)->who);
  stays_leave(&l->stays, actor);
}

int ledger_faulty(struct ledger *l) {
  return stays_faulty(&l->stays);
}

// ---- life ----

struct ledger *ledger_new(const struct ledger_options *opt, const struct fold *fold) {
  const int room = fold_room(fold);
  CHECK(opt->eval_episodes >= 1 && opt->timeout_ms >= 0);
  CHECK(opt->audit >= 0 && opt->audit <= 1 && fold->next >> TICKET_ID_BITS == 0);
  struct ledger *l = must_alloc(1, sizeof *l);
  l->opt = *opt;
  ring_init(&l->rings[TRAIN], room, LEDGER_MAX_ANSWERS, fold->next);
  ring_init(&l->rings[EVAL], FOLD_MAX_EVALS * opt->eval_episodes, 1, 0);
  l->npast = (uint64_t)REMEMBERED_ROOMS * (uint64_t)room;
  l->past = must_alloc(l->npast, sizeof *l->past);
  l->begun = l->taken = fold->next;
  for (int i = 0; i < fold->nopen; i++) {
    issue_training(l, fold->open[i].version, fold->open[i].warmup);
  }
  for (int i = 0; i < fold->nowed; i++) {
    CHECK(ledger_evaluate(l, fold->owed[i].version));
  }
  if (fold_complete(fold)) {
    ledger_finish(l);
  }
  return l;
}

// drop everything about the tickets from..end-1 of a ring
static void drop_from(struct ledger *l, struct ring *r, uint64_t from) {
  for (uint64_t id = from; id < r->end; id++) {
    struct slot *s = ring_slot(r, id);
    while (s->nholds > 0) {
      end_hold(l, s, s->nholds - 1);
    }
    while (s->nanswers > 0) {
      slot_remove_answer(s, s->nanswers - 1);
    }
    s->settled = true;
    ring_refresh(r, s);
  }
  r->end = from;
}

void ledger_free(struct ledger *l) {
  if (!l) {
    return;
  }
  drop_from(l, &l->rings[TRAIN], l->taken);
  drop_from(l, &l->rings[EVAL], l->rings[EVAL].first);
  for (int k = 0; k < RINGS; k++) {
    ring_release(&l->rings[k]);
  }
  free(l->past);
  free(l);
}

bool ledger_assign(struct ledger *l, struct ticket *out, int actor, int64_t now_ms) {
  struct stay *a = stays_joined(&l->stays, actor);
  if (a->faulty || a->held >= a->slots) {
    return false;
  }
  // the older of what the two rings have for this actor
  struct ring *r = NULL;
  struct slot *s = NULL;
  for (int k = 0; k < RINGS; k++) {
    struct slot *oldest = oldest_for(l, &l->rings[k], a, now_ms);
    if (oldest && (!s || oldest->order < s->order)) {
      s = oldest;
      r = &l->rings[k];
    }
  }
  if (!s) {
    return false;
  }
  CHECK(s->nholds < RING_MAX_HOLDS);
  s->holds[s->nholds++] = (struct hold){.who = a->who, .since_ms = now_ms};
  a->held++;
  ring_refresh(r, s);
  *out = s->ticket;
  return true;
}

int ledger_held(const struct ledger *l, int actor) {
  CHECK(actor >= 0 && actor < LEDGER_MAX_ACTORS && l->stays.at[actor].who);
  return l->stays.at[actor].held;
}

bool ledger_wants(const struct ledger *l) {
  return l->rings[TRAIN].nwanted + l->rings[EVAL].nwanted > 0;
}

int ledger_expire(struct ledger *l, int64_t now_ms) {
  int ended = 0;
  for (int k = 0; k < RINGS; k++) {
    struct ring *r = &l->rings[k];
    for (uint64_t id = r->first; id < r->end; id++) {
      struct slot *s = ring_slot(r, id);
      int before = ended;
      for (int i = s->nholds - 1; i >= 0; i--) {
        if (now_ms - s->holds[i].since_ms > l->opt.timeout_ms) {
          s->lapsed = s->holds[i].who;
          s->lapsed_ms = now_ms;
          end_hold(l, s, i);
          ended++;
        }
      }
      if (ended > before) {
        ring_refresh(r, s);
      }
    }
  }
  l->counts.reissued += (uint64_t)ended;
  return ended;
}

// ---- answers ----

// This digest is the ticket's answer: keep the first episode that has it, drop the others, and
// accuse who disagreed.
static void settle(struct ledger *l, struct ring *r, struct slot *s, uint64_t digest) {
  uint64_t against[LEDGER_MAX_ANSWERS];
  int nagainst = 0;
  struct answer final = {0};
  for (int i = 0; i < s->nanswers; i++) {
    const struct answer *a = &s->answers[i];
    if (a->digest == digest && !final.ep) {
      final = *a;
      continue;
    }
    if (a->digest != digest) {
      against[nagainst++] = a->name;
    }
    episode_free(a->ep);
  }
  s->answers[0] = final;
  s->nanswers = 1;
  s->settled = true;
  while (s->nholds > 0) {
    end_hold(l, s, s->nholds - 1);
  }
  ring_refresh(r, s);
  l->counts.audits += s->audited;
  l->counts.mismatches += (uint64_t)nagainst;
  for (int i = 0; i < nagainst; i++) {
    accuse(l, against[i]);
  }
}

// a digest against the final one of its ticket
static enum ledger_verdict compare(struct ledger *l, uint64_t name, bool audited, uint64_t digest,
                                   uint64_t final) {
  if (digest == final) {
    l->counts.duplicates++;
    return LEDGER_DUPLICATE;
  }
  l->counts.mismatches++;
  if (audited) {
    accuse(l, name);
  }
  return LEDGER_MISMATCH;
}

// an answer to a ticket in a ring
static enum ledger_verdict answer_open(struct ledger *l, struct ring *r, struct slot *s,
                                       const struct stay *from, struct episode **ep) {
  const uint64_t digest = (*ep)->digest;
  if (s->settled) {
    return compare(l, from->name, s->audited, digest, s->answers[0].digest);
  }
  end_hold_of(l, s, from->who);
  const struct answer *own = slot_answer_of(s, from->name);
  if (own) {
    // contradicting oneself is a mismatch, but no audit that two others decided
    ring_refresh(r, s);
    return compare(l, from->name, false, digest, own->digest);
  }
  bool final = !s->audited;
  for (int i = 0; i < s->nanswers; i++) {
    final |= s->answers[i].digest == digest;
  }
  if (s->nanswers == LEDGER_MAX_ANSWERS) {
    slot_remove_answer(s, 0);
    l->counts.reissued++;
  }
  s->answers[s->nanswers++] = (struct answer){.name = from->name, .digest = digest, .ep = *ep};
  *ep = NULL;
  if (final) {
    settle(l, r, s, digest);
  } else {
    ring_refresh(r, s);
  }
  return LEDGER_ACCEPTED;
}

enum ledger_verdict ledger_answer(struct ledger *l, int actor, struct episode **ep) {
  CHECK(ep && *ep);
  const struct stay *a = stays_joined(&l->stays, actor);
  const struct ticket *t = &(*ep)->ticket;
  struct ring *r = &l->rings[t->kind == TICKET_EVAL ? EVAL : TRAIN];
  if (a->faulty) {
    return LEDGER_UNKNOWN;
  }
  if (t->id >= r->first && t->id < r->end) {
    struct slot *s = ring_slot(r, t->id);
    return same_ticket(t, &s->ticket) ? answer_open(l, r, s, a, ep) : LEDGER_UNKNOWN;
  }
  // committed and still remembered
  bool recent = t->id < r->first && r->first - t->id <= l->npast && t->id >= l->begun;
  if (t->kind != TICKET_EVAL && recent) {
    const struct past *past = &l->past[t->id % l->npast];
    struct ticket was = training_ticket(l, t->id, past->version, past->kind);
    if (same_ticket(t, &was)) {
      return compare(l, a->name, is_audited(l, t->id), (*ep)->digest, past->digest);
    }
  }
  return LEDGER_UNKNOWN;
}

// ---- commit ----

struct episode *ledger_next(struct ledger *l) {
  struct ring *r = &l->rings[TRAIN];
  if (l->taken == r->end) {
    return NULL;
  }
  struct slot *s = ring_slot(r, l->taken);
  if (!s->settled) {
    return NULL;
  }
  struct episode *ep = s->answers[0].ep;
  s->answers[0].ep = NULL;
  l->taken++;
  return ep;
}

void ledger_committed(struct ledger *l, const struct fold_issue *issue) {
  struct ring *r = &l->rings[TRAIN];
  CHECK(r->first < l->taken);
  const struct slot *s = ring_slot(r, r->first);
  l->past[r->first % l->npast] = (struct past){
      .version = s->ticket.version, .digest = s->answers[0].digest, .kind = s->ticket.kind};
  r->first++;
  for (int i = 0; i < issue->n && !l->finished; i++) {
    issue_training(l, issue->version, i < issue->warmup);
  }
}

void ledger_finish(struct ledger *l) {
  l->finished = true;
  drop_from(l, &l->rings[TRAIN], l->taken);
}

// ---- evaluation ----

int ledger_evals_pending(const struct ledger *l) {
  const struct ring *r = &l->rings[EVAL];
  return (int)((r->end - r->first) / (uint64_t)l->opt.eval_episodes);
}

bool ledger_evaluate(struct ledger *l, uint64_t version) {
  struct ring *r = &l->rings[EVAL];
  if (ledger_evals_pending(l) == FOLD_MAX_EVALS) {
    return false;
  }
  for (int i = 0; i < l->opt.eval_episodes; i++) {
    struct ticket t = {.id = r->end,
                       .seed = ticket_eval_seed(l->opt.seed, (uint64_t)i),
                       .version = version,
                       .kind = TICKET_EVAL};
    ring_issue(r, &t, l->issued++, false);
  }
  return true;
}

bool ledger_evaluated(struct ledger *l, struct episode **eps, uint64_t *version) {
  struct ring *r = &l->rings[EVAL];
  uint64_t n = (uint64_t)l->opt.eval_episodes;
  if (r->first == r->end) {
    return false;
  }
  for (uint64_t i = 0; i < n; i++) {
    if (!ring_slot(r, r->first + i)->settled) {
      return false;
    }
  }
  *version = ring_slot(r, r->first)->ticket.version;
  for (uint64_t i = 0; i < n; i++) {
    eps[i] = ring_slot(r, r->first + i)->answers[0].ep;
  }
  r->first += n;
  return true;
}

struct ledger_counts ledger_counts(const struct ledger *l) {
  struct ledger_counts c = l->counts;
  const int here = stays_sound(&l->stays);
  const struct ring *r = &l->rings[TRAIN];
  for (uint64_t id = r->first; id < r->end; id++) {
    const struct slot *s = ring_slot(r, id);
    c.open++;
    c.assigned += s->nholds > 0;
    c.answered += s->nanswers > 0;
    if (!s->audited || !ring_needs_actor(s)) {
      continue;
    }
    // it waits when everyone here already answered or holds it
    int asked = s->nholds;
    for (int i = 0; i < s->nanswers; i++) {
      asked += stays_find(&l->stays, s->answers[i].name) >= 0;
    }
    c.audit_waiting += asked >= here;
  }
  return c;
}
