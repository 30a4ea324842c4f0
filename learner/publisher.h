// publisher.h - what actors fetch: the versions of the policy that open tickets name, and the model
// of the task in pieces, as frames to send.
//
// A version or a piece is encoded once, and all sends share the bytes of its frame (link_share). So
// a peer that asks again and again, and reads nothing, costs no memory. Loop thread only.
#ifndef LEARNER_PUBLISHER_H
#define LEARNER_PUBLISHER_H

#include <stdint.h>
#include <zmq.h>

#include "common/nn/weights.h"
#include "common/task/task.h"
#include "proto/wire.h"

struct publisher;

// task is borrowed.
struct publisher *publisher_new(uint64_t run, const struct task *task);
void publisher_free(struct publisher *p);  // NULL is allowed

// A version newer than all before. Returns its frame, which stays the publisher's.
zmq_msg_t *publisher_add(struct publisher *p, const struct weights *w);

// The frame of a version, or of the newest one; NULL: it is not here.
zmq_msg_t *publisher_find(struct publisher *p, uint64_t version);
zmq_msg_t *publisher_newest(struct publisher *p);

// The frame that answers a request; NULL: we have no such piece.
zmq_msg_t *publisher_piece(struct publisher *p, const struct wire_model_request *request);

// No ticket names versions below oldest any more. The newest stays all the same.
void publisher_forget(struct publisher *p, uint64_t oldest);

#endif
