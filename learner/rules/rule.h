// rule.h - an update rule: which networks it owns, and the losses that they descend on.
//
// A rule is a table of functions around an object of its own; updater.h runs it. It writes losses
// and gradients into its nets and never steps a parameter: checking, Adam, slow copies, checkpoints
// and messages are the same for all and written once. To add a rule: its file, and a row of
// rules.c.
//
// Life: init, then prepare once before the first update of a run (a resumed run does not repeat
// it), then for each update losses and stepped, at last release.
//
// Threads know nothing of each other: the rows of a minibatch are divided among twins of the
// object, each with the same nets but a loss and a gradient of its own (struct nets, of), and only
// losses runs on several at once. Every loss is a mean over rows, so the mean of the parts' is the
// loss of the whole. prepare and stepped run on the original; before losses the kept numbers of the
// twins are set to the original's. So a rule changes its nets and its kept numbers, and nothing
// else that lasts.
#ifndef LEARNER_RULES_RULE_H
#define LEARNER_RULES_RULE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/nn/policy.h"
#include "learner/agent/agent.h"
#include "learner/agent/net.h"

struct batch;
struct config;
struct draws;
struct scaling;

// What a rule demands: of a task a goal, or a reward, which worth.reward says where to take from;
// of the run demonstrations.
enum rule_needs { RULE_GOAL = 1 << 0, RULE_REWARD = 1 << 1, RULE_DEMOS = 1 << 2 };

// A number that a rule reports of each update: a float at this offset of its object, set by losses
// or stepped. One whose name is a column of common/config/metrics.def is shown there.
// The minibatch is worked on in parts; combine says what the figure of all of it is: the mean of
// the parts' figures by their rows, the lowest, or the highest.
enum figure_combine { FIGURE_MEAN, FIGURE_LOWEST, FIGURE_HIGHEST };
struct figure {
  const char *name, *unit, *help;
  size_t at;
  enum figure_combine combine;
};

// A number that a rule keeps beside its nets: a double at this offset, "prefix.name" in
// checkpoints.
struct kept_number {
  const char *prefix, *name;
  size_t at;
};

struct rule_setup {
  const struct config *cfg;  // train.batch: the most rows that this object is given at a time
  struct policy_shape shape;
  const struct scaling *scaling;  // of what networks see; measured before prepare
  int horizon;                    // steps of an episode, at most
  struct nets *nets;  // to be filled, in an order that never changes: net_init, agent_init
};

struct rule {
  const char *name;  // the word of train.rule; in messages
  unsigned needs;    // of enum rule_needs
  bool side;         // may have heads and a context (learner/agent/side.h)
  size_t size;       // bytes of its object, zeroed before init

  void (*init)(void *self, struct agent *ag, const struct rule_setup *setup);

  // Sets what has to be measured before the first update. ERR_NUMERIC: a number is not finite
  // (logged). NULL: nothing to do.
  enum err (*prepare)(void *self, struct agent *ag, const struct draws *draws);

  // Losses, gradients and figures of b, a minibatch or a part of one. Changes nothing that a
  // checkpoint holds. Its noise is a function of the run's seed and key, which differs for each
  // part of each update, alone.
  void (*losses)(void *self, struct agent *ag, const struct batch *b, uint64_t key);

  // All nets have stepped, and no number was wrong: updates the numbers that it keeps, from the
  // figures of the whole minibatch. May be NULL.
  void (*stepped)(void *self, const struct agent *ag);

  void (*release)(void *self);

  const struct figure *figure;
  int nfigure;
  const struct kept_number *kept;
  int nkept;
};

#endif
