// wire.c - telos.proto's messages, between bytes that anyone may send and structs that may be used.
//
// Decoding goes through four gates, so that each one can trust the one before it:
//   wire_peek    reads only the envelope's protocol number, tolerant of all else: that is how a
//   peer
//                of another version is told apart from garbage
//   wire_sealed  compares the check: no bit has changed. An episode has a digest instead
//   wire_scan    walks the frame along the schema without allocating
//   read_*       take the unpacked message and check values: lengths against the run's sizes,
//                ranges, digests, finiteness
// protobuf-c unpacks into an arena that is bounded by the frame's size, and is simply rewound for
// the next frame. Zero is what proto3 decodes for a field that is missing, so wherever a field is
// needed zero is no valid value of it.
#include "proto/wire.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/task/mj.h"
#include "proto/telos.pb-c.h"
#include "proto/wire_scan.h"

enum { ARENA_ALIGN = 16 };  // bytes

struct arena {
  char *block;
  size_t capacity, limit, used;
};

struct wire_decoder {
  struct dims dims;
  bool has_dims;
  size_t max_bytes;
  const char *fault;
  uint32_t protocol;  // of the last envelope
  struct arena arena;
  struct ticket tickets[WIRE_MAX_TICKETS];
};

struct wire_decoder *wire_decoder_new(const struct dims *dims, size_t max_bytes) {
  struct wire_decoder *d = must_alloc(1, sizeof *d);
  d->max_bytes = max_bytes;
  d->fault = "";
  wire_decoder_set_dims(d, dims);
  return d;
}

void wire_decoder_free(struct wire_decoder *d) {
  if (d) {
    free(d->arena.block);
    free(d);
  }
}

void wire_decoder_set_dims(struct wire_decoder *d, const struct dims *dims) {
  d->has_dims = dims != NULL;
  if (dims) {
    d->dims = *dims;
  }
}

const char *wire_fault(const struct wire_decoder *d) {
  return d->fault;
}

uint32_t wire_peer_protocol(const struct wire_decoder *d) {
  return d->protocol;
}

static void *arena_alloc(void *arena, size_t size) {
  struct arena *a = arena;
  if (size > a->limit - a->used) {
    return NULL;
  }
  void *p = a->block + a->used;
  size_t taken = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
  a->used = taken > a->limit - a->used ? a->limit : a->used + taken;
  return p;
}

static void arena_free(void *arena, void *p) {
  // the next frame rewinds the whole arena
  (void)arena;
  (void)p;
}

// Empty, with the limit for a frame of n bytes; untouched pages of the block cost nothing.
static void arena_rewind(struct arena *a, size_t n) {
  a->limit = WIRE_ARENA_FACTOR * n + WIRE_ARENA_BASE;
  a->used = 0;
  if (a->limit > a->capacity) {
    free(a->block);
    a->capacity = a->limit;
    a->block = must_realloc(NULL, a->capacity, 1);
  }
}

// One line that may be printed: short, and nothing that steers a terminal.
static bool line_ok(const char *s) {
  size_t n = strnlen(s, WIRE_MAX_TEXT + 1);
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c < ' ' || c == 0x7f) {
      return false;
    }
  }
  return n <= WIRE_MAX_TEXT;
}

static bool ticket_read(struct ticket *t, const Telos__Pb__Ticket *m) {
  if (!m || m->kind < TICKET_WARMUP || m->kind > TICKET_EVAL) {
    return false;
  }
  *t = (struct ticket){
      .id = m->id, .seed = m->seed, .version = m->version, .kind = (enum ticket_kind)m->kind};
  return true;
}

static const char *read_hello(struct wire_msg *msg, const Telos__Pb__Hello *m) {
  if (!line_ok(m->build) || !line_ok(m->cpu) || !line_ok(m->name)) {
    return "text is too long or holds control characters";
  }
  if (m->mujoco_version == 0 || m->actor == 0 || m->slots > WIRE_MAX_TICKETS ||
      m->threads > m->slots || m->threads == 0) {
    return "hello without version, actor, slots or threads";
  }
  msg->hello = (struct wire_hello){.build = m->build,
                                   .cpu = m->cpu,
                                   .name = m->name,
                                   .mujoco_version = m->mujoco_version,
                                   .actor = m->actor,
                                   .slots = m->slots,
                                   .threads = m->threads,
                                   .task_digest = m->task_digest};
  return NULL;
}

// the range of each setting, from the one table
enum {
#define X(type, group, name, ...) SETTING_##group##_##name,
#include "common/config/config.def"
#undef X
};
static const struct {
  double min, max;
} RANGES[] = {
#define X(type, group, name, def, low, high, ...) {low, high},
#include "common/config/config.def"
#undef X
};

size_t wire_largest_message(void) {
  return (size_t)RANGES[SETTING_wire_max_message].max;
}

static bool in_range(int setting, double x) {
  // not so for a NaN
  return x >= RANGES[setting].min && x <= RANGES[setting].max;
}

static bool settings_ok(const Telos__Pb__Settings *m) {
  return in_range(SETTING_explore_none, m->none) && in_range(SETTING_explore_least, m->least) &&
         in_range(SETTING_explore_random, m->random) &&
         in_range(SETTING_explore_repeat, m->repeat) &&
         in_range(SETTING_replay_hindsight_k, m->hindsight) &&
         in_range(SETTING_context_members, m->members) &&
         in_range(SETTING_wire_heartbeat, m->heartbeat) &&
         in_range(SETTING_wire_patience, m->patience) &&
         in_range(SETTING_wire_max_message, m->max_message);
}

static const char *read_welcome(struct wire_msg *msg, const Telos__Pb__Welcome *m) {
  if (m->run == 0 || m->task_digest == 0 || m->weights_port == 0 || m->weights_port > 65535) {
    return "welcome without run, task or port";
  }
  if (m->model_bytes == 0 || m->model_bytes > MJ_MAX_MJB) {
    return "size of the model is out of range";
  }
  if (!m->settings || !settings_ok(m->settings)) {
    return "settings are out of range";
  }
  msg->welcome = (struct wire_welcome){.run = m->run,
                                       .task_digest = m->task_digest,
                                       .model_bytes = m->model_bytes,
                                       .weights_port = m->weights_port,
                                       .settings = {.none = m->settings->none,
                                                    .least = m->settings->least,
                                                    .random = m->settings->random,
                                                    .repeat = m->settings->repeat,
                                                    .hindsight = m->settings->hindsight,
                                                    .members = m->settings->members,
                                                    .heartbeat = m->settings->heartbeat,
                                                    .patience = m->settings->patience,
                                                    .max_message = m->settings->max_message}};
  return NULL;
}

static const char *read_model_request(struct wire_msg *msg, const Telos__Pb__ModelRequest *m) {
  if (m->task_digest == 0) {
    return "no task in a message about its model";
  }
  msg->model_request =
      (struct wire_model_request){.task_digest = m->task_digest, .piece = m->piece};
  return NULL;
}

static const char *read_model_piece(struct wire_msg *msg, const Telos__Pb__ModelPiece *m) {
  if (m->task_digest == 0) {
    return "no task in a message about its model";
  }
  if (m->data.len == 0 || m->data.len > WIRE_PIECE) {
    return "piece of the model of a wrong size";
  }
  msg->model_piece = (struct wire_model_piece){
      .task_digest = m->task_digest, .piece = m->piece, .data = m->data.data, .n = m->data.len};
  return NULL;
}

static const char *read_text(struct wire_text *out, uint32_t code, uint32_t last,
                             const char *reason) {
  if (code == 0 || code > last) {
    return "unknown code";
  }
  if (!line_ok(reason)) {
    return "text is too long or holds control characters";
  }
  *out = (struct wire_text){.code = code, .reason = reason};
  return NULL;
}

static const char *read_grant(struct wire_decoder *d, struct wire_msg *msg,
                              const Telos__Pb__Grant *m) {
  if (m->n_tickets == 0) {
    return "grant without tickets";
  }
  for (size_t i = 0; i < m->n_tickets; i++) {
    if (!ticket_read(&d->tickets[i], m->tickets[i])) {
      return "ticket of an unknown kind";
    }
  }
  msg->grant = (struct wire_grant){.run = m->run, .tickets = d->tickets, .n = (int)m->n_tickets};
  return NULL;
}

// Lengths are compared with what dims and T demand before the episode is made.
static const char *read_episode(const struct wire_decoder *d, struct wire_msg *msg,
                                const Telos__Pb__Episode *m) {
  if (!d->has_dims) {
    return "episode before the task is known";
  }
  const char *fault;
  msg->episode.run = m->run;
  msg->episode.episode = episode_read(&fault, &d->dims, m->content.data, m->content.len, m->digest);
  return fault;
}

static bool all_finite(const float *x, size_t n) {
  uint32_t above = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    above |= (uint32_t)((bits & 0x7fffffff) > 0x7f7fffff);
  }
  return above == 0;
}

// The sizes of a network whose parameters bytes of data begin with, and how many there are; false
// when they do not fit each other, or what goes along is no such thing (common/nn/weights.h).
static bool shape_read(const struct wire_decoder *d, int *width, int *nlayer, size_t *nparam,
                       const Telos__Pb__Weights *m) {
  if (m->n_width < 2 || m->n_width > MLP_MAX_LAYERS + 1) {
    return false;
  }
  size_t floats = 0;
  for (size_t l = 0; l < m->n_width; l++) {
    // the first is obs + goal, the last 2 act
    if (m->width[l] < 1 || m->width[l] > 2 * DIMS_MAX_WIDTH) {
      return false;
    }
    width[l] = (int)m->width[l];
    // W (n_l x n_{l-1}) and b (n_l): at most 8 x 8192 x 8193 floats, far from overflow
    floats += l == 0 ? 0 : (size_t)m->width[l] * ((size_t)m->width[l - 1] + 1);
  }
  *nlayer = (int)m->n_width - 1;
  bool fits =
      !d->has_dims || (width[0] == d->dims.obs + d->dims.goal && width[*nlayer] == 2 * d->dims.act);
  *nparam = floats;
  if (!fits || m->data.len % sizeof(float) != 0 || m->data.len < floats * sizeof(float)) {
    return false;
  }
  const size_t more = m->data.len / sizeof(float) - floats;
  struct weights_along along;
  const float *data = (const float *)(const void *)m->data.data;
  return !d->has_dims || weights_along_read(&along, data + floats, more, width[1], d->dims.goal);
}

static const char *read_weights(const struct wire_decoder *d, struct wire_msg *msg,
                                const Telos__Pb__Weights *m) {
  int width[MLP_MAX_LAYERS + 1], nlayer;
  size_t nparam;
  if (m->version == 0) {
    return "no version of the weights";
  }
  if (!shape_read(d, width, &nlayer, &nparam, m)) {
    return "weights of a wrong shape";
  }
  const float *data = (const float *)(const void *)m->data.data;
  if (!all_finite(data, m->data.len / sizeof(float))) {
    return "weights are not finite";
  }
  const size_t more = m->data.len / sizeof(float) - nparam;
  msg->weights = (struct wire_weights){
      .run = m->run,
      .weights = weights_new_along(m->version, width, nlayer, data, data + nparam, more)};
  return NULL;
}

void wire_drop(const struct wire_msg *msg) {
  if (msg->type == WIRE_EPISODE) {
    episode_free(msg->episode.episode);
  } else if (msg->type == WIRE_WEIGHTS) {
    weights_unref(msg->weights.weights);
  }
}

// The values of the body.
static const char *read_body(struct wire_decoder *d, struct wire_msg *msg,
                             const Telos__Pb__Envelope *m) {
  switch (msg->type) {
    case WIRE_HELLO:
      return read_hello(msg, m->hello);
    case WIRE_WELCOME:
      return read_welcome(msg, m->welcome);
    case WIRE_REFUSE:
      return read_text(&msg->refuse, m->refuse->code, WIRE_REFUSE_KEY, m->refuse->reason);
    case WIRE_GRANT:
      return read_grant(d, msg, m->grant);
    case WIRE_EPISODE:
      return read_episode(d, msg, m->episode);
    case WIRE_ACK:
      if (m->ack->kind < TICKET_WARMUP || m->ack->kind > TICKET_EVAL) {
        return "ticket of an unknown kind";
      }
      msg->ack = (struct wire_ack){.id = m->ack->id, .kind = (enum ticket_kind)m->ack->kind};
      return NULL;
    case WIRE_HEARTBEAT:
      msg->heartbeat = (struct wire_heartbeat){
          .run = m->heartbeat->run, .progress = m->heartbeat->progress, .busy = m->heartbeat->busy};
      return NULL;
    case WIRE_BYE:
      return read_text(&msg->bye, m->bye->code, WIRE_BYE_DRAINING, m->bye->reason);
    case WIRE_WEIGHTS_REQUEST:
      msg->weights_request = m->weights_request->version;
      return msg->weights_request == 0 ? "no version of the weights" : NULL;
    case WIRE_WEIGHTS:
      return read_weights(d, msg, m->weights);
    case WIRE_MODEL_REQUEST:
      return read_model_request(msg, m->model_request);
    case WIRE_MODEL_PIECE:
      return read_model_piece(msg, m->model_piece);
  }
  return "no message in the envelope";
}

enum err wire_decode(struct wire_decoder *d, struct wire_msg *msg, const void *frame, size_t n) {
  uint64_t protocol;
  d->protocol = 0;
  if (n > d->max_bytes) {
    d->fault = "message is too large";
    return ERR_FORMAT;
  }
  d->fault = wire_peek(&protocol, &msg->type, frame, n);
  if (d->fault) {
    return ERR_FORMAT;
  }
  // protocol 1 had no check
  const bool unchecked = msg->type == WIRE_EPISODE && protocol == WIRE_PROTOCOL;
  if (!unchecked && protocol != 1 && !wire_sealed(frame, n)) {
    d->fault = "check of the message is wrong";
    return ERR_FORMAT;
  }
  d->protocol = protocol > UINT32_MAX ? UINT32_MAX : (uint32_t)protocol;
  if (protocol != WIRE_PROTOCOL) {
    d->fault = "another protocol version";
    return ERR_REFUSED;
  }
  d->fault = wire_scan(frame, n);
  if (d->fault) {
    return ERR_FORMAT;
  }
  arena_rewind(&d->arena, n);
  ProtobufCAllocator allocator = {arena_alloc, arena_free, &d->arena};
  const Telos__Pb__Envelope *m = telos__pb__envelope__unpack(&allocator, n, frame);
  d->fault = m ? read_body(d, msg, m) : WIRE_MALFORMED;
  return d->fault ? ERR_FORMAT : ERR_OK;
}
