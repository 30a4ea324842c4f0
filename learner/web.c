// web.c - a function a path.
#include "learner/web.h"

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/base/now.h"
#include "common/base/ram.h"
#include "common/config/limit.h"
#include "common/run_files.h"

// made of page.html
extern const unsigned char page_bytes[];
extern const size_t page_size;

enum { MAX_ROWS = 2000 };
static const size_t MAX_CSV = (size_t)256 << 20, MAX_VIDEO = (size_t)64 << 20;  // bytes

// ---- probes ----

static void say_progress(const struct web *w, FILE *out) {
  struct metrics m;
  double wait_s;
  trainer_metrics(w->trainer, &m, &wait_s);
  const int actors = fleet_size(w->fleet);
  if (actors == 0 && !w->stopping) {
    fprintf(out, "waits for actors: telos-actor --connect %s; ", w->endpoint);
  } else {
    fprintf(out, "%d actor%s; ", actors, actors == 1 ? "" : "s");
  }
  fprintf(out, "%.0f of %.0f env steps, %.0f updates\n", m.steps, m.total_steps, m.updates);
}

static void answer_alive(const struct web *w, struct http_answer *a) {
  if (w->stuck) {
    a->status = 503;
    fputs("stuck: the trainer has work and makes no progress\n", a->body);
    return;
  }
  fputs("alive: ", a->body);
  say_progress(w, a->body);
}

static void answer_ready(const struct web *w, struct http_answer *a) {
  if (w->stopping) {
    a->status = 503;
    fputs("not ready: stopping\n", a->body);
    return;
  }
  fputs("ready: ", a->body);
  say_progress(w, a->body);
}

// ---- figures ----

static void answer_metrics(const struct web *w, struct http_answer *a) {
  struct scrape s = {.cfg = w->cfg,
                     .task = w->task,
                     .fleet = w->fleet,
                     .count = w->count,
                     .tickets = ledger_counts(w->ledger),
                     .line = w->report->shown,
                     .uptime_s = now_s() - w->report->start_s,
                     .unstable = w->report->unstable,
                     .now_ms = w->now_ms,
                     .cores = cpu_cores(),
                     .memory_limit = (double)ram_limit(),
                     .disk_free = NAN,
                     .checkpoint_s = NAN};
  trainer_metrics(w->trainer, &s.now, &s.wait_s);
  struct statvfs disk;
  if (statvfs(w->run, &disk) == 0) {
    s.disk_free = (double)disk.f_bavail * (double)disk.f_frsize;
  }
  // a checkpoint becomes one of the folder when it is complete
  struct stat st;
  char *folder = run_files_path(w->run, "checkpoints");
  if (stat(folder, &st) == 0) {
    s.checkpoint_s = (double)st.st_mtim.tv_sec;
  }
  free(folder);
  usage_read(&s.process);
  a->type = "text/plain; version=0.0.4; charset=utf-8";
  exposition_write(&s, a->body);
}

static json_t *number(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static void put(json_t *o, const char *name, json_t *value) {
  CHECK(json_object_set_new(o, name, value) == 0);
}

// the last line's rates, with the trainer's own figures of now
static json_t *metrics_json(const struct web *w) {
  struct metrics m = w->report->shown, now;
  double wait_s;
  trainer_metrics(w->trainer, &now, &wait_s);
  json_t *o = json_object();
#define M(name, format, unit, help) put(o, #name, number(isfinite(now.name) ? now.name : m.name));
#define W(name, words, help)
#include "common/config/metrics.def"
#undef M
#undef W
  return o;
}

static json_t *actors_json(const struct web *w) {
  json_t *all = json_array();
  const struct peers *peers = &w->fleet->peers;
  for (int i = 0; i < peers->highest && i < EXPOSITION_MAX_ACTORS; i++) {
    const struct peer *p = &peers->peer[i];
    if (p->used) {
      json_t *o = json_pack("{s:i, s:s%, s:i, s:f, s:f, s:f}", "index", i, "name", p->name,
                            strlen(p->name), "threads", p->threads, "steps", (double)p->steps,
                            "busy_s", 1e-3 * (double)p->busy_ms, "silent_s",
                            1e-3 * (double)(w->now_ms - p->last_seen_ms));
      // a name that is no UTF-8 has no place in JSON
      CHECK(json_array_append_new(all, o != NULL ? o : json_object()) == 0);
    }
  }
  return all;
}

static double mean_of(const struct histogram *h) {
  double n = 0.0;
  for (int i = 0; i < EXPOSITION_BUCKETS; i++) {
    n += (double)h->bucket[i];
  }
  return n > 0.0 ? h->sum / n : NAN;
}

// ---- files of the run ----

static int is_video(const struct dirent *e) {
  const char *dot = strrchr(e->d_name, '.');
  return dot != NULL && strcmp(dot, ".webp") == 0;
}

// The name of the latest video; NULL: there is none. Free with free(). Numbers have leading zeros.
static char *latest_video(const struct web *w) {
  char *folder = run_files_path(w->run, "videos"), *name = NULL;
  struct dirent **found = NULL;
  const int n = scandir(folder, &found, is_video, alphasort);
  for (int i = 0; i < n; i++) {
    if (i == n - 1) {
      name = strdup(found[i]->d_name);
    }
    free(found[i]);
  }
  free(found);
  free(folder);
  return name;
}

static void answer_video(const struct web *w, struct http_answer *a) {
  char *name = latest_video(w), path[PATH_MAX];
  void *bytes = NULL;
  size_t n;
  if (name != NULL) {
    snprintf(path, sizeof path, "%s/videos/%s", w->run, name);
  }
  if (name == NULL || fsio_read(&bytes, &n, path, MAX_VIDEO) != ERR_OK) {
    a->status = 404;
    fputs("no video yet; telos train --video-every N makes some\n", a->body);
  } else {
    a->type = "image/webp";
    fwrite(bytes, 1, n, a->body);
  }
  free(bytes);
  free(name);
}

// the header, the last row, and of the others as many as MAX_ROWS allows
static void thin_out(const char *text, FILE *out) {
  size_t rows = 0, row = 0;
  for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++) {
    rows++;
  }
  const size_t every = rows / MAX_ROWS + 1;
  for (const char *p = text, *end; (end = strchr(p, '\n')) != NULL; p = end + 1, row++) {
    if (row == 0 || row == rows - 1 || row % every == 0) {
      fwrite(p, 1, (size_t)(end - p) + 1, out);
    }
  }
}

static void answer_csv(const struct web *w, struct http_answer *a, const char *file) {
  char *path = run_files_path(w->run, file);
  void *bytes = NULL;
  size_t n;
  if (!fsio_exists(path) || fsio_read(&bytes, &n, path, MAX_CSV) != ERR_OK) {
    a->status = 404;
    fprintf(a->body, "no %s yet\n", file);
  } else {
    a->type = "text/csv; charset=utf-8";
    thin_out(bytes, a->body);
  }
  free(bytes);
  free(path);
}

static void answer_status(const struct web *w, struct http_answer *a) {
  char text[LIMIT_TEXT];
  limit_text(text, sizeof text, &w->report->shown);
  char *video = latest_video(w);
  json_t *o = json_object();
  put(o, "task", json_string(w->task));
  put(o, "run", json_string(w->run));
  put(o, "seed", json_integer(w->cfg->run_seed));
  put(o, "endpoint", json_string(w->endpoint));
  put(o, "limit", json_string(text));
  put(o, "lag_versions", number(mean_of(&w->count->lag)));
  put(o, "metrics", metrics_json(w));
  put(o, "actors", actors_json(w));
  put(o, "video", video != NULL ? json_string(video) : json_null());
  a->type = "application/json";
  CHECK(json_dumpf(o, a->body, JSON_COMPACT) == 0);
  json_decref(o);
  free(video);
}

static void answer_page(struct http_answer *a) {
  a->type = "text/html; charset=utf-8";
  fwrite(page_bytes, 1, page_size, a->body);
}

void web_answer(const struct web *w, struct http_answer *a, const char *path) {
  if (strcmp(path, "/") == 0) {
    answer_page(a);
  } else if (strcmp(path, "/healthz") == 0 || strcmp(path, "/livez") == 0) {
    answer_alive(w, a);
  } else if (strcmp(path, "/readyz") == 0) {
    answer_ready(w, a);
  } else if (strcmp(path, "/metrics") == 0) {
    answer_metrics(w, a);
  } else if (strcmp(path, "/api/status") == 0) {
    answer_status(w, a);
  } else if (strcmp(path, "/eval.csv") == 0) {
    answer_csv(w, a, EVAL_FILE);
  } else if (strcmp(path, "/progress.csv") == 0) {
    answer_csv(w, a, PROGRESS_FILE);
  } else if (strcmp(path, "/video") == 0) {
    answer_video(w, a);
  } else {
    a->status = 404;
    fputs("not found; there are /, /metrics, /healthz and /readyz\n", a->body);
  }
}
