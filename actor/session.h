// session.h - the connection to the learner: finding it, greeting it, losing it, finding it again.
//
//   AWAY -----> CONNECTING -----> GREETING -----> SERVING
//     ^  sockets      |   hello    |    |  welcome   |
//     |               |            |    v            |
//     |               |            | FETCHING        |  the model is not here yet
//     +---------------+------------+----+------------+  silence; another hello is due
//
// A loss closes the sockets and opens others after a while: a fresh DEALER is a fresh routing id,
// so nothing of an old connection can be mixed up with the new one. A connection also ends when the
// largest message that it takes is not the learner's wire.max_message: the first one takes no more
// than WIRE_FIRST_MESSAGE, whoever sends it.
//
// A handshake that fails for the keys of one side ends the session: another try would fail, too.
//
// The session gives up when it has not heard of a learner for the patience of its options, or of
// the last welcome. Loop thread only.
#ifndef ACTOR_SESSION_H
#define ACTOR_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/err.h"
#include "common/task/task.h"
#include "proto/curve.h"
#include "proto/wire.h"

struct session;

struct session_options {
  const char *endpoint;            // tcp://HOST:PORT
  const char *host;                // of endpoint
  const char *name;                // for people
  uint64_t actor;                  // who we are: random
  int threads, slots;              // rollout threads, and tickets that they want to hold
  const struct curve_actor *keys;  // NULL: no encryption
  int64_t patience_ms;             // before the first welcome
};

// What the learner has said that the session does not deal with itself.
struct session_events {
  void (*welcomed)(void *ctx);                             // session_run and its like are known
  void (*message)(void *ctx, const struct wire_msg *msg);  // grant, ack, weights, of this run
  // Nothing more will come of it, and it was logged why. Once, and not by session_end.
  void (*gave_up)(void *ctx, enum err result);
};

// opt, loop and events are borrowed.
struct session *session_new(const struct session_options *opt, uv_loop_t *loop,
                            const struct session_events *events, void *ctx);

// Closes the connection: waits for the last messages to be sent, for a moment. False: ZeroMQ has
// not ended, and never will while it looks the learner's name up; s must not be freed then.
bool session_disconnect(struct session *s);
void session_free(struct session *s);  // after session_disconnect

// Begins to connect. ERR_USAGE: the endpoint is none.
NODISCARD enum err session_start(struct session *s);

// Every SESSION_TICK_MS: connects again, greets, gives up, sends heartbeats. steps, busy_ms: env
// steps done, and the CPU time that they took. sound: the side that works does so. When it does
// not, heartbeats stop, and nothing is done about a silent learner: another hello would only get us
// tickets that others can answer.
enum { SESSION_TICK_MS = 20 };
void session_tick(struct session *s, bool sound, uint64_t steps, uint64_t busy_ms);

bool session_is_serving(const struct session *s);
int64_t session_heartbeat_ms(const struct session *s);

// Valid from welcomed() on. The task stays; run and settings are those of the last welcome.
uint64_t session_run(const struct session *s);
const struct task *session_task(const struct session *s);
const struct wire_settings *session_settings(const struct session *s);

// False when it was not taken, or we are not serving.
bool session_send(struct session *s, const struct wire_msg *msg);
bool session_send_frame(struct session *s, const void *frame, size_t n);

// Counts a bad message of the learner; each reason (static text) is logged once.
void session_fault(struct session *s, const char *reason);

// Tells the learner that we leave, and why, and hears nothing more.
void session_end(struct session *s, const char *reason);

#endif
