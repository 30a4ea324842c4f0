// task_cost.h - what a step and a reset of a task cost on this machine.
#ifndef LAUNCH_TASK_COST_H
#define LAUNCH_TASK_COST_H

#include "common/base/err.h"
#include "common/task/task.h"

// Processor time of the simulation alone, in one thread of this machine [us].
struct task_cost {
  double step;   // env_step with random actions, rewards and termination included
  double reset;  // env_reset, goal included
};

// Medians of short batches; an episode that becomes unstable is as good as any. ERR_NUMERIC
// (logged): the task cannot be reset, or MuJoCo cannot simulate it.
NODISCARD enum err task_cost_measure(struct task_cost *cost, const struct task *task);

#endif
