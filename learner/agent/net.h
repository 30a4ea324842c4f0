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
// One owner thread. Only net_init allocates.
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
  const char *name;    // prefix of its tensors; static text
  const char *remedy;  // what to do when its numbers are not finite; static text

  struct mlp mlp;         // the network, whose theta is the start of the block; nlayer 0: none
  float *theta;           // (n) everything that is learned: the network's, then the free numbers
  size_t n;               // floats
  float lowest, highest;  // where free numbers are kept
  struct adam adam;
  bool constant;  // has a loss and a gradient, but is not stepped

  double loss;    // of the last minibatch
  float *grad;    // (n) its derivative by theta
  float *target;  // (n) theta_bar, or NULL
  float tau;      // of eq. (1)
};

enum { NETS_MAX = 16 };

struct nets {
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

// Appends net to the list. The n-th network of a list (those without one do not count) draws its
// weights from (seed, RNG_INIT, n), so a rule's list must keep its order. Free with net_release.
void net_init(struct net *net, struct nets *list, const struct net_setup *setup);
void net_release(struct net *net);

// The same network with the parameters theta_bar; borrowed.
struct mlp net_target(const struct net *net);

// One Adam step on grad; free numbers are put back into [lowest, highest].
void net_step(struct net *net);

// The first net whose loss, else whose gradient, is not finite or beyond 2^60; *what names which of
// the two. NULL: all are fit for a step.
const struct net *nets_fault(const struct nets *list, const char **what);

void nets_step(struct nets *list);    // net_step on all that are not constant
void nets_follow(struct nets *list);  // eq. (1) on all that have a theta_bar

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
