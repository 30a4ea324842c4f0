// link.h - one of our ZeroMQ sockets: all are made here, and received from a frame at a time.
//
//   LINK_ROUTER  learner, first channel: many actors, each by its routing id
//   LINK_PUB     learner, weights
//   LINK_DEALER  actor, first channel
//   LINK_SUB     actor, weights
//
// A message of ours is one frame; at a ROUTER the sender's routing id stands before it. A message
// of more frames is taken off the socket whole and handed over without data.
//
// Nothing here waits: what a socket does not take at once is not sent. One loop thread owns a link.
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <zmq.h>

#include "proto/zpoll.h"

enum {
  LINK_MAX_ID = 255,           // bytes of a routing id
  LINK_HANDSHAKE_MS = 5000,    // until a connection must have said what it is
  LINK_ACTOR_LINGER_MS = 300,  // for the last messages after link_close
  LINK_LEARNER_LINGER_MS = 3000,
  LINK_RETRY_MS = 200,       // between two attempts to connect, at first ..
  LINK_RETRY_MAX_MS = 5000,  // .. and at last
};

enum link_kind { LINK_ROUTER, LINK_PUB, LINK_DEALER, LINK_SUB };

struct link_frame {
  const void *data;  // NULL: a message of more than one frame
  size_t n;
  const void *from;  // at a ROUTER: the sender's routing id
  size_t from_size;
  const char *key;  // curve_sender; NULL: none
};

struct link {
  void *socket;  // NULL: closed
  enum link_kind kind;
  struct zpoll poll;
  // A frame is valid until it returns. It may close the link.
  void (*receive)(void *ctx, const struct link_frame *frame);
  void *ctx;
};

// A socket that takes messages of at most max_message bytes: a larger one costs its sender the
// connection. l is zeroed, or closed.
void link_open(struct link *l, void *zmq, enum link_kind kind, int64_t max_message);

// tcp://HOST:PORT, an IPv6 address in brackets; * for a port that the system chooses. -1 and errno
// (zmq_strerror) when it cannot be.
int link_bind(struct link *l, const char *endpoint);
int link_connect(struct link *l, const char *endpoint);

// Whether a host of an endpoint, as people write it, is this machine's loopback: 127.x.x.x, ::1
// with or without brackets, localhost. Other names are not looked up.
bool link_is_loopback(const char *host);

// Ends all connections that a bound link has accepted (tcp). Peers connect again by themselves, and
// have to show their keys again.
void link_cut(const struct link *l);

// What link_bind has bound, into out (n bytes).
void link_endpoint(const struct link *l, char *out, size_t n);

// Calls receive(ctx, frame) for every message from now on. Needed before link_stop and link_close.
void link_start(struct link *l, uv_loop_t *loop,
                void (*receive)(void *ctx, const struct link_frame *frame), void *ctx);

// No more messages; the socket stays open.
void link_stop(struct link *l);

// Closes the socket at once; messages on their way have the linger time. The link may be opened
// again when the loop has run once more. A closed link is allowed.
void link_close(struct link *l);

// One frame to the other side, or from a PUB to all. False: it was not taken.
bool link_send(struct link *l, const void *frame, size_t n);

// From a ROUTER to this routing id. False: nobody is there, or its queue is full.
bool link_send_to(struct link *l, const void *id, size_t id_size, const void *frame, size_t n);

// The same with a frame that many sends share: its bytes are not copied, and *frame stays the
// caller's. id NULL: as link_send.
bool link_share(struct link *l, const void *id, size_t id_size, zmq_msg_t *frame);

#endif
