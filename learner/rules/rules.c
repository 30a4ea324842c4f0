// rules.c - one row a rule.
#include "learner/rules/rules.h"

#include <stddef.h>

#include "learner/rules/odac.h"
#include "learner/rules/rule.h"

static const struct rule *const table[] = {
    &odac_rule,
};

const struct rule *rules_at(int i) {
  const int n = (int)(sizeof table / sizeof *table);
  return i >= 0 && i < n ? table[i] : NULL;
}
