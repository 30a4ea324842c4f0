// rundir.c - a run's folder is made in an order that a crash cannot confuse: lock, config.yaml,
// the task, then manifest.json, and all else after that.
//
// So config.yaml alone is a start that was cut short: its settings are taken over, and the start is
// made again. Any other part of a run is a copy that was torn, or a loss: somebody wants it back,
// so it is left as it is. The diary (log.txt, progress.csv) says nothing.
#include "learner/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "learner/checked.h"
#include "learner/checkpoint.h"
#include "learner/manifest.h"
#include "learner/nn/gemm.h"

enum { MAX_CONFIG = 1 << 20, LOCK_TRIES = 20, LOCK_PAUSE_MS = 100 };

static const size_t MAX_TASK = (size_t)1 << 32;  // bytes of task.mjb

static enum err open_append(int *fd, const char *dir, const char *name) {
  char *path = run_files_path(dir, name);
  enum err err = ERR_OK;
  *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (*fd < 0) {
    log_error("cannot open %s: %s; give the run a folder that can be written", path,
              strerror(errno));
    err = ERR_IO;
  }
  free(path);
  return err;
}

static enum err take_lock(struct rundir *r) {
  const enum err err = open_append(&r->lock_fd, r->path, "run.lock");
  if (err != ERR_OK) {
    return err;
  }
  // a learner that was killed keeps its lock until its last thread is gone
  const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
  bool locked = flock(r->lock_fd, LOCK_EX | LOCK_NB) == 0;
  for (int i = 0; i < LOCK_TRIES && !locked; i++) {
    nanosleep(&pause, NULL);
    locked = flock(r->lock_fd, LOCK_EX | LOCK_NB) == 0;
  }
  if (!locked) {
    log_error("%s is in use by another learner; stop it, or give another run name", r->path);
    return ERR_UNAVAILABLE;
  }
  return ERR_OK;
}

// ---- what a folder holds ----

// what makes a folder more than a diary; what a start writes first stands first. Videos are not
// among them: no start writes over one
static const char *const PARTS[] = {"config.yaml", "manifest.json",      "checkpoints",
                                    "replay",      "policy.safetensors", "best"};
enum { CONFIG, MANIFEST, NPART = sizeof PARTS / sizeof *PARTS };

// A file, or a folder with anything in it.
static bool is_there(const char *run, const char *name) {
  char *path = run_files_path(run, name);
  bool there = fsio_exists(path);
  DIR *dir = opendir(path);
  if (dir != NULL) {
    there = false;
    for (struct dirent *entry; !there && (entry = readdir(dir)) != NULL;) {
      there = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(dir);
  }
  free(path);
  return there;
}

enum err rundir_refuse(const char *path, const char *missing) {
  char has[256] = "";
  size_t used = 0;
  for (int i = 0; i < NPART; i++) {
    if (is_there(path, PARTS[i])) {
      used +=
          (size_t)snprintf(has + used, sizeof has - used, "%s%s", used > 0 ? ", " : "", PARTS[i]);
    }
  }
  log_error(
      "%s lacks %s, but has %s; restore what is missing from a copy, or give another run name",
      path, missing, has);
  return ERR_CONFIG;
}

enum content { NOTHING, START, RUN };

// ERR_CONFIG: a part of a run.
static enum err look_into(enum content *content, const char *path) {
  bool there[NPART], more = false;
  for (int i = 0; i < NPART; i++) {
    there[i] = is_there(path, PARTS[i]);
    more = more || (there[i] && i > CONFIG);
  }
  if (there[CONFIG] && there[MANIFEST]) {
    *content = RUN;
  } else if (!more) {
    *content = there[CONFIG] ? START : NOTHING;
  } else {
    return rundir_refuse(path, there[CONFIG]     ? "manifest.json"
                               : there[MANIFEST] ? "config.yaml"
                                                 : "config.yaml and manifest.json");
  }
  return ERR_OK;
}

// ---- manifest.json and config.yaml ----

static enum err check_manifest(struct rundir *r, const struct task *task) {
  struct manifest m;
  const enum err err = manifest_read(&m, r->path);
  if (err != ERR_OK) {
    return err;
  }
  r->run = m.run;
  // a policy is only written behind a checkpoint
  r->saved = m.saved || is_there(r->path, "policy.safetensors");
  if (m.task_digest != task->digest) {
    log_error("%s is a run of task %s with digest %016" PRIx64
              ", but task %s now has digest %016" PRIx64
              "; give the same task and MuJoCo version, or another run name",
              r->path, m.task, m.task_digest, task->name, task->digest);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

static enum err read_settings(struct config *cfg, const char *run) {
  char *path = run_files_path(run, "config.yaml"), *text;
  size_t n;
  enum err err;
  const char *fault = checked_read(&text, &n, path, CHECKED_YAML, MAX_CONFIG);
  if (fault != NULL) {
    log_error("%s %s; restore it from a copy, or give another run name", path, fault);
    err = ERR_FORMAT;
  } else {
    err = config_read_yaml(cfg, text, n, path);
    free(text);
  }
  free(path);
  return err;
}

enum err rundir_settings(struct config *cfg, const char *path) {
  enum content content;
  struct manifest m;
  enum err err = look_into(&content, path);
  // another format is told by the manifest, whatever the settings look like
  if (err == ERR_OK && content == RUN) {
    err = manifest_read(&m, path);
  }
  return err == ERR_OK && content != NOTHING ? read_settings(cfg, path) : err;
}

// settings that may not change while a run lives
static enum err check_settings(const struct rundir *r, const struct config *cfg) {
  struct config saved;
  config_defaults(&saved);
  enum err err = read_settings(&saved, r->path);
  if (err != ERR_OK) {
    return err;
  }
  char *diff = config_diff(&saved, cfg, true);
  if (diff[0] != '\0') {
    for (char *save, *line = strtok_r(diff, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
      log_error("%s: %s cannot change in a run; keep it, or give another run name", r->path, line);
    }
    err = ERR_CONFIG;
  }
  free(diff);
  // a run is as long as it is; its last episode may end beyond run.steps
  const uint64_t done = checkpoint_newest_steps(r->path);
  if (err == ERR_OK && cfg->run_steps < saved.run_steps && done > (uint64_t)cfg->run_steps) {
    log_error("%s: run.steps = %" PRId64 " is less than the %" PRIu64
              " steps that are done; give at least these, or another run name",
              r->path, cfg->run_steps, done);
    err = ERR_CONFIG;
  }
  return err;
}

enum err rundir_keep_settings(const struct rundir *r, const struct config *cfg) {
  char *text = config_dump(cfg);
  char *path = run_files_path(r->path, "config.yaml");
  const enum err err = checked_write(path, CHECKED_YAML, text);
  free(path);
  free(text);
  return err;
}

// ---- life ----

// Is there a run to resume, and may it be?
static enum err check_resume(enum content *content, const char *path, enum resume resume) {
  const enum err err = look_into(content, path);
  if (err != ERR_OK) {
    return err;
  }
  if (resume == RESUME_MUST && *content != RUN) {
    log_error("--resume must: there is no run in %s; check the name, or use --resume auto", path);
    return ERR_CONFIG;
  }
  if (resume == RESUME_NEVER && *content == RUN) {
    log_error("--resume never: %s already holds a run; give another name, or use --resume auto",
              path);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

// Writes the compiled task, unless it is there.
static enum err keep_task(const char *run, const struct task *task) {
  char *path = run_files_path(run, TASK_FILE);
  void *bytes = NULL;
  size_t n = 0;
  enum err err = ERR_OK;
  const bool same = fsio_exists(path) && fsio_read(&bytes, &n, path, MAX_TASK) == ERR_OK &&
                    n == task->mjb_size && memcmp(bytes, task->mjb, n) == 0;
  if (!same) {
    err = fsio_write_atomic(path, task->mjb, task->mjb_size);
  }
  free(bytes);
  free(path);
  return err;
}

// The files that a start writes, or the checks of a run that goes on.
static enum err begin(struct rundir *r, enum content content, const struct config *cfg,
                      const struct task *task, const char *command) {
  enum err err = ERR_OK;
  if (content == RUN) {
    err = check_manifest(r, task);
    if (err == ERR_OK) {
      err = check_settings(r, cfg);
    }
    return err == ERR_OK ? keep_task(r->path, task) : err;
  }
  if (content == START) {
    // what is about to be replaced has to be ours, and whole
    struct config begun;
    config_defaults(&begun);
    err = read_settings(&begun, r->path);
  }
  r->fresh = true;
  CHECK(getrandom(&r->run, sizeof r->run, 0) == (ssize_t)sizeof r->run);
  if (err == ERR_OK) {
    err = rundir_keep_settings(r, cfg);
  }
  if (err == ERR_OK) {
    err = keep_task(r->path, task);
  }
  return err == ERR_OK ? manifest_write(r->path, r->run, task, command) : err;
}

// A run goes on wherever it can be computed, but another library, version or kernel rounds
// otherwise. One that has nothing saved begins anew, with what there is.
static enum err compare_products(const struct rundir *r) {
  struct manifest m;
  const enum err err = manifest_read(&m, r->path);
  if (err != ERR_OK || strcmp(m.products, gemm_kernel()) == 0) {
    return err;
  }
  if (!r->saved && !is_there(r->path, "checkpoints")) {
    return manifest_set_products(r->path);
  }
  log_warn(
      "%s was begun with matrix products by %s, now they are by %s: the result will not be the "
      "same bits; for these give net.backend=%s, with that version and CPU type",
      r->path, m.products, gemm_kernel(),
      strstr(m.products, "oneDNN") != NULL ? "onednn" : "openblas");
  return ERR_OK;
}

enum err rundir_open(struct rundir *r, const char *path, enum resume resume,
                     const struct config *cfg, const struct task *task, const char *command) {
  *r = (struct rundir){.path = must_strdup(path), .lock_fd = -1, .log_fd = -1};
  enum content content;
  struct config saved;
  config_defaults(&saved);
  // twice: nothing is made in a folder that is refused, and only the lock's holder can be sure
  enum err err = check_resume(&content, path, resume);
  if (err != ERR_OK || (err = rundir_settings(&saved, path)) != ERR_OK ||
      (err = fsio_mkdirs(path)) != ERR_OK || (err = take_lock(r)) != ERR_OK ||
      (err = check_resume(&content, path, resume)) != ERR_OK ||
      (err = begin(r, content, cfg, task, command)) != ERR_OK ||
      (err = open_append(&r->log_fd, r->path, "log.txt")) != ERR_OK) {
    rundir_close(r);
    return err;
  }
  log_set_file(r->log_fd);
  // now that the line stands in log.txt, too
  err = compare_products(r);
  if (err != ERR_OK) {
    rundir_close(r);
  }
  return err;
}

void rundir_close(struct rundir *r) {
  log_set_file(-1);
  const int fds[] = {r->log_fd, r->lock_fd};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    if (fds[i] >= 0) {
      close(fds[i]);
    }
  }
  free(r->path);
  *r = (struct rundir){.lock_fd = -1, .log_fd = -1};
}
