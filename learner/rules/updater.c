// updater.c - all losses and gradients with the parameters as they are, one look whether every
// number is finite, then every step. So an update happens whole or not at all.
#include "learner/rules/updater.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/episode.h"
#include "learner/nn/rows.h"

struct updater *updater_new(const struct rule *rule, const struct config *cfg,
                            const struct dims *dims) {
  CHECK(rule && cfg && dims);
  CHECK(!(rule->needs & RULE_GOAL) || dims->goal >= 1);
  struct updater *u = must_alloc(1, sizeof *u);
  u->rule = rule;
  u->self = must_alloc(1, rule->size);
  u->nets.seed = (uint64_t)cfg->run_seed;
  const struct rule_setup setup = {
      .cfg = cfg,
      .shape = {.obs = dims->obs, .goal = dims->goal, .act = dims->act},
      .nets = &u->nets,
  };
  rule->init(u->self, &u->agent, &setup);
  return u;
}

void updater_free(struct updater *u) {
  if (!u) {
    return;
  }
  u->rule->release(u->self);
  agent_release(&u->agent);
  free(u->self);
  free(u);
}

enum err updater_prepare(struct updater *u, const struct draws *draws) {
  CHECK(u && draws && draws->draw);
  agent_begin(&u->agent);
  return u->rule->prepare ? u->rule->prepare(u->self, &u->agent, draws) : ERR_OK;
}

float updater_figure(const struct updater *u, int i) {
  CHECK(u && i >= 0 && i < u->rule->nfigure);
  return *(const float *)((const char *)u->self + u->rule->figure[i].at);
}

// one line for the first number that is not fit for a step
static enum err check_numbers(const struct updater *u, uint64_t index) {
  const unsigned long long number = index;
  const char *what;
  const struct net *net = nets_fault(&u->nets, &what);
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

enum err updater_update(struct updater *u, const struct batch *b, uint64_t index) {
  CHECK(u && b);
  agent_begin(&u->agent);
  u->rule->losses(u->self, &u->agent, b, index);
  const enum err err = check_numbers(u, index);
  if (err != ERR_OK) {
    return err;
  }
  nets_step(&u->nets);
  if (u->rule->stepped) {
    u->rule->stepped(u->self, &u->agent);
  }
  nets_follow(&u->nets);
  return ERR_OK;
}

const struct mlp *updater_policy(const struct updater *u) {
  return &u->agent.policy.mlp;
}

int updater_tensors(struct updater *u, struct st_tensor *out, int max) {
  struct tensor_list list = {.out = out, .max = max};
  nets_tensors(&u->nets, &list, true);
  for (int i = 0; i < u->rule->nkept; i++) {
    const struct kept_number *kept = &u->rule->kept[i];
    tensor_list_add(&list, kept->prefix, kept->name, ST_F64, (char *)u->self + kept->at, 0);
  }
  nets_tensors(&u->nets, &list, false);
  return list.n;
}
