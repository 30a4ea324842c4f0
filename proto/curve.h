// curve.h - encryption of links (ZMTP's CURVE), with keys of both sides.
//
// The side that binds proves that it has the learner's secret key; the side that connects that it
// has its own, which the learner then looks up (learner/gate.h). Nothing is sent in the clear, and
// a side without the right keys gets no further than the handshake.
#ifndef PROTO_CURVE_H
#define PROTO_CURVE_H

#include "proto/keyfile.h"
#include "proto/link.h"

// What an actor has to know to connect.
struct curve_actor {
  struct keyfile learner;       // the public key
  struct keyfile own;           // the pair
  char name[KEY_MAX_NAME + 1];  // of its own key
};

// A link that will be bound, or connected: between link_open and link_bind or link_connect. Keys
// are copied. Who connects to a bound one is refused unless a ZAP handler (proto/zap.h) of the same
// context says otherwise, also when there is none.
void curve_serve(struct link *l, const struct keyfile *learner);
void curve_connect(struct link *l, const struct curve_actor *keys);

// The key under which a message came, in Z85; NULL: the link is not encrypted. Valid as long as the
// message. Only for links of curve_serve: on others, peers may claim what they like.
const char *curve_sender(zmq_msg_t *msg);

#endif
