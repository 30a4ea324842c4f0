// rules.h - the table of update rules.
//
// A row is code; common/config/rules.def has the names that people use, each of which is a row
// with settings.
#ifndef LEARNER_RULES_RULES_H
#define LEARNER_RULES_RULES_H

#include <stdbool.h>

#include "common/base/err.h"

struct config;
struct rule;
struct dims;

// NULL beyond the last.
const struct rule *rules_at(int i);

// That of train.rule.
const struct rule *rules_of(const struct config *cfg);

// Whether the rule and its heads and contexts can learn a task of this name, sizes and success
// radius (0: none), which is a family when it has telos.random.*; and what the task decides of
// settings that are auto: sets it in cfg. ERR_CONFIG (logged, with the rules that can).
NODISCARD enum err rules_resolve(struct config *cfg, const struct dims *dims, double radius,
                                 bool family, const char *task);

#endif
