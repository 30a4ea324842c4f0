// checkpoint_tensors.c - learner.safetensors: what the updates change, and the weights that the
// fold names, as tensors "weights.<version>".
//
// state.json names the digest of the whole file, so bytes that pass it are those that were written.
// Names and shapes are compared with what this configuration has: a difference is no damage, but
// another configuration.
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "learner/checkpoint_files.h"

#define FILE_NAME "learner.safetensors"
#define WEIGHTS "weights."

static const size_t MAX_BYTES = (size_t)1 << 36;

static void weights_name(char out[ST_MAX_NAME + 1], uint64_t version) {
  snprintf(out, ST_MAX_NAME + 1, WEIGHTS "%" PRIu64, version);
}

static bool is_wide(const struct st_tensor *t) {
  return t->dtype != ST_F32;
}

enum err tensors_write(const char *folder, const struct checkpoint *c, uint64_t *digest) {
  const struct fold *f = c->fold;
  uint64_t *named = must_alloc((size_t)f->nopen + (size_t)f->nowed + 1, sizeof *named);
  const int nnamed = fold_named(f, named);
  int total = c->ntensors + nnamed, n = 0;
  struct st_tensor *all = must_alloc((size_t)total, sizeof *all);
  // in the caller's order, but the 8-byte types first, as the format's alignment wants it
  for (int wide = 1; wide >= 0; wide--) {
    for (int i = 0; i < c->ntensors; i++) {
      if (is_wide(&c->tensors[i]) == (wide == 1)) {
        all[n++] = c->tensors[i];
      }
    }
  }
  for (int i = 0; i < nnamed; i++) {
    const struct weights *w = fold_weights(f, named[i]);
    CHECK(w && w->n == fold_newest(f)->n);
    all[n] =
        (struct st_tensor){.dtype = ST_F32, .rank = 1, .shape = {(int64_t)w->n}, .data = w->data};
    weights_name(all[n++].name, w->version);
  }
  void *data;
  size_t bytes;
  st_encode(&data, &bytes, all, total, NULL, 0);
  *digest = XXH3_64bits(data, bytes);
  char *path = run_files_path(folder, FILE_NAME);
  const enum err err = fsio_write_atomic(path, data, bytes);
  free(path);
  free(data);
  free(all);
  free(named);
  return err;
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
static enum err check_tensors(const struct st_file *file, const struct checkpoint *c,
                              const char *folder) {
  char a[128], b[128];
  for (int i = 0; i < c->ntensors; i++) {
    const struct st_tensor *want = &c->tensors[i], *got = st_find(file, want->name);
    if (!got) {
      log_error("%s has no tensor '%s'; " CHECKPOINT_REMEDY, folder, want->name);
      return ERR_CONFIG;
    }
    if (got->dtype != want->dtype || got->rank != want->rank ||
        memcmp(got->shape, want->shape, (size_t)want->rank * sizeof want->shape[0]) != 0) {
      log_error("%s: tensor '%s' is %s, this configuration has %s; " CHECKPOINT_REMEDY, folder,
                want->name, shape_text(a, got), shape_text(b, want));
      return ERR_CONFIG;
    }
  }
  for (int i = 0; i < file->ntensor; i++) {
    const char *name = file->tensors[i].name;
    bool known = strncmp(name, WEIGHTS, strlen(WEIGHTS)) == 0;
    for (int k = 0; k < c->ntensors && !known; k++) {
      known = strcmp(name, c->tensors[k].name) == 0;
    }
    if (!known) {
      log_error("%s has a tensor '%s' that this configuration has not; " CHECKPOINT_REMEDY, folder,
                name);
      return ERR_CONFIG;
    }
  }
  return ERR_OK;
}

// The weights that the fold names.
static enum err take_weights(struct fold *f, const struct state_tensors *t,
                             const struct st_file *file, struct fault *fault) {
  uint64_t *named = must_alloc((size_t)f->nopen + (size_t)f->nowed + 1, sizeof *named);
  const int n = fold_named(f, named);
  const size_t nparam = mlp_nparam(t->width, t->nlayer);
  enum err err = ERR_OK;
  for (int i = 0; i < n && err == ERR_OK; i++) {
    char name[ST_MAX_NAME + 1];
    weights_name(name, named[i]);
    const struct st_tensor *w = st_find(file, name);
    if (!w || w->dtype != ST_F32 || w->rank != 1 || (uint64_t)w->shape[0] < nparam) {
      err = fault_set(fault, FILE_NAME " has no %s of the policy's widths", name);
    } else {
      const float *data = w->data;
      f->weights[f->nweights++] = weights_new_along(named[i], t->width, t->nlayer, data,
                                                    data + nparam, (size_t)w->shape[0] - nparam);
    }
  }
  free(named);
  return err;
}

static enum err read_bytes(void **bytes, size_t *n, const char *folder, struct fault *fault) {
  char *path = run_files_path(folder, FILE_NAME);
  enum err err = ERR_OK;
  if (!fsio_exists(path)) {
    err = fault_set(fault, FILE_NAME " is missing");
  } else if (fsio_read(bytes, n, path, MAX_BYTES) != ERR_OK) {
    err = fault_set(fault, FILE_NAME " cannot be read");
  }
  free(path);
  return err;
}

enum err tensors_read(struct checkpoint *c, const struct state_tensors *tensors, const char *folder,
                      struct fault *fault) {
  void *bytes = NULL;
  size_t n = 0;
  enum err err = read_bytes(&bytes, &n, folder, fault);
  if (err != ERR_OK) {
    return err;
  }
  struct st_file file = {0};
  if (XXH3_64bits(bytes, n) != tensors->digest) {
    err = fault_set(fault, FILE_NAME " is not what was written");
  } else if (st_decode(&file, bytes, n, folder) != ERR_OK) {
    err = fault_set(fault, FILE_NAME " cannot be read");
  } else if ((err = check_tensors(&file, c, folder)) == ERR_OK) {
    err = take_weights(c->fold, tensors, &file, fault);
  }
  for (int i = 0; i < c->ntensors && err == ERR_OK; i++) {
    const struct st_tensor *t = &c->tensors[i];
    if (st_bytes(t) > 0) {
      memcpy(t->data, st_find(&file, t->name)->data, st_bytes(t));
    }
  }
  st_release(&file);
  free(bytes);
  return err;
}
