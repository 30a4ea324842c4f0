// wire.c - telos.proto's messages, between bytes that anyone may send and structs that may be used.
//
// Decoding goes through three gates, so that each one can trust the one before it:
//   peek    reads only the envelope's protocol number, tolerant of all else: that is how a peer of
//           another version is told apart from garbage
//   scan    walks the frame along the schema without allocating: only known fields, each at most
//           once, of the right wire type, text without NUL bytes, counts within limits. What is
//           left for protobuf-c is plain: it never merges, never keeps unknown fields
//   read_*  take the unpacked message and check values: lengths against the run's sizes, ranges,
//           digests, finiteness (of an episode: episode_read)
// protobuf-c unpacks into an arena that is bounded by the frame's size, and is simply rewound for
// the next frame. Zero is what proto3 decodes for a field that is missing, so wherever a field is
// needed zero is no valid value of it.
//
// Encoding packs straight from the caller's arrays into one buffer that only grows.
#include "proto/wire.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "proto/telos.pb-c.h"

// digests of weights are computed by AVX2 code compiled into this file
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { ARENA_ALIGN = 16, MAX_PACKED = 64 };  // bytes

// ---- encoding ----

struct wire_encoder {
  uint8_t *buf;
  size_t capacity;
  Telos__Pb__Ticket tickets[WIRE_MAX_TICKETS];
  Telos__Pb__Ticket *ticket_at[WIRE_MAX_TICKETS];
};

struct wire_encoder *wire_encoder_new(void) {
  return must_alloc(1, sizeof(struct wire_encoder));
}

void wire_encoder_free(struct wire_encoder *e) {
  if (e) {
    free(e->buf);
    free(e);
  }
}

// protobuf-c's structs have no const, but packing only reads.
static char *text(const char *s) {
  return (char *)(uintptr_t)s;
}

static ProtobufCBinaryData bytes(const void *data, size_t n) {
  return (ProtobufCBinaryData){.len = n, .data = (uint8_t *)(uintptr_t)data};
}

static Telos__Pb__Ticket ticket_message(const struct ticket *t) {
  Telos__Pb__Ticket m = TELOS__PB__TICKET__INIT;
  m.id = t->id;
  m.kind = (uint32_t)t->kind;
  m.seed = t->seed;
  m.version = t->version;
  return m;
}

static const void *pack(struct wire_encoder *e, size_t *n, Telos__Pb__Envelope *envelope) {
  envelope->protocol = WIRE_PROTOCOL;
  size_t size = telos__pb__envelope__get_packed_size(envelope);
  if (size > e->capacity) {
    free(e->buf);
    e->capacity = size + size / 4;
    e->buf = must_alloc(e->capacity, 1);
  }
  *n = telos__pb__envelope__pack(envelope, e->buf);
  CHECK(*n == size);
  return e->buf;
}

static const void *pack_hello(struct wire_encoder *e, size_t *n, const struct wire_hello *h) {
  Telos__Pb__Hello m = TELOS__PB__HELLO__INIT;
  m.build = text(h->build);
  m.mujoco_version = h->mujoco_version;
  m.cpu = text(h->cpu);
  m.actor = h->actor;
  m.name = text(h->name);
  m.slots = h->slots;
  m.task_digest = h->task_digest;
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_HELLO;
  envelope.hello = &m;
  return pack(e, n, &envelope);
}

static const void *pack_welcome(struct wire_encoder *e, size_t *n, const struct wire_welcome *w) {
  Telos__Pb__Welcome m = TELOS__PB__WELCOME__INIT;
  m.run = w->run;
  m.config = text(w->config);
  m.model = bytes(w->model, w->model_size);
  m.task_digest = w->task_digest;
  m.weights_port = w->weights_port;
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_WELCOME;
  envelope.welcome = &m;
  return pack(e, n, &envelope);
}

static const void *pack_refuse(struct wire_encoder *e, size_t *n, const struct wire_text *t) {
  Telos__Pb__Refuse m = TELOS__PB__REFUSE__INIT;
  m.code = t->code;
  m.reason = text(t->reason);
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_REFUSE;
  envelope.refuse = &m;
  return pack(e, n, &envelope);
}

static const void *pack_bye(struct wire_encoder *e, size_t *n, const struct wire_text *t) {
  Telos__Pb__Bye m = TELOS__PB__BYE__INIT;
  m.code = t->code;
  m.reason = text(t->reason);
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_BYE;
  envelope.bye = &m;
  return pack(e, n, &envelope);
}

static const void *pack_grant(struct wire_encoder *e, size_t *n, const struct wire_grant *g) {
  CHECK(g->n >= 1 && g->n <= WIRE_MAX_TICKETS);
  for (int i = 0; i < g->n; i++) {
    e->tickets[i] = ticket_message(&g->tickets[i]);
    e->ticket_at[i] = &e->tickets[i];
  }
  Telos__Pb__Grant m = TELOS__PB__GRANT__INIT;
  m.run = g->run;
  m.n_tickets = (size_t)g->n;
  m.tickets = e->ticket_at;
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_GRANT;
  envelope.grant = &m;
  return pack(e, n, &envelope);
}

static const void *pack_episode(struct wire_encoder *e, size_t *n, const struct wire_episode *w) {
  const struct episode *ep = w->episode;
  CHECK(ep->bytes > 0);
  Telos__Pb__Episode m = TELOS__PB__EPISODE__INIT;
  m.run = w->run;
  m.digest = ep->digest;
  m.content = bytes(ep->content, ep->bytes);
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_EPISODE;
  envelope.episode = &m;
  return pack(e, n, &envelope);
}

static const void *pack_ack(struct wire_encoder *e, size_t *n, const struct wire_ack *a) {
  Telos__Pb__Ack m = TELOS__PB__ACK__INIT;
  m.id = a->id;
  m.kind = (uint32_t)a->kind;
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_ACK;
  envelope.ack = &m;
  return pack(e, n, &envelope);
}

static const void *pack_heartbeat(struct wire_encoder *e, size_t *n,
                                  const struct wire_heartbeat *h) {
  Telos__Pb__Heartbeat m = TELOS__PB__HEARTBEAT__INIT;
  m.run = h->run;
  m.progress = h->progress;
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_HEARTBEAT;
  envelope.heartbeat = &m;
  return pack(e, n, &envelope);
}

static const void *pack_request(struct wire_encoder *e, size_t *n, uint64_t version) {
  Telos__Pb__WeightsRequest m = TELOS__PB__WEIGHTS_REQUEST__INIT;
  m.version = version;
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_WEIGHTS_REQUEST;
  envelope.weights_request = &m;
  return pack(e, n, &envelope);
}

static const void *pack_weights(struct wire_encoder *e, size_t *n, const struct wire_weights *w) {
  const struct weights *snapshot = w->weights;
  uint32_t width[MLP_MAX_LAYERS + 1];
  CHECK(snapshot->nlayer >= 1 && snapshot->nlayer <= MLP_MAX_LAYERS);
  for (int l = 0; l <= snapshot->nlayer; l++) {
    width[l] = (uint32_t)snapshot->width[l];
  }
  Telos__Pb__Weights m = TELOS__PB__WEIGHTS__INIT;
  m.run = w->run;
  m.version = snapshot->version;
  m.n_width = (size_t)snapshot->nlayer + 1;
  m.width = width;
  m.digest = snapshot->digest;
  m.data = bytes(snapshot->data, snapshot->n * sizeof(float));
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_WEIGHTS;
  envelope.weights = &m;
  return pack(e, n, &envelope);
}

const void *wire_encode(struct wire_encoder *e, size_t *n, const struct wire_msg *msg) {
  switch (msg->type) {
    case WIRE_HELLO:
      return pack_hello(e, n, &msg->hello);
    case WIRE_WELCOME:
      return pack_welcome(e, n, &msg->welcome);
    case WIRE_REFUSE:
      return pack_refuse(e, n, &msg->refuse);
    case WIRE_GRANT:
      return pack_grant(e, n, &msg->grant);
    case WIRE_EPISODE:
      return pack_episode(e, n, &msg->episode);
    case WIRE_ACK:
      return pack_ack(e, n, &msg->ack);
    case WIRE_HEARTBEAT:
      return pack_heartbeat(e, n, &msg->heartbeat);
    case WIRE_BYE:
      return pack_bye(e, n, &msg->bye);
    case WIRE_WEIGHTS_REQUEST:
      return pack_request(e, n, msg->weights_request);
    case WIRE_WEIGHTS:
      return pack_weights(e, n, &msg->weights);
  }
  CHECK(!"type of a message to encode");
  return NULL;
}

// ---- decoding ----

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
    a->block = malloc(a->capacity);
    CHECK(a->block);
  }
}

static const char *const MALFORMED = "truncated or malformed message";

struct range {
  const uint8_t *at, *end;
};

static bool take_varint(struct range *r, uint64_t *value) {
  uint64_t v = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (r->at == r->end) {
      return false;
    }
    uint8_t byte = *r->at++;
    v |= (uint64_t)(byte & 0x7f) << (shift & 63);
    if (byte < 0x80) {
      *value = v;
      return true;
    }
  }
  return false;
}

struct field {
  uint64_t number;
  unsigned wire_type;
  uint64_t value;       // of a varint
  struct range inside;  // of a length-delimited field
};

// The next field of r; false when it is cut off, or of a wire type that is not used here.
static bool take_field(struct range *r, struct field *f) {
  uint64_t tag, n;
  if (!take_varint(r, &tag)) {
    return false;
  }
  f->number = tag >> 3;
  f->wire_type = tag & 7;
  switch (f->wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
      return take_varint(r, &f->value);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
      if (!take_varint(r, &n)) {
        return false;
      }
      break;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
      n = 8;
      break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
      n = 4;
      break;
    default:
      return false;
  }
  if (n > (uint64_t)(r->end - r->at)) {
    return false;
  }
  f->inside = (struct range){r->at, r->at + n};
  r->at += n;
  return true;
}

// Gate 1: the protocol number, and which message it seems to be (0: none that we know).
static const char *peek(struct range r, uint64_t *protocol, enum wire_type *type) {
  struct field f = {0};
  *protocol = 0;
  *type = 0;
  while (r.at < r.end) {
    if (!take_field(&r, &f)) {
      return MALFORMED;
    }
    if (f.number == 1 && f.wire_type == PROTOBUF_C_WIRE_TYPE_VARINT) {
      *protocol = f.value;
    } else if (f.number >= WIRE_HELLO && f.number <= WIRE_WEIGHTS) {
      *type = (enum wire_type)f.number;
    }
  }
  return *protocol == 0 ? "no protocol number" : NULL;
}

static unsigned wire_type_of(const ProtobufCFieldDescriptor *known) {
  switch (known->type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
      return PROTOBUF_C_WIRE_TYPE_VARINT;
    case PROTOBUF_C_TYPE_FIXED64:
      return PROTOBUF_C_WIRE_TYPE_64BIT;
    default:
      return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
  }
}

// Gate 2: the frame against the schema; recursion is as deep as the schema is. NULL: sound.
static const char *scan(const ProtobufCMessageDescriptor *schema, struct range r) {
  uint32_t seen = 0;
  int elements = 0;
  struct field f;
  while (r.at < r.end) {
    if (!take_field(&r, &f)) {
      return MALFORMED;
    }
    const ProtobufCFieldDescriptor *known =
        f.number < 32 ? protobuf_c_message_descriptor_get_field(schema, (unsigned)f.number) : NULL;
    if (!known) {
      return "unknown field";
    }
    if (known->label == PROTOBUF_C_LABEL_REPEATED) {
      // a packed list is one field; tickets and loose numbers count one by one
      if (++elements > WIRE_MAX_TICKETS) {
        return "too many tickets";
      }
      if (known->type == PROTOBUF_C_TYPE_UINT32 &&
          f.wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        if (f.inside.end - f.inside.at > MAX_PACKED) {
          return "weights of a wrong shape";
        }
        continue;
      }
    } else {
      // the bodies of the envelope share one bit: at most one of them
      uint32_t bit = (known->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ? 1 : UINT32_C(1) << f.number;
      if (seen & bit) {
        return "field given twice";
      }
      seen |= bit;
    }
    if (f.wire_type != wire_type_of(known)) {
      return "field of a wrong type";
    }
    if (known->type == PROTOBUF_C_TYPE_STRING &&
        memchr(f.inside.at, 0, (size_t)(f.inside.end - f.inside.at))) {
      return "text holds a NUL byte";
    }
    if (known->type == PROTOBUF_C_TYPE_MESSAGE) {
      const char *fault = scan(known->descriptor, f.inside);
      if (fault) {
        return fault;
      }
    }
  }
  return NULL;
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
  if (m->mujoco_version == 0 || m->actor == 0 || m->slots == 0 || m->slots > WIRE_MAX_TICKETS) {
    return "hello without version, actor or slots";
  }
  msg->hello = (struct wire_hello){.build = m->build,
                                   .cpu = m->cpu,
                                   .name = m->name,
                                   .mujoco_version = m->mujoco_version,
                                   .actor = m->actor,
                                   .slots = m->slots,
                                   .task_digest = m->task_digest};
  return NULL;
}

static const char *read_welcome(struct wire_msg *msg, const Telos__Pb__Welcome *m) {
  if (strnlen(m->config, WIRE_MAX_CONFIG + 1) > WIRE_MAX_CONFIG) {
    return "configuration is too long";
  }
  if (m->run == 0 || m->task_digest == 0 || m->weights_port == 0 || m->weights_port > 65535) {
    return "welcome without run, task or port";
  }
  msg->welcome = (struct wire_welcome){.run = m->run,
                                       .config = m->config,
                                       .model = m->model.data,
                                       .model_size = m->model.len,
                                       .task_digest = m->task_digest,
                                       .weights_port = m->weights_port};
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

// The sizes of a network that bytes of data hold exactly; false when they do not fit each other.
static bool shape_read(const struct wire_decoder *d, int *width, int *nlayer,
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
  return fits && m->data.len == floats * sizeof(float);
}

static const char *read_weights(const struct wire_decoder *d, struct wire_msg *msg,
                                const Telos__Pb__Weights *m) {
  int width[MLP_MAX_LAYERS + 1], nlayer;
  if (m->version == 0) {
    return "no version of the weights";
  }
  if (!shape_read(d, width, &nlayer, m)) {
    return "weights of a wrong shape";
  }
  if (XXH3_64bits(m->data.data, m->data.len) != m->digest) {
    return "digest of the weights is wrong";
  }
  const float *data = (const float *)(const void *)m->data.data;
  if (!all_finite(data, m->data.len / sizeof(float))) {
    return "weights are not finite";
  }
  msg->weights =
      (struct wire_weights){.run = m->run, .weights = weights_new(m->version, width, nlayer, data)};
  return NULL;
}

void wire_drop(const struct wire_msg *msg) {
  if (msg->type == WIRE_EPISODE) {
    episode_free(msg->episode.episode);
  } else if (msg->type == WIRE_WEIGHTS) {
    weights_unref(msg->weights.weights);
  }
}

// Gate 3: values of the body.
static const char *read_body(struct wire_decoder *d, struct wire_msg *msg,
                             const Telos__Pb__Envelope *m) {
  switch (msg->type) {
    case WIRE_HELLO:
      return read_hello(msg, m->hello);
    case WIRE_WELCOME:
      return read_welcome(msg, m->welcome);
    case WIRE_REFUSE:
      return read_text(&msg->refuse, m->refuse->code, WIRE_REFUSE_FULL, m->refuse->reason);
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
      msg->heartbeat =
          (struct wire_heartbeat){.run = m->heartbeat->run, .progress = m->heartbeat->progress};
      return NULL;
    case WIRE_BYE:
      return read_text(&msg->bye, m->bye->code, WIRE_BYE_DRAINING, m->bye->reason);
    case WIRE_WEIGHTS_REQUEST:
      msg->weights_request = m->weights_request->version;
      return msg->weights_request == 0 ? "no version of the weights" : NULL;
    case WIRE_WEIGHTS:
      return read_weights(d, msg, m->weights);
  }
  return "no message in the envelope";
}

enum err wire_decode(struct wire_decoder *d, struct wire_msg *msg, const void *frame, size_t n) {
  struct range all = {frame, (const uint8_t *)frame + n};
  uint64_t protocol;
  d->protocol = 0;
  if (n > d->max_bytes) {
    d->fault = "message is too large";
    return ERR_FORMAT;
  }
  d->fault = peek(all, &protocol, &msg->type);
  if (d->fault) {
    return ERR_FORMAT;
  }
  d->protocol = protocol > UINT32_MAX ? UINT32_MAX : (uint32_t)protocol;
  if (protocol != WIRE_PROTOCOL) {
    d->fault = "another protocol version";
    return ERR_REFUSED;
  }
  d->fault = scan(&telos__pb__envelope__descriptor, all);
  if (d->fault) {
    return ERR_FORMAT;
  }
  arena_rewind(&d->arena, n);
  ProtobufCAllocator allocator = {arena_alloc, arena_free, &d->arena};
  const Telos__Pb__Envelope *m = telos__pb__envelope__unpack(&allocator, n, frame);
  d->fault = m ? read_body(d, msg, m) : MALFORMED;
  return d->fault ? ERR_FORMAT : ERR_OK;
}
