// tensorboard.c - columns become tags by a table, whether a row is new or said again.
#include "learner/tensorboard.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/csv.h"
#include "common/config/table.h"
#include "common/config/value.h"
#include "common/run_files.h"
#include "learner/curve_file.h"
#include "learner/results.h"
#include "proto/event_file.h"

enum { MAX_COLUMNS = FOLD_MAX_FIGURES + 32, MAX_TAG = 2 * CSV_NAME, MAX_SETTING = 256 };

struct tag {
  const char *column, *tag;  // NULL: it has none
};

static const struct tag PROGRESS[] = {
    {"ep_len", "rollout/ep_len_mean"},
    {"ep_return", "rollout/ep_rew_mean"},
    {"ep_distance", "rollout/ep_final_distance_mean"},
    {"ep_success", "rollout/success_rate"},
    {"steps", "time/total_timesteps"},
    {"episodes", "time/episodes"},
    {"seconds", "time/time_elapsed"},
    {"updates", "train/n_updates"},
    {"version", "train/policy_version"},
    {"loss_q", "train/critic_loss"},
    {"loss_pi", "train/actor_loss"},
    {"alpha", "train/ent_coef"},
    {NULL, "train/"},  // any other
};

static const struct tag EVALUATION[] = {
    {"steps", NULL},
    {"version", NULL},
    {"episodes", NULL},
    {"seconds", NULL},
    {"return", "eval/mean_reward"},
    {"success", "eval/success_rate"},
    {NULL, "eval/"},  // any other
};

struct tensorboard {
  struct event_file *file;
  const char *progress_header;
  // rows of eval.csv that wait for results of fewer steps, in the order of their steps
  char **waiting;
  int nwaiting;
};

// ---- rows ----

// the tag of a column; false: it has none
static bool find_tag(char tag[MAX_TAG], const struct tag *table, const char *column) {
  while (table->column != NULL && strcmp(table->column, column) != 0) {
    table++;
  }
  if (table->tag == NULL) {
    return false;
  }
  snprintf(tag, MAX_TAG, "%s%s", table->tag, table->column == NULL ? column : "");
  return true;
}

static uint64_t steps_of(const char *row) {
  return strtoull(row, NULL, 10);
}

// the scalars of a row, which was written age_s seconds ago
static void write_row(struct tensorboard *t, const struct tag *table, const char *header,
                      const char *row, double age_s) {
  char tag[MAX_COLUMNS][MAX_TAG], column[CSV_NAME];
  struct event_scalar scalar[MAX_COLUMNS];
  int n = 0;
  struct csv at = {header, row};
  for (double value; csv_next(&at, column, &value);) {
    CHECK(n < MAX_COLUMNS - 1);
    if (isfinite(value) && find_tag(tag[n], table, column)) {
      scalar[n] = (struct event_scalar){tag[n], value};
      n++;
    }
  }
  const double seconds = csv_number(header, row, "seconds");
  if (table == PROGRESS && seconds > 0.0) {
    scalar[n++] = (struct event_scalar){"time/fps", (double)steps_of(row) / seconds};
  }
  event_file_scalars(t->file, steps_of(row), age_s, scalar, n);
}

void tensorboard_progress(struct tensorboard *t, const char *row) {
  if (t != NULL) {
    write_row(t, PROGRESS, t->progress_header, row, 0.0);
  }
}

// those that wait for no evaluation that is owed
static void write_waiting(struct tensorboard *t, const struct fold *f, double age_s) {
  int n = 0;
  while (n < t->nwaiting && (f->nowed == 0 || steps_of(t->waiting[n]) < f->owed[0].steps)) {
    write_row(t, EVALUATION, RESULTS_HEADER, t->waiting[n], age_s);
    free(t->waiting[n++]);
  }
  t->nwaiting -= n;
  memmove(t->waiting, t->waiting + n, (size_t)t->nwaiting * sizeof *t->waiting);
}

static void add_evaluation(struct tensorboard *t, const struct fold *f, const char *row,
                           double age_s) {
  t->waiting = must_realloc(t->waiting, (size_t)t->nwaiting + 1, sizeof *t->waiting);
  int at = t->nwaiting++;
  for (; at > 0 && steps_of(t->waiting[at - 1]) > steps_of(row); at--) {
    t->waiting[at] = t->waiting[at - 1];
  }
  t->waiting[at] = must_strdup(row);
  write_waiting(t, f, age_s);
}

void tensorboard_evaluation(struct tensorboard *t, const struct fold *f, const char *row) {
  if (t != NULL) {
    add_evaluation(t, f, row, 0.0);
  }
}

// ---- settings ----

static const struct event_setting *read_setting(struct event_setting *s, char name[MAX_SETTING],
                                                char text[CONFIG_VALUE_BYTES],
                                                const struct config *cfg, int i) {
  const struct config_row *row = &config_rows[i];
  char *end;
  snprintf(name, MAX_SETTING, "%s.%s", row->group, row->name);
  config_format_row(text, cfg, row);
  *s = (struct event_setting){.name = name, .text = text, .number = strtod(text, &end)};
  const bool number = (row->type == ROW_INT || row->type == ROW_REAL) && *end == '\0';
  s->type = number ? EVENT_NUMBER : row->type == ROW_BOOL ? EVENT_TRUTH : EVENT_TEXT;
  return s;
}

static void write_settings(struct tensorboard *t, const struct tensorboard_run *run) {
  static const char head[] = "| setting | value |\n| --- | --- |\n";
  char(*name)[MAX_SETTING] = must_alloc(CONFIG_ROWS, sizeof *name);
  char(*text)[CONFIG_VALUE_BYTES] = must_alloc(CONFIG_ROWS, sizeof *text);
  struct event_setting *setting = must_alloc(CONFIG_ROWS + 1, sizeof *setting);
  const size_t line = MAX_SETTING + CONFIG_VALUE_BYTES + 8, room = (CONFIG_ROWS + 2) * line;
  char *table = must_alloc(room, 1), group[17];
  size_t n = (size_t)snprintf(table, room, "%s", head);
  uint64_t digest = XXH3_64bits(run->task, strlen(run->task));
  for (int i = 0; i < CONFIG_ROWS; i++) {
    const struct event_setting *s = read_setting(&setting[i], name[i], text[i], run->cfg, i);
    const size_t before = n;
    n += (size_t)snprintf(table + n, room - n, "| %s | %s |\n", s->name, s->text);
    // runs that differ in nothing but the seed are repetitions of each other
    digest = i == CONFIG_ROW_run_seed ? digest
                                      : XXH3_64bits_withSeed(table + before, n - before, digest);
  }
  setting[CONFIG_ROWS] =
      (struct event_setting){.name = "task", .text = run->task, .type = EVENT_TEXT};
  snprintf(table + n, room - n, "| task | %.*s |\n", MAX_SETTING, run->task);
  snprintf(group, sizeof group, "%016" PRIx64, digest);
  event_file_text(t->file, run->fold->steps, "hyperparameters", table);
  event_file_settings(t->file, setting, CONFIG_ROWS + 1, group);
  free(table);
  free(setting);
  free(text);
  free(name);
}

// ---- what earlier files have ----

struct repeat {
  struct tensorboard *t;
  const struct fold *fold;
  uint64_t from;   // env steps
  bool progress;   // rows of progress.csv, else of eval.csv
  bool write;      // else to learn when the last one was written
  double seconds;  // of the last row
};

static void repeat_row(void *ctx, uint64_t steps, double seconds, const char *row) {
  struct repeat *r = ctx;
  if (!r->write) {
    r->seconds = seconds;
  } else if (steps >= r->from && r->progress) {
    write_row(r->t, PROGRESS, r->t->progress_header, row, r->seconds - seconds);
  } else if (steps >= r->from) {
    add_evaluation(r->t, r->fold, row, r->seconds - seconds);
  }
}

static void repeat_rows(struct tensorboard *t, const struct tensorboard_run *run, uint64_t from,
                        bool progress) {
  struct repeat r = {.t = t, .fold = run->fold, .from = from, .progress = progress};
  char *path = run_files_path(run->folder, progress ? PROGRESS_FILE : EVAL_FILE);
  const char *header = progress ? t->progress_header : RESULTS_HEADER;
  enum err err = curve_file_read(path, header, repeat_row, &r);
  r.write = true;
  if (err == ERR_OK) {
    err = curve_file_read(path, header, repeat_row, &r);
  }
  (void)err;  // told; whoever appends to the file finds it, too
  free(path);
}

// ---- life ----

struct tensorboard *tensorboard_open(const struct tensorboard_run *run) {
  if (!run->cfg->progress_tensorboard) {
    return NULL;
  }
  const struct fold *f = run->fold;
  struct tensorboard *t = must_alloc(1, sizeof *t);
  t->progress_header = run->progress_header;
  bool others;
  t->file = event_file_open(run->folder, &others);
  const uint64_t void_from = f->nowed > 0 ? f->owed[0].steps : f->steps + 1;
  const uint64_t from = others && f->episodes > 0 ? void_from : 0;
  event_file_start(t->file, from);
  write_settings(t, run);
  repeat_rows(t, run, from, true);
  repeat_rows(t, run, from, false);
  return t;
}

void tensorboard_close(struct tensorboard *t) {
  if (t == NULL) {
    return;
  }
  for (int i = 0; i < t->nwaiting; i++) {
    free(t->waiting[i]);
  }
  free(t->waiting);
  event_file_close(t->file);
  free(t);
}

void tensorboard_complete(struct tensorboard *t) {
  if (t != NULL) {
    event_file_complete(t->file);
  }
}

void tensorboard_sync(struct tensorboard *t) {
  if (t != NULL) {
    event_file_sync(t->file);
  }
}
