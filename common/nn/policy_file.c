// policy_file.c - one flat parameter block, shown under the names that others expect.
//
// mlp_shape.h stores W_l (out x in) before b_l, as torch.nn.Linear does, so writing copies nothing:
// every tensor is a window on theta, and the head's rows 0 .. act-1 are the mean, act .. 2 act - 1
// the log standard deviation. Reading runs the same table of windows the other way, over a theta of
// the shape that the file's metadata and names ask for; a file that does not have exactly these
// tensors is refused.
#include "common/nn/policy_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/episode.h"
#include "common/nn/mlp_shape.h"

enum {
  MAX_FILE = 1 << 30,                     // bytes
  MAX_TENSORS = POLICY_FILE_TENSORS + 1,  // and the contexts of a family
  MAX_META = 64,
  MAX_HIDDEN = 1 << 16,  // floats
};

// ---- the table of tensors ----

static struct st_tensor matrix(float *data, int rows, int cols) {
  return (struct st_tensor){.dtype = ST_F32, .rank = 2, .shape = {rows, cols}, .data = data};
}

static struct st_tensor vector(float *data, int n) {
  return (struct st_tensor){.dtype = ST_F32, .rank = 1, .shape = {n}, .data = data};
}

static const char SHIFT[] = "context.shift";

// Names and windows of all tensors of a policy: its network's, and members rows of shift. Returns
// how many.
static int windows(struct st_tensor out[MAX_TENSORS], const int *width, int nlayer, float *theta,
                   int members, float *shift) {
  int n = 0;
  for (int l = 0; l + 1 < nlayer; l++) {
    out[n] = matrix(theta, width[l + 1], width[l]);
    snprintf(out[n++].name, sizeof out->name, "actor.net.%d.weight", 2 * l);
    theta += (size_t)width[l + 1] * (size_t)width[l];
    out[n] = vector(theta, width[l + 1]);
    snprintf(out[n++].name, sizeof out->name, "actor.net.%d.bias", 2 * l);
    theta += width[l + 1];
  }
  int in = width[nlayer - 1], act = width[nlayer] / 2;
  float *bias = theta + 2 * (size_t)act * (size_t)in;
  const char *parts[] = {"mean", "log_std"};
  for (int i = 0; i < 2; i++) {
    out[n] = matrix(theta + (size_t)i * (size_t)act * (size_t)in, act, in);
    snprintf(out[n++].name, sizeof out->name, "actor.%s.weight", parts[i]);
    out[n] = vector(bias + (size_t)i * (size_t)act, act);
    snprintf(out[n++].name, sizeof out->name, "actor.%s.bias", parts[i]);
  }
  if (members > 0) {
    out[n] = matrix(shift, members, width[1]);
    snprintf(out[n++].name, sizeof out->name, "%s", SHIFT);
  }
  return n;
}

int policy_file_tensors(struct st_tensor out[POLICY_FILE_TENSORS], const struct weights *w) {
  struct st_tensor all[MAX_TENSORS];
  const int n = windows(all, w->width, w->nlayer, w->data, 0, NULL);
  memcpy(out, all, (size_t)n * sizeof *out);
  return n;
}

// ---- writing ----

enum err policy_file_write(const char *path, const struct weights *w, int obs, int goal, int act,
                           const struct st_meta *meta, int nmeta) {
  CHECK(obs + goal == w->width[0] && 2 * act == w->width[w->nlayer]);
  CHECK(nmeta >= 0 && nmeta <= MAX_META - 3);
  struct st_tensor tensors[MAX_TENSORS];
  const struct weights_along along = weights_along(w, goal);
  // only read
  int ntensor = windows(tensors, w->width, w->nlayer, w->data, along.members,
                        w->data + (along.members > 0 ? along.mean - w->data : 0));

  // the caller's pairs, then ours
  const struct {
    const char *key;
    int value;
  } sizes[] = {{"obs", obs}, {"goal", goal}, {"act", act}};
  struct st_meta all[MAX_META];
  char text[3][16];
  for (int i = 0; i < nmeta; i++) {
    all[i] = meta[i];
  }
  for (int i = 0; i < 3; i++) {
    snprintf(text[i], sizeof text[i], "%d", sizes[i].value);
    all[nmeta + i] = (struct st_meta){sizes[i].key, text[i]};
  }

  void *data;
  size_t n;
  st_encode(&data, &n, tensors, ntensor, all, nmeta + 3);
  enum err err = fsio_write_atomic(path, data, n);
  free(data);
  return err;
}

// ---- reading ----

static enum err refuse(const char *path, const char *name, const char *what) {
  log_error("%s is not a policy of telos: %s %s; export it again", path, name, what);
  return ERR_FORMAT;
}

// A width from the metadata, in [least, DIMS_MAX_WIDTH].
static enum err meta_width(int *out, const struct st_file *f, const char *key, int least,
                           const char *path) {
  const char *text = st_meta_value(f, key);
  if (!text) {
    return refuse(path, key, "is missing from its metadata");
  }
  int64_t value;
  if (!number_parse_int(&value, text) || value < least || value > DIMS_MAX_WIDTH) {
    return refuse(path, key, "is no width in its metadata");
  }
  *out = (int)value;
  return ERR_OK;
}

// Layer widths from the rows of actor.net.0, .2, ..; the ends are known from the metadata.
static enum err network_shape(int width[MLP_MAX_LAYERS + 1], int *nlayer,
                              const struct policy_file *p, const struct st_file *f,
                              const char *path) {
  width[0] = p->obs + p->goal;
  int hidden = 0;
  for (;;) {
    char name[ST_MAX_NAME + 1];
    snprintf(name, sizeof name, "actor.net.%d.weight", 2 * hidden);
    const struct st_tensor *t = st_find(f, name);
    if (!t) {
      break;
    }
    if (hidden == MLP_MAX_LAYERS - 1) {
      return refuse(path, name, "is one layer too many");
    }
    if (t->rank != 2 || t->shape[0] < 1 || t->shape[0] > MAX_HIDDEN) {
      return refuse(path, name, "has a wrong shape");
    }
    width[++hidden] = (int)t->shape[0];
  }
  *nlayer = hidden + 1;
  width[*nlayer] = 2 * p->act;
  return ERR_OK;
}

// Fills theta and shift from exactly the tensors that the policy has.
static enum err fill(float *theta, const int *width, int nlayer, int members, float *shift,
                     const struct st_file *f, const char *path) {
  struct st_tensor want[MAX_TENSORS];
  int n = windows(want, width, nlayer, theta, members, shift);
  for (int i = 0; i < n; i++) {
    const struct st_tensor *t = st_find(f, want[i].name);
    if (!t) {
      return refuse(path, want[i].name, "is missing");
    }
    if (t->dtype != ST_F32 || t->rank != want[i].rank ||
        memcmp(t->shape, want[i].shape, (size_t)t->rank * sizeof t->shape[0]) != 0) {
      return refuse(path, want[i].name, "has a wrong type or shape");
    }
    const float *x = t->data;
    for (size_t k = 0; k < st_bytes(t) / sizeof *x; k++) {
      if (!isfinite(x[k])) {
        return refuse(path, want[i].name, "holds a number that is not finite");
      }
    }
    memcpy(want[i].data, x, st_bytes(t));
  }
  for (int i = 0; i < f->ntensor; i++) {
    int k = 0;
    while (k < n && strcmp(f->tensors[i].name, want[k].name) != 0) {
      k++;
    }
    if (k == n) {
      return refuse(path, f->tensors[i].name, "is no tensor of a policy");
    }
  }
  return ERR_OK;
}

// How many tasks its family has; 0: it is of none.
static enum err family_size(int *members, const struct st_file *f, const char *path) {
  const struct st_tensor *shift = st_find(f, SHIFT);
  if (shift && (shift->rank != 2 || shift->shape[0] < 1 || shift->shape[0] > WEIGHTS_MAX_MEMBERS)) {
    return refuse(path, SHIFT, "has a wrong shape");
  }
  *members = shift ? (int)shift->shape[0] : 0;
  return ERR_OK;
}

static enum err read_tensors(struct policy_file *p, const struct st_file *f, size_t file_bytes,
                             const char *path) {
  enum err err;
  if ((err = meta_width(&p->obs, f, "obs", 1, path)) != ERR_OK ||
      (err = meta_width(&p->goal, f, "goal", 0, path)) != ERR_OK ||
      (err = meta_width(&p->act, f, "act", 1, path)) != ERR_OK) {
    return err;
  }
  int width[MLP_MAX_LAYERS + 1], nlayer;
  if ((err = network_shape(width, &nlayer, p, f, path)) != ERR_OK) {
    return err;
  }
  // the names promise this many parameters: no more memory than the file has bytes
  size_t n = mlp_nparam(width, nlayer);
  if (n > file_bytes / sizeof(float)) {
    return refuse(path, "a tensor", "has a wrong shape");
  }
  int members;
  if ((err = family_size(&members, f, path)) != ERR_OK) {
    return err;
  }
  const size_t nalong = weights_along_size(1, members, width[1], 0, p->goal);
  float *theta = must_alloc(n + nalong, sizeof *theta);
  struct weights_places at = {0};
  if (members > 0) {
    at = weights_along_lay(theta + n, 1, members, 0, width[1]);
  }
  err = fill(theta, width, nlayer, members, at.mean, f, path);
  if (err == ERR_OK) {
    if (members > 0) {  // a file has no samples
      memcpy(at.sample, at.mean, (size_t)members * (size_t)width[1] * sizeof *theta);
    }
    p->weights = weights_new_along(1, width, nlayer, theta, theta + n, nalong);
  }
  free(theta);
  return err;
}

enum err policy_file_read(struct policy_file *out, const char *path) {
  void *bytes;
  size_t n;
  enum err err = fsio_read(&bytes, &n, path, MAX_FILE);
  if (err != ERR_OK) {
    return err;
  }
  struct st_file f;
  err = st_decode(&f, bytes, n, path);
  if (err == ERR_OK) {
    struct policy_file p = {0};
    err = read_tensors(&p, &f, n, path);
    if (err == ERR_OK) {
      // the metadata change hands
      p.meta = f.meta;
      p.nmeta = f.nmeta;
      f.meta = NULL;
      f.nmeta = 0;
      *out = p;
    }
    st_release(&f);
  }
  free(bytes);
  return err;
}

void policy_file_release(struct policy_file *p) {
  for (int i = 0; i < 2 * p->nmeta; i++) {
    free(p->meta[i]);
  }
  free(p->meta);
  weights_unref(p->weights);
  memset(p, 0, sizeof *p);
}

const char *policy_file_meta(const struct policy_file *p, const char *key) {
  for (int i = 0; i < p->nmeta; i++) {
    if (strcmp(p->meta[2 * i], key) == 0) {
      return p->meta[2 * i + 1];
    }
  }
  return NULL;
}
