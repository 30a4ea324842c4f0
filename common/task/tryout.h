// tryout.h - whether a model that keeps the convention can be simulated.
#ifndef COMMON_TASK_TRYOUT_H
#define COMMON_TASK_TRYOUT_H

#include "common/base/err.h"

struct checker;
struct task;

// Mistakes of the state that episodes start from: MuJoCo must be able to compute everything there
// once, every sensor must be finite, and alive.* sensors within their ranges.
void tryout_reset_state(struct checker *c);

// Some resets with their goals, and one step. ERR_CONFIG (logged): MuJoCo cannot simulate it, or
// rules reject every reset or goal.
NODISCARD enum err tryout_resets(const struct task *task, const char *label);

#endif
