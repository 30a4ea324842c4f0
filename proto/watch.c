// watch.c - a PAIR socket to which libzmq's own threads write two frames an event.
#include "proto/watch.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "common/base/check.h"
#include "proto/zcall.h"

enum { EVENT_BYTES = 6, MAX_ADDRESS = 256, MAX_NAMES = 1000 };

void watch_open(struct watch *w, void *zmq, void *watched) {
  static const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                            ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  char endpoint[64];
  const int none = 0;
  CHECK(w->socket == NULL);
  // the name of a monitor that ended just now is free a moment later
  int rc = -1;
  for (int i = 0; rc != 0 && i < MAX_NAMES; i++) {
    snprintf(endpoint, sizeof endpoint, "inproc://watch-%p-%d", watched, i);
    rc = zmq_socket_monitor(watched, endpoint, events);
    CHECK(rc == 0 || errno == EADDRINUSE);
  }
  CHECK(rc == 0);
  w->watched = watched;
  w->socket = zmq_socket(zmq, ZMQ_PAIR);
  CHECK(w->socket != NULL);
  // libzmq's threads would wait for us when the queue is full
  CHECK(zmq_setsockopt(w->socket, ZMQ_RCVHWM, &none, sizeof none) == 0);
  CHECK(zmq_setsockopt(w->socket, ZMQ_LINGER, &none, sizeof none) == 0);
  CHECK(zcall_connect(w->socket, endpoint) == 0);
}

static enum watch_event classify(uint16_t event, uint32_t value) {
  switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      return WATCH_SUCCEEDED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      return WATCH_REFUSED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      return WATCH_CUT;
    default:
      return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? WATCH_MECHANISM
             : value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC    ? WATCH_KEY
                                                                 : WATCH_OTHER;
  }
}

bool watch_next(struct watch *w, enum watch_event *out) {
  unsigned char bytes[EVENT_BYTES];
  char address[MAX_ADDRESS];
  uint16_t event;
  uint32_t value;
  if (zcall_receive(w->socket, bytes, sizeof bytes, ZMQ_DONTWAIT) != EVENT_BYTES) {
    return false;
  }
  memcpy(&event, bytes, sizeof event);
  memcpy(&value, bytes + sizeof event, sizeof value);
  CHECK(zcall_receive(w->socket, address, sizeof address, ZMQ_DONTWAIT) >= 0);
  *out = classify(event, value);
  return true;
}

static void on_readable(void *ctx) {
  struct watch *w = ctx;
  enum watch_event event;
  if (watch_next(w, &event)) {
    w->event(w->ctx, event);
  }
}

void watch_start(struct watch *w, uv_loop_t *loop, void (*event)(void *ctx, enum watch_event event),
                 void *ctx) {
  w->event = event;
  w->ctx = ctx;
  zpoll_start(&w->poll, loop, w->socket, on_readable, w);
}

void watch_stop(struct watch *w) {
  zpoll_stop(&w->poll);
}

void watch_close(struct watch *w) {
  watch_stop(w);
  if (w->socket != NULL) {
    CHECK(zmq_socket_monitor(w->watched, NULL, 0) == 0);
    zmq_close(w->socket);
    w->socket = NULL;
  }
}
