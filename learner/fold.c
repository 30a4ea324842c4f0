// fold.c - plain bookkeeping, in one place.
//
// Weights that nothing names any more are dropped wherever a name can go: when a ticket is
// committed, and when a result comes in. The newest ones stay, since what comes next names them. So
// there is never more of them than tickets and evaluations can name, and one that is just
// published.
//
// The length of episodes is that of recent ones, since policies learn to stay alive: after many
// short episodes the mean of all of them would leave too many tickets open for a long time. Two
// sums that are halved now and then forget old episodes without keeping a list.
#include "learner/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { MAX_RECENT = 64 };  // episodes; then both sums are halved

static uint64_t clamp(uint64_t x, uint64_t low, uint64_t high) {
  return x < low ? low : x > high ? high : x;
}

int fold_open_tickets(uint64_t window, uint64_t S, uint64_t E) {
  return (int)clamp((2 * window * E + S) / (2 * S), FOLD_MIN_OPEN, FOLD_MAX_OPEN);
}

int fold_room(const struct fold *f) {
  // an episode has at least one step
  return fold_open_tickets(f->plan.window, 1, 1);
}

// Issues what makes up the window, eqs. (1) and (2).
static struct fold_issue fill_window(struct fold *f, uint64_t version) {
  const bool known = f->recent_steps > 0;
  const uint64_t S = known ? f->recent_steps : f->plan.horizon;
  const uint64_t E = known ? f->recent_episodes : 1;
  const int want = fold_open_tickets(f->plan.window, S, E);
  const uint64_t warmup_left = f->steps < f->plan.warmup ? f->plan.warmup - f->steps : 0;
  struct fold_issue issue = {.version = version};
  for (; f->nopen < want; f->nopen++, issue.n++) {
    const bool warmup = (uint64_t)f->nopen * S < warmup_left * E;
    f->open[f->nopen] = (struct fold_ticket){.version = version, .warmup = warmup};
    issue.warmup += warmup;
  }
  return issue;
}

void fold_init(struct fold *f, const struct fold_plan *plan) {
  CHECK(plan->horizon >= 1 && plan->nfigure <= FOLD_MAX_FIGURES);
  *f = (struct fold){.plan = *plan,
                     .next_eval_steps = plan->eval_every,
                     .next_checkpoint_steps = plan->checkpoint_every};
  const size_t room = (size_t)fold_room(f);
  f->open = must_alloc(room, sizeof *f->open);
  f->weights = must_alloc(room + FOLD_MAX_EVALS + 1, sizeof(struct weights *));
  for (int i = 0; i < plan->nfigure; i++) {
    f->figure[i] = NAN;
  }
  fill_window(f, 1);
}

void fold_release(struct fold *f) {
  for (int i = 0; i < f->nweights; i++) {
    weights_unref(f->weights[i]);
  }
  free(f->weights);
  free(f->open);
  *f = (struct fold){0};
}

void fold_swap(struct fold *a, struct fold *b) {
  const struct fold was = *a;
  *a = *b;
  *b = was;
}

bool fold_complete(const struct fold *f) {
  return f->steps >= f->plan.steps;
}

static bool is_owed(const struct fold *f, uint64_t version) {
  for (int i = 0; i < f->nowed; i++) {
    if (f->owed[i].version == version) {
      return true;
    }
  }
  return false;
}

static void drop_unnamed(struct fold *f) {
  int kept = 0, ticket = 0;
  for (int i = 0; i < f->nweights; i++) {
    const uint64_t version = f->weights[i]->version;
    // both lists ascend
    while (ticket < f->nopen && f->open[ticket].version < version) {
      ticket++;
    }
    const bool open = ticket < f->nopen && f->open[ticket].version == version;
    if (open || version == f->version || is_owed(f, version)) {
      f->weights[kept++] = f->weights[i];
    } else {
      weights_unref(f->weights[i]);
    }
  }
  f->nweights = kept;
}

void fold_add(struct fold *f, int T) {
  f->steps += (uint64_t)T;
  f->episodes++;
  f->recent_steps += (uint64_t)T;
  if (++f->recent_episodes == MAX_RECENT) {
    f->recent_steps /= 2;
    f->recent_episodes /= 2;
  }
  f->since_publish += (uint64_t)T;
}

bool fold_publishes(const struct fold *f) {
  return f->updates > 0 && (f->since_publish >= f->plan.publish_every || fold_complete(f));
}

void fold_publish(struct fold *f, struct weights *w) {
  CHECK(w->version == f->version + 1 && f->nweights <= fold_room(f) + FOLD_MAX_EVALS);
  f->since_publish = 0;
  f->version++;
  f->weights[f->nweights++] = w;
}

struct fold_issue fold_commit(struct fold *f) {
  f->nopen--;
  memmove(f->open, f->open + 1, (size_t)f->nopen * sizeof *f->open);
  f->next++;
  const struct fold_issue issue = fill_window(f, f->version);
  drop_unnamed(f);
  return issue;
}

// When what comes every so many steps comes next.
static uint64_t next_multiple(uint64_t steps, uint64_t every) {
  return (steps / every + 1) * every;
}

bool fold_evaluates(struct fold *f) {
  const uint64_t every = f->plan.eval_every;
  bool due = fold_complete(f);
  if (every > 0 && f->steps >= f->next_eval_steps) {
    f->next_eval_steps = next_multiple(f->steps, every);
    due = true;
  }
  // a fleet too slow to evaluate as often as asked skips evaluations, but never the last
  if (!due || (f->nowed >= FOLD_MAX_EVALS - 1 && !fold_complete(f))) {
    return false;
  }
  CHECK(f->nowed < FOLD_MAX_EVALS);
  f->owed[f->nowed].version = f->version;
  f->owed[f->nowed++].steps = f->steps;
  return true;
}

bool fold_saves(struct fold *f) {
  const bool due = f->steps >= f->next_checkpoint_steps;
  if (due) {
    f->next_checkpoint_steps = next_multiple(f->steps, f->plan.checkpoint_every);
  }
  return due || fold_complete(f);
}

void fold_evaluated(struct fold *f, const struct evaluation *e) {
  int i = 0;
  while (i < f->nowed && f->owed[i].version != e->version) {
    i++;
  }
  CHECK(i < f->nowed);
  f->last = *e;
  f->last.steps = f->owed[i].steps;
  f->nowed--;
  memmove(&f->owed[i], &f->owed[i + 1], (size_t)(f->nowed - i) * sizeof f->owed[0]);
  drop_unnamed(f);
}

uint64_t fold_oldest(const struct fold *f) {
  uint64_t oldest = f->open[0].version;
  for (int i = 0; i < f->nowed; i++) {
    oldest = f->owed[i].version < oldest ? f->owed[i].version : oldest;
  }
  return oldest;
}

struct weights *fold_weights(const struct fold *f, uint64_t version) {
  for (int i = 0; i < f->nweights; i++) {
    if (f->weights[i]->version == version) {
      return f->weights[i];
    }
  }
  return NULL;
}

struct weights *fold_newest(const struct fold *f) {
  CHECK(f->nweights > 0 && f->weights[f->nweights - 1]->version == f->version);
  return f->weights[f->nweights - 1];
}

static int ascending(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

int fold_named(const struct fold *f, uint64_t *versions) {
  const int all = f->nopen + f->nowed + 1;
  for (int i = 0; i < f->nopen; i++) {
    versions[i] = f->open[i].version;
  }
  for (int i = 0; i < f->nowed; i++) {
    versions[f->nopen + i] = f->owed[i].version;
  }
  versions[all - 1] = f->version;
  qsort(versions, (size_t)all, sizeof *versions, ascending);
  int n = 1;
  for (int i = 1; i < all; i++) {
    if (versions[i] != versions[n - 1]) {
      versions[n++] = versions[i];
    }
  }
  return n;
}

void fold_figures(struct metrics *m, const struct fold *f) {
  m->steps = (double)f->steps;
  m->total_steps = (double)f->plan.steps;
  m->episodes = (double)f->episodes;
  m->updates = (double)f->updates;
  m->version = (double)f->version;
  if (f->last.n > 0) {
    m->eval_steps = (double)f->last.steps;
    m->eval_distance = f->last.distance;
    m->eval_score = f->last.score;
    m->eval_ci = f->last.ci;
    m->eval_success = f->last.success;
    m->eval_return = f->last.ret;
  }
}
