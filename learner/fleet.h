// fleet.h - the actors: who is here, which tickets they hold, and what they are told.
//
// It joins three things by one small index: an actor's routing id and name (peers.h), its place in
// the ledger, and the ROUTER that reaches it. An actor that cannot be reached is lost, and its
// tickets go to others. A bad message costs that message: it is counted, and logged once per actor
// and reason. Loop thread only.
#ifndef LEARNER_FLEET_H
#define LEARNER_FLEET_H

#include <stdint.h>

#include "common/config/config.h"
#include "common/task/task.h"
#include "learner/gate.h"
#include "learner/ledger.h"
#include "learner/peers.h"
#include "learner/publisher.h"
#include "proto/link.h"
#include "proto/wire.h"

struct fleet {
  // borrowed
  const struct config *cfg;
  const struct task *task;
  struct ledger *ledger;
  struct publisher *publisher;
  struct link *router;
  struct gate *gate;  // NULL: messages have no keys
  uint64_t run;
  int weights_port;
  // its own
  struct peers peers;
  struct wire_encoder *encoder;
  uint64_t rejected;        // bad messages
  uint64_t audit_failures;  // digests that disagreed
  // between heartbeats of one actor, summed over all actors
  uint64_t busy_ms;    // CPU time of their rollouts
  uint64_t thread_ms;  // time, times rollout threads
};

// What a run of this task with these settings sends must fit wire.max_message. ERR_CONFIG: a line
// for each kind of message that does not.
NODISCARD enum err fleet_check_sizes(const struct config *cfg, const struct task *task);

// The borrowed fields are set by the caller before the first message.
void fleet_init(struct fleet *f);
void fleet_release(struct fleet *f);

int fleet_size(const struct fleet *f);
int fleet_threads(const struct fleet *f);  // rollout threads of all actors that are here

// Index of the actor with this routing id, or -1: a stranger.
int fleet_find(const struct fleet *f, const void *id, size_t id_size);

// A message to actor i, if it is still here.
void fleet_send(struct fleet *f, int i, const struct wire_msg *msg);
void fleet_send_weights(struct fleet *f, int i, uint64_t version);
void fleet_say_bye(struct fleet *f, enum wire_farewell code, const char *reason);  // to all

// A message is that of the key it came under, whatever it says: false when that key is not allowed
// (its sender is told), or not the one under which actor i (-1: a stranger) said hello. To be asked
// of every message before it is read.
bool fleet_admit(struct fleet *f, int i, const struct link_frame *frame);

// After the allow-list has changed: whose key is allowed no longer is refused, and lost.
void fleet_revoke(struct fleet *f);

// Whoever says hello, under this key (NULL: there are none), is refused, or welcomed. It joins when
// it has the task.
void fleet_hello(struct fleet *f, const void *id, size_t id_size, const char *key,
                 const struct wire_hello *h, int64_t now_ms);
// A piece of the model, for anyone. One that we do not have: another hello is due.
void fleet_send_piece(struct fleet *f, const void *id, size_t id_size,
                      const struct wire_model_request *request);
void fleet_refuse(struct fleet *f, const void *id, size_t id_size, enum wire_refusal code,
                  const char *reason);
void fleet_lose(struct fleet *f, int i, const char *why);

// Gives out all tickets that somebody may have now: first one for each rollout thread that has
// nothing to do, then those that an actor goes on with, up to its slots. Where few tickets are open
// the first actor would else hold all of them, and the others none.
void fleet_grant(struct fleet *f, int64_t now_ms);

// Refuses for good whom the ledger found faulty. After every ledger_answer.
void fleet_refuse_faulty(struct fleet *f);

// Counts a bad message of actor i (-1: a stranger). reason is static text.
void fleet_fault(struct fleet *f, int i, const char *reason);

// A heartbeat of actor i.
void fleet_heard(struct fleet *f, int i, const struct wire_heartbeat *beat, int64_t now_ms);

// Once a heartbeat: loses who was silent for limit_ms, and sends beat (NULL: none) to the others.
void fleet_beat(struct fleet *f, const struct wire_msg *beat, int64_t now_ms, int64_t limit_ms);

#endif
