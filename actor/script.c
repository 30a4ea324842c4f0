// script.c - rows as one block of doubles, with the step after which each ends.
#include "actor/script.h"

#include <math.h>
#include <mujoco/mujoco.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/episode.h"
#include "common/task/task.h"

enum { MAX_FILE = 1 << 20, MAX_ROWS = 4096 };

static const double max_target = 1e9;  // as task.h: beyond this, float would lose it

struct script {
  int act, nrow;
  double *row;  // (nrow x act)
  int *end;     // (nrow) steps of this row and all before it
};

// ---- reading ----

struct reader {
  const char *label;
  int line;
  struct script *script;
};

static enum err fault(const struct reader *r, const char *what) {
  log_error("%s, line %d: %s; expected %d numbers and the number of steps", r->label, r->line, what,
            r->script->act);
  return ERR_CONFIG;
}

// the numbers of one line, at most act + 1; how many, or -1 when one is no finite number
static int read_numbers(double *out, const char *line, int act) {
  int n = 0;
  for (const char *p = line; *(p += strspn(p, " \t\r")) != '\0';) {
    const size_t length = strcspn(p, " \t\r");
    double x;
    if (!number_parse_part(&x, p, length) || !(fabs(x) <= max_target)) {
      return -1;
    }
    if (n <= act) {
      out[n] = x;
    }
    n++;
    p += length;
  }
  return n;
}

// one line, which is cut at its comment
static enum err read_line(struct reader *r, char *line, double *numbers) {
  struct script *s = r->script;
  line[strcspn(line, "#")] = '\0';
  const int n = read_numbers(numbers, line, s->act);
  if (n == 0) {
    return ERR_OK;
  }
  if (n < 0) {
    return fault(r, "not a row of numbers");
  }
  if (n != s->act + 1) {
    return fault(r, n < s->act + 1 ? "too few numbers" : "too many numbers");
  }
  if (s->nrow == MAX_ROWS) {
    return fault(r, "more than 4096 rows");
  }
  const double steps = numbers[s->act];
  const int before = script_steps(s);
  if (!(steps >= 1 && steps <= DIMS_MAX_HORIZON - before && steps == floor(steps))) {
    return fault(r, "steps must be whole, at least 1, and at most 65535 in all");
  }
  memcpy(s->row + (size_t)s->nrow * (size_t)s->act, numbers, (size_t)s->act * sizeof *numbers);
  s->end[s->nrow++] = before + (int)steps;
  return ERR_OK;
}

enum err script_parse(struct script **out, const char *text, size_t n, const char *label, int act) {
  CHECK(act >= 1);
  struct script *s = must_alloc(1, sizeof *s);
  struct reader reader = {.label = label, .script = s};
  double *numbers = must_alloc((size_t)act + 1, sizeof *numbers);
  char *copy = must_alloc(n + 1, 1);
  memcpy(copy, text, n);
  // no more rows than lines
  size_t lines = 1;
  for (size_t i = 0; i < n; i++) {
    lines += text[i] == '\n';
  }
  const size_t rows = lines < MAX_ROWS ? lines : MAX_ROWS;
  s->act = act;
  s->row = must_alloc(rows * (size_t)act, sizeof *s->row);
  s->end = must_alloc(rows, sizeof *s->end);

  enum err err = ERR_OK;
  if (memchr(text, '\0', n) != NULL) {
    log_error("%s is not a text file; expected rows of numbers", label);
    err = ERR_CONFIG;
  }
  for (char *line = copy; err == ERR_OK && line != NULL;) {
    char *next = strchr(line, '\n');
    if (next != NULL) {
      *next++ = '\0';
    }
    reader.line++;
    err = read_line(&reader, line, numbers);
    line = next;
  }
  if (err == ERR_OK && s->nrow == 0) {
    log_error("%s holds no row; expected %d numbers and the number of steps", label, act);
    err = ERR_CONFIG;
  }
  free(copy);
  free(numbers);
  if (err != ERR_OK) {
    script_free(s);
    return err;
  }
  *out = s;
  return ERR_OK;
}

enum err script_read(struct script **out, const char *path, int act) {
  void *text;
  size_t n;
  enum err err = fsio_read(&text, &n, path, MAX_FILE);
  if (err != ERR_OK) {
    return err;
  }
  err = script_parse(out, text, n, path, act);
  free(text);
  return err;
}

void script_free(struct script *s) {
  if (s != NULL) {
    free(s->row);
    free(s->end);
    free(s);
  }
}

// ---- acting ----

int script_steps(const struct script *s) {
  return s->nrow > 0 ? s->end[s->nrow - 1] : 0;
}

void script_action(const struct script *s, float *action, const struct task *task,
                   const struct mjData_ *d, int t) {
  const struct task_action *a = &task->action;
  CHECK(s->act == task->act && t >= 0);
  int i = 0;
  while (i + 1 < s->nrow && t >= s->end[i]) {
    i++;
  }
  const double *row = s->row + (size_t)i * (size_t)s->act;
  mjtNum from[3] = {0, 0, 0};
  if (a->mode == TASK_MOCAP) {
    tether_set_point(from, a, d);
  } else if (a->mode == TASK_MOCAP_RELATIVE) {
    mju_copy3(from, d->xpos + 3 * a->hand);
  }
  for (int k = 0; k < s->act; k++) {
    const double x = k < a->naxis ? (row[k] - from[a->axis[k]]) / a->scale[k] : row[k];
    action[k] = (float)fmax(-1.0, fmin(1.0, x));
  }
}
