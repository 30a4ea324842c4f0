// checkpoint.c - write aside, rename, and believe nothing on the way back.
//
// A folder has its final name only when all in it is on the disk; one that is to go is renamed away
// before it is emptied. So a crash at any point leaves folders that are whole, and leftovers whose
// names begin with .tmp-, which the next write removes. What stands in a folder's two files is
// checkpoint_files.h.
#include "learner/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "learner/checkpoint_files.h"

enum { MAX_NAME = 64 };

// ---- names ----

static char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *text_of(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = NULL;
  CHECK(vasprintf(&text, fmt, ap) >= 0);
  va_end(ap);
  return text;
}

static bool parse_name(uint64_t *steps, const char *name) {
  char again[MAX_NAME];
  if (sscanf(name, "step_%" SCNu64, steps) != 1) {
    return false;
  }
  snprintf(again, sizeof again, STEP_FORMAT, *steps);
  return strcmp(again, name) == 0;
}

static int is_checkpoint(const struct dirent *entry) {
  uint64_t steps;
  return parse_name(&steps, entry->d_name);
}

static int is_leftover(const struct dirent *entry) {
  return strncmp(entry->d_name, ".tmp-", 5) == 0;
}

static int newest_first(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x < y) - (x > y);
}

static enum err fail(const char *verb, const char *path) {
  log_error("cannot %s %s: %s", verb, path, strerror(errno));
  return ERR_IO;
}

// The steps of all checkpoints in the folder, newest first; *n = 0 when there is no folder.
static enum err list_steps(uint64_t **steps, int *n, const char *parent) {
  struct dirent **entries;
  *steps = NULL;
  *n = scandir(parent, &entries, is_checkpoint, NULL);
  if (*n < 0) {
    *n = 0;
    return errno == ENOENT ? ERR_OK : fail("list", parent);
  }
  *steps = must_alloc((size_t)*n, sizeof **steps);
  for (int i = 0; i < *n; i++) {
    parse_name(&(*steps)[i], entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
  qsort(*steps, (size_t)*n, sizeof **steps, newest_first);
  return ERR_OK;
}

uint64_t checkpoint_newest_steps(const char *run_dir) {
  char *parent = run_files_path(run_dir, "checkpoints");
  uint64_t *steps, newest = 0;
  int n;
  if (list_steps(&steps, &n, parent) == ERR_OK && n > 0) {
    newest = steps[0];
  }
  free(steps);
  free(parent);
  return newest;
}

// ---- writing ----

// Renames a checkpoint away, so that it is never half there under its own name, then deletes it.
static enum err discard(const char *parent, uint64_t steps) {
  char *name = text_of("%s/" STEP_FORMAT, parent, steps);
  char *aside = text_of("%s/.tmp-old-" STEP_FORMAT, parent, steps);
  enum err err = ERR_OK;
  if (rename(name, aside) != 0) {
    err = errno == ENOENT ? ERR_OK : fail("rename", name);
  } else {
    err = fsio_remove_tree(aside);
  }
  free(aside);
  free(name);
  return err;
}

static enum err remove_leftovers(const char *parent) {
  struct dirent **entries;
  int n = scandir(parent, &entries, is_leftover, NULL);
  if (n < 0) {
    return fail("list", parent);
  }
  enum err err = ERR_OK;
  for (int i = 0; i < n; i++) {
    if (err == ERR_OK) {
      char *path = run_files_path(parent, entries[i]->d_name);
      err = fsio_remove_tree(path);
      free(path);
    }
    free(entries[i]);
  }
  free(entries);
  return err;
}

// All but the newest keep up to this step.
static enum err remove_old(const char *parent, uint64_t newest, int keep) {
  uint64_t *steps;
  int n, kept = 0;
  enum err err = list_steps(&steps, &n, parent);
  for (int i = 0; i < n && err == ERR_OK; i++) {
    if (steps[i] > newest || kept == keep) {
      err = discard(parent, steps[i]);
    } else {
      kept++;
    }
  }
  free(steps);
  return err;
}

enum err checkpoint_write(const char *run_dir, const struct checkpoint *c, int keep) {
  const uint64_t steps = c->fold->steps;
  CHECK(keep >= 1);
  char *parent = run_files_path(run_dir, "checkpoints");
  char *name = text_of("%s/" STEP_FORMAT, parent, steps);
  char *temporary = text_of("%s/.tmp-" STEP_FORMAT, parent, steps);
  uint64_t digest;
  enum err err;
  if ((err = fsio_mkdirs(parent)) != ERR_OK || (err = fsio_sync_dir(run_dir)) != ERR_OK ||
      (err = remove_leftovers(parent)) != ERR_OK || (err = fsio_mkdirs(temporary)) != ERR_OK) {
    goto out;
  }
  if ((err = tensors_write(temporary, c, &digest)) != ERR_OK ||
      (err = state_write(temporary, c, digest)) != ERR_OK ||
      (err = c->also != NULL ? c->also(c->ctx, temporary) : ERR_OK) != ERR_OK ||
      (err = discard(parent, steps)) != ERR_OK) {
    goto remove;
  }
  if (rename(temporary, name) != 0) {
    err = fail("rename", temporary);
    goto remove;
  }
  err = fsio_sync_dir(parent);
  // the new one is safe: an old one that stays is only disk space
  if (err == ERR_OK && remove_old(parent, steps, keep) != ERR_OK) {
    log_warn("old checkpoints stay in %s; remove them by hand", parent);
  }
  goto out;
remove:
  if (fsio_remove_tree(temporary) != ERR_OK) {
    log_warn("%s stays; the next checkpoint removes it", temporary);
  }
out:
  free(temporary);
  free(name);
  free(parent);
  return err;
}

// ---- reading ----

// One checkpoint. ERR_FORMAT: damaged, not logged yet, *fault says how.
static enum err read_one(struct checkpoint *c, const char *folder, struct fault *fault,
                         enum err (*accept)(void *ctx, const struct checkpoint *c,
                                            struct fault *fault),
                         void *ctx) {
  struct fold fold;
  struct state_tensors tensors;
  struct checkpoint r = *c;
  fold_init(&fold, &c->fold->plan);
  r.fold = &fold;
  enum err err = state_read(&r, &tensors, folder, fault);
  if (err == ERR_OK) {
    err = tensors_read(&r, &tensors, folder, fault);
  }
  if (err == ERR_OK) {
    err = accept(ctx, &r, fault);
  }
  if (err == ERR_OK) {
    fold_swap(c->fold, &fold);
    c->position = r.position;
  }
  fold_release(&fold);
  return err;
}

enum err checkpoint_read(const char *run_dir, struct checkpoint *c, int *found,
                         enum err (*accept)(void *ctx, const struct checkpoint *c,
                                            struct fault *fault),
                         void *ctx) {
  char *parent = run_files_path(run_dir, "checkpoints");
  uint64_t *steps;
  int n;
  *found = 0;
  enum err err = list_steps(&steps, &n, parent);
  for (int i = 0; i < n; i++) {
    char *folder = text_of("%s/" STEP_FORMAT, parent, steps[i]);
    struct fault fault;
    err = read_one(c, folder, &fault, accept, ctx);
    if (err == ERR_FORMAT) {
      log_warn("%s is damaged: %s; %s", folder, fault.text,
               i + 1 < n ? "using the one before it" : "there is none before it");
    }
    free(folder);
    if (err != ERR_FORMAT) {
      *found = err == ERR_OK;
      break;
    }
  }
  if (err == ERR_FORMAT) {
    log_error(
        "no checkpoint in %s is whole; restore one from a copy, or start over in another "
        "folder",
        parent);
  }
  free(steps);
  free(parent);
  return err;
}

enum err checkpoint_oldest_needed(const char *run_dir, struct segment_position *out) {
  char *parent = run_files_path(run_dir, "checkpoints");
  uint64_t *steps;
  int n;
  bool any = false;
  enum err err = list_steps(&steps, &n, parent);
  for (int i = 0; i < n; i++) {
    // a damaged one needs nothing: resuming will name it
    char *folder = text_of("%s/" STEP_FORMAT, parent, steps[i]);
    struct fault fault;
    struct segment_position position;
    if (state_read_position(&position, folder, &fault) == ERR_OK &&
        (!any || position.first < out->first)) {
      *out = position;
      any = true;
    }
    free(folder);
  }
  if (err == ERR_OK && !any) {
    log_error("no checkpoint in %s can be read; keep a copy of its replay folder", parent);
    err = ERR_FORMAT;
  }
  free(steps);
  free(parent);
  return err;
}
