// limit.h - what holds training up, and what would change that, in words.
//
// Two numbers say it: the share of the time that the trainer waited for episodes, and the share
// that rollout threads did not compute. A trainer that hardly waits is the limit itself. One that
// waits could use more rollout threads, as long as there are fewer of them than open tickets.
#ifndef COMMON_CONFIG_LIMIT_H
#define COMMON_CONFIG_LIMIT_H

#include <stddef.h>

#include "common/config/metrics.h"

enum { LIMIT_TEXT = 352 };  // bytes that hold any text of limit_text

// Which side holds up a trainer that waited for episodes for this share of the time, with so many
// rollout threads and open tickets.
enum metrics_limit limit_side(double wait, double threads, double open);

// One sentence of m's limit, learner_wait, actor_idle, threads, open and update_bound: "the learner
// is the limit: 97 % busy, actors idle 94 %: more actors will not help; .."; "" when m names no
// limit. What else is not known is left out.
void limit_text(char *out, size_t n, const struct metrics *m);

#endif
