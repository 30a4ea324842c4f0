// watch.h - how the handshakes of a socket end (zmq_socket_monitor).
//
// libzmq itself says nothing of them: a socket whose peers are all refused looks like one that
// nobody connects to. One loop thread owns a watch.
#ifndef PROTO_WATCH_H
#define PROTO_WATCH_H

#include <stdbool.h>
#include <uv.h>

#include "proto/zpoll.h"

enum watch_event {
  WATCH_SUCCEEDED,
  WATCH_REFUSED,    // the learner's allow-list refused the key
  WATCH_MECHANISM,  // one side encrypts and the other does not
  WATCH_KEY,        // it was encrypted for another key than the learner's
  WATCH_CUT,        // the other side, or the network, ended the connection before the end of it
  WATCH_OTHER,      // what came was no ZMTP
};

struct watch {
  void *socket;   // NULL: closed
  void *watched;  // borrowed
  struct zpoll poll;
  void (*event)(void *ctx, enum watch_event event);  // may close the watch
  void *ctx;
};

// Before watched, a socket of context zmq, is bound or connected. w is zeroed, or closed.
void watch_open(struct watch *w, void *zmq, void *watched);

// The next event, if one is there; for who has no loop.
bool watch_next(struct watch *w, enum watch_event *out);

// Calls event(ctx, ..) for every one from now on. Needed before watch_stop.
void watch_start(struct watch *w, uv_loop_t *loop, void (*event)(void *ctx, enum watch_event event),
                 void *ctx);

// No more calls; allowed when it was not started.
void watch_stop(struct watch *w);

// Before the watched socket is closed. A closed one is allowed; it may be opened again when the
// loop has run once more.
void watch_close(struct watch *w);

#endif
