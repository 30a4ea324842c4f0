// net.c - a flat block of parameters and what goes with it; loops over a list of them.
#include "learner/agent/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/crew.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/gemm.h"
#include "learner/nn/rows.h"

// ---- one net ----

static void set_widths(struct mlp *mlp, const struct net_setup *setup) {
  CHECK(setup->hidden->n >= 1 && setup->hidden->n < MLP_MAX_LAYERS);
  mlp->nlayer = config_layers(mlp->width, setup->in, setup->hidden, setup->out);
  mlp->nparam = mlp_nparam(mlp->width, mlp->nlayer);
}

static uint64_t count_networks(const struct nets *list) {
  uint64_t count = 0;
  for (int i = 0; i < list->n; i++) {
    count += list->at[i]->mlp.nlayer > 0;
  }
  return count;
}

// parameters, moments and theta_bar of a net that is nobody's twin
static void init_own(struct net *net, const struct nets *list, const struct net_setup *setup) {
  net->theta = net->mlp.theta = must_alloc(net->n, sizeof(float));
  adam_init(&net->adam, net->n, setup->lr);
  if (setup->hidden) {
    struct rng rng;
    rng_init(&rng, list->seed, RNG_INIT, count_networks(list));
    mlp_init_weights(&net->mlp, &rng);
  }
  for (size_t i = net->mlp.nparam; i < net->n; i++) {
    net->theta[i] = setup->start;
  }
  if (setup->target) {
    net->target = must_alloc(net->n, sizeof(float));
    memcpy(net->target, net->theta, net->n * sizeof(float));
    net->tau = setup->tau;
  }
  if (gemm_rounds()) {
    net->rounded = must_alloc(net->n, sizeof *net->rounded);
    net->rounded_target = setup->target ? must_alloc(net->n, sizeof *net->rounded) : NULL;
  }
}

static void borrow(struct net *net, const struct net *original) {
  CHECK(original && original->n == net->n && strcmp(original->name, net->name) == 0);
  net->original = original;
  net->theta = net->mlp.theta = original->theta;
  net->target = original->target;
  net->mlp.rounded = net->rounded = original->rounded;
  net->rounded_target = original->rounded_target;
}

void net_init(struct net *net, struct nets *list, const struct net_setup *setup) {
  CHECK(net && list && setup && list->n < NETS_MAX && setup->nfree >= 0);
  memset(net, 0, sizeof *net);
  net->name = setup->name;
  net->remedy = setup->remedy;
  if (setup->hidden) {
    set_widths(&net->mlp, setup);
  }
  net->n = net->mlp.nparam + (size_t)setup->nfree;
  net->grad = must_alloc(net->n, sizeof(float));
  net->lowest = setup->lowest;
  net->highest = setup->highest;
  if (list->original) {
    borrow(net, list->original->at[list->n]);
  } else {
    init_own(net, list, setup);
  }
  list->at[list->n++] = net;
}

void net_release(struct net *net) {
  if (!net->original) {
    free(net->theta);
    free(net->target);
    free(net->rounded);
    free(net->rounded_target);
    adam_release(&net->adam);
  }
  free(net->grad);
  memset(net, 0, sizeof *net);
}

struct mlp net_target(const struct net *net) {
  CHECK(net->target);
  struct mlp mlp = net->mlp;
  mlp.theta = net->target;
  mlp.rounded = net->original ? net->rounded_target : NULL;
  return mlp;
}

// free numbers among [first, first + n) back into their interval
static void keep_inside(struct net *net, size_t first, size_t n) {
  const size_t begin = first > net->mlp.nparam ? first : net->mlp.nparam;
  for (size_t i = begin; i < first + n; i++) {
    net->theta[i] = fminf(fmaxf(net->theta[i], net->lowest), net->highest);
  }
}

void net_step(struct net *net) {
  CHECK(!net->original);
  adam_step(&net->adam, net->theta, net->grad);
  keep_inside(net, 0, net->n);
}

// ---- all of a rule ----

const struct net *nets_fault(const struct nets *list, bool gradients_finite, const char **what) {
  *what = "loss";
  for (int i = 0; i < list->n; i++) {
    const float loss = (float)list->at[i]->loss;
    if (!rows_finite(&loss, 1)) {
      return list->at[i];
    }
  }
  *what = "gradient";
  for (int i = 0; i < list->n && !gradients_finite; i++) {
    if (!rows_finite(list->at[i]->grad, list->at[i]->n)) {
      return list->at[i];
    }
  }
  return NULL;
}

int nets_pieces(const struct nets *list, struct nets_piece *out, int max) {
  // small enough that many threads share them evenly, large enough that taking one costs nothing;
  // larger when there would be more pieces than a job takes, of which each net's last is a short
  // one
  enum { PIECE = 4096, MOST = CREW_TASKS - NETS_MAX };
  size_t total = 0;
  for (int i = 0; i < list->n; i++) {
    total += list->at[i]->n;
  }
  const size_t size = PIECE * (1 + total / ((size_t)PIECE * MOST));
  int count = 0;
  for (int i = 0; i < list->n; i++) {
    for (size_t first = 0; first < list->at[i]->n; first += size, count++) {
      const size_t rest = list->at[i]->n - first;
      if (count < max) {
        out[count] = (struct nets_piece){i, first, rest < size ? rest : size};
      }
    }
  }
  return count;
}

void nets_begin_step(struct nets *list) {
  CHECK(!list->original);
  for (int i = 0; i < list->n; i++) {
    struct net *net = list->at[i];
    if (!net->constant) {
      net->rates = adam_begin(&net->adam);
    }
  }
}

void nets_step_piece(struct nets *list, const struct nets_piece *piece) {
  struct net *net = list->at[piece->net];
  const size_t first = piece->first, n = piece->n;
  if (!net->constant) {
    adam_range(&net->adam, net->rates, net->theta, net->grad, first, n);
    keep_inside(net, first, n);
  }
  if (net->target) {
    adam_polyak(net->target + first, net->theta + first, net->tau, n);  // eq. (1)
  }
}

void nets_round_piece(struct nets *list, const struct nets_piece *piece) {
  struct net *net = list->at[piece->net];
  CHECK(net->rounded);
  gemm_round(net->rounded + piece->first, net->theta + piece->first, piece->n);
  if (net->target) {
    gemm_round(net->rounded_target + piece->first, net->target + piece->first, piece->n);
  }
}

// ---- tensors ----

void tensor_list_add(struct tensor_list *list, const char *prefix, const char *name,
                     enum st_dtype dtype, void *data, size_t n) {
  if (list->n < list->max) {
    struct st_tensor *t = &list->out[list->n];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s.%s", prefix, name);
    t->dtype = dtype;
    t->rank = n > 0 ? 1 : 0;
    t->shape[0] = (int64_t)n;
    t->data = data;
  }
  list->n++;
}

static void add_numbers(struct net *net, struct tensor_list *list) {
  if (net->mlp.nlayer == 0 && net->n == 1) {
    tensor_list_add(list, net->name, "value", ST_F32, net->theta, 0);
  } else {
    tensor_list_add(list, net->name, "params", ST_F32, net->theta, net->n);
  }
  tensor_list_add(list, net->name, "adam.m", ST_F32, net->adam.m, net->n);
  tensor_list_add(list, net->name, "adam.v", ST_F32, net->adam.v, net->n);
  if (net->target) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "target_%s", net->name);
    tensor_list_add(list, prefix, "params", ST_F32, net->target, net->n);
  }
}

void nets_tensors(struct nets *nets, struct tensor_list *list, bool wide) {
  for (int i = 0; i < nets->n; i++) {
    struct net *net = nets->at[i];
    if (wide) {
      tensor_list_add(list, net->name, "adam.t", ST_I64, &net->adam.t, 0);
    } else {
      add_numbers(net, list);
    }
  }
}
