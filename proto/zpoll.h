// zpoll.h - a ZeroMQ socket inside a libuv loop.
//
// ZMQ_FD is edge-triggered and means only "something changed", and a send or receive from anywhere
// may eat an edge. So readiness is asked of the socket (ZMQ_EVENTS) once a loop turn: a prepare
// handle keeps the loop from sleeping while messages wait, a check handle drains at most
// ZPOLL_BURST of them, which leaves timers and signals their turn under load.
//
// One loop thread owns the socket and this object.
#ifndef PROTO_ZPOLL_H
#define PROTO_ZPOLL_H

#include <uv.h>

enum { ZPOLL_BURST = 256 };  // messages taken in one loop turn

struct zpoll {
  void *socket;
  void (*receive)(void *ctx);  // takes exactly one message (all its frames) from the socket
  void *ctx;
  uv_poll_t poll;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;
};

// Calls receive(ctx) for every message that waits at the socket, until zpoll_stop. The socket is
// borrowed. A libuv failure is a programming error (CHECK).
void zpoll_start(struct zpoll *z, uv_loop_t *loop, void *socket, void (*receive)(void *ctx),
                 void *ctx);

// Closes the handles; the socket may be closed at once, z itself may be reused or freed after the
// loop has run once more.
void zpoll_stop(struct zpoll *z);

#endif
