// updater.h - a rule at work: one gradient step from one minibatch, whole or not at all.
//
//   losses of the rule -> every number finite? -> Adam on all nets -> slow copies
//
// The same for every rule. The rows of a minibatch are worked on in a fixed number of parts, whose
// gradients are added in a fixed order,
//   g = ((g_1 + g_2) + (g_3 + g_4)) (1 / parts),  1 / parts in float32                      (1)
// so that the crew's threads may take them in any order: bits depend on the number of parts, a
// setting, and never on the number of threads, nor of the processes that share the parts.
//
// One owner thread; within a call the threads of the crew work along, each on parts and pieces that
// are its own for that while. An update allocates nothing (but see gemm.h of what libraries do).
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
struct updater;

// Other processes that work on some of the parts (learner/team.h). Called in this order, once an
// update each, on the owner's thread.
struct helpers {
  // before the losses: gives the others what they need for update index on b
  void (*begin)(void *ctx, struct updater *u, const struct batch *b, uint64_t index);
  // adds their sums to ours (shard[0]), in the order of eq. (1), and sets their rows of report
  void (*add)(void *ctx, struct updater *u);
  // whether to step; if so, the total of eq. (1) is in the gradients of nets
  void (*conclude)(void *ctx, struct updater *u, bool step);
  void *ctx;
};

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
  bool started;             // from a policy: updater_start

  struct crew *crew;  // borrowed
  int nshard;         // parts of a minibatch; those from first on, nown of them, are ours
  int first, nown;
  struct shard *shard;           // (nown)
  double *report;                // (nshard x nreport) losses, then figures, of each part
  int nreport;                   // nets.n + rule->nfigure
  const struct helpers *helper;  // borrowed; NULL: all parts are ours
  struct nets_piece *piece;      // what a thread sums and steps at a time
  bool *piece_finite;
  int npiece;
};

// Initial weights from (run.seed, RNG_INIT, ..). Copies what it needs from cfg. CHECKs that the
// task has what the rule needs. crew is borrowed; NULL: the caller's thread alone. Free with
// updater_free.
struct updater *updater_new(const struct rule *rule, const struct config *cfg,
                            const struct dims *dims, struct crew *crew);
void updater_free(struct updater *u);  // NULL is allowed

// The same for a process that works on the parts [first, first + n) alone, n a power of two: its
// own sums are then sums of eq. (1). helper is borrowed. It is that of first = 0, which alone may
// call updater_prepare and updater_update; the others (NULL) do updater_losses, and updater_step
// when their nets have the gradients of it all.
struct updater *updater_new_share(const struct rule *rule, const struct config *cfg,
                                  const struct dims *dims, struct crew *crew, int first, int n,
                                  const struct helpers *helper);

// Parts of a minibatch: train.shards, halved until it divides train.batch.
int updater_shards(const struct config *cfg);

// Threads that share so many parts, on so many cores: learner.threads, or as many as there are
// cores, less one when there are more than two, for the loop that feeds the fleet. Never more than
// parts.
int updater_threads(const struct config *cfg, int parts, int cores);

// In place of the policy's initial weights: parameters (theta, layout of mlp_shape.h) of a policy
// of the same layers on plain numbers, which updater_prepare translates into scaled ones. Before
// both, when config_has_start.
void updater_start(struct updater *u, const float *theta);

// Once, before the first update of a run: measures the scaling, then prepares the rule.
// ERR_NUMERIC: logged; training cannot begin, and the whole state is as before the call.
NODISCARD enum err updater_prepare(struct updater *u, const struct draws *draws);

// One update on b (train.batch rows), which is only read; index is its number. ERR_NUMERIC: a loss,
// a gradient or a figure was not finite, or beyond 2^60, whose square Adam could not keep; the line
// names it, and the whole state is as before the call.
NODISCARD enum err updater_update(struct updater *u, const struct batch *b, uint64_t index);

// The two halves of an update on our parts, own holding their rows. Losses, gradients summed into
// those of shard[0], our rows of report; then a step of every net by its gradient.
void updater_losses(struct updater *u, const struct batch *own, uint64_t index);
void updater_step(struct updater *u);

// Figure i of the rule, of the last update.
float updater_figure(const struct updater *u, int i);

// The policy network, borrowed; it takes standardised numbers.
const struct mlp *updater_policy(const struct updater *u);

// The published policy is one of plain observations and goals, without side inputs
// (learner/agent/side.h). Its layers: returns their number, fills width (MLP_MAX_LAYERS + 1).
int updater_layers(const struct updater *u, int *width);

// Its parameters, of the first head and no context, into theta.
void updater_publish(const struct updater *u, float *theta);

// Its shifts (width[1] each): of a head above 0; and of the context that follows from the rows of
// b (at most train.batch), by its mean and by a sample.
void updater_head_shift(const struct updater *u, float *shift, int head);
void updater_context_shifts(struct updater *u, float *mean, float *sample, const struct batch *b,
                            struct rng *rng);

// Every tensor of the state (parameters, slow copies, moments, counters, numbers kept), borrowed:
// write them to save, overwrite their data to restore. 8-byte types first, as st_encode wants.
// Fills at most max entries, returns how many there are.
int updater_tensors(struct updater *u, struct st_tensor *out, int max);

#endif
