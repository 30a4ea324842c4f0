// rule.h - an update rule: which networks it owns, and the losses that they descend on.
//
// A rule is a table of functions around an object of its own; updater.h runs it. It writes losses
// and gradients into its nets and never steps a parameter: checking, Adam, slow copies, checkpoints
// and messages are the same for all and written once. To add a rule: its file, and a row of
// rules.c.
//
// Life: init, then prepare once before the first update of a run (a resumed run does not repeat
// it), then for each update losses and stepped, at last release. One thread calls all of it.
#ifndef LEARNER_RULES_RULE_H
#define LEARNER_RULES_RULE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/nn/policy.h"
#include "learner/agent/agent.h"
#include "learner/agent/net.h"

struct batch;
struct config;

// What a rule demands of a task.
enum rule_needs { RULE_GOAL = 1 << 0 };

// A number that a rule reports of each update: a float at this offset of its object, set by losses
// or stepped. One whose name is a column of common/config/metrics.def is shown there.
struct figure {
  const char *name, *unit, *help;
  size_t at;
};

// A number that a rule keeps beside its nets: a double at this offset, "prefix.name" in
// checkpoints.
struct kept_number {
  const char *prefix, *name;
  size_t at;
};

// Minibatches before the first update: a function of the run's seed, stream and index, and of what
// replay holds. RNG_BATCH, i is the minibatch of update i. Borrowed until the next draw.
struct draws {
  const struct batch *(*draw)(void *ctx, enum rng_stream stream, uint64_t index);
  void *ctx;
};

struct rule_setup {
  const struct config *cfg;
  struct policy_shape shape;
  struct nets *nets;  // to be filled, in an order that never changes: net_init, agent_init
};

struct rule {
  const char *name;    // also in policy files
  const char *help;    // one line
  const char *source;  // paper and equations
  unsigned needs;      // of enum rule_needs
  size_t size;         // bytes of its object, zeroed before init

  void (*init)(void *self, struct agent *ag, const struct rule_setup *setup);

  // Sets what has to be measured before the first update. ERR_NUMERIC: a number is not finite
  // (logged). NULL: nothing to do.
  enum err (*prepare)(void *self, struct agent *ag, const struct draws *draws);

  // Losses, gradients and figures of minibatch b. Changes nothing that a checkpoint holds. Its
  // noise depends on the run's seed and index, the number of this update, alone.
  void (*losses)(void *self, struct agent *ag, const struct batch *b, uint64_t index);

  // All nets have stepped, and no number was wrong: updates the numbers that it keeps. May be NULL.
  void (*stepped)(void *self, const struct agent *ag);

  void (*release)(void *self);

  const struct figure *figure;
  int nfigure;
  const struct kept_number *kept;
  int nkept;
};

#endif
