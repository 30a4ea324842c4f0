// rules.c - one row a rule.
#include "learner/rules/rules.h"

#include <stddef.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "common/episode.h"
#include "learner/rules/beta.h"
#include "learner/rules/clone.h"
#include "learner/rules/discern.h"
#include "learner/rules/drive.h"
#include "learner/rules/irl.h"
#include "learner/rules/mpo.h"
#include "learner/rules/odac.h"
#include "learner/rules/rule.h"
#include "learner/rules/sac.h"
#include "learner/rules/uvd.h"
#include "learner/worth/reward.h"

// in the order of the words of train.rule
static const struct rule *const table[] = {
    [TRAIN_RULE_ODAC] = &odac_rule,       [TRAIN_RULE_SAC] = &sac_rule,
    [TRAIN_RULE_BETA] = &beta_rule,       [TRAIN_RULE_MPO] = &mpo_rule,
    [TRAIN_RULE_DISCERN] = &discern_rule, [TRAIN_RULE_DRIVE] = &drive_rule,
    [TRAIN_RULE_CLONE] = &clone_rule,     [TRAIN_RULE_UVD] = &uvd_rule,
    [TRAIN_RULE_IRL] = &irl_rule,
};

const struct rule *rules_at(int i) {
  const int n = (int)(sizeof table / sizeof *table);
  return i >= 0 && i < n ? table[i] : NULL;
}

const struct rule *rules_of(const struct config *cfg) {
  const struct rule *rule = rules_at((int)cfg->train_rule);
  CHECK(rule);
  return rule;
}

// ---- does it fit? ----

// where its reward comes from stands in worth.reward
static bool needs_goal(const struct config *cfg) {
  return (rules_of(cfg)->needs & RULE_GOAL) || cfg->worth_reward == WORTH_REWARD_DISTANCE ||
         cfg->worth_reward == WORTH_REWARD_SPARSE || cfg->worth_reward == WORTH_REWARD_OUTCOME;
}

static bool needs_reward(const struct config *cfg) {
  return (rules_of(cfg)->needs & RULE_REWARD) && cfg->worth_reward == WORTH_REWARD_TASK;
}

static bool needs_demos(const struct config *cfg) {
  return rules_of(cfg)->needs & RULE_DEMOS;
}

static bool fits(const struct config *cfg, const struct dims *dims) {
  return (dims->goal > 0 || !needs_goal(cfg)) && (dims->reward || !needs_reward(cfg)) &&
         (config_has_demos(cfg) || !needs_demos(cfg));
}

static enum err refuse(const struct config *cfg, const struct dims *dims, const char *task) {
  if (needs_demos(cfg) && !config_has_demos(cfg)) {
    log_error("rule %s learns from demonstrations: give them with --demos FILE (telos record)",
              config_rule_name(cfg));
    return ERR_CONFIG;
  }
  char names[256] = "";
  size_t used = 0;
  const struct named_rule *named;
  for (int i = 0; (named = config_rule_at(i)) != NULL && used < sizeof names; i++) {
    struct config with;
    config_defaults(&with);
    CHECK(config_rule(&with, named->bundle.name) == ERR_OK);
    if (fits(&with, dims)) {
      used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "",
                               named->bundle.name);
    }
  }
  log_error(
      "task %s has %s; rule %s needs %s. Rules that fit, for --rule: %s", task,
      dims->goal == 0 ? "rewards and no goal" : "a goal and no rewards", config_rule_name(cfg),
      dims->goal == 0 ? "sensors named \"goal.*\"" : "sensors named \"reward.*\" or \"rate.*\"",
      names);
  return ERR_CONFIG;
}

// heads and contexts; family: the task has parameters that differ from episode to episode
static enum err check_side(const struct config *cfg, bool family, const char *task) {
  const bool side = rules_of(cfg)->side;
  if (!side && cfg->explore_heads > 1) {
    log_error("rule %s has no heads: set explore.heads=1", config_rule_name(cfg));
  } else if (!side && cfg->context_members > 0) {
    log_error("rule %s has no context: set context.members=0", config_rule_name(cfg));
  } else if (cfg->explore_bonus > 0 && cfg->explore_heads == 1) {
    log_error("explore.bonus is for heads after the first: set explore.heads=2, or more");
  } else if (cfg->context_members > 0 && !family) {
    log_error("task %s is no family: give it telos.random.*, or set context.members=0", task);
  } else if (cfg->context_members > 0 && config_has_demos(cfg)) {
    log_error(
        "demonstrations are of no task of a family: leave out --demos, or set context.members=0");
  } else {
    return ERR_OK;
  }
  return ERR_CONFIG;
}

enum err rules_resolve(struct config *cfg, const struct dims *dims, double radius, bool family,
                       const char *task) {
  if (!fits(cfg, dims)) {
    return refuse(cfg, dims, task);
  }
  const enum err err = check_side(cfg, family, task);
  return err == ERR_OK && rules_of(cfg)->needs & RULE_REWARD ? reward_resolve(cfg, dims, radius)
                                                             : err;
}
