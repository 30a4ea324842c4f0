// acting.c - a run, a policy file or a task, and what acts there in place of the policy.
#include "deploy/play/acting.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "actor/script.h"
#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/task/task.h"
#include "deploy/play/play_args.h"

// A run's folder or a policy file; all else is a task. A folder in our way, without a policy in it,
// may share its name with a bundled task.
static bool names_policy(const char *what) {
  struct stat st;
  if (stat(what, &st) != 0) {
    const size_t n = strlen(what);
    return n > 12 && strcmp(what + n - 12, ".safetensors") == 0;
  }
  if (!S_ISDIR(st.st_mode)) {
    const size_t n = strlen(what);
    return n < 4 || strcmp(what + n - 4, ".xml") != 0;
  }
  char path[4200];
  snprintf(path, sizeof path, "%.4096s/policy.safetensors", what);
  return strchr(what, '/') != NULL || fsio_exists(path);
}

static enum err parse_goal(struct acting *c, const char *text) {
  const int n = c->source.task->goal;
  c->goal = must_alloc((size_t)n + 1, sizeof *c->goal);
  const char *p = text;
  int i = 0;
  for (size_t length; i < n; i++, p += length + 1) {
    double x;
    length = strcspn(p, ",");
    if (!number_parse_part(&x, p, length) || !(fabs(x) <= 1e9) ||
        p[length] != (i + 1 < n ? ',' : '\0')) {
      break;
    }
    c->goal[i] = (float)x;
  }
  if (n == 0 || i < n) {
    log_error("--goal %s: task %s has goals of %d numbers; expected so many, with commas between",
              text, c->source.task->name, n);
    return ERR_USAGE;
  }
  return ERR_OK;
}

enum err acting_open(struct acting *c, const struct play_args *a) {
  const char *policy = a->script != NULL ? "script" : a->policy;
  const bool run = names_policy(a->what);
  c->by = policy == NULL                  ? (run ? ACTING_BY_POLICY : ACTING_BY_RANDOM)
          : strcmp(policy, "random") == 0 ? ACTING_BY_RANDOM
          : strcmp(policy, "zero") == 0   ? ACTING_BY_ZERO
          : strcmp(policy, "script") == 0 ? ACTING_BY_SCRIPT
                                          : ACTING_BY_POLICY;
  enum err err;
  if (run) {
    err = policy_source_open(&c->source, a->what, a->task, a->checkpoint);
  } else if (a->task != NULL) {
    log_error("%s is a task already; --task goes with a run or a policy file", a->what);
    err = ERR_USAGE;
  } else if (a->checkpoint != NULL) {
    log_error("%s is a task; --checkpoint goes with a run", a->what);
    err = ERR_USAGE;
  } else if (c->by != ACTING_BY_POLICY) {
    err = task_load(&c->source.task, a->what);
  } else {
    err = policy_source_open(&c->source, policy, a->what, NULL);
  }
  // another policy on the task of a run
  if (err == ERR_OK && run && policy != NULL && c->by == ACTING_BY_POLICY) {
    struct policy_source other;
    err =
        policy_source_open(&other, policy, a->task != NULL ? a->task : c->source.task->name, NULL);
    policy_source_release(&c->source);
    c->source = other;
  }
  if (err == ERR_OK && c->by == ACTING_BY_SCRIPT) {
    err = script_read(&c->script, a->script, c->source.task->act);
  }
  if (err == ERR_OK && a->goal != NULL) {
    err = parse_goal(c, a->goal);
  }
  c->seed = a->has_seed ? a->seed : c->source.seed;
  return err;
}

void acting_release(struct acting *c) {
  policy_source_release(&c->source);
  script_free(c->script);
  free(c->goal);
}
