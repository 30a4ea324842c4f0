// convention_goal.h - the part of the convention that is about goals and success.
#ifndef COMMON_TASK_CONVENTION_GOAL_H
#define COMMON_TASK_CONVENTION_GOAL_H

struct checker;

// Fills target, success_radius and success_counts of the task, whose sensors have been read.
void convention_read_goal(struct checker *c);

#endif
