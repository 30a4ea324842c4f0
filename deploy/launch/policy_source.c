// policy_source.c - a run's folder stands for the policy in it and its settings.
#include "deploy/launch/policy_source.h"

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/config/config.h"
#include "common/run_files.h"

static const size_t MAX_MJB = (size_t)1 << 32;

// "group.name=value", and no file
static bool is_setting(const char *word) {
  const char *equals = strchr(word, '=');
  return equals != NULL && memchr(word, '/', (size_t)(equals - word)) == NULL && !fsio_exists(word);
}

static enum err refuse_setting(const char *word, const char *verb) {
  static const char *const same[][2] = {{"run.seed=", "--seed"}, {"eval.episodes=", "--episodes"}};
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    const size_t n = strlen(same[i][0]);
    if (strncmp(word, same[i][0], n) == 0) {
      log_error("%s: a run keeps its settings; for other episodes give %s %s (%s --help)", word,
                same[i][1], word + n, verb);
      return ERR_USAGE;
    }
  }
  log_error("%s: a run keeps its settings; see %s --help for what can be chosen", word, verb);
  return ERR_USAGE;
}

enum err policy_source_operand(const char **what, char *const *words, int n, const char *verb,
                               const char *things) {
  for (int i = 0; i < n; i++) {
    if (is_setting(words[i])) {
      return refuse_setting(words[i], verb);
    }
  }
  if (n == 0) {
    log_error("which %s? %s runs/box2d/NAME (%s --help)", things, verb, verb);
    return ERR_USAGE;
  }
  if (n > 1) {
    log_error("%s: one %s at a time; see %s --help", words[1], things, verb);
    return ERR_USAGE;
  }
  *what = words[0];
  return ERR_OK;
}

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// ---- which policy of a run ----

static int is_step(const struct dirent *entry) {
  return strncmp(entry->d_name, "step_", 5) == 0;
}

static enum err refuse_step(const char *run, const char *checkpoint) {
  char has[256] = "none", folder[PATH_MAX + 32];
  struct dirent **entries;
  size_t used = 0;
  snprintf(folder, sizeof folder, "%.*s/checkpoints", PATH_MAX, run);
  const int n = scandir(folder, &entries, is_step, alphasort);
  for (int i = 0; i < n; i++) {
    const char *digits = entries[i]->d_name + 5 + strspn(entries[i]->d_name + 5, "0");
    if (used < sizeof has) {
      used += (size_t)snprintf(has + used, sizeof has - used, "%s%s", i > 0 ? ", " : "", digits);
    }
    free(entries[i]);
  }
  if (n >= 0) {
    free(entries);
  }
  log_error("%s has no policy of a checkpoint of %s steps; it has those of %s (checkpoint.keep)",
            run, checkpoint, has);
  return ERR_CONFIG;
}

enum err policy_source_file(char **file, const char *what, const char *checkpoint) {
  char path[PATH_MAX + 96];
  uint64_t steps = 0;
  if (!is_folder(what)) {
    *file = must_strdup(what);
    if (checkpoint != NULL) {
      log_error("--checkpoint %s chooses a policy of a run; %s is none: give the run's folder",
                checkpoint, what);
    }
    return checkpoint == NULL ? ERR_OK : ERR_USAGE;
  }
  const bool best = checkpoint != NULL && strcmp(checkpoint, "best") == 0;
  const bool last = checkpoint == NULL || strcmp(checkpoint, "last") == 0;
  if (best || last) {
    snprintf(path, sizeof path, "%.*s/%s", PATH_MAX, what, best ? BEST_FILE : POLICY_FILE);
  } else if (number_parse_uint(&steps, checkpoint)) {
    snprintf(path, sizeof path, "%.*s/checkpoints/" STEP_FORMAT "/" POLICY_FILE, PATH_MAX, what,
             steps);
  } else {
    log_error("--checkpoint %s: expected best, last, or the steps of a checkpoint", checkpoint);
    return ERR_USAGE;
  }
  *file = must_strdup(path);
  if (best && !fsio_exists(path)) {
    log_error("%s has no best policy: no evaluation has given a score; give --checkpoint last",
              what);
    return ERR_CONFIG;
  }
  return last || fsio_exists(path) ? ERR_OK : refuse_step(what, checkpoint);
}

// ---- its task and settings ----

// whether the run was begun with this MuJoCo, which alone reads its compiled task
static bool has_our_task(const char *run) {
  char *path = run_files_path(run, "manifest.json"), *mjb = run_files_path(run, TASK_FILE);
  json_t *manifest = json_load_file(path, 0, NULL);
  const char *mujoco = json_string_value(json_object_get(manifest, "mujoco"));
  const bool ours = mujoco != NULL && strcmp(mujoco, mj_versionString()) == 0 && fsio_exists(mjb);
  json_decref(manifest);
  free(mjb);
  free(path);
  return ours;
}

static enum err load_kept_task(struct task **out, const char *run) {
  char *path = run_files_path(run, TASK_FILE);
  void *mjb;
  size_t n;
  enum err err = fsio_read(&mjb, &n, path, MAX_MJB);
  if (err == ERR_OK) {
    err = task_from_mjb(out, mjb, n);
    free(mjb);
    if (err != ERR_OK) {
      log_warn("%s is damaged; --task names the task instead", path);
    }
  }
  free(path);
  return err;
}

static enum err load_task(struct policy_source *s, const char *what, const char *task) {
  if (task == NULL && is_folder(what) && has_our_task(what)) {
    return load_kept_task(&s->task, what);
  }
  const char *name = task != NULL ? task : policy_file_meta(&s->policy, "task");
  if (name == NULL) {
    log_error("%s does not name its task; give it with --task", what);
    return ERR_CONFIG;
  }
  return task_load(&s->task, name);
}

// what a run evaluates with; the default for a policy alone, and for a run of another version,
// whose settings may have other names
static enum err read_episodes(struct policy_source *s, const char *what) {
  struct config cfg;
  config_defaults(&cfg);
  enum err err = ERR_OK;
  char path[PATH_MAX + 32];
  snprintf(path, sizeof path, "%.*s/config.yaml", PATH_MAX, what);
  const char *version = policy_file_meta(&s->policy, "telos");
  const bool ours = version != NULL && strcmp(version, TELOS_VERSION) == 0;
  if (is_folder(what) && ours && fsio_exists(path)) {
    err = config_read_file(&cfg, path);
  }
  s->episodes = (int)cfg.eval_episodes;
  return err;
}

static enum err check_task(const struct policy_source *s, const char *what) {
  const struct task *t = s->task;
  const struct policy_file *p = &s->policy;
  if (t->obs != p->obs || t->goal != p->goal || t->act != p->act) {
    log_error(
        "%s is for obs %d, goal %d, act %d; task %s has %d, %d, %d; give the right one with "
        "--task",
        what, p->obs, p->goal, p->act, t->name, t->obs, t->goal, t->act);
    return ERR_CONFIG;
  }
  char digest[17];
  snprintf(digest, sizeof digest, "%016" PRIx64, t->digest);
  const char *trained = policy_file_meta(p, "task_digest");
  if (trained == NULL || strcmp(trained, digest) != 0) {
    log_warn("%s was trained on another version of task %s; figures may differ", what, t->name);
  }
  return ERR_OK;
}

enum err policy_source_open(struct policy_source *s, const char *what, const char *task,
                            const char *checkpoint) {
  *s = (struct policy_source){0};
  enum err err = policy_source_file(&s->path, what, checkpoint);
  if (err != ERR_OK || (err = policy_file_read(&s->policy, s->path)) != ERR_OK ||
      (err = read_episodes(s, what)) != ERR_OK) {
    return err;
  }
  const char *seed = policy_file_meta(&s->policy, "seed");
  if (seed != NULL && !number_parse_uint(&s->seed, seed)) {
    log_error("%s is not a policy of telos: seed is no number in its metadata; export it again",
              what);
    return ERR_FORMAT;
  }
  err = load_task(s, what, task);
  return err == ERR_OK ? check_task(s, what) : err;
}

void policy_source_release(struct policy_source *s) {
  task_free(s->task);
  policy_file_release(&s->policy);
  free(s->path);
}
