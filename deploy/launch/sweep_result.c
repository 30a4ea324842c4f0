// sweep_result.c - eval.csv by the names of its columns; logs line by line.
#include "deploy/launch/sweep_result.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/csv.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/config/metrics.h"
#include "common/evaluation.h"
#include "common/run_files.h"

enum { MAX_FILE_BYTES = 256 << 20, LINE_BYTES = 4096 };

// The text of a file, free with free(); NULL when there is none.
static char *read_text(const char *path) {
  void *text = NULL;
  size_t n;
  return fsio_exists(path) && fsio_read(&text, &n, path, MAX_FILE_BYTES) == ERR_OK ? text : NULL;
}

// the next line of a text into out, cut to its size; NULL: that was the last
static const char *next_line(char out[LINE_BYTES], const char *text) {
  const size_t n = strcspn(text, "\n");
  snprintf(out, LINE_BYTES, "%.*s", (int)(n < LINE_BYTES ? n : LINE_BYTES - 1), text);
  return text[n] == '\n' ? text + n + 1 : NULL;
}

// the last evaluation, from the last whole row of eval.csv
static void read_last_row(struct sweep_result *out, const char *folder) {
  char *path = run_files_path(folder, EVAL_FILE), *text = read_text(path);
  char *header_end = text != NULL ? strchr(text, '\n') : NULL;
  char *end = text != NULL ? strrchr(text, '\n') : NULL;
  if (header_end != NULL && end > header_end) {
    *header_end = *end = '\0';
    const char *row = strrchr(header_end + 1, '\n');
    row = row != NULL ? row + 1 : header_end + 1;
    out->steps = csv_number(text, row, "steps");
    out->score = csv_number(text, row, "score");
    out->ci = csv_number(text, row, "score_ci95");
    out->distance = csv_number(text, row, "final_distance");
    out->success = csv_number(text, row, "success");
    out->ret = csv_number(text, row, "return");
  }
  free(text);
  free(path);
}

double sweep_result_seconds(const char *text) {
  char line[LINE_BYTES];
  double sum = 0.0, life = 0.0;
  struct metrics m;
  for (const char *p = text; p != NULL;) {
    p = next_line(line, p);
    if (strncmp(line, SWEEP_BEGINS, sizeof SWEEP_BEGINS - 1) == 0) {
      sum += life;
      life = 0.0;
    } else if (sscanf(line, SWEEP_ENDS "%lf", &life) != 1 && metrics_parse(&m, line) &&
               !isnan(m.seconds)) {
      life = m.seconds;
    }
  }
  return sum + life;
}

char *sweep_result_error(const char *log) {
  char *text = read_text(log), line[LINE_BYTES], last[LINE_BYTES] = "";
  for (const char *p = text; p != NULL;) {
    p = next_line(line, p);
    if (strncmp(line, SWEEP_BEGINS, sizeof SWEEP_BEGINS - 1) == 0) {
      last[0] = '\0';
    } else if (strncmp(line, "E ", 2) == 0) {
      snprintf(last, sizeof last, "%s", line + 2);
    }
  }
  free(text);
  return must_strdup(last);
}

void sweep_result_read(struct sweep_result *out, const char *folder, int64_t steps) {
  *out =
      (struct sweep_result){.score = NAN, .ci = NAN, .distance = NAN, .success = NAN, .ret = NAN};
  char log[LINE_BYTES];
  snprintf(log, sizeof log, "%.4000s.log", folder);
  char *text = read_text(log), *policy = run_files_path(folder, "policy.safetensors");
  out->seconds = text != NULL ? sweep_result_seconds(text) : 0.0;
  read_last_row(out, folder);
  // the last version is that of the last step, and its evaluation the last one
  out->done = out->steps >= (double)steps && fsio_exists(policy);
  free(text);
  free(policy);
}

bool sweep_result_fits(const char *folder, const struct config *cfg) {
  struct config own, wanted = *cfg;
  config_defaults(&own);
  if (!run_files_exist(folder)) {
    return true;
  }
  char *path = run_files_path(folder, "config.yaml");
  bool fits = config_read_file(&own, path) == ERR_OK;
  if (fits) {
    // the learner writes out what these are for its task
    if (wanted.worth_reward == WORTH_REWARD_AUTO) {
      wanted.worth_reward = own.worth_reward;
    }
    if (isnan(wanted.worth_radius)) {
      wanted.worth_radius = own.worth_radius;
    }
    char *diff = config_diff(&own, &wanted, true);
    fits = diff[0] == '\0';
    if (!fits) {
      diff[strcspn(diff, "\n")] = '\0';
      log_error("%s has other settings (%s): give another --out, or remove that folder", folder,
                diff);
    }
    free(diff);
  }
  free(path);
  return fits;
}

void sweep_result_write_numbers(FILE *out, const double *values, int n) {
  for (int i = 0; i < n; i++) {
    fputs(i > 0 ? "," : "", out);
    if (isfinite(values[i])) {
      fprintf(out, "%.9g", values[i]);
    }
  }
  fputc('\n', out);
}

void sweep_result_write_curve(FILE *out, const char *folder, const char *prefix) {
  char *path = run_files_path(folder, "log.txt"), *text = read_text(path), line[LINE_BYTES];
  double last = -1.0;
  for (const char *p = text; p != NULL;) {
    p = next_line(line, p);
    const char *at = strstr(line, "evaluation of version ");
    uint64_t version, steps;
    int n = 0;
    struct evaluation e;
    // a life that went on from an earlier checkpoint evaluates again, to the same figures
    if (at == NULL ||
        sscanf(at, "evaluation of version %" SCNu64 " (%" SCNu64 " steps): %n", &version, &steps,
               &n) != 2 ||
        n == 0 || !evaluation_parse(&e, at + n) || (double)steps <= last) {
      continue;
    }
    last = (double)steps;
    const double values[] = {(double)steps, e.distance, e.score, e.ci, e.success, e.ret};
    fputs(prefix, out);
    sweep_result_write_numbers(out, values, 6);
  }
  free(text);
  free(path);
}
