// sweep_plan.c - lists from text, their product, and names of runs.
#include "deploy/launch/sweep_plan.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/words.h"
#include "common/config/bundle.h"
#include "common/config/value.h"
#include "common/task/task_find.h"

// ---- lists ----

void sweep_words_add(struct sweep_words *w, const char *text, size_t n) {
  w->v = must_realloc(w->v, (size_t)w->n + 1, sizeof *w->v);
  char *copy = must_alloc(n + 1, 1);
  memcpy(copy, text, n);
  w->v[w->n++] = copy;
}

void sweep_words_release(struct sweep_words *w) {
  for (int i = 0; i < w->n; i++) {
    free(w->v[i]);
  }
  free(w->v);
  *w = (struct sweep_words){0};
}

// The parts of "a, b, [c, d]" without the blanks around them; an empty part is one, too.
static void split(struct sweep_words *out, const char *text) {
  for (const char *p = text;;) {
    const char *end = p;
    for (int depth = 0; *end != '\0' && (depth > 0 || *end != ','); end++) {
      depth += (*end == '[') - (*end == ']');
    }
    const char *first = p + strspn(p, " "), *last = end;
    while (last > first && last[-1] == ' ') {
      last--;
    }
    sweep_words_add(out, first, first < last ? (size_t)(last - first) : 0);
    if (*end == '\0') {
      return;
    }
    p = end + 1;
  }
}

void sweep_plan_clear_tasks(struct sweep_plan *p) {
  for (int i = 0; i < p->ntasks; i++) {
    free(p->tasks[i].task);
    sweep_words_release(&p->tasks[i].reference);
  }
  free(p->tasks);
  p->tasks = NULL;
  p->ntasks = 0;
}

void sweep_plan_release(struct sweep_plan *p) {
  sweep_plan_clear_tasks(p);
  for (int i = 0; i < p->naxes; i++) {
    sweep_words_release(&p->axes[i].values);
  }
  sweep_words_release(&p->rules);
  free(p->seeds);
  free(p->reference);
  *p = (struct sweep_plan){0};
}

// ---- tasks, rules, seeds, settings ----

static enum err parse_count(int64_t *out, const char *what, const char *text, double max,
                            const char *place) {
  int64_t value;
  if (!number_parse_int(&value, text) || value < 1 || (double)value > max) {
    return config_complain(place, "%s %.64s: expected a whole number from 1 to %.0f", what, text,
                           max);
  }
  *out = value;
  return ERR_OK;
}

enum err sweep_plan_steps(int64_t *steps, const char *text, const char *place) {
  return parse_count(steps, "steps", text, config_rows[CONFIG_ROW_run_steps].max, place);
}

enum err sweep_plan_jobs(struct sweep_plan *p, const char *text, const char *place) {
  int64_t jobs = 0;
  const enum err err = parse_count(&jobs, "jobs", text, SWEEP_MAX_JOBS, place);
  p->jobs = err == ERR_OK ? (int)jobs : p->jobs;
  return err;
}

enum err sweep_plan_demos(struct sweep_plan *p, const char *path) {
  p->demos = path;
  return demos_digest(p->demos_digest, path);
}

enum err sweep_plan_add_task(struct sweep_plan *p, const char *text, const char *place) {
  // a path may have colons, too: what follows the last one is a number, or part of the name
  const char *colon = strrchr(text, ':');
  int64_t steps = 0;
  if (colon != NULL && strchr(colon, '/') == NULL) {
    const enum err err = sweep_plan_steps(&steps, colon + 1, place);
    if (err != ERR_OK) {
      return err;
    }
  } else {
    colon = NULL;
  }
  p->tasks = must_realloc(p->tasks, (size_t)p->ntasks + 1, sizeof *p->tasks);
  struct sweep_task *t = &p->tasks[p->ntasks++];
  *t = (struct sweep_task){.task = must_strdup(text), .steps = steps};
  if (colon != NULL) {
    t->task[colon - text] = '\0';
  }
  snprintf(t->model, sizeof t->model, "%s", t->task);
  return ERR_OK;
}

static enum err require_rule(const char *name, const char *place) {
  struct words_nearest near = {.word = name};
  const struct named_rule *rule;
  for (int i = 0; (rule = config_rule_at(i)) != NULL; i++) {
    if (strcmp(rule->bundle.name, name) == 0) {
      return ERR_OK;
    }
    words_offer(&near, rule->bundle.name);
  }
  if (near.best != NULL) {
    return config_complain(place, "there is no rule %.64s; did you mean %s?", name, near.best);
  }
  return config_complain(place, "there is no rule '%.64s'; telos rules lists them", name);
}

enum err sweep_plan_rules(struct sweep_plan *p, const char *text, const char *place) {
  struct sweep_words rules = {0};
  split(&rules, text);
  for (int i = 0; i < rules.n; i++) {
    const enum err err = require_rule(rules.v[i], place);
    if (err != ERR_OK) {
      sweep_words_release(&rules);
      return err;
    }
  }
  sweep_words_release(&p->rules);
  p->rules = rules;
  return ERR_OK;
}

// "3" or "0..3"
static bool parse_range(int64_t *first, int64_t *last, const char *text) {
  const double max = config_rows[CONFIG_ROW_run_seed].max;
  const char *points = strstr(text, "..");
  char low[NUMBER_DIGITS + 1];
  snprintf(low, sizeof low, "%.*s", (int)(points != NULL ? points - text : NUMBER_DIGITS), text);
  return number_parse_int(first, low) &&
         number_parse_int(last, points != NULL ? points + 2 : low) && *first >= 0 &&
         *first <= *last && (double)*last <= max && *last - *first < SWEEP_MAX_RUNS;
}

static bool has_seed(const int64_t *seeds, int n, int64_t seed) {
  for (int i = 0; i < n; i++) {
    if (seeds[i] == seed) {
      return true;
    }
  }
  return false;
}

enum err sweep_plan_seeds(struct sweep_plan *p, const char *text, const char *place) {
  struct sweep_words parts = {0};
  int64_t *seeds = NULL;
  int n = 0;
  enum err err = ERR_OK;
  split(&parts, text);
  for (int i = 0; err == ERR_OK && i < parts.n; i++) {
    int64_t first, last;
    if (!parse_range(&first, &last, parts.v[i])) {
      err = config_complain(place, "seeds %.64s: expected numbers and ranges, e.g. 0..3 or 0,2,5",
                            text);
      break;
    }
    seeds = must_realloc(seeds, (size_t)(n + last - first + 1), sizeof *seeds);
    for (int64_t seed = first; err == ERR_OK && seed <= last; seed++) {
      if (has_seed(seeds, n, seed)) {
        err = config_complain(place, "seed %" PRId64 " is given twice", seed);
      } else if (n == SWEEP_MAX_RUNS) {
        err = config_complain(place, "more than %d seeds", SWEEP_MAX_RUNS);
      } else {
        seeds[n++] = seed;
      }
    }
  }
  sweep_words_release(&parts);
  if (err != ERR_OK) {
    free(seeds);
    return err;
  }
  free(p->seeds);
  p->seeds = seeds;
  p->nseeds = n;
  return ERR_OK;
}

// the row's place among the axes; a new one is behind the others
static int find_axis(const struct sweep_plan *p, const struct config_row *row) {
  int i = 0;
  while (i < p->naxes && p->axes[i].row != row) {
    i++;
  }
  return i;
}

// the values' own spelling, in place
static enum err canonical(struct sweep_words *values, const struct config_row *row,
                          const char *place) {
  struct config cfg;
  config_defaults(&cfg);
  for (int i = 0; i < values->n; i++) {
    char text[CONFIG_VALUE_BYTES];
    const enum err err = config_set_row(&cfg, row, values->v[i], place);
    if (err != ERR_OK) {
      return err;
    }
    config_format_row(text, &cfg, row);
    free(values->v[i]);
    values->v[i] = must_strdup(text);
    for (int k = 0; k < i; k++) {
      if (strcmp(values->v[k], text) == 0) {
        return config_complain(place, "%s.%s = %s is given twice", row->group, row->name, text);
      }
    }
  }
  return ERR_OK;
}

enum err sweep_plan_values(struct sweep_plan *p, const struct config_row *row, const char *text,
                           const char *place) {
  if (row == &config_rows[CONFIG_ROW_run_seed]) {
    return config_complain(place, "a sweep has its seeds from --seeds or the key seeds");
  }
  struct sweep_words values = {0};
  split(&values, text);
  enum err err = canonical(&values, row, place);
  const int i = find_axis(p, row);
  if (err == ERR_OK && row == &config_rows[CONFIG_ROW_run_steps] && values.n > 1) {
    err = config_complain(place, "several lengths are several tasks: TASK:1000 TASK:2000");
  } else if (err == ERR_OK && i == SWEEP_MAX_SETTINGS) {
    err = config_complain(place, "more than %d settings", SWEEP_MAX_SETTINGS);
  }
  if (err != ERR_OK) {
    sweep_words_release(&values);
    return err;
  }
  if (i == p->naxes) {
    p->naxes++;
  } else {
    sweep_words_release(&p->axes[i].values);
  }
  p->axes[i] = (struct sweep_axis){row, values};
  return ERR_OK;
}

// ---- the product ----

bool sweep_plan_varies(const struct sweep_plan *p, int axis) {
  return p->axes[axis].values.n > 1;
}

// more than SWEEP_MAX_RUNS, when there are too many to count
static int64_t count_cells(const struct sweep_plan *p) {
  int64_t n = (int64_t)p->ntasks * (p->rules.n > 0 ? p->rules.n : 1);
  for (int i = 0; i < p->naxes && n <= SWEEP_MAX_RUNS; i++) {
    n *= p->axes[i].values.n;
  }
  return n;
}

int sweep_plan_cells(const struct sweep_plan *p) {
  return (int)count_cells(p);
}

int sweep_plan_runs(const struct sweep_plan *p) {
  return sweep_plan_cells(p) * p->nseeds;
}

// the value as a part of a file's name: [16, 16] is 16x16
static size_t add_value(char *out, size_t n, size_t used, const char *value) {
  for (; *value != '\0' && used + 1 < n; value++) {
    const char c = *value;
    if (strchr("[] ", c) == NULL) {
      out[used++] = (char)(c == ','                                         ? 'x'
                           : isalnum((unsigned char)c) || strchr("_-+.", c) ? c
                                                                            : '_');
    }
  }
  out[used] = '\0';
  return used;
}

// one that is too long is cut, and refused by sweep_plan_complete
static void name_run(struct sweep_run *run, const struct sweep_plan *p) {
  const size_t n = sizeof run->name - 24;  // the seed has its place in any case
  size_t used = 0;
  if (run->rule != NULL) {
    used += (size_t)snprintf(run->name, n, "%s-", run->rule);
  }
  used += (size_t)snprintf(run->name + used, n - used, "%" PRId64, run->steps);
  for (int i = 0; i < p->naxes; i++) {
    if (sweep_plan_varies(p, i) && used + 1 < n) {
      const struct config_row *row = p->axes[i].row;
      used += (size_t)snprintf(run->name + used, n - used, "-%s.%s=", row->group, row->name);
      used = used < n ? add_value(run->name, n, used, run->value[i]) : n - 1;
    }
  }
  snprintf(run->name + used, sizeof run->name - used, "-s%" PRId64, run->seed);
}

void sweep_plan_run(struct sweep_run *out, const struct sweep_plan *p, int i) {
  const int cells = sweep_plan_cells(p);
  *out = (struct sweep_run){.seed = p->seeds[i / cells]};
  int at = i % cells;
  for (int k = p->naxes - 1; k >= 0; k--) {
    out->value[k] = p->axes[k].values.v[at % p->axes[k].values.n];
    at /= p->axes[k].values.n;
  }
  if (p->rules.n > 0) {
    out->rule = p->rules.v[at % p->rules.n];
    at /= p->rules.n;
  }
  out->task = &p->tasks[at];
  out->steps = out->task->steps;
  if (out->steps == 0) {
    const int k = find_axis(p, &config_rows[CONFIG_ROW_run_steps]);
    struct config cfg;
    config_defaults(&cfg);
    const char *given = k < p->naxes ? out->value[k] : NULL;
    out->steps = given != NULL ? strtoll(given, NULL, 10) : cfg.run_steps;
  }
  name_run(out, p);
}

void sweep_plan_settings(struct sweep_words *out, const struct sweep_plan *p,
                         const struct sweep_run *run) {
  char text[2 * CONFIG_KEY_BYTES + CONFIG_VALUE_BYTES];
  for (int i = 0; i < p->naxes; i++) {
    const struct config_row *row = p->axes[i].row;
    if (row != &config_rows[CONFIG_ROW_run_steps]) {
      const int n = snprintf(text, sizeof text, "%s.%s=%s", row->group, row->name, run->value[i]);
      sweep_words_add(out, text, (size_t)n);
    }
  }
  int n = snprintf(text, sizeof text, "run.steps=%" PRId64, run->steps);
  sweep_words_add(out, text, (size_t)n);
  n = snprintf(text, sizeof text, "run.seed=%" PRId64, run->seed);
  sweep_words_add(out, text, (size_t)n);
}

enum err sweep_plan_config(struct config *cfg, const struct sweep_plan *p,
                           const struct sweep_run *run) {
  struct sweep_words settings = {0};
  sweep_plan_settings(&settings, p, run);
  const struct config_sources from = {
      .rule = run->rule, .environ_ = environ, .settings = settings.v, .nsettings = settings.n};
  config_defaults(cfg);
  const enum err err = config_read_sources(cfg, &from);
  if (p->demos != NULL) {
    snprintf(cfg->demos_digest, sizeof cfg->demos_digest, "%s", p->demos_digest);
  }
  sweep_words_release(&settings);
  return err;
}

const char *sweep_plan_reference(const struct sweep_run *run) {
  const struct sweep_words *pairs = &run->task->reference;
  for (int i = 0; i + 1 < pairs->n; i += 2) {
    if (pairs->v[i][0] == '\0' || (run->rule != NULL && strcmp(pairs->v[i], run->rule) == 0)) {
      return pairs->v[i + 1];
    }
  }
  return "";
}

// ---- the last word ----

static enum err locate(struct sweep_plan *p) {
  for (int i = 0; i < p->ntasks; i++) {
    char path[TASK_MAX_PATH];
    const enum err err = task_find(path, p->tasks[i].task);
    if (err != ERR_OK) {
      return err;
    }
    run_name_model(p->tasks[i].model, path);
  }
  return ERR_OK;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

// settings that a run can have, and a folder of its own
static enum err check_cells(const struct sweep_plan *p) {
  const int cells = sweep_plan_cells(p);
  struct sweep_words folders = {0};
  enum err err = ERR_OK;
  for (int i = 0; err == ERR_OK && i < cells; i++) {
    struct sweep_run run;
    struct config cfg;
    char folder[RUN_NAME_MODEL + sizeof run.name];
    sweep_plan_run(&run, p, i);
    err = sweep_plan_config(&cfg, p, &run);
    if (err == ERR_OK && (err = config_check(&cfg)) != ERR_OK) {
      log_error("this is the run %s/%s", run.task->model, run.name);
    } else if (err == ERR_OK && strlen(run.name) > NAME_MAX - 48) {
      log_error("%s/%s: a name of that length; vary fewer settings at a time", run.task->model,
                run.name);
      err = ERR_CONFIG;
    }
    const int n = snprintf(folder, sizeof folder, "%s/%s", run.task->model, run.name);
    sweep_words_add(&folders, folder, (size_t)n);
  }
  if (folders.n > 1) {
    qsort(folders.v, (size_t)folders.n, sizeof *folders.v, by_text);
  }
  for (int i = 1; err == ERR_OK && i < folders.n; i++) {
    if (strcmp(folders.v[i - 1], folders.v[i]) == 0) {
      log_error("two runs would have the folder %s: name each task, rule and length once",
                folders.v[i]);
      err = ERR_CONFIG;
    }
  }
  sweep_words_release(&folders);
  return err;
}

enum err sweep_plan_complete(struct sweep_plan *p) {
  if (p->ntasks == 0) {
    log_error("which tasks? telos sweep box2d fetch-push:100000 (telos sweep --help)");
    return ERR_USAGE;
  }
  if (p->nseeds == 0) {
    p->seeds = must_alloc(1, sizeof *p->seeds);
    p->nseeds = 1;
  }
  if (count_cells(p) * p->nseeds > SWEEP_MAX_RUNS) {
    log_error("more than %d runs", SWEEP_MAX_RUNS);
    return ERR_CONFIG;
  }
  const enum err err = locate(p);
  return err == ERR_OK ? check_cells(p) : err;
}
