// demos.c - a header and records, read and written as a whole.
#include "common/demos.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// compiled into this file: AVX2 code
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/tfrecord.h"

enum { MAX_FILE = 1 << 30, MAX_HEADER = 256, FORMAT = 1 };

static const char HEADER[] =
    "telos-demos %d task %016" PRIx64 " obs %d act %d goal %d horizon %d reward %d\n";
static const char HEADER_READ[] =
    "telos-demos %d task %" SCNx64 " obs %d act %d goal %d horizon %d reward %d";

// ---- writing ----

struct bytes {
  unsigned char *at;
  size_t n;
};

// a record of one or two parts
static void append(struct bytes *to, const void *a, size_t na, const void *b, size_t nb) {
  const size_t n = na + nb;
  to->at = must_realloc(to->at, to->n + n + TFRECORD_OVERHEAD, 1);
  unsigned char *frame = to->at + to->n, *data = frame + TFRECORD_HEADER;
  memcpy(data, a, na);
  if (nb > 0) {
    memcpy(data + na, b, nb);
  }
  tfrecord_frame(frame, data, n);
  to->n += n + TFRECORD_OVERHEAD;
}

enum err demos_write(const char *path, struct episode *const *eps, int n, uint64_t task) {
  CHECK(path && eps && n >= 1);
  const struct dims *d = &eps[0]->dims;
  CHECK(d->hindsight == (d->goal > 0));
  struct bytes file = {0};
  char header[MAX_HEADER];
  const int length = snprintf(header, sizeof header, HEADER, FORMAT, task, d->obs, d->act, d->goal,
                              d->horizon, d->reward);
  append(&file, header, (size_t)length, NULL, 0);
  for (int i = 0; i < n; i++) {
    const uint64_t digest = episode_seal(eps[i]);
    append(&file, &digest, sizeof digest, eps[i]->content, eps[i]->bytes);
  }
  const enum err err = fsio_write_atomic(path, file.at, file.n);
  free(file.at);
  return err;
}

// ---- reading ----

struct reader {
  const char *path;
  const unsigned char *bytes;
  size_t n, at;
};

static enum err damaged(const struct reader *r, const char *what) {
  log_error("%s, byte %zu: %s; record the demonstrations again (telos record)", r->path, r->at,
            what);
  return ERR_FORMAT;
}

static enum err next(const void **data, size_t *n, struct reader *r) {
  size_t used;
  const enum err err = tfrecord_next(data, n, &used, r->bytes + r->at, r->n - r->at, MAX_FILE);
  if (err != ERR_OK) {
    return damaged(r,
                   err == ERR_UNAVAILABLE ? "the file ends inside a record" : "a damaged record");
  }
  r->at += used;
  return ERR_OK;
}

static enum err read_header(struct reader *r, const struct dims *dims, uint64_t task) {
  const void *data;
  size_t n;
  char text[MAX_HEADER];
  struct dims d = {0};
  int format;
  uint64_t of;
  enum err err = next(&data, &n, r);
  if (err != ERR_OK) {
    return err;
  }
  snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : sizeof text - 1),
           (const char *)data);
  if (sscanf(text, HEADER_READ, &format, &of, &d.obs, &d.act, &d.goal, &d.horizon, &d.reward) !=
      7) {
    r->at = 0;
    return damaged(r, "not a file of demonstrations");
  }
  if (format != FORMAT || d.obs != dims->obs || d.act != dims->act || d.goal != dims->goal ||
      d.horizon != dims->horizon || d.reward != dims->reward) {
    log_error(
        "%s is of format %d, obs %d, act %d, goal %d, horizon %d, reward %d; the task needs "
        "%d, %d, %d, %d, %d, %d; record demonstrations of this task (telos record)",
        r->path, format, d.obs, d.act, d.goal, d.horizon, d.reward, FORMAT, dims->obs, dims->act,
        dims->goal, dims->horizon, dims->reward);
    return ERR_CONFIG;
  }
  if (of != task) {
    log_warn("%s was recorded on another version of the task, or another task of its sizes",
             r->path);
  }
  return ERR_OK;
}

// The same episode with as many hindsight indices as dims has.
static struct episode *with_hindsight(const struct episode *from, const struct dims *dims) {
  struct episode *ep = episode_new(dims);
  const size_t T = (size_t)from->T, states = T + 1;
  ep->ticket = from->ticket;
  ep->T = from->T;
  ep->terminated = from->terminated;
  ep->unstable = from->unstable;
  memcpy(ep->obs, from->obs, states * (size_t)dims->obs * sizeof *ep->obs);
  memcpy(ep->achieved, from->achieved, states * (size_t)dims->goal * sizeof *ep->achieved);
  memcpy(ep->act, from->act, T * (size_t)dims->act * sizeof *ep->act);
  memcpy(ep->reward, from->reward, T * (size_t)dims->reward * sizeof *ep->reward);
  memcpy(ep->desired, from->desired, (size_t)dims->goal * sizeof *ep->desired);
  episode_hindsight(ep);
  return ep;
}

static enum err read_episode(struct demos *d, struct reader *r, const struct dims *dims) {
  const void *data;
  size_t n;
  const size_t at = r->at;
  const enum err err = next(&data, &n, r);
  if (err != ERR_OK) {
    return err;
  }
  struct dims own = *dims;
  own.hindsight = dims->goal > 0;
  uint64_t digest = 0;
  const char *fault = "a record that is too short";
  struct episode *ep = NULL;
  if (n >= sizeof digest) {
    memcpy(&digest, data, sizeof digest);
    ep = episode_read(&fault, &own, (const char *)data + sizeof digest, n - sizeof digest, digest);
  }
  if (ep == NULL) {
    r->at = at;
    return damaged(r, fault);
  }
  d->ep = must_realloc(d->ep, (size_t)d->n + 1, sizeof *d->ep);
  d->ep[d->n++] = with_hindsight(ep, dims);
  d->steps += ep->T;
  episode_free(ep);
  return ERR_OK;
}

static void digest_of(char out[DEMOS_DIGEST], const void *bytes, size_t n) {
  snprintf(out, DEMOS_DIGEST, "%016" PRIx64, (uint64_t)XXH3_64bits(bytes, n));
}

enum err demos_digest(char out[DEMOS_DIGEST], const char *path) {
  void *bytes = NULL;
  size_t n;
  const enum err err = fsio_read(&bytes, &n, path, MAX_FILE);
  if (err == ERR_OK) {
    digest_of(out, bytes, n);
  }
  free(bytes);
  return err;
}

enum err demos_read(struct demos **out, const char *path, const struct dims *dims, uint64_t task) {
  struct demos *d = must_alloc(1, sizeof *d);
  enum err err = fsio_read(&d->bytes, &d->nbytes, path, MAX_FILE);
  if (err == ERR_OK) {
    struct reader r = {.path = path, .bytes = d->bytes, .n = d->nbytes};
    digest_of(d->digest, d->bytes, d->nbytes);
    err = read_header(&r, dims, task);
    while (err == ERR_OK && r.at < r.n) {
      err = read_episode(d, &r, dims);
    }
    if (err == ERR_OK && d->n == 0) {
      err = damaged(&r, "no episode follows the header");
    }
  }
  if (err != ERR_OK) {
    demos_free(d);
    return err;
  }
  *out = d;
  return ERR_OK;
}

void demos_free(struct demos *d) {
  if (d == NULL) {
    return;
  }
  for (int i = 0; i < d->n; i++) {
    episode_free(d->ep[i]);
  }
  free(d->ep);
  free(d->bytes);
  free(d);
}
