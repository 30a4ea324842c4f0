// clone.c - equation (1) of clone.h.
#include "learner/rules/clone.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "learner/replay/batch.h"

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  static const struct agent_parts policy_alone = {0};
  struct clone *c = self;
  agent_init(ag, setup->nets, setup->cfg, &setup->shape, setup->scaling, &policy_alone,
             setup->horizon);
  c->dhead = must_alloc((size_t)ag->max_batch * 2 * (size_t)ag->shape.act, sizeof *c->dhead);
}

static void release(void *self) {
  struct clone *c = self;
  free(c->dhead);
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  (void)key;
  struct clone *c = self;
  memset(c->dhead, 0, (size_t)b->B * 2 * (size_t)ag->shape.act * sizeof *c->dhead);
  const float *head = agent_head(ag, false, b->obs, b->goal, b->B);
  ag->policy.loss = agent_clone(ag, c->dhead, head, b);  // (1)
  agent_policy_gradient(ag, c->dhead, b->B);
  c->loss = (float)ag->policy.loss;
}

static const struct figure figures[] = {
    {"loss_pi", "nats", "F_pi", offsetof(struct clone, loss), FIGURE_MEAN}};

const struct rule clone_rule = {
    .name = "clone",
    .needs = RULE_DEMOS,
    .size = sizeof(struct clone),
    .init = init,
    .losses = losses,
    .release = release,
    .figure = figures,
    .nfigure = sizeof figures / sizeof *figures,
};
