// rundir.c - a run's folder is made in an order that a crash cannot confuse: lock, config.yaml,
// and manifest.json last; only a folder with a manifest counts as a run.
#include "learner/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/config/metrics.h"
#include "common/run_files.h"
#include "learner/checkpoint.h"
#include "learner/nn/gemm.h"

enum { MAX_SMALL_FILE = 1 << 20, LOCK_TRIES = 20, LOCK_PAUSE_MS = 100 };

static enum err open_append(int *fd, const char *dir, const char *name) {
  char *path = run_files_path(dir, name);
  enum err err = ERR_OK;
  *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (*fd < 0) {
    log_error("cannot open %s: %s; give a folder that can be written with --run", path,
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
    log_error("%s is in use by another learner; stop it, or give another folder with --run",
              r->path);
    return ERR_UNAVAILABLE;
  }
  return ERR_OK;
}

static enum err write_manifest(const struct rundir *r, const struct task *task,
                               const char *command) {
  char run[17], digest[17], created[32], zmq[32];
  snprintf(run, sizeof run, "%016" PRIx64, r->run);
  snprintf(digest, sizeof digest, "%016" PRIx64, task->digest);
  const time_t now = time(NULL);
  struct tm tm;
  strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
  int major, minor, patch;
  zmq_version(&major, &minor, &patch);
  snprintf(zmq, sizeof zmq, "%d.%d.%d", major, minor, patch);
  json_t *root =
      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "run", run, "task",
                task->name, "task_digest", digest, "created", created, "command", command, "telos",
                TELOS_VERSION, "mujoco", mj_versionString(), "libzmq", zmq, "libuv",
                uv_version_string(), "blas", gemm_kernel(), "cpu", cpu_model());
  // arguments that are not UTF-8 cannot stand in JSON
  if (root == NULL) {
    log_error("the command line or task name is not UTF-8 text; rename the task or the run");
    return ERR_CONFIG;
  }
  char *text = json_dumps(root, JSON_INDENT(2));
  CHECK(text != NULL);
  char *path = run_files_path(r->path, "manifest.json");
  const enum err err = fsio_write_atomic(path, text, strlen(text));
  free(path);
  free(text);
  json_decref(root);
  return err;
}

static enum err read_manifest(struct rundir *r, const struct task *task) {
  char *path = run_files_path(r->path, "manifest.json");
  void *text = NULL;
  size_t n;
  json_t *root = NULL;
  enum err err = fsio_read(&text, &n, path, MAX_SMALL_FILE);
  if (err != ERR_OK) {
    goto out;
  }
  const char *run = NULL, *digest = NULL, *name = NULL;
  root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
  if (root == NULL || json_unpack(root, "{s:s, s:s, s:s}", "run", &run, "task_digest", &digest,
                                  "task", &name) != 0) {
    log_error("%s is damaged; restore it, or start anew in another folder", path);
    err = ERR_FORMAT;
    goto out;
  }
  r->run = strtoull(run, NULL, 16);
  if (strtoull(digest, NULL, 16) != task->digest) {
    log_error("%s is a run of task %s with digest %s, but task %s now has digest %016" PRIx64
              "; give the same task and MuJoCo version, or another run name",
              r->path, name, digest, task->name, task->digest);
    err = ERR_CONFIG;
  }
out:
  json_decref(root);
  free(text);
  free(path);
  return err;
}

// settings that may not change while a run lives
static enum err check_config(const struct rundir *r, const struct config *cfg) {
  struct config saved;
  config_defaults(&saved);
  char *path = run_files_path(r->path, "config.yaml");
  enum err err = config_read_file(&saved, path);
  free(path);
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

static enum err write_config(const struct rundir *r, const struct config *cfg) {
  char *text = config_dump(cfg);
  char *path = run_files_path(r->path, "config.yaml");
  const enum err err = fsio_write_atomic(path, text, strlen(text));
  free(path);
  free(text);
  return err;
}

static enum err start_progress(struct rundir *r) {
  const enum err err = open_append(&r->progress_fd, r->path, "progress.csv");
  if (err != ERR_OK || lseek(r->progress_fd, 0, SEEK_END) > 0) {
    return err;
  }
  char header[2048];
  size_t n = metrics_csv_header(header, sizeof header - 1);
  header[n++] = '\n';
  return fsio_write_all(r->progress_fd, header, n, "progress.csv");
}

enum err rundir_open(struct rundir *r, const char *path, enum resume resume,
                     const struct config *cfg, const struct task *task, const char *command) {
  *r = (struct rundir){.path = must_strdup(path), .lock_fd = -1, .log_fd = -1, .progress_fd = -1};
  const bool exists = run_files_exist(path);
  enum err err = ERR_CONFIG;
  if (resume == RESUME_MUST && !exists) {
    log_error("--resume must: there is no run in %s; check the name, or use --resume auto", path);
    goto fail;
  }
  if (resume == RESUME_NEVER && exists) {
    log_error("--resume never: %s already holds a run; give another name, or use --resume auto",
              path);
    goto fail;
  }
  err = fsio_mkdirs(path);
  if (err != ERR_OK || (err = take_lock(r)) != ERR_OK) {
    goto fail;
  }
  r->fresh = !exists;
  if (exists) {
    err = read_manifest(r, task);
    if (err != ERR_OK || (err = check_config(r, cfg)) != ERR_OK) {
      goto fail;
    }
  } else {
    CHECK(getrandom(&r->run, sizeof r->run, 0) == (ssize_t)sizeof r->run);
  }
  err = write_config(r, cfg);
  if (err == ERR_OK && r->fresh) {
    err = write_manifest(r, task, command);
  }
  if (err == ERR_OK) {
    err = open_append(&r->log_fd, r->path, "log.txt");
  }
  if (err == ERR_OK) {
    err = start_progress(r);
  }
  if (err != ERR_OK) {
    goto fail;
  }
  log_set_file(r->log_fd);
  return ERR_OK;
fail:
  rundir_close(r);
  return err;
}

void rundir_close(struct rundir *r) {
  log_set_file(-1);
  const int fds[] = {r->log_fd, r->progress_fd, r->lock_fd};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    if (fds[i] >= 0) {
      close(fds[i]);
    }
  }
  free(r->path);
  *r = (struct rundir){.lock_fd = -1, .log_fd = -1, .progress_fd = -1};
}
