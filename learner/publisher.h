// publisher.h - the versions of the policy that open tickets name, as frames to send.
//
// A version is encoded once. The frame goes to all subscribers, and again to whoever asks for it:
// all these sends share its bytes (link_share). Loop thread only.
#ifndef LEARNER_PUBLISHER_H
#define LEARNER_PUBLISHER_H

#include <stdint.h>
#include <zmq.h>

#include "common/nn/weights.h"

struct publisher;

struct publisher *publisher_new(uint64_t run);
void publisher_free(struct publisher *p);  // NULL is allowed

// A version newer than all before. Returns its frame, which stays the publisher's.
zmq_msg_t *publisher_add(struct publisher *p, const struct weights *w);

// The frame of a version, or of the newest one; NULL: it is not here.
zmq_msg_t *publisher_find(struct publisher *p, uint64_t version);
zmq_msg_t *publisher_newest(struct publisher *p);

// No ticket names versions below oldest any more. The newest stays all the same.
void publisher_forget(struct publisher *p, uint64_t oldest);

#endif
