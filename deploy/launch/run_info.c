// run_info.c - a run whose learner is at work is known by its lock, which the learner holds.
#include "deploy/launch/run_info.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/shell.h"
#include "common/config/bundle.h"
#include "common/config/table.h"
#include "common/config/value.h"
#include "common/nn/policy_file.h"
#include "common/run_files.h"

// a text of the manifest; "" when it has none
static char *text_of(json_t *manifest, const char *key) {
  const char *text = json_string_value(json_object_get(manifest, key));
  return must_strdup(text != NULL ? text : "");
}

char *run_info_settings(const struct config *cfg, const char *rule) {
  char text[CONFIG_ROWS][CONFIG_KEY_BYTES + CONFIG_VALUE_BYTES], *words[CONFIG_ROWS];
  struct config usual;
  int n = 0;
  config_defaults(&usual);
  const enum err known = config_rule(&usual, rule);
  (void)known;  // code that no name stands for: what differs from the defaults
  for (int i = 0; i < CONFIG_ROWS; i++) {
    const struct config_row *row = &config_rows[i];
    char own[CONFIG_VALUE_BYTES], other[CONFIG_VALUE_BYTES];
    config_format_row(own, cfg, row);
    config_format_row(other, &usual, row);
    // the learner writes out what these are for its task
    const bool worked_out = (i == CONFIG_ROW_worth_reward || i == CONFIG_ROW_worth_radius) &&
                            strcmp(other, "auto") == 0;
    if (row->change == CHANGE_FIXED && !worked_out && strcmp(own, other) != 0) {
      snprintf(text[n], sizeof text[n], "%s.%s=%s", row->group, row->name, own);
      words[n] = text[n];
      n++;
    }
  }
  return shell_join(words, n);
}

// the score that the best policy was kept for
static double best_score(const char *run) {
  char *path = run_files_path(run, BEST_FILE);
  struct stat st;
  struct policy_file p;
  double score = NAN;
  if (stat(path, &st) == 0 && policy_file_read(&p, path) == ERR_OK) {
    const char *text = policy_file_meta(&p, "score");
    score = text != NULL ? strtod(text, NULL) : NAN;
    policy_file_release(&p);
  }
  free(path);
  return score;
}

static bool is_running(const char *run) {
  char *path = run_files_path(run, "run.lock");
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
  if (fd >= 0) {
    close(fd);
  }
  free(path);
  return held;
}

enum err run_info_read(struct run_info *out, const char *path) {
  char *file = run_files_path(path, "config.yaml");
  struct config cfg;
  config_defaults(&cfg);
  const enum err err = config_read_file(&cfg, file);
  free(file);
  if (err != ERR_OK) {
    return err;
  }
  file = run_files_path(path, "manifest.json");
  json_t *manifest = json_load_file(file, 0, NULL);
  free(file);
  *out = (struct run_info){.path = must_strdup(path),
                           .task = text_of(manifest, "task"),
                           .began = text_of(manifest, "created"),
                           .command = text_of(manifest, "command"),
                           .rule = config_rule_name(&cfg),
                           .cfg = cfg,
                           .best = best_score(path)};
  json_decref(manifest);
  out->settings = run_info_settings(&cfg, out->rule);
  sweep_result_read(&out->result, path, cfg.run_steps);
  out->state = is_running(path) ? "running" : out->result.done ? "done" : "stopped";
  return ERR_OK;
}

void run_info_release(struct run_info *r) {
  free(r->path);
  free(r->task);
  free(r->began);
  free(r->command);
  free(r->settings);
}

const char *run_info_number(char out[RUN_INFO_NUMBER], double x) {
  snprintf(out, RUN_INFO_NUMBER, "%.2f", x);
  return isnan(x) ? "-" : out;
}
