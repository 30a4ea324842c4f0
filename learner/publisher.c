// publisher.c - a list of versions, oldest first, and a table of pieces, encoded when first asked
// for.
#include "learner/publisher.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

struct version {
  uint64_t number;
  zmq_msg_t frame;
};

struct piece {
  bool encoded;
  zmq_msg_t frame;
};

struct publisher {
  uint64_t run;
  const struct task *task;
  struct wire_encoder *encoder;
  struct version **versions;  // a frame of ZeroMQ's stays where it was made
  int n, room;
  struct piece *pieces;
  size_t npieces;
};

struct publisher *publisher_new(uint64_t run, const struct task *task) {
  struct publisher *p = must_alloc(1, sizeof *p);
  p->run = run;
  p->task = task;
  p->encoder = wire_encoder_new();
  p->npieces = (task->mjb_size + WIRE_PIECE - 1) / WIRE_PIECE;
  p->pieces = must_alloc(p->npieces, sizeof *p->pieces);
  return p;
}

static void version_free(struct version *v) {
  zmq_msg_close(&v->frame);
  free(v);
}

void publisher_free(struct publisher *p) {
  if (p == NULL) {
    return;
  }
  for (int i = 0; i < p->n; i++) {
    version_free(p->versions[i]);
  }
  free(p->versions);
  for (size_t i = 0; i < p->npieces; i++) {
    if (p->pieces[i].encoded) {
      zmq_msg_close(&p->pieces[i].frame);
    }
  }
  free(p->pieces);
  wire_encoder_free(p->encoder);
  free(p);
}

static void encode(struct publisher *p, zmq_msg_t *frame, const struct wire_msg *msg) {
  size_t n;
  const void *bytes = wire_encode(p->encoder, &n, msg);
  if (zmq_msg_init_size(frame, n) != 0) {
    check_out_of_memory("a message", n);
  }
  memcpy(zmq_msg_data(frame), bytes, n);
}

zmq_msg_t *publisher_add(struct publisher *p, const struct weights *w) {
  CHECK(p->n == 0 || p->versions[p->n - 1]->number < w->version);
  if (p->n == p->room) {
    p->room = 2 * p->room + 16;
    p->versions = must_realloc(p->versions, (size_t)p->room, sizeof(struct version *));
  }
  // wire_encode only reads the weights
  const struct wire_msg msg = {.type = WIRE_WEIGHTS,
                               .weights = {p->run, (struct weights *)(uintptr_t)w}};
  struct version *v = must_alloc(1, sizeof *v);
  v->number = w->version;
  encode(p, &v->frame, &msg);
  p->versions[p->n++] = v;
  return &v->frame;
}

zmq_msg_t *publisher_find(struct publisher *p, uint64_t version) {
  for (int i = p->n - 1; i >= 0; i--) {
    if (p->versions[i]->number == version) {
      return &p->versions[i]->frame;
    }
  }
  return NULL;
}

zmq_msg_t *publisher_newest(struct publisher *p) {
  return p->n > 0 ? &p->versions[p->n - 1]->frame : NULL;
}

zmq_msg_t *publisher_piece(struct publisher *p, const struct wire_model_request *request) {
  if (request->task_digest != p->task->digest || request->piece >= p->npieces) {
    return NULL;
  }
  struct piece *piece = &p->pieces[request->piece];
  if (!piece->encoded) {
    const size_t at = (size_t)request->piece * WIRE_PIECE, left = p->task->mjb_size - at;
    const struct wire_msg msg = {.type = WIRE_MODEL_PIECE,
                                 .model_piece = {.task_digest = request->task_digest,
                                                 .piece = request->piece,
                                                 .data = (const char *)p->task->mjb + at,
                                                 .n = left < WIRE_PIECE ? left : WIRE_PIECE}};
    encode(p, &piece->frame, &msg);
    piece->encoded = true;
  }
  return &piece->frame;
}

void publisher_forget(struct publisher *p, uint64_t oldest) {
  int kept = 0;
  for (int i = 0; i < p->n; i++) {
    if (p->versions[i]->number >= oldest || i == p->n - 1) {
      p->versions[kept++] = p->versions[i];
    } else {
      version_free(p->versions[i]);
    }
  }
  p->n = kept;
}
