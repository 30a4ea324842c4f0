// checkpoint_state.c - state.json: the fold and the replay log's position, for people and for
// resume.
//
// Counters are JSON integers, for people; identities are hex strings, since JSON has no 64-bit
// unsigned integers; numbers that are not finite are null.
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "learner/checked.h"
#include "learner/checkpoint_files.h"

enum {
  FORMAT = 3,           // of state.json
  MAX_STATE = 4 << 20,  // bytes of state.json
  MAX_LAYER = 1 << 20,  // floats of one layer
};

// ---- what is written and read by name ----

static const struct {
  const char *name;
  size_t offset;  // in struct fold
} COUNTS[] = {
#define COUNT(name, field) \
  { name, offsetof(struct fold, field) }
    COUNT("steps", steps),
    COUNT("episodes", episodes),
    COUNT("updates", updates),
    COUNT("recent_steps", recent_steps),
    COUNT("recent_episodes", recent_episodes),
    COUNT("next_ticket", next),
    COUNT("version", version),
    COUNT("since_publish", since_publish),
    COUNT("next_eval_steps", next_eval_steps),
    COUNT("next_checkpoint_steps", next_checkpoint_steps),
#undef COUNT
};

static const struct {
  const char *name;
  size_t offset;  // in struct segment_position
} PLACES[] = {
    {"segment_first", offsetof(struct segment_position, first)},
    {"segment_last", offsetof(struct segment_position, last)},
    {"segment_bytes", offsetof(struct segment_position, bytes)},
    {"segment_episodes", offsetof(struct segment_position, episodes)},
};

static const struct {
  const char *name;
  size_t offset;  // in struct evaluation
} RESULTS[] = {
    {"distance", offsetof(struct evaluation, distance)},
    {"initial", offsetof(struct evaluation, initial)},
    {"score", offsetof(struct evaluation, score)},
    {"ci", offsetof(struct evaluation, ci)},
    {"success", offsetof(struct evaluation, success)},
    {"return", offsetof(struct evaluation, ret)},
};

enum {
  NCOUNT = sizeof COUNTS / sizeof *COUNTS,
  NPLACE = sizeof PLACES / sizeof *PLACES,
  NRESULT = sizeof RESULTS / sizeof *RESULTS,
};

// ---- writing ----

static json_t *hex(uint64_t v) {
  return json_sprintf("%016" PRIx64, v);
}

static json_t *counter(uint64_t v) {
  CHECK(v <= INT64_MAX);
  return json_integer((json_int_t)v);
}

static void put(json_t *object, const char *name, json_t *value) {
  CHECK(json_object_set_new(object, name, value) == 0);
}

static void push(json_t *array, json_t *value) {
  CHECK(json_array_append_new(array, value) == 0);
}

static json_t *evaluation_json(const struct evaluation *e) {
  json_t *o = json_object();
  put(o, "version", counter(e->version));
  put(o, "steps", counter(e->steps));
  put(o, "episodes", json_integer(e->n));
  for (int i = 0; i < NRESULT; i++) {
    const double v = *(const double *)((const char *)e + RESULTS[i].offset);
    put(o, RESULTS[i].name, isfinite(v) ? json_real(v) : json_null());
  }
  return o;
}

static json_t *state_json(const struct checkpoint *c, uint64_t digest) {
  const struct fold *f = c->fold;
  json_t *o = json_object(), *open = json_array(), *widths = json_array(), *owed = json_array();
  put(o, "format", json_integer(FORMAT));
  put(o, "learner_xxh3", hex(digest));
  put(o, "run", hex(c->run));
  put(o, "task_digest", hex(c->task_digest));
  for (int i = 0; i < NCOUNT; i++) {
    put(o, COUNTS[i].name, counter(*(const uint64_t *)((const char *)f + COUNTS[i].offset)));
  }
  for (int i = 0; i < NPLACE; i++) {
    const char *at = (const char *)&c->position + PLACES[i].offset;
    put(o, PLACES[i].name, counter(*(const uint64_t *)at));
  }
  for (int i = 0; i < f->nopen; i++) {
    json_t *entry = json_object();
    put(entry, "version", counter(f->open[i].version));
    put(entry, "warmup", json_boolean(f->open[i].warmup));
    push(open, entry);
  }
  put(o, "open_tickets", open);
  const struct weights *newest = fold_newest(f);
  for (int l = 0; l <= newest->nlayer; l++) {
    push(widths, json_integer(newest->width[l]));
  }
  put(o, "policy_widths", widths);
  for (int i = 0; i < f->nowed; i++) {
    json_t *entry = json_object();
    put(entry, "version", counter(f->owed[i].version));
    put(entry, "steps", counter(f->owed[i].steps));
    push(owed, entry);
  }
  put(o, "evaluations_owed", owed);
  put(o, "last_evaluation", evaluation_json(&f->last));
  json_t *figures = json_array();
  for (int i = 0; i < f->plan.nfigure; i++) {
    push(figures, isfinite(f->figure[i]) ? json_real(f->figure[i]) : json_null());
  }
  put(o, "figures", figures);
  return o;
}

enum err state_write(const char *folder, const struct checkpoint *c, uint64_t digest) {
  json_t *o = state_json(c, digest);
  char *path = run_files_path(folder, "state.json");
  const enum err err = checked_write_json(path, o, 1);
  free(path);
  json_decref(o);
  return err;
}

// ---- reading ----

static bool get_counter(uint64_t *out, const json_t *v) {
  if (!json_is_integer(v) || json_integer_value(v) < 0) {
    return false;
  }
  *out = (uint64_t)json_integer_value(v);
  return true;
}

static bool get_hex(uint64_t *out, const json_t *v) {
  const char *s = json_is_string(v) ? json_string_value(v) : "";
  if (strlen(s) != 16 || strspn(s, "0123456789abcdef") != 16) {
    return false;
  }
  *out = strtoull(s, NULL, 16);
  return true;
}

static enum err lacks(struct fault *fault, const char *name) {
  return fault_set(fault, "state.json lacks %s", name);
}

// The JSON of the file, checked against its own first line; the caller drops *out.
static enum err open_state(json_t **out, const char *folder, struct fault *fault) {
  char *path = run_files_path(folder, "state.json");
  const char *what = checked_read_json(out, path, MAX_STATE);
  free(path);
  return what ? fault_set(fault, "state.json %s", what) : ERR_OK;
}

static enum err parse_position(struct segment_position *out, const json_t *o, struct fault *fault) {
  for (int i = 0; i < NPLACE; i++) {
    uint64_t *field = (uint64_t *)((char *)out + PLACES[i].offset);
    if (!get_counter(field, json_object_get(o, PLACES[i].name))) {
      return lacks(fault, PLACES[i].name);
    }
  }
  return out->first <= out->last ? ERR_OK
                                 : fault_set(fault, "state.json names no position in the replay");
}

// The format, run and task that are expected, else ERR_CONFIG.
static enum err check_identity(const struct checkpoint *c, const json_t *o, const char *folder,
                               struct fault *fault) {
  uint64_t format, run, task;
  if (!get_counter(&format, json_object_get(o, "format"))) {
    return lacks(fault, "format");
  }
  if (format != FORMAT) {
    log_error("%s has format %" PRIu64
              ", this telos reads format %d; resume with the telos that wrote it",
              folder, format, FORMAT);
    return ERR_CONFIG;
  }
  if (!get_hex(&run, json_object_get(o, "run")) ||
      !get_hex(&task, json_object_get(o, "task_digest"))) {
    return lacks(fault, "an identity");
  }
  if (run != c->run) {
    log_error("%s is of run %016" PRIx64 ", this is run %016" PRIx64 "; " CHECKPOINT_REMEDY, folder,
              run, c->run);
    return ERR_CONFIG;
  }
  if (task != c->task_digest) {
    log_error("%s is of task %016" PRIx64 ", this is task %016" PRIx64 "; " CHECKPOINT_REMEDY,
              folder, task, c->task_digest);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

static enum err parse_evaluation(struct evaluation *e, const json_t *o, struct fault *fault) {
  uint64_t n;
  if (!get_counter(&e->version, json_object_get(o, "version")) ||
      !get_counter(&e->steps, json_object_get(o, "steps")) ||
      !get_counter(&n, json_object_get(o, "episodes")) || n > INT32_MAX) {
    return lacks(fault, "last_evaluation");
  }
  e->n = (int)n;
  for (int i = 0; i < NRESULT; i++) {
    const json_t *v = json_object_get(o, RESULTS[i].name);
    if (!json_is_null(v) && !json_is_number(v)) {
      return lacks(fault, "a number of last_evaluation");
    }
    *(double *)((char *)e + RESULTS[i].offset) = json_is_null(v) ? NAN : json_number_value(v);
  }
  return ERR_OK;
}

static enum err parse_open(struct fold *f, const json_t *open, struct fault *fault) {
  const size_t n = json_array_size(open);
  if (n < FOLD_MIN_OPEN || n > (size_t)fold_room(f)) {
    return lacks(fault, "open_tickets");
  }
  f->nopen = (int)n;
  for (int i = 0; i < f->nopen; i++) {
    const json_t *entry = json_array_get(open, (size_t)i);
    const json_t *warmup = json_object_get(entry, "warmup");
    struct fold_ticket *t = &f->open[i];
    if (!get_counter(&t->version, json_object_get(entry, "version")) || !json_is_boolean(warmup) ||
        t->version > f->version || (i > 0 && t->version < f->open[i - 1].version)) {
      return fault_set(fault, "state.json has open_tickets that cannot be");
    }
    t->warmup = json_is_true(warmup);
  }
  return ERR_OK;
}

// Nothing depends on them: a state that lacks them, or has others, leaves them unknown.
static void parse_figures(struct fold *f, const json_t *figures) {
  for (int i = 0; i < f->plan.nfigure && json_array_size(figures) == (size_t)f->plan.nfigure; i++) {
    const json_t *v = json_array_get(figures, (size_t)i);
    f->figure[i] = json_is_number(v) ? json_number_value(v) : NAN;
  }
}

static enum err parse_fold(struct fold *f, const json_t *o, struct fault *fault) {
  for (int i = 0; i < NCOUNT; i++) {
    uint64_t *field = (uint64_t *)((char *)f + COUNTS[i].offset);
    if (!get_counter(field, json_object_get(o, COUNTS[i].name))) {
      return lacks(fault, COUNTS[i].name);
    }
  }
  enum err err = parse_open(f, json_object_get(o, "open_tickets"), fault);
  if (err != ERR_OK) {
    return err;
  }
  const json_t *owed = json_object_get(o, "evaluations_owed");
  if (!json_is_array(owed) || json_array_size(owed) > FOLD_MAX_EVALS) {
    return lacks(fault, "evaluations_owed");
  }
  f->nowed = (int)json_array_size(owed);
  for (int i = 0; i < f->nowed; i++) {
    const json_t *entry = json_array_get(owed, (size_t)i);
    if (!get_counter(&f->owed[i].version, json_object_get(entry, "version")) ||
        !get_counter(&f->owed[i].steps, json_object_get(entry, "steps"))) {
      return lacks(fault, "one of evaluations_owed");
    }
  }
  parse_figures(f, json_object_get(o, "figures"));
  return parse_evaluation(&f->last, json_object_get(o, "last_evaluation"), fault);
}

static enum err parse_tensors(struct state_tensors *t, const json_t *o, struct fault *fault) {
  const json_t *widths = json_object_get(o, "policy_widths");
  const size_t n = json_array_size(widths);
  if (!get_hex(&t->digest, json_object_get(o, "learner_xxh3"))) {
    return lacks(fault, "learner_xxh3");
  }
  if (n < 2 || n > MLP_MAX_LAYERS + 1) {
    return lacks(fault, "policy_widths");
  }
  for (size_t l = 0; l < n; l++) {
    uint64_t width;
    if (!get_counter(&width, json_array_get(widths, l)) || width < 1 || width > MAX_LAYER) {
      return lacks(fault, "one of policy_widths");
    }
    t->width[l] = (int)width;
  }
  t->nlayer = (int)n - 1;
  return ERR_OK;
}

enum err state_read(struct checkpoint *c, struct state_tensors *tensors, const char *folder,
                    struct fault *fault) {
  json_t *o = NULL;
  enum err err = open_state(&o, folder, fault);
  if (err == ERR_OK) {
    err = check_identity(c, o, folder, fault);
  }
  if (err == ERR_OK) {
    err = parse_position(&c->position, o, fault);
  }
  if (err == ERR_OK) {
    err = parse_fold(c->fold, o, fault);
  }
  if (err == ERR_OK) {
    err = parse_tensors(tensors, o, fault);
  }
  json_decref(o);
  return err;
}

enum err state_read_position(struct segment_position *out, const char *folder,
                             struct fault *fault) {
  json_t *o = NULL;
  enum err err = open_state(&o, folder, fault);
  if (err == ERR_OK) {
    err = parse_position(out, o, fault);
  }
  json_decref(o);
  return err;
}
