// checker.h - reads the numerics and texts of a model, and counts and tells what is wrong with
// them.
//
// For convention.c and its parts. Every function that finds a mistake logs it in one line, "task
// LABEL: ..", with the element's name and what was expected, counts it, and gives a value that
// later checks can go on with.
#ifndef COMMON_TASK_CHECKER_H
#define COMMON_TASK_CHECKER_H

#include <mujoco/mujoco.h>
#include <stdbool.h>

#include "common/task/task.h"

// a set-point or scale beyond this is a slip of the pen, and float would lose it
#define CHECKER_MAX_NUMBER TASK_NO_LIMIT

enum { CHECKER_MAX_WORD = 64 };  // characters

struct checker {
  struct task *task;
  const mjModel *m;
  const char *label;
  int mistakes;
};

enum sign { ANY_SIGN, NOT_NEGATIVE, POSITIVE };

void checker_mistake(struct checker *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool checker_given(const struct checker *c, const char *name);

// The values of a numeric, *n of them, all finite and of sensible size; NULL when it is absent or
// wrong (then *n = -1 and the mistake is logged).
const double *checker_numeric(struct checker *c, const char *name, int *n);

// one value that must lie in [lo, hi]
double checker_scalar(struct checker *c, const char *name, double lo, double hi, double absent);

// a whole number in [lo, hi]
int checker_whole(struct checker *c, const char *name, int lo, int hi, int absent);

// a whole number in [1, hi] that may not be absent
int checker_required(struct checker *c, const char *name, int hi);

// One value for all, or one for each of n; what says each what. Unset or wrong: all are absent.
// Free with free().
double *checker_vector(struct checker *c, const char *name, int n, const char *what, enum sign sign,
                       double absent);

// Two numerics of n values each, low <= high; one name twice is a box of no size. 1: read into *low
// and *high, which are the caller's; 0: neither is given, 2: a mistake; then both are NULL.
int checker_range(struct checker *c, const char *const name[2], int n, const char *what,
                  double **low, double **high);

// The text of that name, or NULL.
const char *checker_text(const struct checker *c, const char *name);

// Next blank-separated word of *at into word; false at the end. A longer one is cut.
bool checker_word(const char **at, char word[CHECKER_MAX_WORD]);

// the body that a required text names, or -1
int checker_body(struct checker *c, const char *name, const char *what);

// names given although nothing uses them, with the reason
void checker_unused(struct checker *c, const char *const *names, int n, const char *reason);

#endif
