// policy_source.c - a run's folder stands for the policy in it and its settings.
#include "deploy/launch/policy_source.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/config/config.h"

static enum err find_policy(struct policy_source *s, const char *what) {
  struct config cfg;
  struct stat st;
  enum err err = ERR_OK;
  config_defaults(&cfg);
  char path[PATH_MAX + 32];
  snprintf(path, sizeof path, "%s", what);
  if (stat(what, &st) == 0 && S_ISDIR(st.st_mode)) {
    snprintf(path, sizeof path, "%.*s/config.yaml", PATH_MAX, what);
    if (fsio_exists(path)) {
      err = config_read_file(&cfg, path);
    }
    snprintf(path, sizeof path, "%.*s/policy.safetensors", PATH_MAX, what);
  }
  s->path = must_strdup(path);
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

enum err policy_source_open(struct policy_source *s, const char *what, const char *task) {
  *s = (struct policy_source){0};
  enum err err = find_policy(s, what);
  if (err == ERR_OK) {
    err = policy_file_read(&s->policy, s->path);
  }
  if (err != ERR_OK) {
    return err;
  }
  const char *seed = policy_file_meta(&s->policy, "seed");
  if (seed != NULL && !number_parse_uint(&s->seed, seed)) {
    log_error("%s is not a policy of telos: seed is no number in its metadata; export it again",
              what);
    return ERR_FORMAT;
  }
  const char *name = task != NULL ? task : policy_file_meta(&s->policy, "task");
  if (name == NULL) {
    log_error("%s does not name its task; give it with --task", what);
    return ERR_CONFIG;
  }
  err = task_load(&s->task, name);
  return err == ERR_OK ? check_task(s, what) : err;
}

void policy_source_release(struct policy_source *s) {
  task_free(s->task);
  policy_file_release(&s->policy);
  free(s->path);
}
