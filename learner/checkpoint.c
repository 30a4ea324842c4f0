// checkpoint.c - write aside, rename, and believe nothing on the way back.
//
// A folder has its final name only when all in it is on the disk; one that is to go is renamed away
// before it is emptied. So a crash at any point leaves folders that are whole, and leftovers whose
// names begin with .tmp-, which the next write removes.
//
// state.json is its own check: the first line holds the digest of all bytes after it, and one of
// those is the digest of learner.safetensors. Counters are JSON integers, for people; identities
// are hex strings, since JSON has no 64-bit unsigned integers.
#include "learner/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "learner/nn/mlp.h"

enum {
  MAX_NAME = 64,
  MAX_STATE = 4 << 20,   // bytes of state.json
  MAX_WINDOW = 1 << 16,  // tickets
  MAX_LAYER = 1 << 20,   // floats of one layer
  DIGEST_LINE = 29,      // bytes of the first line of state.json
  FORMAT = 1,            // of state.json
};
static const size_t MAX_TENSOR_FILE = (size_t)1 << 36;  // bytes

#define STEP_FORMAT "step_%09" PRIu64
#define START_OVER "use the settings and task of this run, or start over in another folder"

// Counters of the state by name, for writing and reading.
static const struct {
  const char *name;
  size_t offset;
} COUNTERS[] = {
#define COUNTER(name, field) \
  { name, offsetof(struct checkpoint, field) }
    COUNTER("steps", fold.steps),
    COUNTER("episodes", fold.episodes),
    COUNTER("updates", fold.updates),
    COUNTER("next_ticket", fold.next),
    COUNTER("version", fold.version),
    COUNTER("since_publish", fold.since_publish),
    COUNTER("next_eval_steps", fold.next_eval_steps),
    COUNTER("next_checkpoint_steps", fold.next_checkpoint_steps),
    COUNTER("segment_first", position.first),
    COUNTER("segment_last", position.last),
    COUNTER("segment_bytes", position.bytes),
    COUNTER("segment_episodes", position.episodes),
#undef COUNTER
};
enum {
  NCOUNTER = sizeof COUNTERS / sizeof COUNTERS[0],
  NLAST = sizeof((struct fold *)0)->last_eval / sizeof(double),
};

void checkpoint_release(struct checkpoint *c) {
  for (int i = 0; i < c->nweights; i++) {
    weights_unref(c->weights[i]);
  }
  free(c->weights);
  free(c->versions);
  c->weights = NULL;
  c->versions = NULL;
  c->nweights = 0;
}

// ---- names ----

static char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *text_of(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = NULL;
  CHECK(vasprintf(&text, fmt, ap) >= 0);
  va_end(ap);
  return text;
}

static bool parse_name(uint64_t *steps, const char *name) {
  char again[MAX_NAME];
  if (sscanf(name, "step_%" SCNu64, steps) != 1) {
    return false;
  }
  snprintf(again, sizeof again, STEP_FORMAT, *steps);
  return strcmp(again, name) == 0;
}

static int is_checkpoint(const struct dirent *entry) {
  uint64_t steps;
  return parse_name(&steps, entry->d_name);
}

static int is_leftover(const struct dirent *entry) {
  return strncmp(entry->d_name, ".tmp-", 5) == 0;
}

static int newest_first(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x < y) - (x > y);
}

static enum err fail(const char *verb, const char *path) {
  log_error("cannot %s %s: %s", verb, path, strerror(errno));
  return ERR_IO;
}

// The steps of all checkpoints in the folder, newest first; *n = 0 when there is no folder.
static enum err list_steps(uint64_t **steps, int *n, const char *parent) {
  struct dirent **entries;
  *steps = NULL;
  *n = scandir(parent, &entries, is_checkpoint, NULL);
  if (*n < 0) {
    *n = 0;
    return errno == ENOENT ? ERR_OK : fail("list", parent);
  }
  *steps = must_alloc((size_t)*n, sizeof **steps);
  for (int i = 0; i < *n; i++) {
    parse_name(&(*steps)[i], entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
  qsort(*steps, (size_t)*n, sizeof **steps, newest_first);
  return ERR_OK;
}

// ---- writing ----

static bool has_weights(const struct checkpoint *c, uint64_t version) {
  for (int i = 0; i < c->nweights; i++) {
    if (c->weights[i]->version == version) {
      return true;
    }
  }
  return false;
}

// NULL, or what this state names and does not have.
static const char *incomplete(const struct checkpoint *c) {
  if (!has_weights(c, c->fold.version)) {
    return "the newest version has no weights";
  }
  for (int i = 0; i < c->window; i++) {
    if (!has_weights(c, c->versions[i])) {
      return "a ticket names a version without weights";
    }
  }
  for (int i = 0; i < c->fold.nevals; i++) {
    if (!has_weights(c, c->fold.evals[i].version)) {
      return "an evaluation names a version without weights";
    }
  }
  return NULL;
}

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

static json_t *state_json(const struct checkpoint *c, uint64_t tensor_digest) {
  json_t *o = json_object();
  put(o, "format", json_integer(FORMAT));
  put(o, "learner_xxh3", hex(tensor_digest));
  put(o, "run", hex(c->run));
  put(o, "task_digest", hex(c->task_digest));
  for (int i = 0; i < NCOUNTER; i++) {
    put(o, COUNTERS[i].name, counter(*(const uint64_t *)((const char *)c + COUNTERS[i].offset)));
  }
  json_t *versions = json_array();
  for (int i = 0; i < c->window; i++) {
    push(versions, counter(c->versions[i]));
  }
  put(o, "window_versions", versions);

  // weights by version and widths, their data is in the tensor file
  json_t *weights = json_array();
  for (int i = 0; i < c->nweights; i++) {
    const struct weights *w = c->weights[i];
    json_t *widths = json_array();
    for (int l = 0; l <= w->nlayer; l++) {
      push(widths, json_integer(w->width[l]));
    }
    json_t *entry = json_object();
    put(entry, "version", counter(w->version));
    put(entry, "widths", widths);
    push(weights, entry);
  }
  put(o, "weights", weights);

  json_t *evals = json_array();
  for (int i = 0; i < c->fold.nevals; i++) {
    json_t *entry = json_object();
    put(entry, "version", counter(c->fold.evals[i].version));
    put(entry, "steps", counter(c->fold.evals[i].steps));
    push(evals, entry);
  }
  put(o, "pending_evals", evals);
  json_t *last = json_array();
  for (int i = 0; i < NLAST; i++) {
    push(last, isfinite(c->fold.last_eval[i]) ? json_real(c->fold.last_eval[i]) : json_null());
  }
  put(o, "last_eval", last);
  return o;
}

static enum err write_state(const char *folder, const struct checkpoint *c,
                            uint64_t tensor_digest) {
  json_t *o = state_json(c, tensor_digest);
  char *dump = json_dumps(o, JSON_INDENT(1));
  CHECK(dump && strncmp(dump, "{\n", 2) == 0);
  json_decref(o);
  // the digest's line takes the place of the opening brace's
  const char *body = dump + 2;
  char *text = text_of("{\"xxh3\": \"%016" PRIx64 "\",\n%s", XXH3_64bits(body, strlen(body)), body);
  free(dump);
  char *path = text_of("%s/state.json", folder);
  enum err err = fsio_write_atomic(path, text, strlen(text));
  free(path);
  free(text);
  return err;
}

static bool is_wide(const struct st_tensor *t) {
  return t->dtype != ST_F32;
}

static enum err write_tensors(const char *folder, const struct checkpoint *c, uint64_t *digest) {
  int total = c->ntensors + c->nweights, n = 0;
  struct st_tensor *all = must_alloc((size_t)total, sizeof *all);
  // in the caller's order, but the 8-byte types first, as the format's alignment wants it
  for (int wide = 1; wide >= 0; wide--) {
    for (int i = 0; i < c->ntensors; i++) {
      if (is_wide(&c->tensors[i]) == (wide == 1)) {
        all[n++] = c->tensors[i];
      }
    }
  }
  for (int i = 0; i < c->nweights; i++) {
    const struct weights *w = c->weights[i];
    all[n] =
        (struct st_tensor){.dtype = ST_F32, .rank = 1, .shape = {(int64_t)w->n}, .data = w->data};
    snprintf(all[n++].name, sizeof all->name, "weights.%" PRIu64, w->version);
  }
  void *data;
  size_t bytes;
  st_encode(&data, &bytes, all, total, NULL, 0);
  *digest = XXH3_64bits(data, bytes);
  char *path = text_of("%s/learner.safetensors", folder);
  enum err err = fsio_write_atomic(path, data, bytes);
  free(path);
  free(data);
  free(all);
  return err;
}

// Renames a checkpoint away, so that it is never half there under its own name, then deletes it.
static enum err discard(const char *parent, uint64_t steps) {
  char *name = text_of("%s/" STEP_FORMAT, parent, steps);
  char *aside = text_of("%s/.tmp-old-" STEP_FORMAT, parent, steps);
  enum err err = ERR_OK;
  if (rename(name, aside) != 0) {
    err = errno == ENOENT ? ERR_OK : fail("rename", name);
  } else {
    err = fsio_remove_tree(aside);
  }
  free(aside);
  free(name);
  return err;
}

static enum err remove_leftovers(const char *parent) {
  struct dirent **entries;
  int n = scandir(parent, &entries, is_leftover, NULL);
  if (n < 0) {
    return fail("list", parent);
  }
  enum err err = ERR_OK;
  for (int i = 0; i < n; i++) {
    if (err == ERR_OK) {
      char *path = text_of("%s/%s", parent, entries[i]->d_name);
      err = fsio_remove_tree(path);
      free(path);
    }
    free(entries[i]);
  }
  free(entries);
  return err;
}

// All but the newest keep up to this step.
static enum err remove_old(const char *parent, uint64_t newest, int keep) {
  uint64_t *steps;
  int n, kept = 0;
  enum err err = list_steps(&steps, &n, parent);
  for (int i = 0; i < n && err == ERR_OK; i++) {
    if (steps[i] > newest || kept == keep) {
      err = discard(parent, steps[i]);
    } else {
      kept++;
    }
  }
  free(steps);
  return err;
}

enum err checkpoint_write(const char *run_dir, const struct checkpoint *c, int keep) {
  CHECK(keep >= 1 && c->window >= 1 && c->fold.nevals <= CHECKPOINT_MAX_EVALS && !incomplete(c));
  char *parent = text_of("%s/checkpoints", run_dir);
  char *name = text_of("%s/" STEP_FORMAT, parent, c->fold.steps);
  char *temporary = text_of("%s/.tmp-" STEP_FORMAT, parent, c->fold.steps);
  uint64_t digest;
  enum err err;
  if ((err = fsio_mkdirs(parent)) != ERR_OK || (err = fsio_sync_dir(run_dir)) != ERR_OK ||
      (err = remove_leftovers(parent)) != ERR_OK || (err = fsio_mkdirs(temporary)) != ERR_OK) {
    goto out;
  }
  if ((err = write_tensors(temporary, c, &digest)) != ERR_OK ||
      (err = write_state(temporary, c, digest)) != ERR_OK ||
      (err = discard(parent, c->fold.steps)) != ERR_OK) {
    goto remove;
  }
  if (rename(temporary, name) != 0) {
    err = fail("rename", temporary);
    goto remove;
  }
  err = fsio_sync_dir(parent);
  // the new one is safe: an old one that stays is only disk space
  if (err == ERR_OK && remove_old(parent, c->fold.steps, keep) != ERR_OK) {
    log_warn("old checkpoints stay in %s; remove them by hand", parent);
  }
  goto out;
remove:
  if (fsio_remove_tree(temporary) != ERR_OK) {
    log_warn("%s stays; the next checkpoint removes it", temporary);
  }
out:
  free(temporary);
  free(name);
  free(parent);
  return err;
}

// ---- reading ----

struct fault {
  char text[256];
};

static enum err damaged(struct fault *fault, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static enum err damaged(struct fault *fault, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(fault->text, sizeof fault->text, fmt, ap);
  va_end(ap);
  return ERR_FORMAT;
}

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

// Widths of one network and its data: a tensor of the file, found later.
static bool get_widths(int width[MLP_MAX_LAYERS + 1], int *nlayer, const json_t *v) {
  size_t n = json_array_size(v);
  if (n < 2 || n > MLP_MAX_LAYERS + 1) {
    return false;
  }
  for (size_t l = 0; l < n; l++) {
    uint64_t value;
    if (!get_counter(&value, json_array_get(v, l)) || value < 1 || value > MAX_LAYER) {
      return false;
    }
    width[l] = (int)value;
  }
  *nlayer = (int)n - 1;
  return true;
}

// All of the state but the weights. r is zeroed; what it owns is released by the caller.
static enum err parse_state(struct checkpoint *r, uint64_t *tensor_digest, const json_t *o,
                            struct fault *fault) {
  uint64_t format;
  if (!get_counter(&format, json_object_get(o, "format")) || format != FORMAT) {
    return damaged(fault, "state.json is of another version");
  }
  if (!get_hex(&r->run, json_object_get(o, "run")) ||
      !get_hex(&r->task_digest, json_object_get(o, "task_digest")) ||
      !get_hex(tensor_digest, json_object_get(o, "learner_xxh3"))) {
    return damaged(fault, "state.json lacks an identity");
  }
  for (int i = 0; i < NCOUNTER; i++) {
    uint64_t *field = (uint64_t *)((char *)r + COUNTERS[i].offset);
    if (!get_counter(field, json_object_get(o, COUNTERS[i].name))) {
      return damaged(fault, "state.json lacks %s", COUNTERS[i].name);
    }
  }
  if (r->position.first > r->position.last) {
    return damaged(fault, "state.json names no position in the replay");
  }

  const json_t *versions = json_object_get(o, "window_versions");
  size_t window = json_array_size(versions);
  if (window < 1 || window > MAX_WINDOW) {
    return damaged(fault, "state.json lacks window_versions");
  }
  r->window = (int)window;
  r->versions = must_alloc(window, sizeof *r->versions);
  for (size_t i = 0; i < window; i++) {
    if (!get_counter(&r->versions[i], json_array_get(versions, i))) {
      return damaged(fault, "state.json has window_versions of a wrong type");
    }
  }

  const json_t *evals = json_object_get(o, "pending_evals");
  size_t nevals = json_array_size(evals);
  if (!json_is_array(evals) || nevals > CHECKPOINT_MAX_EVALS) {
    return damaged(fault, "state.json lacks pending_evals");
  }
  r->fold.nevals = (int)nevals;
  for (size_t i = 0; i < nevals; i++) {
    const json_t *entry = json_array_get(evals, i);
    if (!get_counter(&r->fold.evals[i].version, json_object_get(entry, "version")) ||
        !get_counter(&r->fold.evals[i].steps, json_object_get(entry, "steps"))) {
      return damaged(fault, "state.json has pending_evals of a wrong type");
    }
  }

  const json_t *last = json_object_get(o, "last_eval");
  if (json_array_size(last) != NLAST) {
    return damaged(fault, "state.json lacks last_eval");
  }
  for (size_t i = 0; i < NLAST; i++) {
    const json_t *v = json_array_get(last, i);
    if (!json_is_null(v) && !json_is_number(v)) {
      return damaged(fault, "state.json has last_eval of a wrong type");
    }
    r->fold.last_eval[i] = json_is_null(v) ? NAN : json_number_value(v);
  }
  return ERR_OK;
}

// A file of the checkpoint, whole; a failure to read it is damage like any other.
static enum err read_file(void **data, size_t *n, const char *folder, const char *name,
                          size_t max_bytes, struct fault *fault) {
  char *path = text_of("%s/%s", folder, name);
  enum err err = ERR_FORMAT;
  if (!fsio_exists(path)) {
    damaged(fault, "%s is missing", name);
  } else if (fsio_read(data, n, path, max_bytes) != ERR_OK) {
    damaged(fault, "%s cannot be read", name);
  } else {
    err = ERR_OK;
  }
  free(path);
  return err;
}

// state.json, checked against its own first line and parsed; the caller drops *out.
static enum err read_state(json_t **out, const char *folder, struct fault *fault) {
  void *bytes;
  size_t n;
  enum err err = read_file(&bytes, &n, folder, "state.json", MAX_STATE, fault);
  if (err != ERR_OK) {
    return err;
  }
  const char *text = bytes;
  char line[DIGEST_LINE + 1];
  uint64_t digest = n > DIGEST_LINE ? XXH3_64bits(text + DIGEST_LINE, n - DIGEST_LINE) : 0;
  snprintf(line, sizeof line, "{\"xxh3\": \"%016" PRIx64 "\",\n", digest);
  if (n <= DIGEST_LINE || memcmp(text, line, DIGEST_LINE) != 0) {
    err = damaged(fault, "state.json is not what was written");
  } else {
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    err = *out ? ERR_OK : damaged(fault, "state.json is not JSON");
  }
  free(bytes);
  return err;
}

// The run, task and window that are expected, else ERR_CONFIG.
static enum err check_identity(const struct checkpoint *r, const struct checkpoint *want,
                               const char *folder) {
  if (r->run != want->run) {
    log_error("%s is of run %016" PRIx64 ", this is run %016" PRIx64 "; " START_OVER, folder,
              r->run, want->run);
    return ERR_CONFIG;
  }
  if (r->task_digest != want->task_digest) {
    log_error("%s is of task %016" PRIx64 ", this is task %016" PRIx64 "; " START_OVER, folder,
              r->task_digest, want->task_digest);
    return ERR_CONFIG;
  }
  if (r->window != want->window) {
    log_error("%s has ledger.window %d, this configuration %d; " START_OVER, folder, r->window,
              want->window);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

static const char *shape_text(char out[128], const struct st_tensor *t) {
  static const char *const names[] = {
      [ST_F32] = "F32", [ST_F64] = "F64", [ST_I64] = "I64", [ST_U64] = "U64"};
  int n = snprintf(out, 128, "%s (", names[t->dtype]);
  for (int i = 0; i < t->rank && n < 100; i++) {
    n += snprintf(out + n, 128 - (size_t)n, "%s%" PRId64, i > 0 ? " x " : "", t->shape[i]);
  }
  snprintf(out + n, 128 - (size_t)n, ")");
  return out;
}

// Exactly the expected tensors, besides the weights; else the configuration is another.
static enum err check_tensors(const struct st_file *f, const struct checkpoint *want,
                              const char *folder) {
  char a[128], b[128];
  for (int i = 0; i < want->ntensors; i++) {
    const struct st_tensor *t = &want->tensors[i], *got = st_find(f, t->name);
    if (!got) {
      log_error("%s has no tensor '%s'; " START_OVER, folder, t->name);
      return ERR_CONFIG;
    }
    if (got->dtype != t->dtype || got->rank != t->rank ||
        memcmp(got->shape, t->shape, (size_t)t->rank * sizeof t->shape[0]) != 0) {
      log_error("%s: tensor '%s' is %s, this configuration has %s; " START_OVER, folder, t->name,
                shape_text(a, got), shape_text(b, t));
      return ERR_CONFIG;
    }
  }
  for (int i = 0; i < f->ntensor; i++) {
    const char *name = f->tensors[i].name;
    bool known = strncmp(name, "weights.", 8) == 0;
    for (int k = 0; k < want->ntensors && !known; k++) {
      known = strcmp(name, want->tensors[k].name) == 0;
    }
    if (!known) {
      log_error("%s has a tensor '%s' that this configuration has not; " START_OVER, folder, name);
      return ERR_CONFIG;
    }
  }
  return ERR_OK;
}

static enum err parse_weights(struct checkpoint *r, const json_t *o, const struct st_file *f,
                              struct fault *fault) {
  const json_t *list = json_object_get(o, "weights");
  size_t n = json_array_size(list);
  if (n < 1 || n > (size_t)r->window + CHECKPOINT_MAX_EVALS + 1) {
    return damaged(fault, "state.json lacks weights");
  }
  r->weights = must_alloc(n, sizeof(struct weights *));
  for (size_t i = 0; i < n; i++) {
    const json_t *entry = json_array_get(list, i);
    uint64_t version;
    int width[MLP_MAX_LAYERS + 1], nlayer;
    if (!get_counter(&version, json_object_get(entry, "version")) ||
        !get_widths(width, &nlayer, json_object_get(entry, "widths"))) {
      return damaged(fault, "state.json has weights of a wrong type");
    }
    char name[ST_MAX_NAME + 1];
    snprintf(name, sizeof name, "weights.%" PRIu64, version);
    const struct st_tensor *t = st_find(f, name);
    if (!t || t->dtype != ST_F32 || t->rank != 1 ||
        (uint64_t)t->shape[0] != mlp_nparam(width, nlayer)) {
      return damaged(fault, "learner.safetensors has no %s of these widths", name);
    }
    r->weights[r->nweights++] = weights_new(version, width, nlayer, t->data);
  }
  const char *missing = incomplete(r);
  return missing ? damaged(fault, "%s", missing) : ERR_OK;
}

// learner.safetensors into r's weights and the expected tensors' data.
static enum err read_tensors(struct checkpoint *r, const json_t *o, uint64_t digest,
                             const char *folder, struct fault *fault) {
  void *bytes;
  size_t n;
  enum err err = read_file(&bytes, &n, folder, "learner.safetensors", MAX_TENSOR_FILE, fault);
  if (err != ERR_OK) {
    return err;
  }
  struct st_file f = {0};
  if (XXH3_64bits(bytes, n) != digest) {
    err = damaged(fault, "learner.safetensors is not what was written");
  } else if (st_decode(&f, bytes, n, folder) != ERR_OK) {
    err = damaged(fault, "learner.safetensors cannot be read");
  } else if ((err = check_tensors(&f, r, folder)) == ERR_OK) {
    err = parse_weights(r, o, &f, fault);
  }
  for (int i = 0; i < r->ntensors && err == ERR_OK; i++) {
    const struct st_tensor *t = &r->tensors[i];
    if (st_bytes(t) > 0) {
      memcpy(t->data, st_find(&f, t->name)->data, st_bytes(t));
    }
  }
  st_release(&f);
  free(bytes);
  return err;
}

// One checkpoint. ERR_FORMAT: damaged, not logged yet, *fault says how.
static enum err read_one(struct checkpoint *c, const char *folder, struct fault *fault,
                         enum err (*accept)(void *ctx, const struct checkpoint *c), void *ctx) {
  json_t *o = NULL;
  uint64_t digest;
  struct checkpoint r = {.tensors = c->tensors, .ntensors = c->ntensors};
  enum err err;
  if ((err = read_state(&o, folder, fault)) != ERR_OK ||
      (err = parse_state(&r, &digest, o, fault)) != ERR_OK ||
      (err = check_identity(&r, c, folder)) != ERR_OK ||
      (err = read_tensors(&r, o, digest, folder, fault)) != ERR_OK) {
    goto out;
  }
  err = accept(ctx, &r);
  if (err == ERR_FORMAT) {
    damaged(fault, "its episodes cannot be read back");
  }
out:
  json_decref(o);
  if (err == ERR_OK) {
    *c = r;
  } else {
    checkpoint_release(&r);
  }
  return err;
}

enum err checkpoint_read(const char *run_dir, struct checkpoint *c, int *found,
                         enum err (*accept)(void *ctx, const struct checkpoint *c), void *ctx) {
  char *parent = text_of("%s/checkpoints", run_dir);
  uint64_t *steps;
  int n;
  *found = 0;
  enum err err = list_steps(&steps, &n, parent);
  for (int i = 0; i < n; i++) {
    char *folder = text_of("%s/" STEP_FORMAT, parent, steps[i]);
    struct fault fault;
    err = read_one(c, folder, &fault, accept, ctx);
    if (err == ERR_FORMAT) {
      log_warn("%s is damaged: %s; %s", folder, fault.text,
               i + 1 < n ? "using the one before it" : "there is none before it");
    }
    free(folder);
    if (err != ERR_FORMAT) {
      *found = err == ERR_OK;
      break;
    }
  }
  if (err == ERR_FORMAT) {
    log_error(
        "no checkpoint in %s is whole; restore one from a copy, or start over in another "
        "folder",
        parent);
  }
  free(steps);
  free(parent);
  return err;
}

enum err checkpoint_oldest_needed(const char *run_dir, struct segment_position *out) {
  char *parent = text_of("%s/checkpoints", run_dir);
  uint64_t *steps;
  int n;
  bool any = false;
  enum err err = list_steps(&steps, &n, parent);
  for (int i = 0; i < n; i++) {
    // a damaged one needs nothing: resuming will name it
    char *folder = text_of("%s/" STEP_FORMAT, parent, steps[i]);
    struct fault fault;
    struct checkpoint r = {0};
    uint64_t digest;
    json_t *o = NULL;
    if (read_state(&o, folder, &fault) == ERR_OK && parse_state(&r, &digest, o, &fault) == ERR_OK &&
        (!any || r.position.first < out->first)) {
      *out = r.position;
      any = true;
    }
    json_decref(o);
    checkpoint_release(&r);
    free(folder);
  }
  if (err == ERR_OK && !any) {
    log_error("no checkpoint in %s can be read; keep a copy of its replay folder", parent);
    err = ERR_FORMAT;
  }
  free(steps);
  free(parent);
  return err;
}
