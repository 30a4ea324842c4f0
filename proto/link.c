// link.c - options of each kind of socket, and the frames of a message.
#include "proto/link.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/check.h"
#include "proto/curve.h"
#include "proto/zcall.h"

enum {
  ROUTER_QUEUE = 4096,  // messages to and from one actor
  PUB_QUEUE = 64,       // versions for one slow subscriber
};

static void set_int(void *socket, int option, int value) {
  CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static void set_options(void *socket, enum link_kind kind) {
  switch (kind) {
    case LINK_ROUTER:
      // an unreachable peer is an error to act on, and a restarted one takes over its routing id
      set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
      set_int(socket, ZMQ_ROUTER_HANDOVER, 1);
      set_int(socket, ZMQ_SNDHWM, ROUTER_QUEUE);
      set_int(socket, ZMQ_RCVHWM, ROUTER_QUEUE);
      break;
    case LINK_PUB:
      set_int(socket, ZMQ_SNDHWM, PUB_QUEUE);
      break;
    case LINK_DEALER:
      // nothing is queued to a learner that is not there
      set_int(socket, ZMQ_IMMEDIATE, 1);
      break;
    case LINK_SUB:
      CHECK(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) == 0);
      break;
  }
}

void link_open(struct link *l, void *zmq, enum link_kind kind, int64_t max_message) {
  static const int types[] = {[LINK_ROUTER] = ZMQ_ROUTER,
                              [LINK_PUB] = ZMQ_PUB,
                              [LINK_DEALER] = ZMQ_DEALER,
                              [LINK_SUB] = ZMQ_SUB};
  const bool binds = kind == LINK_ROUTER || kind == LINK_PUB;
  CHECK(l->socket == NULL);
  l->kind = kind;
  l->socket = zmq_socket(zmq, types[kind]);
  CHECK(l->socket != NULL);
  set_int(l->socket, ZMQ_LINGER, binds ? LINK_LEARNER_LINGER_MS : LINK_ACTOR_LINGER_MS);
  set_int(l->socket, ZMQ_HANDSHAKE_IVL, LINK_HANDSHAKE_MS);
  set_int(l->socket, ZMQ_RECONNECT_IVL, LINK_RETRY_MS);
  set_int(l->socket, ZMQ_RECONNECT_IVL_MAX, LINK_RETRY_MAX_MS);
  CHECK(zmq_setsockopt(l->socket, ZMQ_MAXMSGSIZE, &max_message, sizeof max_message) == 0);
  set_options(l->socket, kind);
}

// with IPv6 on, ZeroMQ takes names and addresses of both kinds for version 6 first
static void choose_family(const struct link *l, const char *endpoint) {
  set_int(l->socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
}

int link_bind(struct link *l, const char *endpoint) {
  choose_family(l, endpoint);
  return zcall_bind(l->socket, endpoint);
}

int link_connect(struct link *l, const char *endpoint) {
  choose_family(l, endpoint);
  return zcall_connect(l->socket, endpoint);
}

void link_endpoint(const struct link *l, char *out, size_t n) {
  CHECK(zmq_getsockopt(l->socket, ZMQ_LAST_ENDPOINT, out, &n) == 0);
}

bool link_is_loopback(const char *host) {
  struct in_addr v4;
  return (inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127) ||
         strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strcmp(host, "[::1]") == 0;
}

// the port of a TCP connection on our side; -1: fd is none
static int connected_port(int fd) {
  struct sockaddr_storage ours = {0}, theirs = {0};
  socklen_t n = sizeof ours, m = sizeof theirs;
  if (getsockname(fd, (struct sockaddr *)&ours, &n) != 0 ||
      getpeername(fd, (struct sockaddr *)&theirs, &m) != 0) {
    return -1;
  }
  if (ours.ss_family == AF_INET) {
    return ntohs(((const struct sockaddr_in *)&ours)->sin_port);
  }
  return ours.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&ours)->sin6_port) : -1;
}

// libzmq has no call for it, but it takes the end of a connection like any other; closing the
// socket instead would meet what server.h tells of
void link_cut(const struct link *l) {
  char endpoint[256];
  link_endpoint(l, endpoint, sizeof endpoint);
  const char *colon = strrchr(endpoint, ':');
  const long port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
  DIR *dir = opendir("/proc/self/fd");
  CHECK(dir != NULL);
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    const int fd = (int)strtol(e->d_name, NULL, 10);
    if (e->d_name[0] != '.' && port > 0 && connected_port(fd) == port) {
      shutdown(fd, SHUT_RDWR);
    }
  }
  closedir(dir);
}

// ---- receiving ----

static void drop_rest(void *socket) {
  for (bool more = true; more;) {
    zmq_msg_t rest;
    CHECK(zmq_msg_init(&rest) == 0);
    more = zcall_receive_msg(socket, &rest, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&rest);
    zmq_msg_close(&rest);
  }
}

static void on_readable(void *ctx) {
  struct link *l = ctx;
  uint8_t id[LINK_MAX_ID];
  struct link_frame frame = {.from = id};
  if (l->kind == LINK_ROUTER) {
    const int id_size = zcall_receive(l->socket, id, sizeof id, ZMQ_DONTWAIT);
    if (id_size < 0) {
      return;
    }
    frame.from_size = (size_t)id_size;
  }
  zmq_msg_t msg;
  CHECK(zmq_msg_init(&msg) == 0);
  if (zcall_receive_msg(l->socket, &msg, ZMQ_DONTWAIT) >= 0) {
    if (zmq_msg_more(&msg)) {
      drop_rest(l->socket);
    } else {
      frame.data = zmq_msg_data(&msg);
      frame.n = zmq_msg_size(&msg);
    }
    frame.key = curve_sender(&msg);
    l->receive(l->ctx, &frame);
  }
  zmq_msg_close(&msg);
}

void link_start(struct link *l, uv_loop_t *loop,
                void (*receive)(void *ctx, const struct link_frame *frame), void *ctx) {
  l->receive = receive;
  l->ctx = ctx;
  zpoll_start(&l->poll, loop, l->socket, on_readable, l);
}

void link_stop(struct link *l) {
  zpoll_stop(&l->poll);
}

void link_close(struct link *l) {
  link_stop(l);
  if (l->socket != NULL) {
    zmq_close(l->socket);
    l->socket = NULL;
  }
}

// ---- sending ----

bool link_send(struct link *l, const void *frame, size_t n) {
  return l->socket != NULL && zcall_send(l->socket, frame, n, ZMQ_DONTWAIT) >= 0;
}

bool link_send_to(struct link *l, const void *id, size_t id_size, const void *frame, size_t n) {
  return zcall_send(l->socket, id, id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
         zcall_send(l->socket, frame, n, ZMQ_DONTWAIT) >= 0;
}

bool link_share(struct link *l, const void *id, size_t id_size, zmq_msg_t *frame) {
  if (id != NULL && zcall_send(l->socket, id, id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
    return false;
  }
  zmq_msg_t copy;
  CHECK(zmq_msg_init(&copy) == 0 && zmq_msg_copy(&copy, frame) == 0);
  const bool sent = zcall_send_msg(l->socket, &copy, ZMQ_DONTWAIT) >= 0;
  zmq_msg_close(&copy);
  return sent;
}
