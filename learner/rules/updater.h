// updater.h - a rule at work: one gradient step from one minibatch, whole or not at all.
//
//   losses of the rule -> every number finite? -> Adam on all nets -> slow copies
//
// The same for every rule. The rows of a minibatch are worked on in a fixed number of parts, whose
// gradients are added in a fixed order,
//   g = ((g_1 + g_2) + (g_3 + g_4)) / parts                                                 (1)
// so that the crew's threads may take them in any order: bits depend on the number of parts, a
// setting, and never on the number of threads. One owner thread; only updater_new allocates.
#ifndef LEARNER_RULES_UPDATER_H
#define LEARNER_RULES_UPDATER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/episode.h"
#include "common/nn/safetensors.h"
#include "learner/agent/agent.h"
#include "learner/agent/net.h"
#include "learner/rules/rule.h"

struct batch;
struct config;
struct crew;
struct scaling;

// A twin of the rule's object, for its part of the rows.
struct shard {
  void *self;
  struct agent agent;
  struct nets nets;
};

struct updater {
  const struct rule *rule;
  struct dims dims;
  void *self;  // the rule's object
  struct agent agent;
  struct nets nets;
  struct scaling *scaling;  // of what networks see; the identity before updater_prepare
  bool standardize;         // net.standardize

  struct crew *crew;  // borrowed
  struct shard *shard;
  int nshard;
  struct nets_piece *piece;  // what a thread sums and steps at a time
  bool *piece_finite;
  int npiece;
};

// Initial weights from (run.seed, RNG_INIT, ..). Copies what it needs from cfg. CHECKs that the
// task has what the rule needs. crew is borrowed; NULL: the caller's thread alone. Free with
// updater_free.
struct updater *updater_new(const struct rule *rule, const struct config *cfg,
                            const struct dims *dims, struct crew *crew);
void updater_free(struct updater *u);  // NULL is allowed

// Parts of a minibatch: train.shards, halved until it divides train.batch.
int updater_shards(const struct config *cfg);

// Once, before the first update of a run: measures the scaling, then prepares the rule.
// ERR_NUMERIC: logged; training cannot begin, and the whole state is as before the call.
NODISCARD enum err updater_prepare(struct updater *u, const struct draws *draws);

// One update on b (train.batch rows), which is only read; index is its number. ERR_NUMERIC: a loss,
// a gradient or a figure was not finite, or beyond 2^60, whose square Adam could not keep; the line
// names it, and the whole state is as before the call.
NODISCARD enum err updater_update(struct updater *u, const struct batch *b, uint64_t index);

// Figure i of the rule, of the last update.
float updater_figure(const struct updater *u, int i);

// The policy network, borrowed; it takes standardised numbers.
const struct mlp *updater_policy(const struct updater *u);

// Its parameters for plain observations and goals, in the same layout, into theta.
void updater_publish(const struct updater *u, float *theta);

// Every tensor of the state (parameters, slow copies, moments, counters, numbers kept), borrowed:
// write them to save, overwrite their data to restore. 8-byte types first, as st_encode wants.
// Fills at most max entries, returns how many there are.
int updater_tensors(struct updater *u, struct st_tensor *out, int max);

#endif
