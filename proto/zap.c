// zap.c - see the header. A REP socket keeps the envelopes of those who ask.
#include "proto/zap.h"

#include <string.h>
#include <zmq.h>

#include "common/base/check.h"
#include "proto/zcall.h"

enum { VERSION, ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, KEY };
enum { KEY_BYTES = 32 };

static bool is(const struct zap_frame *f, const char *word) {
  return f->n == strlen(word) && memcmp(f->data, word, f->n) == 0;
}

const char *zap_parse(struct zap_request *out, const struct zap_frame *frames, int n) {
  if (n != ZAP_FRAMES) {
    return "not the frames of a CURVE request";
  }
  if (!is(&frames[VERSION], "1.0")) {
    return "another version than 1.0";
  }
  if (frames[ID].n > ZAP_MAX_ID) {
    return "a request id that is too long";
  }
  if (!is(&frames[DOMAIN], ZAP_DOMAIN)) {
    return "another domain";
  }
  if (!is(&frames[MECHANISM], "CURVE") || frames[KEY].n != KEY_BYTES) {
    return "another mechanism than CURVE";
  }
  CHECK(zmq_z85_encode(out->key, frames[KEY].data, KEY_BYTES) != NULL);
  const char *address = frames[ADDRESS].data;
  size_t kept = 0;
  for (; kept < frames[ADDRESS].n && kept < ZAP_MAX_ADDRESS; kept++) {
    out->address[kept] = address[kept] > ' ' && address[kept] < 127 ? address[kept] : '?';
  }
  out->address[kept] = '\0';
  return NULL;
}

static void send_part(void *socket, const void *data, size_t n, int more) {
  // a REP socket has room for the answer to what it has read
  CHECK(zcall_send(socket, data, n, more | ZMQ_DONTWAIT) >= 0);
}

void zap_answer(void *socket, bool (*allow)(void *ctx, const struct zap_request *request),
                void *ctx) {
  unsigned char bytes[ZAP_FRAMES][ZAP_MAX_FRAME];
  struct zap_frame frames[ZAP_FRAMES] = {{NULL, 0}};
  struct zap_request request = {.key = ""};
  int n = 0;
  for (bool more = true; more; n++) {
    unsigned char rest[ZAP_MAX_FRAME];
    const int size =
        zcall_receive(socket, n < ZAP_FRAMES ? bytes[n] : rest, ZAP_MAX_FRAME, ZMQ_DONTWAIT);
    if (size < 0) {
      return;  // it was woken for nothing
    }
    if (n < ZAP_FRAMES) {
      frames[n] =
          (struct zap_frame){bytes[n], size <= ZAP_MAX_FRAME ? (size_t)size : ZAP_MAX_FRAME};
    }
    int left = 0;
    size_t left_size = sizeof left;
    CHECK(zmq_getsockopt(socket, ZMQ_RCVMORE, &left, &left_size) == 0);
    more = left != 0;
  }
  const bool sound = zap_parse(&request, frames, n) == NULL;
  const bool allowed = sound && allow(ctx, &request);
  send_part(socket, "1.0", 3, ZMQ_SNDMORE);
  send_part(socket, n > ID ? frames[ID].data : "", n > ID ? frames[ID].n : 0, ZMQ_SNDMORE);
  send_part(socket, allowed ? "200" : "400", 3, ZMQ_SNDMORE);
  const char *text = allowed ? "OK" : "this key is not allowed";
  send_part(socket, text, strlen(text), ZMQ_SNDMORE);
  send_part(socket, request.key, allowed ? strlen(request.key) : 0, ZMQ_SNDMORE);
  send_part(socket, "", 0, 0);
}
