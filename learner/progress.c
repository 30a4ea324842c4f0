// progress.c - rows are appended; only a run that goes on writes the file anew.
#include "learner/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/run_files.h"
#include "learner/curve_file.h"

enum { MAX_ROW = 2048 };

struct progress {
  char *path;
  int fd;
  const struct rule *rule;
  uint64_t every;
  double start_s;  // when this life began, less the seconds of those before
  char header[MAX_ROW];
  char row[MAX_ROW];  // the last one, with its newline
};

static void make_header(char header[MAX_ROW], const struct rule *rule) {
  size_t n = (size_t)snprintf(header, MAX_ROW,
                              "steps,episodes,updates,version,ep_len,ep_return,ep_distance,"
                              "ep_success");
  for (int i = 0; i < rule->nfigure; i++) {
    n += (size_t)snprintf(header + n, MAX_ROW - n, ",%s", rule->figure[i].name);
    CHECK(n < MAX_ROW);
  }
  n += (size_t)snprintf(header + n, MAX_ROW - n, ",seconds");
  CHECK(n < MAX_ROW);
}

// ---- what an earlier life left ----

struct kept {
  struct progress *p;
  uint64_t steps;  // of the fold
  char *text;      // header and rows that stay; its length
  size_t n;
};

static void take_text(struct kept *kept, const char *text) {
  const size_t more = strlen(text);
  kept->text = must_realloc(kept->text, kept->n + more + 1, 1);
  memcpy(kept->text + kept->n, text, more + 1);
  kept->n += more;
}

static void take_row(void *ctx, uint64_t steps, double seconds, const char *row) {
  struct kept *kept = ctx;
  if (steps <= kept->steps) {
    take_text(kept, row);
    take_text(kept, "\n");
    kept->p->start_s = now_s() - seconds;
  }
}

static enum err keep_rows(struct progress *p, const struct fold *f) {
  struct kept kept = {.p = p, .steps = f->steps};
  take_text(&kept, p->header);
  take_text(&kept, "\n");
  enum err err = f->episodes > 0 ? curve_file_read(p->path, p->header, take_row, &kept) : ERR_OK;
  if (err == ERR_OK) {
    err = fsio_write_atomic(p->path, kept.text, kept.n);
  }
  free(kept.text);
  return err;
}

enum err progress_open(struct progress **out, const char *run_dir, const struct fold *f,
                       const struct rule *rule, uint64_t every) {
  struct progress *p = must_alloc(1, sizeof *p);
  *p = (struct progress){.path = run_files_path(run_dir, PROGRESS_FILE),
                         .fd = -1,
                         .rule = rule,
                         .every = every,
                         .start_s = now_s()};
  make_header(p->header, rule);
  enum err err = keep_rows(p, f);
  if (err == ERR_OK && (p->fd = open(p->path, O_WRONLY | O_APPEND | O_CLOEXEC)) < 0) {
    log_error("cannot open %s: %s; give the run a folder that can be written", p->path,
              strerror(errno));
    err = ERR_IO;
  }
  if (err != ERR_OK) {
    progress_close(p);
    return err;
  }
  *out = p;
  return ERR_OK;
}

void progress_close(struct progress *p) {
  if (p == NULL) {
    return;
  }
  if (p->fd >= 0) {
    close(p->fd);
  }
  free(p->path);
  free(p);
}

// ---- a row ----

bool progress_due(const struct progress *p, const struct fold *f, uint64_t before) {
  return f->steps / p->every > before / p->every || fold_complete(f);
}

enum err progress_add(struct progress *p, const struct fold *f,
                      const struct recent_figures *recent) {
  const double episodes[] = {recent->length, recent->ret, recent->distance, recent->success};
  const size_t nepisodes = sizeof episodes / sizeof *episodes;
  size_t n = (size_t)snprintf(p->row, MAX_ROW, "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
                              f->steps, f->episodes, f->updates, f->version);
  for (size_t i = 0; i < nepisodes + (size_t)p->rule->nfigure; i++) {
    const double x = i < nepisodes ? episodes[i] : f->figure[i - nepisodes];
    n += (size_t)curve_file_number(p->row + n, MAX_ROW - n, x);
    CHECK(n < MAX_ROW);
  }
  n += (size_t)snprintf(p->row + n, MAX_ROW - n, ",%.3f\n", now_s() - p->start_s);
  CHECK(n < MAX_ROW);
  return fsio_write_all(p->fd, p->row, n, p->path);
}

enum err progress_sync(struct progress *p) {
  if (fdatasync(p->fd) != 0) {
    log_error("cannot write %s: %s; see to the disk", p->path, strerror(errno));
    return ERR_IO;
  }
  return ERR_OK;
}

const char *progress_header(const struct progress *p) {
  return p->header;
}

const char *progress_row(const struct progress *p) {
  return p->row;
}
