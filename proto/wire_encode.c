// wire_encode.c - messages to frames: packs straight from the caller's arrays into one buffer that
// only grows.
#include <stdbool.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/nn/mlp_shape.h"
#include "proto/telos.pb-c.h"
#include "proto/wire.h"
#include "proto/wire_scan.h"

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
  // room for the check, which is the last field; an episode has a digest
  const bool check = envelope->body_case != TELOS__PB__ENVELOPE__BODY_EPISODE;
  envelope->check = check;
  size_t size = telos__pb__envelope__get_packed_size(envelope);
  if (size > e->capacity) {
    free(e->buf);
    e->capacity = size + size / 4;
    e->buf = must_alloc(e->capacity, 1);
  }
  *n = telos__pb__envelope__pack(envelope, e->buf);
  CHECK(*n == size);
  if (check) {
    wire_seal(e->buf, size);
  }
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
  m.threads = h->threads;
  m.task_digest = h->task_digest;
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_HELLO;
  envelope.hello = &m;
  return pack(e, n, &envelope);
}

static const void *pack_welcome(struct wire_encoder *e, size_t *n, const struct wire_welcome *w) {
  Telos__Pb__Settings settings = TELOS__PB__SETTINGS__INIT;
  settings.none = w->settings.none;
  settings.least = w->settings.least;
  settings.random = w->settings.random;
  settings.repeat = w->settings.repeat;
  settings.hindsight = w->settings.hindsight;
  settings.members = w->settings.members;
  settings.heartbeat = w->settings.heartbeat;
  settings.patience = w->settings.patience;
  settings.max_message = w->settings.max_message;
  Telos__Pb__Welcome m = TELOS__PB__WELCOME__INIT;
  m.run = w->run;
  m.task_digest = w->task_digest;
  m.model_bytes = w->model_bytes;
  m.weights_port = w->weights_port;
  m.settings = &settings;
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

size_t wire_episode_bytes(const struct dims *dims) {
  return episode_bytes(dims, dims->horizon) + WIRE_BESIDE;
}

size_t wire_weights_bytes(const int *width, int nlayer, size_t nalong) {
  return (mlp_nparam(width, nlayer) + nalong) * sizeof(float) + WIRE_BESIDE;
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
  m.busy = h->busy;
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
  m.data = bytes(snapshot->data, snapshot->n * sizeof(float));
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_WEIGHTS;
  envelope.weights = &m;
  return pack(e, n, &envelope);
}

static const void *pack_model_request(struct wire_encoder *e, size_t *n,
                                      const struct wire_model_request *r) {
  Telos__Pb__ModelRequest m = TELOS__PB__MODEL_REQUEST__INIT;
  m.task_digest = r->task_digest;
  m.piece = r->piece;
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_MODEL_REQUEST;
  envelope.model_request = &m;
  return pack(e, n, &envelope);
}

static const void *pack_model_piece(struct wire_encoder *e, size_t *n,
                                    const struct wire_model_piece *p) {
  CHECK(p->n >= 1 && p->n <= WIRE_PIECE);
  Telos__Pb__ModelPiece m = TELOS__PB__MODEL_PIECE__INIT;
  m.task_digest = p->task_digest;
  m.piece = p->piece;
  m.data = bytes(p->data, p->n);
  Telos__Pb__Envelope envelope = TELOS__PB__ENVELOPE__INIT;
  envelope.body_case = TELOS__PB__ENVELOPE__BODY_MODEL_PIECE;
  envelope.model_piece = &m;
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
    case WIRE_MODEL_REQUEST:
      return pack_model_request(e, n, &msg->model_request);
    case WIRE_MODEL_PIECE:
      return pack_model_piece(e, n, &msg->model_piece);
  }
  CHECK(!"type of a message to encode");
  return NULL;
}
