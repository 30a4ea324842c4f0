// sweep_table.c - each file is made in memory and replaces the old one as a whole.
#include "deploy/launch/sweep_table.h"

#include <inttypes.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/config/bundle.h"
#include "deploy/launch/sweep_stats.h"
#include "proto/version.h"

// ---- CSV ----

// a field, quoted where it needs to be
static void write_field(FILE *out, const char *text) {
  if (strpbrk(text, ",\"\n") == NULL) {
    fprintf(out, "%s,", text);
    return;
  }
  fputc('"', out);
  for (; *text != '\0'; text++) {
    fprintf(out, *text == '"' ? "\"%c" : "%c", *text);
  }
  fputs("\",", out);
}

// the rule that a run has, by its name or by its settings
static const char *rule_name(const struct sweep_plan *p, const struct sweep_run *run) {
  struct config cfg;
  return run->rule != NULL                           ? run->rule
         : sweep_plan_config(&cfg, p, run) == ERR_OK ? config_rule_name(&cfg)
                                                     : "";
}

// the columns by which runs differ
static void write_head(FILE *out, const struct sweep_plan *p) {
  fputs("task,rule,", out);
  for (int i = 0; i < p->naxes; i++) {
    if (sweep_plan_varies(p, i)) {
      fprintf(out, "%s.%s,", p->axes[i].row->group, p->axes[i].row->name);
    }
  }
}

static void write_cell(FILE *out, const struct sweep_plan *p, const struct sweep_run *run) {
  write_field(out, run->task->model);
  write_field(out, rule_name(p, run));
  for (int i = 0; i < p->naxes; i++) {
    if (sweep_plan_varies(p, i)) {
      write_field(out, run->value[i]);
    }
  }
}

static void write_results(FILE *out, const struct sweep_plan *p, const struct sweep_options *o,
                          const struct sweep_result *results) {
  (void)o;
  write_head(out, p);
  fputs("steps,seed,score,score_ci95,distance,success,return,seconds\n", out);
  for (int i = 0; i < sweep_plan_runs(p); i++) {
    if (results[i].done) {
      struct sweep_run run;
      sweep_plan_run(&run, p, i);
      write_cell(out, p, &run);
      fprintf(out, "%" PRId64 ",%" PRId64 ",", run.steps, run.seed);
      const struct sweep_result *r = &results[i];
      const double values[] = {r->score, r->ci, r->distance, r->success, r->ret, r->seconds};
      sweep_result_write_numbers(out, values, 6);
    }
  }
}

// runs that are under way have curves, too
static void write_curves(FILE *out, const struct sweep_plan *p, const struct sweep_options *o,
                         const struct sweep_result *results) {
  (void)results;
  write_head(out, p);
  fputs("seed,steps,distance,score,score_ci95,success,return\n", out);
  for (int i = 0; i < sweep_plan_runs(p); i++) {
    struct sweep_run run;
    char folder[PATH_MAX], *prefix = NULL;
    size_t n;
    FILE *memory = open_memstream(&prefix, &n);
    CHECK(memory != NULL);
    sweep_plan_run(&run, p, i);
    write_cell(memory, p, &run);
    fprintf(memory, "%" PRId64 ",", run.seed);
    CHECK(fclose(memory) == 0);
    sweep_run_folder(folder, o, &run);
    sweep_result_write_curve(out, folder, prefix);
    free(prefix);
  }
}

// ---- the table ----

struct cell {
  struct sweep_run run;  // of its first seed
  double *score;         // (n) of the seeds that are done, in their order
  int n;
  bool goal;  // all scores are those of distances
  double success_low, success_high, seconds;
};

static void fill_cell(struct cell *c, const struct sweep_plan *p,
                      const struct sweep_result *results, int index) {
  const int cells = sweep_plan_cells(p);
  *c = (struct cell){.score = must_alloc((size_t)p->nseeds, sizeof *c->score),
                     .goal = true,
                     .success_low = INFINITY,
                     .success_high = -INFINITY};
  sweep_plan_run(&c->run, p, index);
  for (int k = 0; k < p->nseeds; k++) {
    const struct sweep_result *r = &results[k * cells + index];
    if (!r->done || isnan(r->score)) {
      continue;
    }
    c->score[c->n++] = r->score;
    c->goal = c->goal && !isnan(r->distance);
    c->seconds += r->seconds;
    if (!isnan(r->success)) {
      c->success_low = fmin(c->success_low, r->success);
      c->success_high = fmax(c->success_high, r->success);
    }
  }
}

// scores are below some 100, returns are thousands
static void print_score(FILE *out, double value) {
  fprintf(out, fabs(value) < 1000 ? "%.1f" : "%.0f", value);
}

static void print_interval(FILE *out, const double *x, const int *n, int strata) {
  int all = 0;
  double low, high;
  for (int i = 0; i < strata; i++) {
    all += n[i];
  }
  sweep_stats_interval(&low, &high, x, n, strata);
  print_score(out, sweep_stats_iqm(x, all));
  if (!isnan(low)) {
    fputs(" (", out);
    print_score(out, low);
    fputs(" to ", out);
    print_score(out, high);
    fputc(')', out);
  }
}

static bool has_references(const struct sweep_plan *p) {
  for (int i = 0; i < p->ntasks; i++) {
    if (p->tasks[i].reference.n > 0) {
      return true;
    }
  }
  return false;
}

static void print_heading(FILE *out, const struct sweep_plan *p) {
  int columns = 9;
  fputs("| task | rule |", out);
  for (int i = 0; i < p->naxes; i++) {
    if (sweep_plan_varies(p, i)) {
      fprintf(out, " `%s.%s` |", p->axes[i].row->group, p->axes[i].row->name);
      columns++;
    }
  }
  fputs(" env steps | score by seed | mean | sd | interquartile mean (95 %) | success | minutes |",
        out);
  if (has_references(p)) {
    fprintf(out, " %s |", p->reference != NULL ? p->reference : "reference");
    columns++;
  }
  fputs("\n|", out);
  for (int i = 0; i < columns; i++) {
    fputs(" --- |", out);
  }
  fputc('\n', out);
}

// task, rule and values; NULL for the task: all of them
static void print_names(FILE *out, const struct sweep_plan *p, const struct sweep_run *run,
                        const char *task) {
  fprintf(out, task != NULL ? "| `%s` | `%s` |" : "| all%s | `%s` |", task != NULL ? task : "",
          rule_name(p, run));
  for (int i = 0; i < p->naxes; i++) {
    if (sweep_plan_varies(p, i)) {
      fprintf(out, " %s |", run->value[i]);
    }
  }
}

static void print_cell(FILE *out, const struct sweep_plan *p, const struct cell *c) {
  print_names(out, p, &c->run, c->run.task->model);
  fprintf(out, " %" PRId64 " | ", c->run.steps);
  for (int i = 0; i < c->n; i++) {
    fputs(i > 0 ? ", " : "", out);
    print_score(out, c->score[i]);
  }
  fputs(" | ", out);
  if (c->n > 0) {
    print_score(out, sweep_stats_mean(c->score, c->n));
  }
  fputs(" | ", out);
  if (c->n > 1) {
    print_score(out, sweep_stats_sd(c->score, c->n));
  }
  fputs(" | ", out);
  if (c->n > 0) {
    print_interval(out, c->score, &c->n, 1);
  }
  fputs(" | ", out);
  if (c->success_low < c->success_high) {
    fprintf(out, "%.0f to %.0f %%", 100 * c->success_low, 100 * c->success_high);
  } else if (c->success_low == c->success_high) {
    fprintf(out, "%.0f %%", 100 * c->success_low);
  }
  fputs(" | ", out);
  if (c->n > 0) {
    fprintf(out, c->seconds / c->n < 600 ? "%.1f" : "%.0f", c->seconds / c->n / 60);
  }
  fputs(" |", out);
  if (has_references(p)) {
    fprintf(out, " %s |", sweep_plan_reference(&c->run));
  }
  fputc('\n', out);
}

// One rule and choice of values over all tasks. Cells of a task stand together, so those of one
// rule and choice are `stride` apart. Nothing while a run is missing.
static void print_all_tasks(FILE *out, const struct sweep_plan *p, const struct cell *cells,
                            int first, int stride) {
  double *x = must_alloc((size_t)(p->ntasks * p->nseeds), sizeof *x);
  int *n = must_alloc((size_t)p->ntasks, sizeof *n), all = 0;
  bool whole = true;
  for (int i = 0; i < p->ntasks; i++) {
    const struct cell *c = &cells[first + i * stride];
    whole = whole && c->n == p->nseeds && c->goal;
    n[i] = c->n;
    memcpy(x + all, c->score, (size_t)c->n * sizeof *x);
    all += c->n;
  }
  if (whole) {
    print_names(out, p, &cells[first].run, NULL);
    fputs(" | | ", out);
    print_score(out, sweep_stats_mean(x, all));
    fputs(" | | ", out);
    print_interval(out, x, n, p->ntasks);
    fprintf(out, " | | |%s\n", has_references(p) ? " |" : "");
  }
  free(x);
  free(n);
}

static void print_table(FILE *out, const struct sweep_plan *p, const struct sweep_options *o,
                        const struct sweep_result *results) {
  const int cells = sweep_plan_cells(p), stride = cells / p->ntasks;
  struct cell *all = must_alloc((size_t)cells, sizeof *all);
  print_heading(out, p);
  for (int i = 0; i < cells; i++) {
    fill_cell(&all[i], p, results, i);
    print_cell(out, p, &all[i]);
  }
  for (int i = 0; i < stride && p->ntasks > 1; i++) {
    print_all_tasks(out, p, all, i, stride);
  }
  for (int i = 0; i < cells; i++) {
    free(all[i].score);
  }
  free(all);
  char date[32];
  const time_t now = time(NULL);
  struct tm tm;
  strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &tm));
  fprintf(out, "\n%s, %d cores, %d run%s at a time; %s; telos %s, MuJoCo %s\n", cpu_model(),
          cpu_cores(), o->jobs, o->jobs == 1 ? "" : "s", date, version_build(), mj_versionString());
}

// ---- files ----

typedef void write_fn(FILE *out, const struct sweep_plan *p, const struct sweep_options *o,
                      const struct sweep_result *results);

static char *to_text(write_fn *write, size_t *n, const struct sweep_plan *p,
                     const struct sweep_options *o, const struct sweep_result *results) {
  char *text = NULL;
  FILE *out = open_memstream(&text, n);
  CHECK(out != NULL);
  write(out, p, o, results);
  CHECK(fclose(out) == 0);
  return text;
}

char *sweep_table_text(const struct sweep_plan *p, const struct sweep_options *o,
                       const struct sweep_result *results) {
  size_t n;
  return to_text(print_table, &n, p, o, results);
}

enum err sweep_table_write(const struct sweep_plan *p, const struct sweep_options *o,
                           const struct sweep_result *results) {
  static const struct {
    const char *name;
    write_fn *write;
  } files[] = {
      {"results.csv", write_results}, {"curves.csv", write_curves}, {"results.md", print_table}};
  enum err err = fsio_mkdirs(o->out);
  for (size_t i = 0; err == ERR_OK && i < sizeof files / sizeof *files; i++) {
    char path[PATH_MAX];
    size_t n;
    char *text = to_text(files[i].write, &n, p, o, results);
    CHECK(snprintf(path, sizeof path, "%s/%s", o->out, files[i].name) < PATH_MAX);
    err = fsio_write_atomic(path, text, n);
    free(text);
  }
  return err;
}
