// given.c - two files, each by the same steps: find it, read it, compare its digest, keep a copy.
#include "learner/given.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/demos.h"
#include "common/run_files.h"
#include "common/task/task.h"

enum { MAX_POLICY = 1 << 30 };

// one of the files, for messages
struct kind {
  const char *setting, *option, *file;
};

static const struct kind DEMOS = {"demos.digest", "--demos FILE", DEMOS_FILE};
static const struct kind START = {"start.policy", "--from RUN", START_FILE};

// The path to read, must_alloc'd, or NULL: nothing is given. ERR_CONFIG (logged): it should be.
static enum err find(char **path, const struct kind *kind, const char *given, const char *run,
                     bool wanted, const char *digest) {
  *path = NULL;
  if (given != NULL) {
    *path = must_strdup(given);
  } else if (wanted) {
    *path = run_files_path(run, kind->file);
    if (!fsio_exists(*path)) {
      log_error("%s=%s, but there is no %s; give the file with %s", kind->setting, digest, *path,
                kind->option);
      return ERR_CONFIG;
    }
  }
  return ERR_OK;
}

// The setting becomes the digest of a file that was given; one of the run's own has to have it.
static enum err compare(const struct kind *kind, char *setting, size_t n, const char *digest,
                        const char *path, bool given) {
  if (!given && strcmp(setting, digest) != 0) {
    log_error("%s is not the file that the run began with (%s=%s); restore it from a copy", path,
              kind->setting, setting);
    return ERR_FORMAT;
  }
  snprintf(setting, n, "%s", digest);
  return ERR_OK;
}

static enum err load_demos(struct given *g, struct config *cfg, const struct given_paths *paths,
                           const struct task *task, const struct dims *dims) {
  char *path;
  enum err err =
      find(&path, &DEMOS, paths->demos, paths->run, config_has_demos(cfg), cfg->demos_digest);
  if (err == ERR_OK && path != NULL) {
    err = demos_read(&g->demos, path, dims, task->digest);
    if (err == ERR_OK) {
      err = compare(&DEMOS, cfg->demos_digest, sizeof cfg->demos_digest, g->demos->digest, path,
                    paths->demos != NULL);
    }
    if (err == ERR_OK) {
      log_info("%d demonstrations of %" PRId64 " steps", g->demos->n, g->demos->steps);
    }
  }
  free(path);
  return err;
}

// ---- the policy ----

// a run's folder stands for its policy
static void enter_folder(char **path) {
  struct stat st;
  if (stat(*path, &st) == 0 && S_ISDIR(st.st_mode)) {
    char *file = run_files_path(*path, "policy.safetensors");
    free(*path);
    *path = file;
  }
}

static enum err check_layers(const struct given *g, const struct config *cfg,
                             const struct dims *dims) {
  const struct policy_file *p = &g->start;
  const struct weights *w = p->weights;
  if (p->obs != dims->obs || p->goal != dims->goal || p->act != dims->act) {
    log_error("%s is for obs %d, goal %d, act %d; the task has %d, %d, %d", g->start_path, p->obs,
              p->goal, p->act, dims->obs, dims->goal, dims->act);
    return ERR_CONFIG;
  }
  int width[CONFIG_WIDTHS + 2];
  const int n = config_layers(width, dims->obs + dims->goal, &cfg->net_hidden, 2 * dims->act);
  if (n != w->nlayer || memcmp(width, w->width, sizeof *width * ((size_t)n + 1)) != 0) {
    char hidden[128] = "";
    size_t used = 0;
    for (int l = 1; l < w->nlayer && used < sizeof hidden; l++) {
      used += (size_t)snprintf(hidden + used, sizeof hidden - used, "%s%d", l > 1 ? "," : "",
                               w->width[l]);
    }
    log_error("%s has other layers than the run; give net.hidden=%s", g->start_path, hidden);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

static enum err load_start(struct given *g, struct config *cfg, const struct given_paths *paths,
                           const struct dims *dims) {
  enum err err = find(&g->start_path, &START, paths->from, paths->run, config_has_start(cfg),
                      cfg->start_policy);
  if (err != ERR_OK || g->start_path == NULL) {
    return err;
  }
  enter_folder(&g->start_path);
  if ((err = policy_file_read(&g->start, g->start_path)) != ERR_OK ||
      (err = check_layers(g, cfg, dims)) != ERR_OK) {
    return err;
  }
  char digest[17];
  snprintf(digest, sizeof digest, "%016" PRIx64, g->start.weights->digest);
  return compare(&START, cfg->start_policy, sizeof cfg->start_policy, digest, g->start_path,
                 paths->from != NULL);
}

// ---- both ----

enum err given_load(struct given *g, struct config *cfg, const struct given_paths *paths,
                    const struct task *task, const struct dims *dims) {
  *g = (struct given){0};
  const enum err err = load_demos(g, cfg, paths, task, dims);
  return err == ERR_OK ? load_start(g, cfg, paths, dims) : err;
}

void given_release(struct given *g) {
  demos_free(g->demos);
  policy_file_release(&g->start);
  free(g->start_path);
  *g = (struct given){0};
}

static enum err copy_to(const char *run, const char *name, const void *bytes, size_t n) {
  char *path = run_files_path(run, name);
  const enum err err = fsio_write_atomic(path, bytes, n);
  free(path);
  return err;
}

enum err given_keep(const struct given *g, const struct given_paths *paths) {
  enum err err = ERR_OK;
  if (paths->demos != NULL) {
    err = copy_to(paths->run, DEMOS_FILE, g->demos->bytes, g->demos->nbytes);
  }
  if (err == ERR_OK && paths->from != NULL) {
    void *bytes;
    size_t n;
    err = fsio_read(&bytes, &n, g->start_path, MAX_POLICY);
    if (err == ERR_OK) {
      err = copy_to(paths->run, START_FILE, bytes, n);
      free(bytes);
    }
  }
  return err;
}
