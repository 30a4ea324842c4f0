// updater.h - a rule at work: one gradient step from one minibatch, whole or not at all.
//
//   losses of the rule -> every number finite? -> Adam on all nets -> slow copies
//
// The same for every rule. One owner thread; only updater_new allocates.
#ifndef LEARNER_RULES_UPDATER_H
#define LEARNER_RULES_UPDATER_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/nn/safetensors.h"
#include "learner/agent/agent.h"
#include "learner/agent/net.h"
#include "learner/rules/rule.h"

struct batch;
struct config;
struct dims;

struct updater {
  const struct rule *rule;
  void *self;  // the rule's object
  struct agent agent;
  struct nets nets;
};

// Initial weights from (run.seed, RNG_INIT, ..). Copies what it needs from cfg. CHECKs that the
// task has what the rule needs. Free with updater_free.
struct updater *updater_new(const struct rule *rule, const struct config *cfg,
                            const struct dims *dims);
void updater_free(struct updater *u);  // NULL is allowed

// Once, before the first update of a run. ERR_NUMERIC: logged; training cannot begin.
NODISCARD enum err updater_prepare(struct updater *u, const struct draws *draws);

// One update on b, which is only read; index is its number. ERR_NUMERIC: a loss, a gradient or a
// figure was not finite, or beyond 2^60, whose square Adam could not keep; the line names it, and
// the whole state is as before the call.
NODISCARD enum err updater_update(struct updater *u, const struct batch *b, uint64_t index);

// Figure i of the rule, of the last update.
float updater_figure(const struct updater *u, int i);

// The policy network, borrowed.
const struct mlp *updater_policy(const struct updater *u);

// Every tensor of the state (parameters, slow copies, moments, counters, numbers kept), borrowed:
// write them to save, overwrite their data to restore. 8-byte types first, as st_encode wants.
// Fills at most max entries, returns how many there are.
int updater_tensors(struct updater *u, struct st_tensor *out, int max);

#endif
