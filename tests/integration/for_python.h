// for_python.h - what checks in Python are given: a policy file, and the actions that it stands
// for.
#ifndef TESTS_INTEGRATION_FOR_PYTHON_H
#define TESTS_INTEGRATION_FOR_PYTHON_H

struct task;
struct weights;

enum { FOR_PYTHON_SKIP = 77 };

// Exit code of a program; FOR_PYTHON_SKIP (said) when it is not there.
int for_python_run(char *const *argv);

// A random policy for the task, written to path. Yours.
struct weights *for_python_policy(const char *path, const struct task *task);

// Some inputs and the actor's actions as text, a row each.
void for_python_rows(const char *path, const struct task *task, const struct weights *w);

#endif
