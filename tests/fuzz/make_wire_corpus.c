// make_wire_corpus.c - writes the seeds of fuzz_wire.c: make_wire_corpus tests/fuzz/corpus/wire
//
// One sound frame of every type, and those near misses that a fuzzer would take long to find:
// episodes and weights whose digest is right and whose content is not.
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "proto/wire.h"
#include "proto/wire_scan.h"

static const struct dims DIMS = {.obs = 3, .act = 2, .goal = 2, .horizon = 12, .hindsight = 4};

static const char *folder;
static struct wire_encoder *encoder;
static bool failed;

// <folder>/<name>: the byte that selects the sizes, then the first n bytes of the frame.
static void write_seed(const char *name, bool dims, const void *frame, size_t n) {
  char path[4096];
  unsigned char *data = malloc(n + 1);
  data[0] = dims ? 1 : 0;
  memcpy(data + 1, frame, n);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  failed |= fsio_write_atomic(path, data, n + 1) != ERR_OK;
  free(data);
}

// The same with a check behind the n bytes.
static void write_sealed(const char *name, const void *bytes, size_t n) {
  unsigned char frame[64];
  memcpy(frame, bytes, n);
  wire_seal(frame, n + WIRE_CHECK_BYTES);
  write_seed(name, true, frame, n + WIRE_CHECK_BYTES);
}

static void seed(const char *name, const struct wire_msg *m) {
  size_t n;
  const void *frame = wire_encode(encoder, &n, m);
  write_seed(name, true, frame, n);
}

static void small_messages(void) {
  static const struct ticket tickets[3] = {
      {.id = 0, .seed = 1, .version = 1, .kind = TICKET_WARMUP},
      {.id = 1, .seed = UINT64_MAX, .version = 300, .kind = TICKET_TRAIN},
      {.id = UINT64_MAX, .seed = 5, .version = 900, .kind = TICKET_EVAL}};
  struct wire_hello hello = {"0.1.0", "a cpu", "host:42", 222, 77, 8, 4, 3};
  struct wire_welcome welcome = {
      9, 12, 5000000, 5556, {0.3, 0.2, 0.3, 0.5, 4, 0, 1000, 60000, 1 << 26}};
  seed("hello", &(struct wire_msg){.type = WIRE_HELLO, .hello = hello});
  seed("welcome", &(struct wire_msg){.type = WIRE_WELCOME, .welcome = welcome});
  seed("refuse", &(struct wire_msg){.type = WIRE_REFUSE, .refuse = {WIRE_REFUSE_TASK, "other"}});
  seed("grant", &(struct wire_msg){.type = WIRE_GRANT, .grant = {9, tickets, 3}});
  seed("ack", &(struct wire_msg){.type = WIRE_ACK, .ack = {300, TICKET_EVAL}});
  seed("heartbeat", &(struct wire_msg){.type = WIRE_HEARTBEAT, .heartbeat = {9, 1000, 500}});
  seed("model_request", &(struct wire_msg){.type = WIRE_MODEL_REQUEST, .model_request = {12, 3}});
  seed("model_piece",
       &(struct wire_msg){.type = WIRE_MODEL_PIECE, .model_piece = {12, 3, "model", 5}});
  seed("bye", &(struct wire_msg){.type = WIRE_BYE, .bye = {WIRE_BYE_DONE, "done"}});
  seed("weights_request", &(struct wire_msg){.type = WIRE_WEIGHTS_REQUEST, .weights_request = 17});
  // another protocol; a field from the future; nothing but the protocol
  write_sealed("another_protocol", "\x08\x03\x3a\x02\x10\x01", 6);
  write_sealed("unknown_field", "\x08\x02\x3a\x04\x10\x01\x48\x01", 8);
  write_sealed("no_body", "\x08\x02", 2);
  write_seed("first_protocol", true, "\x08\x01\x3a\x02\x10\x01", 6);
}

static void episodes(void) {
  struct episode *ep = episode_new(&DIMS);
  ep->ticket = (struct ticket){.id = 300, .seed = 77, .version = 5, .kind = TICKET_TRAIN};
  ep->T = 3;
  for (int i = 0; i < ep->T * DIMS.hindsight; i++) {
    ep->hindsight[i] = 3;
  }
  struct wire_msg m = {.type = WIRE_EPISODE, .episode = {9, ep}};
  episode_seal(ep);
  seed("episode", &m);
  size_t n;
  const void *frame = wire_encode(encoder, &n, &m);
  write_seed("episode_without_task", false, frame, n);
  write_seed("episode_truncated", true, frame, n * 2 / 3);
  ep->obs[4] = NAN;
  episode_seal(ep);
  seed("episode_nan", &m);
  ep->obs[4] = 0;
  ep->hindsight[11] = 4;
  episode_seal(ep);
  seed("episode_hindsight", &m);
  episode_free(ep);
}

static void weights(void) {
  const int width[3] = {5, 2, 4};
  float data[24] = {0};
  struct wire_msg m = {.type = WIRE_WEIGHTS};
  for (int bad = 0; bad <= 1; bad++) {
    data[7] = bad ? INFINITY : 0.5f;
    m.weights = (struct wire_weights){9, weights_new(17, width, 2, data)};
    seed(bad ? "weights_infinite" : "weights", &m);
    weights_unref(m.weights.weights);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: make_wire_corpus FOLDER\n");
    return 64;
  }
  folder = argv[1];
  encoder = wire_encoder_new();
  failed = fsio_mkdirs(folder) != ERR_OK;
  if (!failed) {
    small_messages();
    episodes();
    weights();
  }
  wire_encoder_free(encoder);
  return failed;
}
