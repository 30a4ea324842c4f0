// updater.c - all losses and gradients with the parameters as they are, one look whether every
// number is finite, then every step. So an update happens whole or not at all.
//
// Three jobs of the crew: losses by rows, sums of gradients and their check by pieces of the
// parameters, steps by the same pieces. What is between them is done by one thread, and is short.
#include "learner/rules/updater.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/crew.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "learner/agent/context.h"
#include "learner/agent/scaling.h"
#include "learner/nn/gemm.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"

int updater_shards(const struct config *cfg) {
  int n = (int)cfg->train_shards;
  while (cfg->train_batch % n != 0) {
    n /= 2;
  }
  return n;
}

int updater_threads(const struct config *cfg, int parts, int cores) {
  CHECK(parts >= 1 && cores >= 1);
  const int64_t wanted = cfg->learner_threads > 0 ? cfg->learner_threads
                         : cores > 2              ? cores - 1
                                                  : cores;
  return wanted < parts ? (int)wanted : parts;
}

// ---- construction ----

static void init_shards(struct updater *u, const struct rule_setup *setup) {
  struct config part = *setup->cfg;
  part.train_batch /= u->nshard;
  struct rule_setup twin = *setup;
  twin.cfg = &part;
  u->shard = must_alloc((size_t)u->nown, sizeof *u->shard);
  for (int i = 0; i < u->nown; i++) {
    struct shard *shard = &u->shard[i];
    shard->nets.original = &u->nets;
    shard->self = must_alloc(1, u->rule->size);
    twin.nets = &shard->nets;
    u->rule->init(shard->self, &shard->agent, &twin);
    CHECK(shard->nets.n == u->nets.n);
  }
  u->nreport = u->nets.n + u->rule->nfigure;
  u->report = must_alloc((size_t)u->nshard * (size_t)u->nreport, sizeof *u->report);
  u->npiece = nets_pieces(&u->nets, NULL, 0);
  u->piece = must_alloc((size_t)u->npiece, sizeof *u->piece);
  nets_pieces(&u->nets, u->piece, u->npiece);
  u->piece_finite = must_alloc((size_t)u->npiece, sizeof *u->piece_finite);
}

struct updater *updater_new_share(const struct rule *rule, const struct config *cfg,
                                  const struct dims *dims, struct crew *crew, int first, int n,
                                  const struct helpers *helper) {
  CHECK(rule && cfg && dims);
  CHECK(!(rule->needs & RULE_GOAL) || dims->goal >= 1);
  CHECK(cfg->worth_reward != WORTH_REWARD_TASK || dims->reward);
  struct updater *u = must_alloc(1, sizeof *u);
  u->rule = rule;
  u->dims = *dims;
  u->crew = crew;
  u->nshard = updater_shards(cfg);
  u->first = first;
  u->nown = n;
  u->helper = helper;
  CHECK(first >= 0 && n >= 1 && first % n == 0 && n <= u->nshard - first);
  CHECK(n == u->nshard || (n & (n - 1)) == 0);
  u->self = must_alloc(1, rule->size);
  u->nets.seed = (uint64_t)cfg->run_seed;
  const struct policy_shape shape = {.obs = dims->obs, .goal = dims->goal, .act = dims->act};
  const struct rule_setup setup = {
      .cfg = cfg,
      .shape = shape,
      .scaling = u->scaling = scaling_new(&shape),
      .horizon = dims->horizon,
      .nets = &u->nets,
  };
  u->standardize = cfg->net_standardize;
  u->started = config_has_start(cfg);
  rule->init(u->self, &u->agent, &setup);
  init_shards(u, &setup);
  return u;
}

struct updater *updater_new(const struct rule *rule, const struct config *cfg,
                            const struct dims *dims, struct crew *crew) {
  return updater_new_share(rule, cfg, dims, crew, 0, updater_shards(cfg), NULL);
}

void updater_free(struct updater *u) {
  if (!u) {
    return;
  }
  // twins first: they read the nets of the original
  for (int i = 0; i < u->nown; i++) {
    u->rule->release(u->shard[i].self);
    agent_release(&u->shard[i].agent);
    free(u->shard[i].self);
  }
  free(u->shard);
  free(u->report);
  free(u->piece);
  free(u->piece_finite);
  u->rule->release(u->self);
  agent_release(&u->agent);
  scaling_free(u->scaling);
  free(u->self);
  free(u);
}

// ---- before the first update ----

int updater_layers(const struct updater *u, int *width) {
  const struct mlp *net = updater_policy(u);
  memcpy(width, net->width, sizeof *width * ((size_t)net->nlayer + 1));
  width[0] = u->agent.side.plain;
  return net->nlayer;
}

// numbers of the published policy
static size_t plain_size(const struct updater *u) {
  int width[MLP_MAX_LAYERS + 1];
  const int n = updater_layers(u, width);
  return mlp_nparam(width, n);
}

void updater_start(struct updater *u, const float *theta) {
  const struct net *net = &u->agent.policy;
  CHECK(u->started && theta);
  side_unfold(net->theta, theta, &u->agent.side, net->mlp.width[1], plain_size(u));
  if (net->target) {
    memcpy(net->target, net->theta, net->n * sizeof *theta);
  }
}

// the policy, and its slow copy, as a function of scaled numbers
static void start_scaled(struct updater *u) {
  const struct net *net = &u->agent.policy;
  scaling_unfold(u->scaling, net->theta, net->mlp.width[0], net->mlp.width[1]);
  if (net->target) {
    memcpy(net->target, net->theta, net->n * sizeof *net->theta);
  }
}

static enum err prepare(struct updater *u, const struct draws *draws) {
  const enum err err = u->standardize ? scaling_measure(u->scaling, draws) : ERR_OK;
  if (err != ERR_OK) {
    return err;
  }
  if (u->started) {
    start_scaled(u);
  }
  agent_begin(&u->agent, NULL);
  return u->rule->prepare ? u->rule->prepare(u->self, &u->agent, draws) : ERR_OK;
}

// a preparation steps nets, so that one which fails has to put the state back
enum err updater_prepare(struct updater *u, const struct draws *draws) {
  CHECK(u && draws && draws->draw);
  const int n = updater_tensors(u, NULL, 0);
  struct st_tensor *tensor = must_alloc((size_t)n, sizeof *tensor);
  size_t bytes = 0;
  updater_tensors(u, tensor, n);
  for (int i = 0; i < n; i++) {
    bytes += st_bytes(&tensor[i]);
  }
  char *kept = must_alloc(bytes, 1), *at = kept;
  for (int i = 0; i < n; i++) {
    memcpy(at, tensor[i].data, st_bytes(&tensor[i]));
    at += st_bytes(&tensor[i]);
  }
  const enum err err = prepare(u, draws);
  at = kept;
  for (int i = 0; i < n && err != ERR_OK; i++) {
    memcpy(tensor[i].data, at, st_bytes(&tensor[i]));
    at += st_bytes(&tensor[i]);
  }
  free(kept);
  free(tensor);
  return err;
}

// ---- an update ----

struct update {
  struct updater *u;
  const struct batch *own;  // rows of our parts
  uint64_t index;
};

static float *figure_of(void *self, const struct figure *figure) {
  return (float *)(void *)((char *)self + figure->at);
}

// losses and gradients of one of our parts, and its row of report
static void shard_losses(void *ctx, int i) {
  const struct update *update = ctx;
  struct updater *u = update->u;
  struct shard *shard = &u->shard[i];
  const int rows = update->own->B / u->nown, number = u->first + i;
  const struct batch part = batch_rows(update->own, &u->dims, i * rows, rows);
  for (int k = 0; k < u->rule->nkept; k++) {
    const size_t at = u->rule->kept[k].at;
    memcpy((char *)shard->self + at, (const char *)u->self + at, sizeof(double));
  }
  const uint64_t key = update->index * (uint64_t)u->nshard + (uint64_t)number;
  struct rng rng;
  rng_init(&rng, u->nets.seed, RNG_CONTEXT, key);
  agent_begin(&shard->agent, &part);
  agent_infer(&shard->agent, &part, &rng);
  u->rule->losses(shard->self, &shard->agent, &part, key);
  agent_context_loss(&shard->agent);
  double *report = u->report + (size_t)number * (size_t)u->nreport;
  for (int k = 0; k < u->nets.n; k++) {
    *report++ = shard->nets.at[k]->loss;
  }
  for (int k = 0; k < u->rule->nfigure; k++) {
    *report++ = (double)*figure_of(shard->self, &u->rule->figure[k]);
  }
}

// Eq. (1) over our parts for one piece of the gradients. The sums over neighbours, then over
// neighbours of those, and so on, are left in the gradients of the shards.
static void sum_piece(void *ctx, int i) {
  const struct update *update = ctx;
  struct updater *u = update->u;
  const struct nets_piece *piece = &u->piece[i];
  for (int step = 1; step < u->nown; step *= 2) {
    for (int k = 0; k + step < u->nown; k += 2 * step) {
      float *restrict sum = u->shard[k].nets.at[piece->net]->grad + piece->first;
      const float *restrict other = u->shard[k + step].nets.at[piece->net]->grad + piece->first;
      for (size_t j = 0; j < piece->n; j++) {
        sum[j] += other[j];
      }
    }
  }
}

// the gradients of the whole from its sum
static void mean_piece(void *ctx, int i) {
  const struct update *update = ctx;
  struct updater *u = update->u;
  const struct nets_piece *piece = &u->piece[i];
  const float share = 1.0f / (float)u->nshard;
  float *restrict grad = u->nets.at[piece->net]->grad + piece->first;
  const float *restrict sum = u->shard[0].nets.at[piece->net]->grad + piece->first;
  for (size_t j = 0; j < piece->n; j++) {
    grad[j] = share * sum[j];
  }
  u->piece_finite[i] = rows_finite(grad, piece->n);
}

static void round_piece(void *ctx, int i) {
  const struct update *update = ctx;
  nets_round_piece(&update->u->nets, &update->u->piece[i]);
}

// both at once, while the piece is in cache
static void sum_and_mean_piece(void *ctx, int i) {
  sum_piece(ctx, i);
  mean_piece(ctx, i);
}

static void step_piece(void *ctx, int i) {
  const struct update *update = ctx;
  nets_step_piece(&update->u->nets, &update->u->piece[i]);
}

// losses and figures of the whole minibatch from those of its parts
static void combine(struct updater *u) {
  const double share = 1.0 / u->nshard;
  for (int k = 0; k < u->nreport; k++) {
    double sum = 0, lowest = INFINITY, highest = -INFINITY;
    for (int i = 0; i < u->nshard; i++) {
      const double part = u->report[(size_t)i * (size_t)u->nreport + (size_t)k];
      sum += part;
      // what is not a number stays, so that it is found
      lowest = part < lowest || isnan(part) ? part : lowest;
      highest = part > highest || isnan(part) ? part : highest;
    }
    if (k < u->nets.n) {
      u->nets.at[k]->loss = share * sum;
      continue;
    }
    const struct figure *figure = &u->rule->figure[k - u->nets.n];
    *figure_of(u->self, figure) = (float)(figure->combine == FIGURE_LOWEST    ? lowest
                                          : figure->combine == FIGURE_HIGHEST ? highest
                                                                              : share * sum);
  }
}

float updater_figure(const struct updater *u, int i) {
  CHECK(u && i >= 0 && i < u->rule->nfigure);
  return *figure_of(u->self, &u->rule->figure[i]);
}

static bool gradients_finite(const struct updater *u) {
  bool finite = true;
  for (int i = 0; i < u->npiece; i++) {
    finite = finite && u->piece_finite[i];
  }
  return finite;
}

// one line for the first number that is not fit for a step
static enum err check_numbers(const struct updater *u, uint64_t index) {
  const unsigned long long number = index;
  const char *what;
  const struct net *net = nets_fault(&u->nets, gradients_finite(u), &what);
  if (net) {
    log_error(
        "%s: update %llu: the %s of %s is not finite; %s or look for unbounded observations; "
        "parameters are unchanged",
        u->rule->name, number, what, net->name, net->remedy);
    return ERR_NUMERIC;
  }
  for (int i = 0; i < u->rule->nfigure; i++) {
    const float figure = updater_figure(u, i);
    if (!rows_finite(&figure, 1)) {
      log_error(
          "%s: update %llu: %s (%s) is not finite; look for unbounded observations; parameters "
          "are unchanged",
          u->rule->name, number, u->rule->figure[i].name, u->rule->figure[i].help);
      return ERR_NUMERIC;
    }
  }
  return ERR_OK;
}

// losses and gradients of each of our parts
static void all_losses(struct update *update) {
  struct updater *u = update->u;
  if (gemm_rounds()) {
    crew_run(u->crew, round_piece, update, u->npiece);
  }
  crew_run(u->crew, shard_losses, update, u->nown);
}

void updater_losses(struct updater *u, const struct batch *own, uint64_t index) {
  CHECK(u && own && own->B % u->nown == 0);
  struct update update = {.u = u, .own = own, .index = index};
  all_losses(&update);
  crew_run(u->crew, sum_piece, &update, u->npiece);
}

void updater_step(struct updater *u) {
  struct update update = {.u = u};
  nets_begin_step(&u->nets);
  crew_run(u->crew, step_piece, &update, u->npiece);
}

// losses and gradients of the whole minibatch
static void total(struct updater *u, const struct batch *b, uint64_t index) {
  const struct batch own = batch_rows(b, &u->dims, 0, b->B / u->nshard * u->nown);
  struct update update = {.u = u, .own = &own, .index = index};
  if (u->helper) {
    u->helper->begin(u->helper->ctx, u, b, index);
    updater_losses(u, &own, index);
    u->helper->add(u->helper->ctx, u);
    crew_run(u->crew, mean_piece, &update, u->npiece);
  } else {
    all_losses(&update);
    crew_run(u->crew, sum_and_mean_piece, &update, u->npiece);
  }
  combine(u);
}

enum err updater_update(struct updater *u, const struct batch *b, uint64_t index) {
  CHECK(u && b && b->B % u->nshard == 0 && u->first == 0);
  total(u, b, index);
  const enum err err = check_numbers(u, index);
  if (u->helper) {
    u->helper->conclude(u->helper->ctx, u, err == ERR_OK);
  }
  if (err != ERR_OK) {
    return err;
  }
  updater_step(u);
  if (u->rule->stepped) {
    u->rule->stepped(u->self, &u->agent);
  }
  return ERR_OK;
}

// ---- state ----

const struct mlp *updater_policy(const struct updater *u) {
  return &u->agent.policy.mlp;
}

void updater_publish(const struct updater *u, float *theta) {
  const struct mlp *net = updater_policy(u);
  side_fold(theta, net->theta, &u->agent.side, net->width[1], plain_size(u));
  scaling_fold(u->scaling, theta, net->width[1]);
}

void updater_head_shift(const struct updater *u, float *shift, int head) {
  const struct mlp *net = updater_policy(u);
  side_head_shift(shift, net->theta, &u->agent.side, net->width[1], head);
}

void updater_context_shifts(struct updater *u, float *mean, float *sample, const struct batch *b,
                            struct rng *rng) {
  const struct mlp *net = updater_policy(u);
  const struct side *side = &u->agent.side;
  float z[CONTEXT_MAX_SIZE];
  CHECK(u->agent.context && side->numbers <= CONTEXT_MAX_SIZE);
  context_infer(u->agent.context, z, b, NULL);
  side_context_shift(mean, net->theta, side, net->width[1], z);
  context_infer(u->agent.context, z, b, rng);
  side_context_shift(sample, net->theta, side, net->width[1], z);
}

int updater_tensors(struct updater *u, struct st_tensor *out, int max) {
  struct tensor_list list = {.out = out, .max = max};
  nets_tensors(&u->nets, &list, true);
  for (int i = 0; i < u->rule->nkept; i++) {
    const struct kept_number *kept = &u->rule->kept[i];
    tensor_list_add(&list, kept->prefix, kept->name, ST_F64, (char *)u->self + kept->at, 0);
  }
  nets_tensors(&u->nets, &list, false);
  scaling_tensors(u->scaling, &list);
  return list.n;
}
