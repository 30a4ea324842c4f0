// episode.h - the episode that answers a ticket, as arrays.
//
// Time runs t = 0..T: state t has an observation and an achieved goal, step t < T has an action.
//
// Hindsight: row t of the table holds k indices j in [t+1, T]. Virtual transition (t, i) is
// (s_t, a_t, s_{t+1}) with the goal replaced by achieved[j]: an outcome that did follow. The
// table costs 2 bytes a virtual transition; nothing is copied.
//
// Content: the one form of an episode as bytes, little-endian, without gaps:
//
//   u64 id | seed | version | kind | T | terminated (0 or 1) | unstable (0 or 1)
//   the arrays of episode.def, as long as T and the sizes demand
//
// Its XXH3-64 is the episode's digest; messages carry it and the replay log keeps it as it is. A
// sealed episode lies in memory as its content, so that nobody writes or digests it twice.
#ifndef COMMON_EPISODE_H
#define COMMON_EPISODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ticket.h"

enum {
  DIMS_MAX_WIDTH = 4096,     // floats of one observation, action or goal
  DIMS_MAX_HORIZON = 65535,  // steps; hindsight indices are 16 bit
  DIMS_MAX_HINDSIGHT = 64,
};

// Sizes that task and configuration fix for a whole run.
struct dims {
  int obs, act, goal;  // floats; goal may be 0 when there are rewards
  int horizon;         // largest T, steps
  int hindsight;       // k, indices a step
  int reward;          // 1: each step has a reward, 0: none
};

struct episode {
  struct ticket ticket;
  struct dims dims;
  int T;            // steps, 1 <= T <= horizon
  bool terminated;  // a true end of the task, not the time limit
  bool unstable;    // cut: the step after these made the simulation unstable
  // float *obs, *act, *achieved, *desired, *reward; uint16_t *hindsight: (rows x width) each
#define E(type, name, width, rows, check, fault) type *name;
#include "common/episode.def"
#undef E
  int room;                // steps that the arrays have room for
  unsigned char *content;  // sealed: the content ..
  size_t bytes;            // .. its size (0: not sealed) ..
  uint64_t digest;         // .. and its XXH3-64
};

// Room for horizon steps, in one block, zeroed. Free with episode_free.
struct episode *episode_new(const struct dims *dims);
void episode_free(struct episode *ep);  // NULL is allowed

// Bytes of the content of an episode of T steps.
size_t episode_bytes(const struct dims *dims, int T);

// Ends an episode whose ticket, T, flags and arrays are set: moves the arrays together, so
// that the room is T steps from now on, and sets content, bytes and digest. Returns the digest.
// Whoever changes something later seals again.
uint64_t episode_seal(struct episode *ep);

// The sealed episode whose content these n bytes are, and whose digest the sender states. NULL with
// the reason in *fault (static text) when they are no episode that may be used: wrong sizes or
// digest, which are checked before anything is allocated, or what episode_fault finds.
struct episode *episode_read(const char **fault, const struct dims *dims, const void *content,
                             size_t n, uint64_t digest);

// ep->hindsight for ep->T from the ticket's seed.
void episode_hindsight(struct episode *ep);

// Everything finite, actions in [-1, 1], 1 <= T <= horizon, hindsight in [t+1, T]; an unstable
// episode is shorter than the horizon and has not terminated.
// Returns NULL when the episode may be used, else what is wrong (static text).
const char *episode_fault(const struct episode *ep);

#endif
