// convention.h - reads the telos.* convention (actor/tasks/README.md) out of a compiled model.
#ifndef COMMON_TASK_CONVENTION_H
#define COMMON_TASK_CONVENTION_H

struct task;

// Fills everything of the task but mjb and digest from task->model, and checks every rule; each
// mistake is logged as "task LABEL: ..." with the element's name and what was expected. Returns the
// number of mistakes. The caller frees the task either way.
int convention_read(struct task *task, const char *label);

#endif
