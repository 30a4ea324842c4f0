// checker.c - every reader looks its name up, checks, and goes on after a mistake.
#include "common/task/checker.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"

void checker_mistake(struct checker *c, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  log_error("task %s: %s", c->label, text);
  c->mistakes++;
}

bool checker_given(const struct checker *c, const char *name) {
  return mj_name2id(c->m, mjOBJ_NUMERIC, name) >= 0 || mj_name2id(c->m, mjOBJ_TEXT, name) >= 0;
}

const double *checker_numeric(struct checker *c, const char *name, int *n) {
  *n = 0;
  const int id = mj_name2id(c->m, mjOBJ_NUMERIC, name);
  if (id < 0) {
    return NULL;
  }
  const double *x = &c->m->numeric_data[c->m->numeric_adr[id]];
  const int size = c->m->numeric_size[id];
  for (int i = 0; i < size; i++) {
    if (!(fabs(x[i]) <= CHECKER_MAX_NUMBER)) {
      checker_mistake(c, "numeric \"%s\": value %d is %g; expected a finite number of at most %g",
                      name, i, x[i], CHECKER_MAX_NUMBER);
      *n = -1;
      return NULL;
    }
  }
  *n = size;
  return x;
}

double checker_scalar(struct checker *c, const char *name, double lo, double hi, double absent) {
  int n;
  const double *x = checker_numeric(c, name, &n);
  if (!x) {
    return absent;
  }
  if (n != 1) {
    checker_mistake(c, "numeric \"%s\" has %d values; expected one", name, n);
    return absent;
  }
  if (!(x[0] >= lo && x[0] <= hi)) {
    checker_mistake(c, "numeric \"%s\" is %g; expected a number in [%g, %g]", name, x[0], lo, hi);
    return absent;
  }
  return x[0];
}

int checker_whole(struct checker *c, const char *name, int lo, int hi, int absent) {
  const double x = checker_scalar(c, name, lo, hi, absent);
  if (x != floor(x)) {
    checker_mistake(c, "numeric \"%s\" is %g; expected a whole number in [%d, %d]", name, x, lo,
                    hi);
    return absent;
  }
  return (int)x;
}

int checker_required(struct checker *c, const char *name, int hi) {
  if (!checker_given(c, name)) {
    checker_mistake(c, "numeric \"%s\" is missing; expected a whole number in [1, %d]", name, hi);
    return 1;
  }
  return checker_whole(c, name, 1, hi, 1);
}

double *checker_vector(struct checker *c, const char *name, int n, const char *what, enum sign sign,
                       double absent) {
  double *out = must_alloc((size_t)(n > 0 ? n : 1), sizeof *out);
  int have;
  const double *x = checker_numeric(c, name, &have);
  if (x && n == 0) {
    checker_mistake(c, "numeric \"%s\" is about %s, and there are none", name, what);
    x = NULL;
  } else if (x && have != 1 && have != n) {
    checker_mistake(c, "numeric \"%s\" has %d values; expected one, or one for each of %d %s", name,
                    have, n, what);
    x = NULL;
  }
  for (int i = 0; x && i < have; i++) {
    if (sign == POSITIVE ? x[i] <= 0 : sign == NOT_NEGATIVE && x[i] < 0) {
      checker_mistake(c, "numeric \"%s\": value %d is %g; expected a %s number", name, i, x[i],
                      sign == POSITIVE ? "positive" : "non-negative");
      x = NULL;
    }
  }
  for (int i = 0; i < n; i++) {
    out[i] = x ? x[have == 1 ? 0 : i] : absent;
  }
  return out;
}

int checker_range(struct checker *c, const char *const name[2], int n, const char *what,
                  double **low, double **high) {
  const double *x[2];
  bool good = true;
  *low = *high = NULL;
  if (!checker_given(c, name[0]) && !checker_given(c, name[1])) {
    return 0;
  }
  const int names = name[0] == name[1] ? 1 : 2;
  for (int i = 0; i < names; i++) {
    int have;
    x[i] = checker_numeric(c, name[i], &have);
    good = good && x[i];
    if (!checker_given(c, name[i])) {
      checker_mistake(c, "numeric \"%s\" is missing; \"%s\" needs it", name[i], name[1 - i]);
    } else if (x[i] && have != n) {
      checker_mistake(c, "numeric \"%s\" has %d values; %s have %d", name[i], have, what, n);
      good = false;
    }
  }
  x[1] = x[names - 1];
  for (int i = 0; good && i < n; i++) {
    if (x[0][i] > x[1][i]) {
      checker_mistake(c, "numeric \"%s\": value %d is %g, above %s's %g", name[0], i, x[0][i],
                      name[1], x[1][i]);
      good = false;
    }
  }
  if (!good) {
    return 2;
  }
  *low = must_alloc((size_t)n + 1, sizeof **low);
  *high = must_alloc((size_t)n + 1, sizeof **high);
  memcpy(*low, x[0], (size_t)n * sizeof **low);
  memcpy(*high, x[1], (size_t)n * sizeof **high);
  return 1;
}

const char *checker_text(const struct checker *c, const char *name) {
  const int id = mj_name2id(c->m, mjOBJ_TEXT, name);
  return id < 0 ? NULL : c->m->text_data + c->m->text_adr[id];
}

bool checker_word(const char **at, char word[CHECKER_MAX_WORD]) {
  const char *p = *at + strspn(*at, " \t\n");
  const size_t n = strcspn(p, " \t\n");
  *at = p + n;
  snprintf(word, CHECKER_MAX_WORD, "%.*s", (int)n, p);
  return n > 0;
}

int checker_body(struct checker *c, const char *name, const char *what) {
  const char *value = checker_text(c, name);
  if (!value) {
    checker_mistake(c, "text \"%s\" is missing; expected the name of %s", name, what);
    return -1;
  }
  const int id = mj_name2id(c->m, mjOBJ_BODY, value);
  if (id < 0) {
    checker_mistake(c, "text \"%s\": there is no body \"%.60s\"", name, value);
  }
  return id;
}

void checker_unused(struct checker *c, const char *const *names, int n, const char *reason) {
  for (int i = 0; i < n; i++) {
    if (checker_given(c, names[i])) {
      checker_mistake(c, "\"%s\" is not used: %s", names[i], reason);
    }
  }
}
