// net.h - one learned function, and the list of those that an update rule owns.
//
//   struct net   what is learned (a network's parameters, and free numbers beside them), its loss
//                and gradient, its optimiser, and its slow copy theta_bar if it has one
//   struct nets  all of a rule, in a fixed order; owns nothing
//
// Whatever has to be done with every net is a loop over the list: the search for numbers that went
// wrong, Adam, theta_bar, the tensors of a checkpoint; tests walk the same list.
//
//   theta_bar <- (1 - tau) theta_bar + tau theta                                             (1)
//
// One owner thread, with three exceptions: threads of a crew may work on a list at once, each on
// pieces of its own; twins read theta and theta_bar on theirs, while nobody steps; each twin has
// one thread at a time. Only net_init allocates.
#ifndef LEARNER_AGENT_NET_H
#define LEARNER_AGENT_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/nn/safetensors.h"
#include "learner/nn/adam.h"
#include "learner/nn/mlp.h"

struct widths;

struct net {
  const struct net *original;  // whose parameters it reads; NULL: it has its own
  const char *name;            // prefix of its tensors; static text
  const char *remedy;          // what to do when its numbers are not finite; static text

  struct mlp mlp;         // the network, whose theta is the start of the block; nlayer 0: none
  float *theta;           // (n) everything that is learned: the network's, then the free numbers
  size_t n;               // floats
  float lowest, highest;  // where free numbers are kept
  struct adam adam;
  struct adam_rates rates;  // of the step that has begun
  bool constant;            // has a loss and a gradient, but is not stepped

  double loss;    // of the last minibatch
  float *grad;    // (n) its derivative by theta
  float *target;  // (n) theta_bar, or NULL

  // theta and theta_bar as products take them, when gemm_rounds(); else NULL. Twins read them
  uint16_t *rounded, *rounded_target;
  float tau;  // of eq. (1)
};

enum { NETS_MAX = 16 };

struct nets {
  const struct nets
      *original;  // a twin of this list: the same nets, each with a loss and a gradient of
                  // its own, on the parameters of that one; NULL: the only list
  uint64_t seed;  // of initial weights
  int n;
  struct net *at[NETS_MAX];
};

struct net_setup {
  const char *name, *remedy;
  const struct widths *hidden;  // hidden layers; NULL: no network
  int in, out;                  // its numbers per row
  int nfree;                    // free numbers; each begins at start
  float start, lowest, highest;
  float lr;
  bool target;  // has a theta_bar, which starts as a copy
  float tau;
};

// Appends net to the list. In a twin it must be the same net as at this place of the original, and
// takes nothing but room for its gradient. Elsewhere the n-th network of a list (those without one
// do not count) draws its weights from (seed, RNG_INIT, n), so a rule's list must keep its order.
// Free with net_release.
void net_init(struct net *net, struct nets *list, const struct net_setup *setup);
void net_release(struct net *net);

// The same network with the parameters theta_bar; borrowed.
struct mlp net_target(const struct net *net);

// One Adam step on grad; free numbers are put back into [lowest, highest].
void net_step(struct net *net);

// The first net whose loss, else whose gradient, is not finite or beyond 2^60; *what names which of
// the two. NULL: all are fit for a step. gradients_finite: all of those are known to be.
const struct net *nets_fault(const struct nets *list, bool gradients_finite, const char **what);

// A step of a list is net_step on all nets that are not constant, then eq. (1) on all that have a
// theta_bar. In pieces, so that threads can share it: nets_begin_step, then nets_step_piece for
// each of the nets_pieces of the list, in any order.
struct nets_piece {
  int net;          // its place in the list
  size_t first, n;  // of its numbers
};
// Returns how many there are, at most CREW_TASKS, and fills at most max. They follow from the sizes
// of the nets alone.
int nets_pieces(const struct nets *list, struct nets_piece *out, int max);
void nets_begin_step(struct nets *list);
void nets_step_piece(struct nets *list, const struct nets_piece *piece);

// Sets what twins read of a piece when gemm_rounds(): before each update, for all pieces. Aborts
// when it did not yet when the net was made.
void nets_round_piece(struct nets *list, const struct nets_piece *piece);

// A list of tensors being filled: counts all, keeps the first max.
struct tensor_list {
  struct st_tensor *out;
  int max, n;
};

// Appends n numbers at data as "prefix.name"; a scalar (rank 0) when n is 0.
void tensor_list_add(struct tensor_list *list, const char *prefix, const char *name,
                     enum st_dtype dtype, void *data, size_t n);

// Every tensor of the nets, borrowed: counters (8 bytes) when wide, else numbers (4 bytes).
void nets_tensors(struct nets *nets, struct tensor_list *list, bool wide);

#endif
