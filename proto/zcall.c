// zcall.c - see the header.
#include "proto/zcall.h"

#include <errno.h>

#include "common/base/bounded.h"
#include "common/base/check.h"

// repeats the expression call while a signal interrupts it; its value is in rc
#define AGAIN(rc, call) \
  do {                  \
    (rc) = (call);      \
  } while ((rc) < 0 && errno == EINTR)

int zcall_bind(void *socket, const char *endpoint) {
  int rc;
  AGAIN(rc, zmq_bind(socket, endpoint));
  return rc;
}

int zcall_connect(void *socket, const char *endpoint) {
  int rc;
  AGAIN(rc, zmq_connect(socket, endpoint));
  return rc;
}

int zcall_send(void *socket, const void *data, size_t n, int flags) {
  int rc;
  AGAIN(rc, zmq_send(socket, data, n, flags));
  return rc;
}

int zcall_send_msg(void *socket, zmq_msg_t *msg, int flags) {
  int rc;
  AGAIN(rc, zmq_msg_send(msg, socket, flags));
  return rc;
}

int zcall_receive(void *socket, void *data, size_t n, int flags) {
  int rc;
  AGAIN(rc, zmq_recv(socket, data, n, flags));
  return rc;
}

int zcall_receive_msg(void *socket, zmq_msg_t *msg, int flags) {
  int rc;
  AGAIN(rc, zmq_msg_recv(msg, socket, flags));
  return rc;
}

int zcall_events(void *socket) {
  int events = 0, rc;
  size_t n = sizeof events;
  AGAIN(rc, zmq_getsockopt(socket, ZMQ_EVENTS, &events, &n));
  CHECK(rc == 0);
  return events;
}

void zcall_end_context(void *context) {
  int rc;
  AGAIN(rc, zmq_ctx_term(context));
  CHECK(rc == 0);
}

bool zcall_end_context_within(void *context, int ms) {
  return bounded_run(zcall_end_context, context, ms);
}
