// episode.c - one block of memory an episode: the struct, then room for its content.
//
// While an episode is written, its arrays stand where T = horizon would put them, so a full-length
// one is sealed in place; a shorter one's arrays move towards the front, each onto bytes that only
// arrays before it used. An episode that is read has exactly the room that its T needs.
//
// Digest and check run over every number that an actor sends, so they are written for throughput:
// the digest is one XXH3 of the content; the check looks at bit patterns, which compare as integers
// without branches and vectorise. Only what T covers is looked at: the room beyond belongs to
// nobody.
#include "common/episode.h"

#include <stdlib.h>
#include <string.h>

// compiled into this file: AVX2 code
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/rng.h"

enum { ALIGN = 64 };

// Largest magnitudes allowed, as bit patterns: the order of non-negative floats is that of their
// bits, and every NaN and infinity lies above the largest finite one.
enum { BITS_SIGNLESS = 0x7fffffff, BITS_ONE = 0x3f800000, BITS_FLT_MAX = 0x7f7fffff };

// what stands before the arrays
enum { ID, SEED, VERSION, KIND, LENGTH, TERMINATED, UNSTABLE, NHEAD };
enum { HEAD_BYTES = NHEAD * sizeof(uint64_t) };

enum rows { STATES, STEPS, ONCE };
enum check { FINITE, UNIT, LATER };

static const struct array {
  size_t field;  // where struct episode has its pointer
  size_t width;  // where struct dims has its width
  size_t element;
  enum rows rows;
  enum check check;
  const char *fault;
} ARRAYS[] = {
#define E(type, name, width, rows, check, fault) \
  {offsetof(struct episode, name), offsetof(struct dims, width), sizeof(type), rows, check, fault},
#include "common/episode.def"
#undef E
};
enum { NARRAY = sizeof ARRAYS / sizeof *ARRAYS };

static size_t width_of(const struct array *a, const struct dims *dims) {
  int width;
  memcpy(&width, (const char *)dims + a->width, sizeof width);
  return (size_t)width;
}

// numbers of an array in an episode of T steps
static size_t length_of(const struct array *a, const struct dims *dims, int T) {
  const size_t rows = a->rows == STATES ? (size_t)T + 1 : a->rows == STEPS ? (size_t)T : 1;
  return rows * width_of(a, dims);
}

static void *data_of(const struct episode *ep, const struct array *a) {
  void *data;
  memcpy(&data, (const char *)ep + a->field, sizeof data);
  return data;
}

static void set_data(struct episode *ep, const struct array *a, void *data) {
  memcpy((char *)ep + a->field, &data, sizeof data);
}

size_t episode_bytes(const struct dims *dims, int T) {
  size_t n = HEAD_BYTES;
  for (int i = 0; i < NARRAY; i++) {
    n += length_of(&ARRAYS[i], dims, T) * ARRAYS[i].element;
  }
  return n;
}

// Zeroed, with the arrays where the content of `room` steps has them.
static struct episode *make(const struct dims *dims, int room) {
  const size_t self = (sizeof(struct episode) + ALIGN - 1) / ALIGN * ALIGN;
  char *block = must_alloc(self + episode_bytes(dims, room), 1);
  struct episode *ep = (struct episode *)(void *)block;
  ep->dims = *dims;
  ep->room = room;
  ep->content = (unsigned char *)block + self;
  unsigned char *at = ep->content + HEAD_BYTES;
  for (int i = 0; i < NARRAY; i++) {
    set_data(ep, &ARRAYS[i], at);
    at += length_of(&ARRAYS[i], dims, room) * ARRAYS[i].element;
  }
  return ep;
}

struct episode *episode_new(const struct dims *dims) {
  CHECK(dims->obs >= 1 && dims->obs <= DIMS_MAX_WIDTH);
  CHECK(dims->act >= 1 && dims->act <= DIMS_MAX_WIDTH);
  CHECK(dims->reward == 0 || dims->reward == 1);
  CHECK(dims->goal >= 1 - dims->reward && dims->goal <= DIMS_MAX_WIDTH);
  CHECK(dims->horizon >= 1 && dims->horizon <= DIMS_MAX_HORIZON);
  CHECK(dims->hindsight >= (dims->goal > 0) && dims->hindsight <= DIMS_MAX_HINDSIGHT);
  return make(dims, dims->horizon);
}

void episode_free(struct episode *ep) {
  free(ep);
}

uint64_t episode_seal(struct episode *ep) {
  CHECK(ep->T >= 1 && ep->T <= ep->room);
  const uint64_t head[NHEAD] = {[ID] = ep->ticket.id,
                                [SEED] = ep->ticket.seed,
                                [VERSION] = ep->ticket.version,
                                [KIND] = (uint64_t)ep->ticket.kind,
                                [LENGTH] = (uint64_t)ep->T,
                                [TERMINATED] = ep->terminated ? 1 : 0,
                                [UNSTABLE] = ep->unstable ? 1 : 0};
  memcpy(ep->content, head, HEAD_BYTES);
  unsigned char *at = ep->content + HEAD_BYTES;
  for (int i = 0; i < NARRAY; i++) {
    const size_t n = length_of(&ARRAYS[i], &ep->dims, ep->T) * ARRAYS[i].element;
    memmove(at, data_of(ep, &ARRAYS[i]), n);
    set_data(ep, &ARRAYS[i], at);
    at += n;
  }
  ep->room = ep->T;
  ep->bytes = (size_t)(at - ep->content);
  ep->digest = XXH3_64bits(ep->content, ep->bytes);
  return ep->digest;
}

// What is wrong with the head or the size of a content, or NULL.
static const char *shape_fault(const uint64_t head[NHEAD], const struct dims *dims, size_t n) {
  if (head[KIND] < TICKET_WARMUP || head[KIND] > TICKET_EVAL) {
    return "ticket of an unknown kind";
  }
  if (head[LENGTH] < 1 || head[LENGTH] > (uint64_t)dims->horizon) {
    return "episode length outside 1..horizon";
  }
  if (head[TERMINATED] > 1 || head[UNSTABLE] > 1 || n != episode_bytes(dims, (int)head[LENGTH])) {
    return "episode of a wrong shape";
  }
  return NULL;
}

struct episode *episode_read(const char **fault, const struct dims *dims, const void *content,
                             size_t n, uint64_t digest) {
  uint64_t head[NHEAD];
  if (n < HEAD_BYTES) {
    *fault = "episode of a wrong shape";
    return NULL;
  }
  memcpy(head, content, HEAD_BYTES);
  *fault = shape_fault(head, dims, n);
  if (!*fault && XXH3_64bits(content, n) != digest) {
    *fault = "digest of the episode is wrong";
  }
  if (*fault) {
    return NULL;
  }
  struct episode *ep = make(dims, (int)head[LENGTH]);
  memcpy(ep->content, content, n);
  ep->ticket = (struct ticket){.id = head[ID],
                               .seed = head[SEED],
                               .version = head[VERSION],
                               .kind = (enum ticket_kind)head[KIND]};
  ep->T = ep->room;
  ep->terminated = head[TERMINATED] != 0;
  ep->unstable = head[UNSTABLE] != 0;
  ep->bytes = n;
  ep->digest = digest;
  *fault = episode_fault(ep);
  if (*fault) {
    episode_free(ep);
    return NULL;
  }
  return ep;
}

// Is any |x_i|, as bits, above limit?
static bool exceeds(const float *x, size_t n, uint32_t limit) {
  uint32_t above = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    above |= (uint32_t)((bits & BITS_SIGNLESS) > limit);
  }
  return above != 0;
}

// Is any index of row t outside [t+1, T]?
static bool outside(const uint16_t *index, int T, size_t width) {
  unsigned any = 0;
  for (int t = 0; t < T; t++, index += width) {
    for (size_t i = 0; i < width; i++) {
      any |= (unsigned)(index[i] <= t) | (unsigned)(index[i] > T);
    }
  }
  return any != 0;
}

const char *episode_fault(const struct episode *ep) {
  if (ep->T < 1 || ep->T > ep->dims.horizon) {
    return "episode length outside 1..horizon";
  }
  if (ep->unstable && (ep->terminated || ep->T == ep->dims.horizon)) {
    return "unstable episode that was not cut";
  }
  for (int i = 0; i < NARRAY; i++) {
    const struct array *a = &ARRAYS[i];
    const void *data = data_of(ep, a);
    const size_t n = length_of(a, &ep->dims, ep->T);
    const bool bad = a->check == LATER
                         ? outside(data, ep->T, width_of(a, &ep->dims))
                         : exceeds(data, n, a->check == UNIT ? BITS_ONE : BITS_FLT_MAX);
    if (bad) {
      return a->fault;
    }
  }
  return NULL;
}

void episode_hindsight(struct episode *ep) {
  struct rng rng;
  rng_init(&rng, ep->ticket.seed, RNG_HINDSIGHT, 0);
  const int k = ep->dims.hindsight;
  uint16_t *row = ep->hindsight;
  for (int t = 0; t < ep->T; t++) {
    for (int i = 0; i < k; i++) {
      *row++ = (uint16_t)(t + 1 + (int)rng_below(&rng, (uint32_t)(ep->T - t)));
    }
  }
}
