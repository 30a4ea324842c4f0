// curve.c - the options that fail closed, in one place.
#include "proto/curve.h"

#include <stdint.h>
#include <string.h>
#include <zmq.h>

#include "common/base/check.h"
#include "proto/zap.h"

enum {
  // ZMQ_ZAP_ENFORCE_DOMAIN, which zmq.h shows to users of drafts alone: without it, libzmq lets
  // everybody in when it finds no ZAP handler
  ENFORCE_DOMAIN = 93,
  // a message grows by its nonce, its authenticator and the name of its command
  OVERHEAD = 64,
};

static void set(void *socket, int option, const void *value, size_t n) {
  CHECK(zmq_setsockopt(socket, option, value, n) == 0);
}

static void make_room(void *socket) {
  int64_t limit = 0;
  size_t n = sizeof limit;
  CHECK(zmq_getsockopt(socket, ZMQ_MAXMSGSIZE, &limit, &n) == 0);
  limit += OVERHEAD;
  set(socket, ZMQ_MAXMSGSIZE, &limit, sizeof limit);
}

void curve_serve(struct link *l, const struct keyfile *learner) {
  const int yes = 1, no = 0;
  set(l->socket, ZMQ_CURVE_SERVER, &yes, sizeof yes);
  set(l->socket, ZMQ_CURVE_SECRETKEY, learner->secret_key, KEY_TEXT);
  set(l->socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN));
  set(l->socket, ENFORCE_DOMAIN, &yes, sizeof yes);
  if (l->kind == LINK_ROUTER) {
    // nobody takes over the routing id of another
    set(l->socket, ZMQ_ROUTER_HANDOVER, &no, sizeof no);
  }
  make_room(l->socket);
}

void curve_connect(struct link *l, const struct curve_actor *keys) {
  set(l->socket, ZMQ_CURVE_SERVERKEY, keys->learner.public_key, KEY_TEXT);
  set(l->socket, ZMQ_CURVE_PUBLICKEY, keys->own.public_key, KEY_TEXT);
  set(l->socket, ZMQ_CURVE_SECRETKEY, keys->own.secret_key, KEY_TEXT);
  make_room(l->socket);
}

const char *curve_sender(zmq_msg_t *msg) {
  return zmq_msg_gets(msg, "User-Id");
}
