// sweep_file.c - a plan from a YAML file.
//
//   tasks:                      a task's name, TASK:STEPS, or
//     - {task: box2d, steps: 40000, reference: 1.7 (1.20)}
//   rules: [odac, sac]          also one word, or "odac, sac"
//   seeds: 0..3                 also 0,2,5 or a list of such
//   settings:                   as --config has them; a list is several values
//     agent.gamma: [0.9, 0.98]
//   jobs: 2
//   reference: the paper        heading of the references; one of a task may be {rule: text, ..}
//
// Every list becomes the text that a command line would have, and goes the same way.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/words.h"
#include "common/config/yaml_events.h"
#include "deploy/launch/sweep_plan.h"

enum { MAX_FILE_BYTES = 1 << 20, MAX_LIST_BYTES = 4096 };

static const char *const keys[] = {"tasks", "rules", "seeds", "settings", "jobs", "reference"};
enum { TASKS, RULES, SEEDS, SETTINGS, JOBS, REFERENCE, KEYS };

struct reader {
  struct yaml_events yaml;
  struct sweep_plan *plan;
  size_t line[KEYS];  // where a key was given, from 1; 0: not yet
};

static bool is_type(const struct reader *r, yaml_event_type_t type) {
  return r->yaml.event.type == type;
}

// the current event's place
static const char *here(char place[CONFIG_PLACE_BYTES], const struct reader *r) {
  return yaml_events_place(place, &r->yaml, r->yaml.event.start_mark);
}

// the current event must be a text; what: for the message
static enum err require_text(const struct reader *r, const char *what) {
  if (!is_type(r, YAML_SCALAR_EVENT) || yaml_events_length(&r->yaml) == 0) {
    return yaml_events_complain(&r->yaml, "%s: expected a value", what);
  }
  if (yaml_events_length(&r->yaml) >= MAX_LIST_BYTES) {
    return yaml_events_complain(&r->yaml, "%s: a value of more than %d bytes", what,
                                MAX_LIST_BYTES - 1);
  }
  return yaml_events_require_text(&r->yaml);
}

// A text, or a list as "a,b"; lists inside it as "[a,b]". The current event is its first one. As
// they stand in the file, texts must not have commas of their own.
static enum err read_list(struct reader *r, char out[MAX_LIST_BYTES], const char *what, int depth) {
  size_t used = strlen(out);
  if (!is_type(r, YAML_SEQUENCE_START_EVENT)) {
    const enum err err = require_text(r, what);
    if (err == ERR_OK && used + yaml_events_length(&r->yaml) >= MAX_LIST_BYTES) {
      return yaml_events_complain(&r->yaml, "%s: a list that is too long", what);
    }
    if (err == ERR_OK) {
      snprintf(out + used, MAX_LIST_BYTES - used, "%s", yaml_events_scalar(&r->yaml));
    }
    return err;
  }
  if (depth > 1) {
    return yaml_events_complain(&r->yaml, "%s: expected a value, not a list in a list in a list",
                                what);
  }
  snprintf(out + used, MAX_LIST_BYTES - used, "%s", depth > 0 ? "[" : "");
  for (int i = 0;; i++) {
    enum err err = yaml_events_next(&r->yaml);
    if (err != ERR_OK || is_type(r, YAML_SEQUENCE_END_EVENT)) {
      used = strlen(out);
      snprintf(out + used, MAX_LIST_BYTES - used, "%s", depth > 0 ? "]" : "");
      return err;
    }
    used = strlen(out);
    snprintf(out + used, MAX_LIST_BYTES - used, "%s", i > 0 ? "," : "");
    if ((err = read_list(r, out, what, depth + 1)) != ERR_OK) {
      return err;
    }
  }
}

// ---- tasks ----

// a text, or {rule: text, ..}; what others reached
static enum err read_reference(struct reader *r, struct sweep_words *pairs) {
  enum err err;
  if (!is_type(r, YAML_MAPPING_START_EVENT)) {
    if ((err = require_text(r, "reference")) == ERR_OK) {
      sweep_words_add(pairs, "", 0);
      sweep_words_add(pairs, yaml_events_scalar(&r->yaml), yaml_events_length(&r->yaml));
    }
    return err;
  }
  for (;;) {
    for (int i = 0; i < 2; i++) {
      if ((err = yaml_events_next(&r->yaml)) != ERR_OK ||
          (i == 0 && is_type(r, YAML_MAPPING_END_EVENT)) ||
          (err = require_text(r, "reference")) != ERR_OK) {
        return err;
      }
      sweep_words_add(pairs, yaml_events_scalar(&r->yaml), yaml_events_length(&r->yaml));
    }
  }
}

// the value of one key of a task, which is the current event
static enum err read_task_key(struct reader *r, const char *key, yaml_mark_t mark, char **task,
                              int64_t *steps, struct sweep_words *reference) {
  char place[CONFIG_PLACE_BYTES];
  if (strcmp(key, "task") == 0) {
    const enum err err = require_text(r, "task");
    if (err == ERR_OK) {
      free(*task);
      *task = must_strdup(yaml_events_scalar(&r->yaml));
    }
    return err;
  }
  if (strcmp(key, "steps") == 0) {
    const enum err err = require_text(r, "steps");
    return err == ERR_OK ? sweep_plan_steps(steps, yaml_events_scalar(&r->yaml), here(place, r))
                         : err;
  }
  if (strcmp(key, "reference") == 0) {
    sweep_words_release(reference);
    return read_reference(r, reference);
  }
  return config_complain(yaml_events_place(place, &r->yaml, mark),
                         "unknown key %.64s of a task; expected task, steps or reference", key);
}

// {task: .., steps: .., reference: ..}, up to its end
static enum err read_task(struct reader *r) {
  char place[CONFIG_PLACE_BYTES], *task = NULL;
  int64_t steps = 0;
  struct sweep_words reference = {0};
  here(place, r);
  enum err err;
  while ((err = yaml_events_next(&r->yaml)) == ERR_OK && !is_type(r, YAML_MAPPING_END_EVENT)) {
    char key[CONFIG_KEY_BYTES];
    const yaml_mark_t mark = r->yaml.event.start_mark;
    if ((err = require_text(r, "a key of a task")) != ERR_OK) {
      break;
    }
    snprintf(key, sizeof key, "%s", yaml_events_scalar(&r->yaml));
    if ((err = yaml_events_next(&r->yaml)) != ERR_OK ||
        (err = read_task_key(r, key, mark, &task, &steps, &reference)) != ERR_OK) {
      break;
    }
  }
  if (err == ERR_OK && task == NULL) {
    err = config_complain(place, "a task without the key task");
  }
  if (err == ERR_OK) {
    err = sweep_plan_add_task(r->plan, task, place);
  }
  if (err == ERR_OK) {
    struct sweep_task *t = &r->plan->tasks[r->plan->ntasks - 1];
    t->steps = steps != 0 ? steps : t->steps;
    t->reference = reference;
  } else {
    sweep_words_release(&reference);
  }
  free(task);
  return err;
}

static enum err read_tasks(struct reader *r) {
  if (!is_type(r, YAML_SEQUENCE_START_EVENT)) {
    return yaml_events_complain(&r->yaml, "tasks: expected a list, e.g. [box2d, \"ant:1000000\"]");
  }
  for (;;) {
    char place[CONFIG_PLACE_BYTES];
    enum err err = yaml_events_next(&r->yaml);
    if (err != ERR_OK || is_type(r, YAML_SEQUENCE_END_EVENT)) {
      return err;
    }
    if (is_type(r, YAML_MAPPING_START_EVENT)) {
      err = read_task(r);
    } else if ((err = require_text(r, "tasks")) == ERR_OK) {
      err = sweep_plan_add_task(r->plan, yaml_events_scalar(&r->yaml), here(place, r));
    }
    if (err != ERR_OK) {
      return err;
    }
  }
}

// ---- settings ----

// the values of a row; a plain list of numbers is one value of a setting with several numbers
static enum err read_values(struct reader *r, const char *key, yaml_mark_t mark) {
  char key_place[CONFIG_PLACE_BYTES], place[CONFIG_PLACE_BYTES], list[MAX_LIST_BYTES] = "";
  const struct config_row *row;
  yaml_events_place(key_place, &r->yaml, mark);
  here(place, r);
  enum err err = config_require_row(&row, key_place, key, strlen(key));
  if (err != ERR_OK || (err = read_list(r, list, key, 0)) != ERR_OK) {
    return err;
  }
  for (int i = 0; i < r->plan->naxes; i++) {
    if (r->plan->axes[i].row == row) {
      return config_complain(key_place, "%s.%s is given twice", row->group, row->name);
    }
  }
  char bracketed[MAX_LIST_BYTES + 2];
  const bool one = row->type == ROW_WIDTHS && strchr(list, '[') == NULL;
  snprintf(bracketed, sizeof bracketed, one ? "[%s]" : "%s", list);
  return sweep_plan_values(r->plan, row, bracketed, place);
}

// "group.name: values", or "group: {name: values}"
static enum err read_settings(struct reader *r, const char *group) {
  if (!is_type(r, YAML_MAPPING_START_EVENT)) {
    return yaml_events_complain(&r->yaml, "settings: expected e.g. {agent.gamma: [0.9, 0.98]}");
  }
  for (;;) {
    enum err err = yaml_events_next(&r->yaml);
    if (err != ERR_OK || is_type(r, YAML_MAPPING_END_EVENT)) {
      return err;
    }
    char key[2 * CONFIG_KEY_BYTES + 2];
    const yaml_mark_t mark = r->yaml.event.start_mark;
    if ((err = require_text(r, "a setting")) != ERR_OK) {
      return err;
    }
    snprintf(key, sizeof key, "%s%s%.64s", group, group[0] != '\0' ? "." : "",
             yaml_events_scalar(&r->yaml));
    if ((err = yaml_events_next(&r->yaml)) != ERR_OK) {
      return err;
    }
    const bool opens =
        group[0] == '\0' && is_type(r, YAML_MAPPING_START_EVENT) && config_find_group(key) >= 0;
    if ((err = opens ? read_settings(r, key) : read_values(r, key, mark)) != ERR_OK) {
      return err;
    }
  }
}

// ---- the file ----

// the value of key k, which is the current event
static enum err read_value(struct reader *r, int k) {
  char place[CONFIG_PLACE_BYTES], list[MAX_LIST_BYTES] = "";
  enum err err;
  here(place, r);
  switch (k) {
    case TASKS:
      return read_tasks(r);
    case SETTINGS:
      return read_settings(r, "");
    case RULES:
      err = read_list(r, list, "rules", 0);
      return err == ERR_OK ? sweep_plan_rules(r->plan, list, place) : err;
    case SEEDS:
      err = read_list(r, list, "seeds", 0);
      return err == ERR_OK ? sweep_plan_seeds(r->plan, list, place) : err;
    case JOBS:
      err = require_text(r, "jobs");
      return err == ERR_OK ? sweep_plan_jobs(r->plan, yaml_events_scalar(&r->yaml), place) : err;
    default:
      err = require_text(r, "reference");
      if (err == ERR_OK) {
        r->plan->reference = must_strdup(yaml_events_scalar(&r->yaml));
      }
      return err;
  }
}

static enum err read_top(struct reader *r) {
  for (;;) {
    enum err err = yaml_events_next(&r->yaml);
    if (err != ERR_OK || is_type(r, YAML_MAPPING_END_EVENT)) {
      return err;
    }
    if ((err = require_text(r, "a key")) != ERR_OK) {
      return err;
    }
    const char *key = yaml_events_scalar(&r->yaml);
    struct words_nearest near = {.word = key};
    int k = 0;
    while (k < KEYS && strcmp(keys[k], key) != 0) {
      words_offer(&near, keys[k++]);
    }
    if (k == KEYS) {
      return near.best != NULL
                 ? yaml_events_complain(&r->yaml, "unknown key %.64s; did you mean %s?", key,
                                        near.best)
                 : yaml_events_complain(&r->yaml,
                                        "unknown key %.64s; expected tasks, rules, seeds, "
                                        "settings, jobs or reference",
                                        key);
    }
    if (r->line[k] != 0) {
      return yaml_events_complain(&r->yaml, "%s is given twice, first in line %zu", keys[k],
                                  r->line[k]);
    }
    r->line[k] = r->yaml.event.start_mark.line + 1;
    if ((err = yaml_events_next(&r->yaml)) != ERR_OK || (err = read_value(r, k)) != ERR_OK) {
      return err;
    }
  }
}

// the whole stream: one document that is a mapping
static enum err read_stream(struct reader *r) {
  enum err err;
  // stream, document and its first event; an empty file has no document
  for (int i = 0; i < 3; i++) {
    if ((err = yaml_events_next(&r->yaml)) != ERR_OK) {
      return err;
    }
    if (is_type(r, YAML_STREAM_END_EVENT)) {
      break;
    }
  }
  if (!is_type(r, YAML_MAPPING_START_EVENT)) {
    return yaml_events_complain(&r->yaml, "expected a sweep, e.g. {tasks: [box2d], seeds: 0..3}");
  }
  // end of document, end of stream
  if ((err = read_top(r)) != ERR_OK || (err = yaml_events_next(&r->yaml)) != ERR_OK ||
      (err = yaml_events_next(&r->yaml)) != ERR_OK) {
    return err;
  }
  return is_type(r, YAML_STREAM_END_EVENT)
             ? ERR_OK
             : yaml_events_complain(&r->yaml, "a second document begins here; one file, one sweep");
}

enum err sweep_plan_yaml(struct sweep_plan *p, const char *text, size_t n, const char *label) {
  struct sweep_plan read = {0};
  struct reader r = {.plan = &read};
  yaml_events_open(&r.yaml, text, n, label);
  const enum err err = read_stream(&r);
  yaml_events_close(&r.yaml);
  sweep_plan_release(err == ERR_OK ? p : &read);
  if (err == ERR_OK) {
    *p = read;
  }
  return err;
}

enum err sweep_plan_file(struct sweep_plan *p, const char *path) {
  void *text;
  size_t n;
  if (fsio_read(&text, &n, path, MAX_FILE_BYTES) != ERR_OK) {
    return ERR_CONFIG;
  }
  const enum err err = sweep_plan_yaml(p, text, n, path);
  free(text);
  return err;
}
