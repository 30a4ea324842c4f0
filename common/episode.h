// episode.h - the episode that answers a ticket, as arrays.
//
// Time runs t = 0..T: state t has an observation and an achieved goal, step t < T has an action.
//
// Hindsight: row t of the table holds k indices j in [t+1, T]. Virtual transition (t, i) is
// (s_t, a_t, s_{t+1}) with the goal replaced by achieved[j]: an outcome that did follow. The
// table costs 2 bytes a virtual transition; nothing is copied.
#ifndef COMMON_EPISODE_H
#define COMMON_EPISODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
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
  int T;                // steps, 1 <= T <= horizon
  bool terminated;      // a true end of the task, not the time limit
  bool unstable;        // cut: the step after these made the simulation unstable
  float *obs;           // (T+1 x obs)
  float *act;           // (T x act), in [-1, 1]
  float *achieved;      // (T+1 x goal)
  float *desired;       // (goal)
  float *reward;        // (T x dims.reward)
  uint16_t *hindsight;  // (T x k)
};

// Room for horizon steps, in one block, zeroed. Free with episode_free.
struct episode *episode_new(const struct dims *dims);
void episode_free(struct episode *ep);  // NULL is allowed

// Everything finite, actions in [-1, 1], 1 <= T <= horizon, hindsight in [t+1, T]; an unstable
// episode is shorter than the horizon and has not terminated.
// Returns NULL when the episode may be used, else what is wrong (static text).
const char *episode_fault(const struct episode *ep);

// XXH3-64 over ticket, T, both flags and all arrays: equal digests mean equal episodes.
uint64_t episode_digest(const struct episode *ep);

#endif
