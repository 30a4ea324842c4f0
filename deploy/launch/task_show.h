// task_show.h - what a loaded task is, for people and for programs: `telos task` in text and JSON.
#ifndef LAUNCH_TASK_SHOW_H
#define LAUNCH_TASK_SHOW_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "common/base/err.h"
#include "common/task/task.h"

// Processor time of the simulation alone, in one thread of this machine [us].
struct task_cost {
  double step;   // env_step with random actions, rewards and termination included
  double reset;  // env_reset, goal included
};

// Medians of short batches. ERR_NUMERIC (logged): the task cannot be reset, or its first steps are
// unstable time after time.
NODISCARD enum err task_cost_measure(struct task_cost *cost, const struct task *task);

// Where goals come from, in one word: fixed, box, origin, table or joints; "reward" without goals.
const char *task_show_kind(const struct task *task);

// The first sentence of the file's first comment, which says what the task is about; "" without.
void task_show_title(char *title, size_t n, const char *path);

// The whole sheet. path is the task's file.
void task_show_text(FILE *out, const struct task *task, const char *path,
                    const struct task_cost *cost);
json_t *task_show_json(const struct task *task, const char *path, const struct task_cost *cost);

#endif
