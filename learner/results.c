// results.c - the rows are kept as text: nothing of a row that stays is computed again.
#include "learner/results.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/base/number.h"
#include "common/nn/policy_file.h"
#include "common/run_files.h"
#include "learner/curve_file.h"

enum { MAX_ROW = 512 };

struct row {
  uint64_t steps;
  char *text;  // with its newline
};

struct results {
  const char *run_dir;
  struct export_origin from;
  struct row *rows;  // (n) by steps
  int n;
  double start_s;  // when this life began, less the seconds of those before
  double best;     // score; NaN: none yet
  uint64_t best_steps;
};

// ---- rows ----

// Inserts, or replaces the row of the same steps. Takes over text.
static void put_row(struct results *r, uint64_t steps, char *text) {
  int at = r->n;
  while (at > 0 && r->rows[at - 1].steps >= steps) {
    at--;
  }
  if (at < r->n && r->rows[at].steps == steps) {
    free(r->rows[at].text);
  } else {
    r->rows = must_realloc(r->rows, (size_t)r->n + 1, sizeof *r->rows);
    memmove(&r->rows[at + 1], &r->rows[at], (size_t)(r->n - at) * sizeof *r->rows);
    r->n++;
  }
  r->rows[at] = (struct row){steps, text};
}

static char *row_text(const struct evaluation *e, double seconds) {
  const double numbers[] = {e->score, e->ci, e->distance, e->initial, e->success, e->ret};
  char row[MAX_ROW];
  int n = snprintf(row, sizeof row, "%" PRIu64 ",%" PRIu64 ",%d", e->steps, e->version, e->n);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    n += curve_file_number(row + n, sizeof row - (size_t)n, numbers[i]);
  }
  snprintf(row + n, sizeof row - (size_t)n, ",%d,%.1f\n", e->unstable, seconds);
  return must_strdup(row);
}

static enum err write_rows(const struct results *r) {
  size_t bytes = sizeof RESULTS_HEADER;  // its newline among them
  for (int i = 0; i < r->n; i++) {
    bytes += strlen(r->rows[i].text);
  }
  char *text = must_alloc(bytes + 1, 1), *end = stpcpy(stpcpy(text, RESULTS_HEADER), "\n");
  for (int i = 0; i < r->n; i++) {
    end = stpcpy(end, r->rows[i].text);
  }
  char *path = run_files_path(r->run_dir, EVAL_FILE);
  const enum err err = fsio_write_atomic(path, text, bytes);
  free(path);
  free(text);
  return err;
}

// ---- what an earlier life left ----

// whether the evaluation of these steps is behind the fold
static bool is_done(const struct fold *f, uint64_t steps) {
  bool owed = false;
  for (int i = 0; i < f->nowed; i++) {
    owed = owed || f->owed[i].steps == steps;
  }
  return steps <= f->steps && !owed;
}

struct kept {
  struct results *r;
  const struct fold *f;
};

static void take_row(void *ctx, uint64_t steps, double seconds, const char *line) {
  const struct kept *kept = ctx;
  if (is_done(kept->f, steps)) {
    char row[MAX_ROW];
    snprintf(row, sizeof row, "%.500s\n", line);
    put_row(kept->r, steps, must_strdup(row));
    kept->r->start_s = now_s() - seconds;
  }
}

static void take_best(struct results *r) {
  char *path = run_files_path(r->run_dir, BEST_FILE);
  struct policy_file p;
  if (fsio_exists(path) && policy_file_read(&p, path) == ERR_OK) {
    const char *score = policy_file_meta(&p, "score"), *steps = policy_file_meta(&p, "steps");
    if (score == NULL || steps == NULL || !number_parse_uint(&r->best_steps, steps) ||
        !number_parse_part(&r->best, score, strlen(score))) {
      log_warn("%s does not tell its score: the next evaluation takes its place", path);
      r->best = NAN;
    }
    policy_file_release(&p);
  }
  free(path);
}

enum err results_open(struct results **out, const char *run_dir, const struct fold *f,
                      const struct export_origin *from) {
  struct results *r = must_alloc(1, sizeof *r);
  *r = (struct results){.run_dir = run_dir, .from = *from, .start_s = now_s(), .best = NAN};
  char *path = run_files_path(run_dir, EVAL_FILE);
  struct kept kept = {r, f};
  enum err err = f->episodes > 0 ? curve_file_read(path, RESULTS_HEADER, take_row, &kept) : ERR_OK;
  free(path);
  if (f->episodes > 0) {
    take_best(r);
  }
  if (err == ERR_OK) {
    err = write_rows(r);
  }
  if (err != ERR_OK) {
    results_free(r);
    return err;
  }
  *out = r;
  return ERR_OK;
}

void results_free(struct results *r) {
  for (int i = 0; r != NULL && i < r->n; i++) {
    free(r->rows[i].text);
  }
  if (r != NULL) {
    free(r->rows);
  }
  free(r);
}

// ---- a result ----

// Scores of goals are distances, those of rewards are returns. No score is never the best.
static bool is_better(const struct results *r, const struct evaluation *e) {
  if (isnan(e->score) || isnan(r->best) || e->score == r->best) {
    return !isnan(e->score) && (isnan(r->best) || e->steps <= r->best_steps);
  }
  return r->from.task->goal > 0 ? e->score < r->best : e->score > r->best;
}

enum err results_add(struct results *r, const struct evaluation *e, const struct weights *w) {
  put_row(r, e->steps, row_text(e, now_s() - r->start_s));
  enum err err = write_rows(r);
  if (err == ERR_OK && is_better(r, e)) {
    err = export_best(r->run_dir, w, &r->from, e->steps, e->score);
    if (err == ERR_OK) {
      r->best = e->score;
      r->best_steps = e->steps;
    }
  }
  return err;
}

const char *results_row(const struct results *r, uint64_t steps) {
  int i = 0;
  while (i < r->n && r->rows[i].steps != steps) {
    i++;
  }
  CHECK(i < r->n);
  return r->rows[i].text;
}
