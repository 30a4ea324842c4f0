// stays.c - a table by index; a name is found by looking through it, which only audits do.
#include "learner/stays.h"

#include "common/base/check.h"

static struct stay *at(struct stays *s, int actor) {
  CHECK(actor >= 0 && actor < LEDGER_MAX_ACTORS);
  return &s->at[actor];
}

struct stay *stays_joined(struct stays *s, int actor) {
  struct stay *a = at(s, actor);
  CHECK(a->who);
  return a;
}

struct stay *stays_present(struct stays *s, uint64_t who) {
  struct stay *a = &s->at[who % LEDGER_MAX_ACTORS];
  return a->who == who ? a : NULL;
}

int stays_find(const struct stays *s, uint64_t name) {
  for (int i = 0; i < LEDGER_MAX_ACTORS; i++) {
    if (s->at[i].who && s->at[i].name == name) {
      return i;
    }
  }
  return -1;
}

int stays_sound(const struct stays *s) {
  int n = 0;
  for (int i = 0; i < LEDGER_MAX_ACTORS; i++) {
    n += s->at[i].who && !s->at[i].faulty;
  }
  return n;
}

void stays_join(struct stays *s, int actor, uint64_t name, int slots) {
  struct stay *a = at(s, actor);
  CHECK(!a->who && slots >= 1 && stays_find(s, name) < 0);
  *a = (struct stay){.name = name, .slots = slots};
  a->who = ++s->joins * LEDGER_MAX_ACTORS + (uint64_t)actor;
  s->present++;
}

void stays_leave(struct stays *s, int actor) {
  struct stay *a = stays_joined(s, actor);
  CHECK(a->held == 0);
  if (a->faulty && !a->reported) {
    s->unreported--;
  }
  *a = (struct stay){0};
  s->present--;
}

bool stays_accuse(struct stays *s, int i) {
  struct stay *a = stays_joined(s, i);
  if (a->faulty) {
    return false;
  }
  a->faulty = true;
  s->unreported++;
  return true;
}

int stays_faulty(struct stays *s) {
  if (s->unreported == 0) {
    return -1;
  }
  for (int i = 0; i < LEDGER_MAX_ACTORS; i++) {
    struct stay *a = &s->at[i];
    if (a->faulty && !a->reported) {
      a->reported = true;
      s->unreported--;
      return i;
    }
  }
  return -1;
}
