// script.h - a policy written by hand: set-points from a text file, each held for some steps.
//
//   # x     y     z     grip   steps
//   -0.10   0.60  0.15  -1     20
//   -0.10   0.60  0.05   1     15
//
// A row is act numbers and how many steps it holds; blank lines and what follows a '#' are skipped.
// The mocap axes of a task come first and are positions in the world [m], towards which the
// set-point moves as fast as actions allow; all other numbers are actions in [-1, 1]. After the
// last row's steps that row goes on.
#ifndef ACTOR_SCRIPT_H
#define ACTOR_SCRIPT_H

#include <stddef.h>

#include "common/base/err.h"

struct script;
struct task;
struct mjData_;

// Rows of act numbers. ERR_IO: not readable. ERR_CONFIG: against the above; one line names file
// and line of the first mistake.
NODISCARD enum err script_read(struct script **out, const char *path, int act);

// The same from text in memory; label names it in messages.
NODISCARD enum err script_parse(struct script **out, const char *text, size_t n, const char *label,
                                int act);

void script_free(struct script *s);  // NULL is allowed

// Steps of all rows together.
int script_steps(const struct script *s);

// The action of step t = 0, 1, .. from the present state d of the task's environment. With the
// row's target p and the task's scale k, on each mocap axis:
//   mocap            a = clip((p - set-point) / k, -1, 1)
//   mocap_relative   a = clip((p - hand) / k, -1, 1)
void script_action(const struct script *s, float *action, const struct task *task,
                   const struct mjData_ *d, int t);

#endif
