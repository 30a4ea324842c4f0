// zcall.h - ZeroMQ's calls, through signals.
//
// Each of them first looks for commands from ZeroMQ's own threads, with a poll, also when it does
// not wait itself (ZMQ_DONTWAIT, ZMQ_EVENTS). When the handler of a signal runs within that poll,
// the call ends with EINTR, having done nothing. A program that took this for an answer would
// lose the second half of a message, or give up a socket that is sound, and no signal would have to
// be sent for it but the SIGTERM that every run ends with. These call again.
//
// Otherwise they are what they are named after: -1 and errno on failure (zmq_strerror).
#ifndef PROTO_ZCALL_H
#define PROTO_ZCALL_H

#include <stdbool.h>
#include <stddef.h>
#include <zmq.h>

int zcall_bind(void *socket, const char *endpoint);
int zcall_connect(void *socket, const char *endpoint);

// bytes sent, of n
int zcall_send(void *socket, const void *data, size_t n, int flags);

// size of *msg, which is empty then; on failure it stays the caller's
int zcall_send_msg(void *socket, zmq_msg_t *msg, int flags);

// size of the frame, of which at most n bytes are in data
int zcall_receive(void *socket, void *data, size_t n, int flags);

// size of the frame, which is in *msg
int zcall_receive_msg(void *socket, zmq_msg_t *msg, int flags);

// ZMQ_POLLIN, ZMQ_POLLOUT: what the socket is ready for. Cannot fail (CHECK).
int zcall_events(void *socket);

// Ends a context whose sockets are closed: waits out their linger.
void zcall_end_context(void *context);

// The same for one that connects, whose thread may be held up by the look-up of a name. False: it
// took longer than ms, and goes on until the process ends.
bool zcall_end_context_within(void *context, int ms);

#endif
