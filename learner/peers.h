// peers.h - the actors that have said hello, by routing id and by small index.
//
// The index is the one the ledger knows (0 <= index < LEDGER_MAX_ACTORS). Loop thread only.
#ifndef LEARNER_PEERS_H
#define LEARNER_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/reasons.h"
#include "learner/ledger.h"
#include "proto/keyfile.h"
#include "proto/link.h"

enum { PEER_MAX_NAME = 63, PEERS_MAX_BANNED = 1024 };

struct peer {
  bool used;
  uint8_t id[LINK_MAX_ID];  // ROUTER's routing id
  size_t id_size;
  uint64_t actor;  // from hello
  char name[PEER_MAX_NAME + 1];
  char key[KEY_TEXT];  // under which it said hello; "": the learner has no keys
  int64_t last_seen_ms;
  int threads;       // rollout threads
  bool beaten;       // there was a heartbeat; the last one ..
  int64_t beat_ms;   // .. came then ..
  uint64_t busy_ms;  // .. and told of so much CPU time of rollouts ..
  uint64_t steps;    // .. and of so many env steps
  uint64_t logged;   // fault reasons that were, by their bits
};

struct peers {
  struct peer peer[LEDGER_MAX_ACTORS];
  uint32_t key[LEDGER_MAX_ACTORS];  // of each used peer's routing id
  int used;                         // how many
  int highest;                      // indices below this have been used
  // one newcomer that never said hello stands for all of them in fault logging
  struct peer stranger;
  struct reasons reasons;
  uint64_t banned[PEERS_MAX_BANNED];  // actor numbers, a ring
  uint64_t nbanned;                   // ever
};

// Index of the peer with this routing id, or of this actor number; -1 when there is none.
int peers_find(const struct peers *p, const void *id, size_t id_size);
int peers_find_actor(const struct peers *p, uint64_t actor);

// A free index for a newcomer, or -1 when full. The entry is filled from the arguments.
int peers_add(struct peers *p, const void *id, size_t id_size, uint64_t actor, const char *name,
              int64_t now_ms);
void peers_remove(struct peers *p, int index);

// An actor number that may not come back in this learner's life.
void peers_ban(struct peers *p, uint64_t actor);
bool peers_banned(const struct peers *p, uint64_t actor);

// True the first time that this reason (static text) is met for the peer; index -1 is a stranger.
bool peers_first_fault(struct peers *p, int index, const char *reason);

#endif
