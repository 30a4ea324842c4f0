// rules.h - the table of update rules.
#ifndef LEARNER_RULES_RULES_H
#define LEARNER_RULES_RULES_H

struct rule;

// The i-th rule, or NULL behind the last. The first one is what a run uses.
const struct rule *rules_at(int i);

#endif
