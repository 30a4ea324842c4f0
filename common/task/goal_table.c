// goal_table.c - draws a table of reachable goals, or finds it in the cache.
//
// A cache file is the table and its XXH3-64, named by the digest of what it is a function of. A
// damaged one fails the digest and is drawn again.
#include "common/task/goal_table.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/mj.h"
#include "common/task/task.h"

enum {
  MAX_ATTEMPTS = 100,
  MAX_PATH = 4096,
  DRAWN_BY = 1,  // part of a cache file's name: one more when the same model gets other rows
};

struct drawing {
  struct task task;  // as it is, but for the rules of its goals
  float *table;
  struct env *env;
  float *act, *scratch;
  enum err err;
};

// One row; unstable rollouts are drawn again from later in the stream.
static enum err draw_row(struct drawing *d, float *row, struct rng *rng) {
  const struct task *task = &d->task;
  for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    enum err err = env_reset(d->env, row, rng);
    const int steps = 1 + (int)rng_below(rng, (uint32_t)task->target.table_steps);
    struct env_step step;
    for (int t = 0; t < steps && err == ERR_OK; t++) {
      rng_fill_uniform(rng, d->act, (size_t)task->act, -1.0f, 1.0f);
      err = env_step(d->env, d->act, rng, &step);
    }
    env_observe(d->env, d->scratch, row);
    bool finite = true;
    for (int i = 0; i < task->goal; i++) {
      finite = finite && isfinite(row[i]);
    }
    if (err == ERR_OK && finite) {
      return ERR_OK;
    }
  }
  return ERR_NUMERIC;
}

static void call_draw(void *ctx) {
  struct drawing *d = ctx;
  d->env = env_new(&d->task);
  for (int r = 0; r < d->task.target.table_rows && d->err == ERR_OK; r++) {
    struct rng rng;
    rng_init(&rng, d->task.target.table_seed, RNG_TABLE, (uint64_t)r);
    d->err = draw_row(d, d->table + (size_t)r * (size_t)d->task.goal, &rng);
  }
}

static enum err draw(float *table, const struct task *task, const char *label) {
  struct drawing d = {.task = *task, .table = table};
  // the goals of these rollouts are nobody's: a table still empty must not make a rule reject them
  d.task.target.base = TASK_GOAL_PLAIN;
  d.task.target.hole_low = d.task.target.hole_high = NULL;
  d.task.target.napart = 0;
  d.task.target.min_distance = 0;
  d.act = must_alloc((size_t)task->act, sizeof *d.act);
  d.scratch = must_alloc((size_t)task->obs, sizeof *d.scratch);
  char text[512];
  if (!mj_try(call_draw, &d, text, sizeof text)) {
    log_error("task %s: MuJoCo cannot simulate the rollouts of the goal table: %s", label, text);
    d.err = ERR_NUMERIC;
  } else if (d.err != ERR_OK) {
    log_error(
        "task %s: the goal table cannot be drawn: random rollouts are unstable, or every "
        "reset is rejected; expected a smaller timestep, or looser reset rules",
        label);
  }
  free(d.scratch);
  free(d.act);
  env_free(d.env);
  return d.err;
}

// ---- the cache ----

// the file for this key into path; false when there is no home for it
static bool cache_path(char *path, uint64_t key) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int n = -1;
  if (cache && cache[0] == '/') {
    n = snprintf(path, MAX_PATH, "%s/telos/goals-%016llx", cache, (unsigned long long)key);
  } else if (home && home[0] == '/') {
    n = snprintf(path, MAX_PATH, "%s/.cache/telos/goals-%016llx", home[1] ? home : "",
                 (unsigned long long)key);
  }
  return n > 0 && n < MAX_PATH - 32;
}

// A cache is a convenience: nothing about it is an error, so its files are read and written here
// rather than by fsio, which logs what fails.
static bool read_whole(void *data, size_t n, const char *path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t done = 0;
  for (ssize_t k = 1; fd >= 0 && k > 0 && done < n;) {
    k = read(fd, (char *)data + done, n - done);
    done += k > 0 ? (size_t)k : 0;
  }
  if (fd >= 0) {
    close(fd);
  }
  return done == n;
}

static bool cache_read(float *table, size_t bytes, const char *path) {
  uint64_t digest;
  char *data = must_alloc(1, bytes + sizeof digest);
  bool good = read_whole(data, bytes + sizeof digest, path);
  if (good) {
    memcpy(&digest, data + bytes, sizeof digest);
    good = digest == XXH3_64bits(data, bytes);
  }
  if (good) {
    memcpy(table, data, bytes);
  }
  free(data);
  return good;
}

// The folders above path, as far as they can be made: why one cannot, or 0.
static int make_folders(const char *path) {
  char folder[MAX_PATH];
  int reason = 0;
  for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (mkdir(folder, 0777) != 0 && errno != EEXIST && reason == 0) {
      reason = errno;
    }
  }
  return reason;
}

static bool write_whole(const char *path, const void *data, size_t n) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  size_t done = 0;
  for (ssize_t k = 1; fd >= 0 && k > 0 && done < n;) {
    k = write(fd, (const char *)data + done, n - done);
    done += k > 0 ? (size_t)k : 0;
  }
  return fd >= 0 && close(fd) == 0 && done == n;
}

// Several processes may do this at once: each has a name of its own until the rename.
static void cache_write(const float *table, size_t bytes, const char *path) {
  const uint64_t digest = XXH3_64bits(table, bytes);
  char *data = must_alloc(1, bytes + sizeof digest);
  memcpy(data, table, bytes);
  memcpy(data + bytes, &digest, sizeof digest);
  char own[MAX_PATH];
  snprintf(own, sizeof own, "%.4000s.%ld", path, (long)getpid());
  const int no_folder = make_folders(path);
  if (!write_whole(own, data, bytes + sizeof digest) || rename(own, path) != 0) {
    const int reason = no_folder ? no_folder : errno;
    unlink(own);
    log_warn(
        "the goal table is not kept in %s: %s; it is drawn again the next time, unless "
        "XDG_CACHE_HOME names a folder that can be written",
        path, strerror(reason));
  }
  free(data);
}

enum err goal_table_fill(struct task *task, const void *key, size_t n, const char *label) {
  const size_t bytes = (size_t)task->target.table_rows * (size_t)task->goal * sizeof(float);
  const uint64_t digest = XXH3_64bits_withSeed(key, n, (uint64_t)mj_version() << 8 | DRAWN_BY);
  // where task->target.table points, which is in our own model
  float *table = task->model->hfield_data + (task->target.table - task->model->hfield_data);
  char path[MAX_PATH];
  const bool cached = cache_path(path, digest);
  if (cached && cache_read(table, bytes, path)) {
    return ERR_OK;
  }
  const enum err err = draw(table, task, label);
  if (err == ERR_OK && cached) {
    cache_write(table, bytes, path);
  }
  return err;
}
