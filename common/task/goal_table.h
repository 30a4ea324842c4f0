// goal_table.h - goals that the task's own body can reach: achieved goals of random rollouts.
//
// A task with <hfield name="telos.goal_table"> draws its goals from the rows of that table. Row r
// is the achieved goal after 1 to telos.goal_table_steps steps of uniform random actions from a
// reset, all drawn with (telos.goal_table_seed, RNG_TABLE, r). The table lives in the model, so
// that it travels to actors inside the compiled model and is part of its digest.
#ifndef COMMON_TASK_GOAL_TABLE_H
#define COMMON_TASK_GOAL_TABLE_H

#include <stddef.h>

#include "common/base/err.h"

struct task;

// Fills the table of a task whose goal base is TASK_GOAL_TABLE. key (n bytes) is what the rollouts
// are a function of: the compiled model with the table still empty. The result is kept in
// $XDG_CACHE_HOME/telos or ~/.cache/telos and read from there the next time; a cache that cannot be
// read or written costs the rollouts only. ERR_NUMERIC (logged): MuJoCo cannot simulate it, a
// rollout is unstable time after time, or its resets are rejected.
NODISCARD enum err goal_table_fill(struct task *task, const void *key, size_t n, const char *label);

#endif
