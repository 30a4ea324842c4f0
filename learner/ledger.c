// ledger.c - the rules of ledger.h over two rings of tickets: training and evaluation.
//
// A ring holds the tickets first..end-1, ticket id in slot id % room, so looking one up, issuing
// and committing are O(1) and nothing moves. Which tickets still need an actor is one bit a slot:
// the oldest is found by scanning words from the ring's start, and making a ticket assignable
// again is setting its bit, wherever it stands. Whether the bit is set is always computed from the
// ticket's answers and assignments (needs_actor), never kept in step by hand: every change to a
// slot ends in refresh().
//
// One stay of an actor (who) is index + LEDGER_MAX_ACTORS x a count of joins, so that it is never 0
// and never comes twice: assignments belong to a stay. Answers belong to the actor's name, which
// outlives its stays.
//
// One file, although a long one: every rule works on the same slots, bits and stays, which nobody
// else may see.
#include "learner/ledger.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "learner/fold.h"

// a ticket that needs at most two more answers has at most two holders
enum { MAX_HOLDS = 2, REMEMBERED_ROOMS = 4, WORD_BITS = 64 };

struct hold {
  uint64_t who;
  int64_t since_ms;
};

struct answer {
  uint64_t name, digest;
  struct episode *ep;
};

struct slot {
  struct ticket ticket;
  uint64_t order;  // position in the common issue order of both rings
  bool audited;
  bool settled;       // final: answers[0] is the answer
  uint64_t lapsed;    // the stay that let it time out last; 0: none
  int64_t lapsed_ms;  // when
  int nholds, nanswers;
  struct hold holds[MAX_HOLDS];
  struct answer *answers;  // oldest first
};

struct ring {
  uint64_t first, end;     // ids of the tickets in it
  int room;                // slots
  struct slot *slots;      // (room)
  struct answer *answers;  // storage of all slots' answers
  uint64_t *wanted;        // bit per slot: needs an actor
};

struct actor {
  uint64_t who;   // 0: nobody
  uint64_t name;  // the caller's
  int slots, held;
  bool faulty, reported;
};

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
  struct actor actors[LEDGER_MAX_ACTORS];
  uint64_t joins;
  int present;     // actors that are here
  int unreported;  // faulty actors that ledger_faulty has not returned yet
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

// ---- rings ----

static void ring_init(struct ring *r, int room, int answers_each) {
  r->room = room;
  r->slots = must_alloc((size_t)room, sizeof *r->slots);
  r->answers = must_alloc((size_t)room * (size_t)answers_each, sizeof *r->answers);
  r->wanted = must_alloc((size_t)(room + WORD_BITS - 1) / WORD_BITS, sizeof *r->wanted);
  for (int i = 0; i < room; i++) {
    r->slots[i].answers = r->answers + (size_t)i * (size_t)answers_each;
  }
}

static struct slot *slot_of(const struct ring *r, uint64_t id) {
  return &r->slots[id % (uint64_t)r->room];
}

// an audited ticket wants two answers, and one more for as long as all it has disagree
static bool needs_actor(const struct slot *s) {
  int want = 1;
  if (s->audited) {
    want = s->nanswers < 2 ? 2 : s->nanswers + 1;
  }
  return !s->settled && s->nanswers + s->nholds < want;
}

static void refresh(struct ring *r, const struct slot *s) {
  size_t i = (size_t)(s - r->slots);
  uint64_t bit = UINT64_C(1) << (i % WORD_BITS);
  if (needs_actor(s)) {
    r->wanted[i / WORD_BITS] |= bit;
  } else {
    r->wanted[i / WORD_BITS] &= ~bit;
  }
}

static void issue(struct ledger *l, struct ring *r, const struct ticket *t, bool audited) {
  CHECK(t->id == r->end && r->end - r->first < (uint64_t)r->room);
  struct slot *s = slot_of(r, t->id);
  s->ticket = *t;
  s->order = l->issued++;
  s->audited = audited;
  s->settled = false;
  s->lapsed = 0;
  s->nholds = 0;
  s->nanswers = 0;
  r->end++;
  refresh(r, s);
}

static void issue_training(struct ledger *l, uint64_t version, bool warmup) {
  struct ring *r = &l->rings[TRAIN];
  CHECK(version >= l->newest);
  l->newest = version;
  struct ticket t = training_ticket(l, r->end, version, warmup ? TICKET_WARMUP : TICKET_TRAIN);
  issue(l, r, &t, is_audited(l, t.id));
}

// the first slot in [from, to) that needs an actor, or to
static int next_wanted(const struct ring *r, int from, int to) {
  for (int i = from; i < to; i = (i / WORD_BITS + 1) * WORD_BITS) {
    uint64_t word = r->wanted[i / WORD_BITS] >> (i % WORD_BITS);
    if (word) {
      int at = i + __builtin_ctzll(word);
      return at < to ? at : to;
    }
  }
  return to;
}

static bool holds(const struct slot *s, uint64_t who) {
  for (int i = 0; i < s->nholds; i++) {
    if (s->holds[i].who == who) {
      return true;
    }
  }
  return false;
}

static const struct answer *answer_of(const struct slot *s, uint64_t name) {
  for (int i = 0; i < s->nanswers; i++) {
    if (s->answers[i].name == name) {
      return &s->answers[i];
    }
  }
  return NULL;
}

// who let a ticket time out gets it back only when no one else took it for as long again: an actor
// that is here and never answers cannot hold up training
static bool is_left_to_others(const struct ledger *l, const struct slot *s, const struct actor *a,
                              int64_t now_ms) {
  return l->present > 1 && s->lapsed == a->who && now_ms - s->lapsed_ms <= l->opt.timeout_ms;
}

// the oldest ticket of the ring that may be given to this actor, or NULL
static struct slot *oldest_for(const struct ledger *l, const struct ring *r, const struct actor *a,
                               int64_t now_ms) {
  // slots first .. end - 1, which may go around the ring's end
  const int start = (int)(r->first % (uint64_t)r->room), end = start + (int)(r->end - r->first);
  const int around = end > r->room ? end - r->room : 0;
  const int from[2] = {start, 0}, to[2] = {end - around, around};
  for (int half = 0; half < 2; half++) {
    int i = next_wanted(r, from[half], to[half]);
    for (; i < to[half]; i = next_wanted(r, i + 1, to[half])) {
      struct slot *s = &r->slots[i];
      if (!holds(s, a->who) && !answer_of(s, a->name) && !is_left_to_others(l, s, a, now_ms)) {
        return s;
      }
    }
  }
  return NULL;
}

// ---- actors ----

static struct actor *actor_at(struct ledger *l, int actor) {
  CHECK(actor >= 0 && actor < LEDGER_MAX_ACTORS);
  return &l->actors[actor];
}

static struct actor *joined_at(struct ledger *l, int actor) {
  struct actor *a = actor_at(l, actor);
  CHECK(a->who);
  return a;
}

// the actor of a stay if it is still here, else NULL
static struct actor *present(struct ledger *l, uint64_t who) {
  struct actor *a = &l->actors[who % LEDGER_MAX_ACTORS];
  return a->who == who ? a : NULL;
}

// index of the actor with this name, or -1 when it is not here
static int index_of(const struct ledger *l, uint64_t name) {
  for (int i = 0; i < LEDGER_MAX_ACTORS; i++) {
    if (l->actors[i].who && l->actors[i].name == name) {
      return i;
    }
  }
  return -1;
}

// end assignment i of a slot; holders are always present, since leaving ends their assignments
static void end_hold(struct ledger *l, struct slot *s, int i) {
  struct actor *a = present(l, s->holds[i].who);
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
      struct slot *s = slot_of(r, id);
      if (end_hold_of(l, s, who)) {
        l->counts.reissued++;
        refresh(r, s);
      }
    }
  }
}

static void remove_answer(struct slot *s, int i) {
  episode_free(s->answers[i].ep);
  s->nanswers--;
  for (; i < s->nanswers; i++) {
    s->answers[i] = s->answers[i + 1];
  }
}

// what this actor answered and no audit confirmed is worth nothing, unless it is already taken
static void drop_answers_of(struct ledger *l, uint64_t name) {
  for (int k = 0; k < RINGS; k++) {
    struct ring *r = &l->rings[k];
    for (uint64_t id = k == TRAIN ? l->taken : r->first; id < r->end; id++) {
      struct slot *s = slot_of(r, id);
      const struct answer *a = answer_of(s, name);
      if (a && !(s->settled && s->audited)) {
        remove_answer(s, (int)(a - s->answers));
        s->settled = false;
        l->counts.reissued++;
        refresh(r, s);
      }
    }
  }
}

// two others agreed against this actor
static void accuse(struct ledger *l, uint64_t name) {
  const int i = index_of(l, name);
  if (i >= 0 && !l->actors[i].faulty) {
    l->actors[i].faulty = true;
    l->unreported++;
    end_all_holds_of(l, l->actors[i].who);
  }
  drop_answers_of(l, name);
}

void ledger_join(struct ledger *l, int actor, uint64_t name, int slots) {
  struct actor *a = actor_at(l, actor);
  CHECK(!a->who && slots >= 1 && index_of(l, name) < 0);
  *a = (struct actor){.name = name, .slots = slots};
  a->who = ++l->joins * LEDGER_MAX_ACTORS + (uint64_t)actor;
  l->present++;
}

void ledger_leave(struct ledger *l, int actor) {
  struct actor *a = joined_at(l, actor);
  end_all_holds_of(l, a->who);
  if (a->faulty && !a->reported) {
    l->unreported--;
  }
  *a = (struct actor){0};
  l->present--;
}

int ledger_faulty(struct ledger *l) {
  if (l->unreported == 0) {
    return -1;
  }
  for (int i = 0; i < LEDGER_MAX_ACTORS; i++) {
    struct actor *a = &l->actors[i];
    if (a->faulty && !a->reported) {
      a->reported = true;
      l->unreported--;
      return i;
    }
  }
  return -1;
}

// ---- life ----

struct ledger *ledger_new(const struct ledger_options *opt, const struct fold *fold) {
  const int room = fold_room(fold);
  CHECK(opt->eval_episodes >= 1 && opt->timeout_ms >= 0);
  CHECK(opt->audit >= 0 && opt->audit <= 1 && fold->next >> TICKET_ID_BITS == 0);
  struct ledger *l = must_alloc(1, sizeof *l);
  l->opt = *opt;
  ring_init(&l->rings[TRAIN], room, LEDGER_MAX_ANSWERS);
  ring_init(&l->rings[EVAL], FOLD_MAX_EVALS * opt->eval_episodes, 1);
  l->npast = (uint64_t)REMEMBERED_ROOMS * (uint64_t)room;
  l->past = must_alloc(l->npast, sizeof *l->past);
  l->begun = l->taken = fold->next;
  l->rings[TRAIN].first = l->rings[TRAIN].end = fold->next;
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
    struct slot *s = slot_of(r, id);
    while (s->nholds > 0) {
      end_hold(l, s, s->nholds - 1);
    }
    while (s->nanswers > 0) {
      remove_answer(s, s->nanswers - 1);
    }
    s->settled = true;
    refresh(r, s);
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
    free(l->rings[k].slots);
    free(l->rings[k].answers);
    free(l->rings[k].wanted);
  }
  free(l->past);
  free(l);
}

bool ledger_assign(struct ledger *l, struct ticket *out, int actor, int64_t now_ms) {
  struct actor *a = joined_at(l, actor);
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
  CHECK(s->nholds < MAX_HOLDS);
  s->holds[s->nholds++] = (struct hold){.who = a->who, .since_ms = now_ms};
  a->held++;
  refresh(r, s);
  *out = s->ticket;
  return true;
}

int ledger_expire(struct ledger *l, int64_t now_ms) {
  int ended = 0;
  for (int k = 0; k < RINGS; k++) {
    struct ring *r = &l->rings[k];
    for (uint64_t id = r->first; id < r->end; id++) {
      struct slot *s = slot_of(r, id);
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
        refresh(r, s);
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
  refresh(r, s);
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
                                       const struct actor *from, struct episode **ep) {
  const uint64_t digest = (*ep)->digest;
  if (s->settled) {
    return compare(l, from->name, s->audited, digest, s->answers[0].digest);
  }
  end_hold_of(l, s, from->who);
  const struct answer *own = answer_of(s, from->name);
  if (own) {
    // contradicting oneself is a mismatch, but no audit that two others decided
    refresh(r, s);
    return compare(l, from->name, false, digest, own->digest);
  }
  bool final = !s->audited;
  for (int i = 0; i < s->nanswers; i++) {
    final |= s->answers[i].digest == digest;
  }
  if (s->nanswers == LEDGER_MAX_ANSWERS) {
    remove_answer(s, 0);
    l->counts.reissued++;
  }
  s->answers[s->nanswers++] = (struct answer){.name = from->name, .digest = digest, .ep = *ep};
  *ep = NULL;
  if (final) {
    settle(l, r, s, digest);
  } else {
    refresh(r, s);
  }
  return LEDGER_ACCEPTED;
}

enum ledger_verdict ledger_answer(struct ledger *l, int actor, struct episode **ep) {
  CHECK(ep && *ep);
  const struct actor *a = joined_at(l, actor);
  const struct ticket *t = &(*ep)->ticket;
  struct ring *r = &l->rings[t->kind == TICKET_EVAL ? EVAL : TRAIN];
  if (a->faulty) {
    return LEDGER_UNKNOWN;
  }
  if (t->id >= r->first && t->id < r->end) {
    struct slot *s = slot_of(r, t->id);
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
  struct slot *s = slot_of(r, l->taken);
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
  const struct slot *s = slot_of(r, r->first);
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
    issue(l, r, &t, false);
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
    if (!slot_of(r, r->first + i)->settled) {
      return false;
    }
  }
  *version = slot_of(r, r->first)->ticket.version;
  for (uint64_t i = 0; i < n; i++) {
    eps[i] = slot_of(r, r->first + i)->answers[0].ep;
  }
  r->first += n;
  return true;
}

struct ledger_counts ledger_counts(const struct ledger *l) {
  struct ledger_counts c = l->counts;
  int here = 0;
  for (int i = 0; i < LEDGER_MAX_ACTORS; i++) {
    here += l->actors[i].who && !l->actors[i].faulty;
  }
  const struct ring *r = &l->rings[TRAIN];
  for (uint64_t id = r->first; id < r->end; id++) {
    const struct slot *s = slot_of(r, id);
    c.open++;
    c.assigned += s->nholds > 0;
    c.answered += s->nanswers > 0;
    if (!s->audited || !needs_actor(s)) {
      continue;
    }
    // it waits when everyone here already answered or holds it
    int asked = s->nholds;
    for (int i = 0; i < s->nanswers; i++) {
      asked += index_of(l, s->answers[i].name) >= 0;
    }
    c.audit_waiting += asked >= here;
  }
  return c;
}
