// zpoll.c - see the header for the pattern; the handles share one data pointer.
#include "proto/zpoll.h"

#include <stdbool.h>
#include <zmq.h>

#include "common/base/check.h"
#include "proto/zcall.h"

static bool readable(const struct zpoll *z) {
  return (zcall_events(z->socket) & ZMQ_POLLIN) != 0;
}

// the descriptor only wakes the loop; the check handle does the work
static void on_poll(uv_poll_t *handle, int status, int events) {
  (void)handle;
  (void)status;
  (void)events;
}

static void on_idle(uv_idle_t *handle) {
  (void)handle;
}

static void on_prepare(uv_prepare_t *handle) {
  struct zpoll *z = handle->data;
  if (readable(z)) {
    CHECK(uv_idle_start(&z->idle, on_idle) == 0);
  }
}

static void on_check(uv_check_t *handle) {
  struct zpoll *z = handle->data;
  CHECK(uv_idle_stop(&z->idle) == 0);
  // receive may stop us: the socket is then gone
  for (int i = 0; i < ZPOLL_BURST && z->socket != NULL && readable(z); i++) {
    z->receive(z->ctx);
  }
}

void zpoll_start(struct zpoll *z, uv_loop_t *loop, void *socket, void (*receive)(void *ctx),
                 void *ctx) {
  int fd = -1;
  size_t n = sizeof fd;
  CHECK(zmq_getsockopt(socket, ZMQ_FD, &fd, &n) == 0);
  z->socket = socket;
  z->receive = receive;
  z->ctx = ctx;
  CHECK(uv_poll_init(loop, &z->poll, fd) == 0);
  CHECK(uv_prepare_init(loop, &z->prepare) == 0);
  CHECK(uv_check_init(loop, &z->check) == 0);
  CHECK(uv_idle_init(loop, &z->idle) == 0);
  z->poll.data = z->prepare.data = z->check.data = z->idle.data = z;
  CHECK(uv_poll_start(&z->poll, UV_READABLE, on_poll) == 0);
  CHECK(uv_prepare_start(&z->prepare, on_prepare) == 0);
  CHECK(uv_check_start(&z->check, on_check) == 0);
}

void zpoll_stop(struct zpoll *z) {
  if (z->socket == NULL) {
    return;
  }
  z->socket = NULL;
  uv_close((uv_handle_t *)&z->poll, NULL);
  uv_close((uv_handle_t *)&z->prepare, NULL);
  uv_close((uv_handle_t *)&z->check, NULL);
  uv_close((uv_handle_t *)&z->idle, NULL);
}
