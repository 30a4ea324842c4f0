// manifest.c - one JSON object, written whole each time.
#include "learner/manifest.h"

#include <inttypes.h>
#include <jansson.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>
#include <zmq.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "learner/checked.h"
#include "learner/nn/gemm.h"

enum { FORMAT = 2, MAX_BYTES = 1 << 20 };

static const char NAME[] = "manifest.json";

static enum err write_json(const char *run_dir, const json_t *root) {
  char *path = run_files_path(run_dir, NAME);
  const enum err err = checked_write_json(path, root, 2);
  free(path);
  return err;
}

enum err manifest_write(const char *run_dir, uint64_t run, const struct task *task,
                        const char *command) {
  char id[17], digest[17], created[32], zmq[32];
  snprintf(id, sizeof id, "%016" PRIx64, run);
  snprintf(digest, sizeof digest, "%016" PRIx64, task->digest);
  const time_t now = time(NULL);
  struct tm tm;
  strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
  int major, minor, patch;
  zmq_version(&major, &minor, &patch);
  snprintf(zmq, sizeof zmq, "%d.%d.%d", major, minor, patch);
  json_t *root = json_pack("{s:i, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                           "format", FORMAT, "saved", 0, "run", id, "task", task->name,
                           "task_digest", digest, "created", created, "command", command, "telos",
                           TELOS_VERSION, "mujoco", mj_versionString(), "libzmq", zmq, "libuv",
                           uv_version_string(), "blas", gemm_kernel(), "cpu", cpu_model());
  // arguments that are not UTF-8 cannot stand in JSON
  if (root == NULL) {
    log_error("the command line or task name is not UTF-8 text; rename the task or the run");
    return ERR_CONFIG;
  }
  const enum err err = write_json(run_dir, root);
  json_decref(root);
  return err;
}

// The manifests of 0.1.0 were plain JSON, without a format. NULL: the file is none of them.
static json_t *load_plain(const char *path) {
  void *text;
  size_t n;
  if (!fsio_exists(path) || fsio_read(&text, &n, path, MAX_BYTES) != ERR_OK) {
    return NULL;
  }
  json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
  free(text);
  if (json_object_get(root, "run") == NULL || json_object_get(root, "task_digest") == NULL ||
      json_object_get(root, "format") != NULL || json_object_get(root, "xxh3") != NULL) {
    json_decref(root);
    return NULL;
  }
  return root;
}

// The JSON of a folder that we can read; the caller drops *root.
static enum err load(json_t **root, const char *run_dir) {
  char *path = run_files_path(run_dir, NAME);
  json_int_t format = 1;
  enum err err = ERR_OK;
  const char *fault = checked_read_json(root, path, MAX_BYTES);
  if (fault == NULL) {
    format = json_integer_value(json_object_get(*root, "format"));
  } else {
    *root = load_plain(path);
  }
  if (*root == NULL) {
    log_error("%s %s; restore it from a copy, or give another run name", path, fault);
    err = ERR_FORMAT;
  } else if (format != FORMAT) {
    const char *version = json_string_value(json_object_get(*root, "telos"));
    log_error(
        "%s was written by telos %s in format %d, this telos reads format %d; finish it with "
        "the version that wrote it, or give another run name",
        run_dir, version != NULL ? version : "of another version", (int)format, FORMAT);
    json_decref(*root);
    err = ERR_CONFIG;
  }
  free(path);
  return err;
}

enum err manifest_read(struct manifest *m, const char *run_dir) {
  json_t *root;
  const char *run, *digest, *task, *products;
  int saved;
  enum err err = load(&root, run_dir);
  if (err != ERR_OK) {
    return err;
  }
  if (json_unpack(root, "{s:b, s:s, s:s, s:s, s:s}", "saved", &saved, "run", &run, "task_digest",
                  &digest, "task", &task, "blas", &products) != 0) {
    log_error("%s/%s lacks a value; restore it from a copy, or give another run name", run_dir,
              NAME);
    err = ERR_FORMAT;
  } else {
    *m = (struct manifest){.run = strtoull(run, NULL, 16),
                           .task_digest = strtoull(digest, NULL, 16),
                           .saved = saved != 0};
    snprintf(m->task, sizeof m->task, "%s", task);
    snprintf(m->products, sizeof m->products, "%s", products);
  }
  json_decref(root);
  return err;
}

// the file as it was, with these values
static enum err set(const char *run_dir, json_t *values) {
  json_t *root;
  enum err err = load(&root, run_dir);
  if (err == ERR_OK) {
    CHECK(json_object_update(root, values) == 0);
    CHECK(json_object_del(root, "xxh3") == 0);  // of the file as it was
    err = write_json(run_dir, root);
    json_decref(root);
  }
  json_decref(values);
  return err;
}

enum err manifest_set_saved(const char *run_dir) {
  return set(run_dir, json_pack("{s:b}", "saved", 1));
}

enum err manifest_set_products(const char *run_dir) {
  return set(run_dir, json_pack("{s:s, s:s}", "blas", gemm_kernel(), "cpu", cpu_model()));
}
