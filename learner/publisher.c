// publisher.c - a list of frames, oldest first.
#include "learner/publisher.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "proto/wire.h"

struct version {
  uint64_t number;
  zmq_msg_t frame;
};

struct publisher {
  uint64_t run;
  struct wire_encoder *encoder;
  struct version **versions;  // a frame of ZeroMQ's stays where it was made
  int n, room;
};

struct publisher *publisher_new(uint64_t run) {
  struct publisher *p = must_alloc(1, sizeof *p);
  p->run = run;
  p->encoder = wire_encoder_new();
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
  wire_encoder_free(p->encoder);
  free(p);
}

zmq_msg_t *publisher_add(struct publisher *p, const struct weights *w) {
  CHECK(p->n == 0 || p->versions[p->n - 1]->number < w->version);
  if (p->n == p->room) {
    p->room = 2 * p->room + 16;
    p->versions = realloc(p->versions, (size_t)p->room * sizeof(struct version *));
    CHECK(p->versions != NULL);
  }
  // wire_encode only reads the weights
  const struct wire_msg msg = {.type = WIRE_WEIGHTS,
                               .weights = {p->run, (struct weights *)(uintptr_t)w}};
  size_t n;
  const void *frame = wire_encode(p->encoder, &n, &msg);
  struct version *v = must_alloc(1, sizeof *v);
  v->number = w->version;
  CHECK(zmq_msg_init_size(&v->frame, n) == 0);
  memcpy(zmq_msg_data(&v->frame), frame, n);
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
