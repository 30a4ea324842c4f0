// reward.c - equations (1) to (3) of reward.h.
#include "learner/worth/reward.h"

#include <math.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/episode.h"
#include "learner/replay/batch.h"

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
                         .goal = goal};
}

double reward_gamma_max(const struct reward *reward) {
  return reward->kind == WORTH_REWARD_TASK ? 0.99 : 0.97;
}

static double distance(const float *a, const float *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    const double d = (double)a[i] - (double)b[i];
    sum += d * d;
  }
  return sqrt(sum);
}

void reward_rows(float *r, const struct reward *reward, const struct batch *b) {
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
