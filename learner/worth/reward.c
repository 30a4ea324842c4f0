// reward.c - equations (1) to (4) of reward.h.
#include "learner/worth/reward.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/episode.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/worth/outcome.h"

// smallest N: equal log-likelihoods must not divide by zero
static const double RANGE_MIN = 1e-6;

enum err reward_resolve(struct config *cfg, const struct dims *dims, double radius) {
  if (cfg->worth_reward == WORTH_REWARD_AUTO) {
    cfg->worth_reward = dims->reward ? WORTH_REWARD_TASK : WORTH_REWARD_DISTANCE;
  }
  if (cfg->worth_reward == WORTH_REWARD_TASK && !dims->reward) {
    log_error(
        "worth.reward=task: the task has no sensors named \"reward.*\" or \"rate.*\"; "
        "worth.reward=distance or sparse use its goal");
    return ERR_CONFIG;
  }
  if (cfg->worth_reward != WORTH_REWARD_TASK && dims->goal == 0) {
    log_error(
        "worth.reward: the task has no goal to be near to; worth.reward=task uses its rewards");
    return ERR_CONFIG;
  }
  if (cfg->worth_reward == WORTH_REWARD_SPARSE && isnan(cfg->worth_radius)) {
    if (!(radius > 0)) {
      log_error(
          "worth.radius=auto: the task has no success radius; give one, e.g. worth.radius=0.05");
      return ERR_CONFIG;
    }
    cfg->worth_radius = radius;
  }
  return ERR_OK;
}

struct reward reward_of(const struct config *cfg, int goal) {
  CHECK(cfg->worth_reward != WORTH_REWARD_AUTO);
  return (struct reward){.kind = (int)cfg->worth_reward,
                         .scale = cfg->worth_scale,
                         .radius = cfg->worth_radius,
                         .goal = goal,
                         .range = 1,
                         .prefit = (uint64_t)cfg->outcome_prefit};
}

void reward_begin(struct reward *reward, struct nets *nets, const struct config *cfg,
                  const struct policy_shape *shape, const struct scaling *scaling) {
  if (reward->kind == WORTH_REWARD_OUTCOME) {
    reward->model = outcome_new(nets, cfg, shape, scaling);
    reward->l = must_alloc((size_t)cfg->train_batch, sizeof *reward->l);
  }
}

void reward_release(struct reward *reward) {
  outcome_free(reward->model);
  free(reward->l);
}

enum err reward_prepare(struct reward *reward, const struct draws *draws) {
  if (!reward->model) {
    return ERR_OK;
  }
  const enum err err = outcome_fit(reward->model, draws, reward->prefit, reward->l);
  if (err != ERR_OK) {
    return err;
  }
  const struct batch *b = draws->draw(draws->ctx, RNG_BATCH, 0);
  outcome_loglik(reward->model, reward->l, b);
  const struct rows_range l = rows_range(reward->l, b->B);
  const double range = fmax((double)l.highest - (double)l.lowest, RANGE_MIN);
  const float number = (float)range;
  if (!rows_finite(reward->l, (size_t)b->B) || !rows_finite(&number, 1)) {
    log_error(
        "the first minibatch has outcome log-likelihoods over a range of %g: not finite; look for "
        "unbounded observations",
        range);
    return ERR_NUMERIC;
  }
  reward->range = range;
  return ERR_OK;
}

static double distance(const float *a, const float *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    const double d = (double)a[i] - (double)b[i];
    sum += d * d;
  }
  return sqrt(sum);
}

void reward_rows(float *r, struct reward *reward, const struct batch *b) {
  if (reward->model) {
    outcome_loglik(reward->model, reward->l, b);
    for (int i = 0; i < b->B; i++) {
      r[i] = (float)(reward->scale * (double)reward->l[i] / reward->range);
    }
    return;
  }
  const float *next = b->next_achieved, *goal = b->goal;
  for (int i = 0; i < b->B; i++, next += reward->goal, goal += reward->goal) {
    double value;
    if (reward->kind == WORTH_REWARD_TASK) {
      value = (double)b->reward[i];
    } else if (reward->kind == WORTH_REWARD_DISTANCE) {
      value = -distance(next, goal, reward->goal);
    } else {
      value = distance(next, goal, reward->goal) <= reward->radius ? 0 : -1;
    }
    r[i] = (float)(reward->scale * value);
  }
}

void reward_loss(struct reward *reward, const struct batch *b) {
  if (reward->model) {
    outcome_loss(reward->model, b);
  }
}
