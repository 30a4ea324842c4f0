// attached.h - an actor at the other end of somebody's pipe: `telos train --hosts` over ssh.
//
// The first line on standard input has the keys, so that they need not lie in a folder here:
//
//   keys <learner's public key> <our public key> <our secret key>      in Z85
//   none                                                                no encryption
//
// Nothing follows. The end of standard input is the end of whoever started us.
#ifndef ACTOR_ATTACHED_H
#define ACTOR_ATTACHED_H

#include <stdbool.h>
#include <uv.h>

#include "common/base/err.h"
#include "proto/curve.h"

// Waits for the first line of fd. *given: it has keys. ERR_FORMAT (logged): it is no such line.
NODISCARD enum err attached_read_keys(struct curve_actor *keys, bool *given, int fd);

struct attached {
  uv_pipe_t pipe;
  void (*ended)(void *ctx);
  void *ctx;
};

// Calls ended(ctx) once, when fd comes to its end. Its handle is closed with the loop's others.
void attached_watch(struct attached *a, uv_loop_t *loop, int fd, void (*ended)(void *ctx),
                    void *ctx);

#endif
