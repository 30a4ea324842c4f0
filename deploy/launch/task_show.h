// task_show.h - what a loaded task is, for people and for programs: `telos task` in text and JSON.
#ifndef LAUNCH_TASK_SHOW_H
#define LAUNCH_TASK_SHOW_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "common/task/task.h"
#include "deploy/launch/task_cost.h"

// Where goals come from, in one word: fixed, box, origin, table or joints; "reward" without goals.
const char *task_show_kind(const struct task *task);

// The joint whose first coordinate is number qpos of the state; NULL: it has no name.
const char *task_show_joint(const struct mjModel_ *m, int qpos);

// The first sentence of the file's first comment, which says what the task is about; "" without.
void task_show_title(char *title, size_t n, const char *path);

// The whole sheet. path is the task's file.
void task_show_text(FILE *out, const struct task *task, const char *path,
                    const struct task_cost *cost);
json_t *task_show_json(const struct task *task, const char *path, const struct task_cost *cost);

// Of the sheet in JSON, how an action becomes control.
json_t *task_show_action_json(const struct task *task);

#endif
