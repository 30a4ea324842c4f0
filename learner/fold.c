// fold.c - plain bookkeeping, in one place.
//
// Weights that nothing names any more are dropped wherever a name can go: when the window moves on,
// and when a result comes in. So there is never more of them than the window and the evaluations
// can name, and one that is published but not named yet.
#include "learner/fold.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

void fold_init(struct fold *f, const struct fold_plan *plan) {
  CHECK(plan->window >= 1);
  *f = (struct fold){.plan = *plan,
                     .next_eval_steps = plan->eval_every,
                     .next_checkpoint_steps = plan->checkpoint_every};
  f->versions = must_alloc((size_t)plan->window, sizeof *f->versions);
  for (int i = 0; i < plan->window; i++) {
    f->versions[i] = 1;
  }
  f->weights = must_alloc((size_t)plan->window + FOLD_MAX_EVALS + 1, sizeof(struct weights *));
}

void fold_release(struct fold *f) {
  for (int i = 0; i < f->nweights; i++) {
    weights_unref(f->weights[i]);
  }
  free(f->weights);
  free(f->versions);
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

static bool is_named(const struct fold *f, uint64_t version) {
  // versions never fall, so the first ticket names the oldest of the window
  if (version >= f->versions[0]) {
    return true;
  }
  for (int i = 0; i < f->nowed; i++) {
    if (f->owed[i].version == version) {
      return true;
    }
  }
  return false;
}

static void drop_unnamed(struct fold *f) {
  int kept = 0;
  for (int i = 0; i < f->nweights; i++) {
    if (is_named(f, f->weights[i]->version)) {
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
  f->since_publish++;
}

bool fold_publishes(const struct fold *f) {
  return f->updates > 0 && (f->since_publish >= f->plan.publish_every || fold_complete(f));
}

void fold_publish(struct fold *f, struct weights *w) {
  CHECK(w->version == f->version + 1 && f->nweights <= f->plan.window + FOLD_MAX_EVALS);
  f->since_publish = 0;
  f->version++;
  f->weights[f->nweights++] = w;
}

void fold_commit(struct fold *f) {
  const size_t stay = (size_t)f->plan.window - 1;
  memmove(f->versions, f->versions + 1, stay * sizeof *f->versions);
  f->versions[stay] = f->version;
  f->next++;
  drop_unnamed(f);
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
  uint64_t oldest = f->versions[0];
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
  const int window = f->plan.window, all = window + f->nowed;
  memcpy(versions, f->versions, (size_t)window * sizeof *versions);
  for (int i = 0; i < f->nowed; i++) {
    versions[window + i] = f->owed[i].version;
  }
  qsort(versions, (size_t)all, sizeof *versions, ascending);
  int n = 1;
  for (int i = 1; i < all; i++) {
    if (versions[i] != versions[n - 1]) {
      versions[n++] = versions[i];
    }
  }
  return n;
}
