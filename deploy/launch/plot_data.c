// plot_data.c - eval.csv by the names of its columns; series by what runs are but for their seeds.
#include "deploy/launch/plot_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"

enum { MAX_BYTES = 1 << 28, MAX_COLUMNS = 64 };

// ---- one curve ----

// the place of a name in a row of names; -1: it has none
static int column_of(const char *names, const char *name) {
  const size_t n = strlen(name);
  for (int i = 0; i < MAX_COLUMNS; i++) {
    const size_t k = strcspn(names, ",\n");
    if (k == n && memcmp(names, name, n) == 0) {
      return i;
    }
    if (names[k] != ',') {
      break;
    }
    names += k + 1;
  }
  return -1;
}

// a field of a row; NaN when it is empty, or missing
static double field(const char *row, int column) {
  for (; column > 0 && row != NULL; column--) {
    row = strpbrk(row, ",\n");
    row = row != NULL && *row == ',' ? row + 1 : NULL;
  }
  char *end = NULL;
  const double x = row != NULL && *row != ',' && *row != '\n' ? strtod(row, &end) : NAN;
  return end == row ? NAN : x;
}

static void add_point(struct plot_curve *c, double x, double y) {
  // seconds of two evaluations may be the same
  if (isnan(x) || isnan(y) || (c->n > 0 && x <= c->x[c->n - 1])) {
    return;
  }
  c->x = must_realloc(c->x, (size_t)c->n + 1, sizeof *c->x);
  c->y = must_realloc(c->y, (size_t)c->n + 1, sizeof *c->y);
  c->x[c->n] = x;
  c->y[c->n++] = y;
}

static struct plot_curve read_curve(const char *run, bool seconds) {
  struct plot_curve c = {NULL, NULL, 0};
  char *path = run_files_path(run, EVAL_FILE);
  void *bytes = NULL;
  size_t n;
  if (fsio_exists(path) && fsio_read(&bytes, &n, path, MAX_BYTES) == ERR_OK) {
    const char *text = bytes;
    const int x = column_of(text, seconds ? "seconds" : "steps"), y = column_of(text, "score");
    for (const char *end = strchr(text, '\n'); x >= 0 && y >= 0 && end != NULL && end[1] != '\0';
         end = strchr(end + 1, '\n')) {
      add_point(&c, field(end + 1, x), field(end + 1, y));
    }
  }
  free(bytes);
  free(path);
  return c;
}

static double curve_at(const struct plot_curve *c, double x) {
  int i = 0;
  while (i < c->n && c->x[i] < x) {
    i++;
  }
  if (i == c->n || (i == 0 && c->x[0] > x)) {
    return NAN;
  }
  if (c->x[i] == x) {
    return c->y[i];
  }
  const double t = (x - c->x[i - 1]) / (c->x[i] - c->x[i - 1]);
  return c->y[i - 1] + t * (c->y[i] - c->y[i - 1]);
}

struct plot_point plot_data_at(const struct plot_series *s, double x) {
  struct plot_point p = {.mean = 0, .least = INFINITY, .most = -INFINITY};
  for (int i = 0; i < s->ncurve; i++) {
    const double y = curve_at(&s->curves[i], x);
    if (!isnan(y)) {
      p.mean += y;
      p.least = fmin(p.least, y);
      p.most = fmax(p.most, y);
      p.n++;
    }
  }
  p.mean /= p.n > 0 ? p.n : 1;
  return p;
}

// ---- series ----

static bool same_tasks(const struct run_list *runs) {
  for (int i = 1; i < runs->n; i++) {
    if (strcmp(runs->v[i].task, runs->v[0].task) != 0) {
      return false;
    }
  }
  return true;
}

// what a run is, but for its seed; free with free()
static char *label_of(const struct run_info *r, bool with_task) {
  struct config cfg = r->cfg;
  cfg.run_seed = 0;
  char *settings = run_info_settings(&cfg, r->rule), *label = NULL;
  const int n = asprintf(&label, "%s%s%s%s%s", with_task ? r->task : "", with_task ? " " : "",
                         r->rule, settings[0] != '\0' ? " " : "", settings);
  CHECK(n >= 0);
  free(settings);
  return label;
}

// takes over label and curve
static void add_curve(struct plot_data *d, char *label, struct plot_curve curve) {
  int i = 0;
  while (i < d->n && strcmp(d->series[i].label, label) != 0) {
    i++;
  }
  if (i == d->n) {
    d->series = must_realloc(d->series, (size_t)d->n + 1, sizeof *d->series);
    d->series[d->n++] = (struct plot_series){.label = label};
  } else {
    free(label);
  }
  struct plot_series *s = &d->series[i];
  s->curves = must_realloc(s->curves, (size_t)s->ncurve + 1, sizeof *s->curves);
  s->curves[s->ncurve++] = curve;
}

enum err plot_data_read(struct plot_data *out, const struct run_list *runs, bool seconds) {
  const bool with_task = !same_tasks(runs);
  for (int i = 0; i < runs->n; i++) {
    const struct run_info *r = &runs->v[i];
    const struct plot_curve c = read_curve(r->path, seconds);
    if (c.n == 0) {
      log_warn("%s has no evaluations in " EVAL_FILE " and is left out", r->path);
      continue;
    }
    const bool rewards = isnan(r->result.distance);
    if (out->n > 0 && rewards != out->rewards) {
      free(c.x);
      free(c.y);
      log_error("%s: scores of goals are distances, those of rewards are returns; plot them apart",
                r->path);
      return ERR_CONFIG;
    }
    out->rewards = rewards;
    add_curve(out, label_of(r, with_task), c);
  }
  if (out->n == 0) {
    log_error("there are no evaluations to plot; telos runs lists the runs of a folder");
    return ERR_CONFIG;
  }
  return ERR_OK;
}

void plot_data_release(struct plot_data *d) {
  for (int i = 0; i < d->n; i++) {
    for (int k = 0; k < d->series[i].ncurve; k++) {
      free(d->series[i].curves[k].x);
      free(d->series[i].curves[k].y);
    }
    free(d->series[i].curves);
    free(d->series[i].label);
  }
  free(d->series);
}
