// team.h - several processes (learner/ranks/ranks.h) that share the work of each update.
//
//   rank 0    the learner: actors, ledger, replay, checkpoints. Draws the minibatch, keeps the rows
//             of its own parts, sends every other rank those of its parts
//   others    have no run folder, task or port; the same networks and optimisers as rank 0, and the
//             parts of the minibatch (updater.h) that are theirs: neighbours, a power of two of
//             them
//
//   rank 0 -> others   welcome     go on, or end with this exit code
//                      settings    configuration, sizes, rule
//   others -> rank 0   who they are, before the welcome; their kernel, after the settings
//                      order       state: all tensors follow; update: kept numbers and rows; end
//   up the tree        losses and figures of parts, sums of gradients
//   rank 0 -> all      verdict: whether to step, and the gradient of it all
//
// Ranks add in the order of updater.h, eq. (1), each its neighbours first and then what comes up
// the tree of ranks_tree.h; then each makes the same step from the same gradient. So the bits are
// those of one process, and a run may go on with another number of ranks.
#ifndef LEARNER_TEAM_H
#define LEARNER_TEAM_H

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/episode.h"

struct crew;
struct team;
struct updater;

// ---- rank 0 ----

// Hears who the others are. NULL when this process is alone; all of the following allow it.
struct team *team_new(void);

// Before anything of the run is touched: tells every rank what it will work on.
// ERR_CONFIG: the parts of a minibatch cannot be divided among so many, or a rank is of another
// build or computes its products by another kernel, so that bits would differ.
NODISCARD enum err team_gather(struct team *team, const struct config *cfg,
                               const struct dims *dims);

// updater_new for our share of the parts, after team_gather; the first update sends the state to
// all. Free with updater_free, before the team.
struct updater *team_updater(struct team *team, const struct config *cfg, const struct dims *dims,
                             struct crew *crew);

// Parts of a minibatch that are ours, which is how many threads can work; at least 1. Also before
// team_gather.
int team_parts(const struct team *team, const struct config *cfg);

// The others end with this exit code. Frees the team.
void team_dismiss(struct team *team, int exit_code);

// ---- the others ----

// Works for rank 0 until it says how to end: returns the exit code.
int team_serve(void);

#endif
