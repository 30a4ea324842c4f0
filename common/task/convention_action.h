// convention_action.h - the part of the convention that is about actions.
#ifndef COMMON_TASK_CONVENTION_ACTION_H
#define COMMON_TASK_CONVENTION_ACTION_H

struct checker;

// Fills action and act of the task, but for the tether, which needs a state.
void convention_read_action(struct checker *c);

#endif
