// Tests of what every update rule has to keep, for all rows of learner/rules/rules.c: gradients of
// every net against differences of its loss; an update happens whole or not at all, whatever number
// goes wrong, and the line names rule, update and number; same seed, same bits; tensors are the
// whole state.
#include "learner/rules/rules.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/crew.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "common/config/table.h"
#include "learner/nn/gemm.h"
#include "learner/replay/batch.h"
#include "learner/rules/odac.h"
#include "learner/rules/rule.h"
#include "tests/unit/capture.h"
#include "tests/unit/minibatch.h"

enum { B = 32 };

static const struct dims DIMS = {
    .obs = 3, .act = 2, .goal = 2, .horizon = 10, .hindsight = 1, .reward = 1};

// the run has demonstrations
static void show(struct config *cfg) {
  snprintf(cfg->demos_digest, sizeof cfg->demos_digest, "0123456789abcdef");
}

// cfg is the r-th row of common/config/rules.def with small networks, for a task that has both a
// goal and rewards; its name, or NULL beyond the last
static const char *named(struct config *cfg, int r) {
  const struct named_rule *rule = config_rule_at(r);
  if (!rule) {
    return NULL;
  }
  config_defaults(cfg);
  cr_assert_eq(config_rule(cfg, rule->bundle.name), ERR_OK);
  cfg->run_seed = 7;
  cfg->train_batch = B;
  cfg->net_hidden = (struct widths){.n = 2, .v = {6, 5}};
  cfg->outcome_hidden = (struct widths){.n = 1, .v = {4}};
  cfg->outcome_prefit = 5;
  cfg->outcome_scale_min = 1e-3;  // behind a clip a gradient is not the loss's derivative
  if (cfg->worth_reward == WORTH_REWARD_AUTO) {
    cfg->worth_reward = WORTH_REWARD_DISTANCE;
  }
  cfg->worth_radius = 1;
  if (rules_of(cfg)->needs & RULE_DEMOS) {
    show(cfg);
  }
  cfg->drive_hidden = (struct widths){.n = 1, .v = {7}};
  cfg->drive_clip = 1e9;
  cfg->drive_sigma_min = 0.2;
  return rule->bundle.name;
}

// defaults, and the settings that change which parameters there are
enum { VARIANTS = 7 };

static struct config variant(struct config cfg, int i) {
  if (i == 1) {
    cfg.outcome_likelihood = OUTCOME_LIKELIHOOD_GAUSSIAN;
    cfg.outcome_scale = OUTCOME_SCALE_HEAD;
  } else if (i == 2) {
    cfg.outcome_likelihood = OUTCOME_LIKELIHOOD_LAPLACE;
    cfg.outcome_scale = OUTCOME_SCALE_DIMENSION;
  } else if (i == 3) {
    cfg.net_standardize = false;
  } else if (i == 4 && cfg.worth_reward != WORTH_REWARD_AUTO) {
    cfg.worth_reward = WORTH_REWARD_TASK;
  } else if (i == 5) {
    show(&cfg);
  } else if (i == 6 && rules_of(&cfg)->side) {
    cfg.explore_heads = 3;
    cfg.explore_bonus = 0.5;
  }
  return cfg;
}

// parameters of order 1, so that every gradient is well above rounding, but not so large that a log
// deviation of the policy leaves its clip, where the gradient is not the loss's derivative
static struct updater *random_rule(const struct rule *rule, const struct config *cfg,
                                   uint64_t index) {
  struct updater *u = updater_new(rule, cfg, &DIMS, NULL);
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, index);
  for (int i = 0; i < u->nets.n; i++) {
    const struct net *net = u->nets.at[i];
    // what a constant network says is scaled up by those who use it
    const float most = net->constant && net->mlp.nlayer > 0 ? 0.02f : 0.5f;
    rng_fill_uniform(&rng, net->theta, net->n, -most, most);
    if (net->target) {
      rng_fill_uniform(&rng, net->target, net->n, -0.5f, 0.5f);
    }
  }
  return u;
}

// a rule that has been prepared with, and has done one update on, a good minibatch
static struct updater *running_rule(const struct rule *rule, const struct config *cfg) {
  struct updater *u = random_rule(rule, cfg, 40);
  struct batch *b = minibatch_random(&DIMS, B, 40);
  cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
  cr_assert_eq(updater_update(u, b, 0), ERR_OK);
  batch_free(b);
  return u;
}

Test(rules, are_described_and_named_once) {
  struct config cfg;
  const char *name;
  int n = 0;
  for (; (name = named(&cfg, n)) != NULL; n++) {
    const struct named_rule *row = config_rule_at(n);
    cr_assert(row->bundle.help[0] && row->source[0]);
    for (int k = 0; k < n; k++) {
      cr_assert_str_neq(name, config_rule_at(k)->bundle.name);
    }
    const struct rule *rule = rules_of(&cfg);
    for (int i = 0; i < rule->nfigure; i++) {
      cr_assert(rule->figure[i].help[0]);
      for (int k = 0; k < i; k++) {
        cr_assert_str_neq(rule->figure[i].name, rule->figure[k].name);
      }
    }
  }
  cr_assert_gt(n, 0);
  cr_assert_null(rules_at(-1));
}

// every word of train.rule has code of this name, and a row that uses it
Test(rules, each_code_has_its_word) {
  const char *const *words = config_rows[CONFIG_ROW_train_rule].words;
  for (int i = 0; words[i]; i++) {
    cr_assert(rules_at(i) && strcmp(rules_at(i)->name, words[i]) == 0, "%s", words[i]);
    bool used = false;
    struct config cfg;
    for (int r = 0; named(&cfg, r); r++) {
      used = used || rules_of(&cfg) == rules_at(i);
    }
    cr_assert(used, "%s", words[i]);
  }
}

// `telos rules` tells the nets that a rule has
Test(rules, have_the_nets_that_the_table_tells) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    struct updater *u = updater_new(rules_of(&cfg), &cfg, &DIMS, NULL);
    char nets[256] = "";
    size_t used = 0;
    for (int i = 0; i < u->nets.n; i++) {
      used += (size_t)snprintf(nets + used, sizeof nets - used, "%s%s", i > 0 ? " " : "",
                               u->nets.at[i]->name);
    }
    cr_assert_str_eq(nets, config_rule_at(r)->nets, "%s", config_rule_at(r)->bundle.name);
    updater_free(u);
  }
}

// .. and what it needs
Test(rules, need_what_the_table_tells) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    struct config plain;
    config_defaults(&plain);
    cr_assert_eq(config_rule(&plain, config_rule_at(r)->bundle.name), ERR_OK);
    const unsigned needs = rules_of(&cfg)->needs;
    const bool goal = (needs & RULE_GOAL) || plain.worth_reward != WORTH_REWARD_AUTO;
    cr_assert_str_eq(config_rule_at(r)->needs,
                     needs & RULE_DEMOS ? "demonstrations"
                     : goal             ? "a goal"
                                        : "rewards or a goal",
                     "%s", config_rule_at(r)->bundle.name);
  }
}

// a configuration is known by the row that made it, whatever its numbers are
Test(rules, are_known_by_their_settings) {
  struct config cfg;
  const char *name;
  for (int r = 0; (name = named(&cfg, r)) != NULL; r++) {
    cr_assert_eq(config_rule(&cfg, name), ERR_OK);
    cfg.agent_lr = 0.5;
    cr_assert_str_eq(config_rule_name(&cfg), name);
  }
}

// ---- gradients ----

static double loss_of(struct updater *u, const struct net *net, const struct batch *b) {
  agent_begin(&u->agent, b);
  u->rule->losses(u->self, &u->agent, b, 9);
  return net->loss;
}

// (F(x + h) - F(x - h)) / 2h of parameter i
static double difference(struct updater *u, const struct net *net, size_t i, float h,
                         const struct batch *b) {
  const float x = net->theta[i];
  net->theta[i] = x + h;
  const double above = loss_of(u, net, b);
  net->theta[i] = x - h;
  const double below = loss_of(u, net, b);
  net->theta[i] = x;
  return (above - below) / (2.0 * h);
}

// n parameters from `at` on: relative L2 error of the gradient
static void expect_group(struct updater *u, const struct net *net, const float *grad, size_t at,
                         size_t n, const struct batch *b) {
  double error = 0, size = 0;
  for (size_t i = at; i < at + n; i++) {
    // losses of float32 rows leave about 5e-4 on each; a step seldom crosses a kink of a ReLU,
    // where a difference is no derivative, and then a shorter one does not
    double want = difference(u, net, i, 0x1p-12f, b);
    if (fabs(grad[i] - want) > 3e-3) {
      const double shorter = difference(u, net, i, 0x1p-14f, b);
      want = fabs(grad[i] - shorter) < fabs(grad[i] - want) ? shorter : want;
    }
    error += (grad[i] - want) * (grad[i] - want);
    size += want * want;
  }
  cr_assert_lt(sqrt(error), 2e-2 * sqrt(size) + 2e-3, "%s: %s[%zu ..]: error %g of %g",
               u->rule->name, net->name, at, sqrt(error), sqrt(size));
  cr_assert(size > 1e-6 || net->constant, "%s: %s[%zu ..] has no gradient", u->rule->name,
            net->name, at);
}

static void expect_gradient(struct updater *u, const struct net *net, const struct batch *b) {
  float *grad = must_alloc(net->n, sizeof *grad);
  loss_of(u, net, b);
  memcpy(grad, net->grad, net->n * sizeof *grad);
  for (int l = 0; l < net->mlp.nlayer; l++) {
    const size_t weights = mlp_weight_offset(&net->mlp, l), bias = mlp_bias_offset(&net->mlp, l);
    expect_group(u, net, grad, weights, bias - weights, b);
    expect_group(u, net, grad, bias, (size_t)net->mlp.width[l + 1], b);
  }
  const size_t nfree = net->n - net->mlp.nparam;
  if (nfree > 0) {
    expect_group(u, net, grad, net->mlp.nparam, nfree, b);
  }
  free(grad);
}

Test(rules, gradients_of_every_net_equal_central_differences) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    for (int v = 0; v < VARIANTS; v++) {
      const struct config varied = variant(cfg, v);
      struct updater *u = random_rule(rule, &varied, (uint64_t)v);
      struct batch *b = minibatch_random(&DIMS, B, (uint64_t)v);
      cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
      for (int i = 0; i < u->nets.n; i++) {
        expect_gradient(u, u->nets.at[i], b);
      }
      batch_free(b);
      updater_free(u);
    }
  }
}

// losses alone change nothing that a checkpoint holds
Test(rules, losses_leave_the_state_alone) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    struct updater *u = running_rule(rule, &cfg);
    struct batch *b = minibatch_random(&DIMS, B, 42);
    size_t n, m;
    unsigned char *before = minibatch_state(u, &n);
    loss_of(u, u->nets.at[0], b);
    unsigned char *after = minibatch_state(u, &m);
    cr_assert(n == m && memcmp(before, after, n) == 0);
    free(before);
    free(after);
    batch_free(b);
    updater_free(u);
  }
}

// an update moves every net but the constant one, and slow copies by tau of what is left
Test(rules, an_update_steps_every_net_that_is_not_constant) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    int nets = 1;
    for (int constant = 0; constant < nets; constant++) {
      struct updater *u = running_rule(rule, &cfg);
      struct batch *b = minibatch_random(&DIMS, B, 43);
      float before[NETS_MAX], slow[NETS_MAX];
      nets = u->nets.n;
      u->nets.at[constant]->constant = true;
      for (int i = 0; i < nets; i++) {
        const struct net *net = u->nets.at[i];
        before[i] = net->theta[net->n - 1];
        slow[i] = net->target ? net->target[net->n - 1] : 0;
      }
      cr_assert_eq(updater_update(u, b, 1), ERR_OK);
      for (int i = 0; i < nets; i++) {
        const struct net *net = u->nets.at[i];
        const float now = net->theta[net->n - 1];
        cr_assert_eq(now == before[i], net->constant, "%s", net->name);
        if (net->target) {
          cr_assert_float_eq(net->target[net->n - 1], slow[i] + net->tau * (now - slow[i]), 1e-6);
        }
      }
      batch_free(b);
      updater_free(u);
    }
  }
}

// ---- numbers that went wrong ----

static const float BAD[] = {NAN, INFINITY, 1e30f};
enum { NBAD = sizeof BAD / sizeof *BAD };

// one update, which is refused, changes no bit, and is told in a line that holds these words; then
// a good minibatch goes through
static void expect_refused(struct updater *u, const struct batch *b, const char *rule,
                           const char *words, const char *name) {
  size_t n, m;
  unsigned char *before = minibatch_state(u, &n);
  capture_begin();
  const enum err err = updater_update(u, b, 17);
  const char *line = capture_end();
  cr_assert_eq(err, ERR_NUMERIC, "%s %s", words, name);
  char said[128];
  snprintf(said, sizeof said, "%s: update 17: ", rule);
  cr_assert(strstr(line, said), "%s", line);
  cr_assert(strstr(line, words) && strstr(line, name), "%s %s: %s", words, name, line);
  unsigned char *after = minibatch_state(u, &m);
  cr_assert(n == m && memcmp(before, after, n) == 0, "%s %s", words, name);
  free(before);
  free(after);
}

static void expect_accepted(struct updater *u) {
  struct batch *good = minibatch_random(&DIMS, B, 41);
  cr_assert_eq(updater_update(u, good, 18), ERR_OK);
  batch_free(good);
}

// a number in the minibatches that a preparation draws; then a good one goes through
Test(rules, a_bad_number_prepares_nothing) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    for (int k = 0; k < NBAD * 3 * 2; k++) {
      cfg.net_standardize = k % 2 == 1;
      if (!cfg.net_standardize &&
          (cfg.train_rule != TRAIN_RULE_ODAC || cfg.outcome_model == OUTCOME_MODEL_FIXED)) {
        continue;  // looks at nothing, or not at all of it
      }
      struct updater *u = random_rule(rule, &cfg, 40);
      struct batch *b = minibatch_random(&DIMS, B, 40);
      float *const array[] = {b->obs, b->goal, b->achieved};
      array[k / 2 % 3][3] = BAD[k / 6];
      size_t n, m;
      unsigned char *before = minibatch_state(u, &n);
      capture_begin();
      const enum err err = minibatch_prepare(u, b);
      const char *line = capture_end();
      cr_assert_eq(err, ERR_NUMERIC);
      cr_assert(strstr(line, "not finite") && strstr(line, "unbounded observations"), "%s", line);
      unsigned char *after = minibatch_state(u, &m);
      cr_assert(n == m && memcmp(before, after, n) == 0);
      free(before);
      free(after);
      batch_free(b);
      b = minibatch_random(&DIMS, B, 41);
      cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
      batch_free(b);
      expect_accepted(u);
      updater_free(u);
    }
  }
}

// arrays of a minibatch that all rules read, then those that this one does; returns how many
static int arrays_read(float **out, const struct batch *b, const struct config *cfg) {
  int n = 0;
  out[n++] = b->obs;
  out[n++] = b->goal;
  if (cfg->train_rule == TRAIN_RULE_CLONE) {
    return n;
  }
  out[n++] = b->next_obs;
  if (cfg->train_rule == TRAIN_RULE_IRL) {
    return n;
  }
  if (cfg->train_rule == TRAIN_RULE_ODAC || cfg->train_rule == TRAIN_RULE_UVD) {
    out[n++] = b->achieved;
    if (cfg->outcome_model == OUTCOME_MODEL_LEARNED) {
      out[n++] = b->next_achieved;
    }
  } else if (cfg->train_rule == TRAIN_RULE_DISCERN || cfg->worth_reward == WORTH_REWARD_DISTANCE) {
    out[n++] = b->next_achieved;
  } else if (cfg->worth_reward == WORTH_REWARD_TASK) {
    out[n++] = b->reward;
  }
  return n;
}

// a number in the minibatch, before the first step and later
Test(rules, a_bad_number_leaves_every_bit_as_it_was) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    float *array[BATCH_ARRAYS];
    int arrays = 3;
    for (int k = 0; k < NBAD * arrays * 2; k++) {
      struct updater *u = random_rule(rule, &cfg, 40);
      struct batch *b = minibatch_random(&DIMS, B, 40);
      cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
      if (k % 2 == 1) {
        cr_assert_eq(updater_update(u, b, 0), ERR_OK);
      }
      arrays = arrays_read(array, b, &cfg);
      array[k / 2 % arrays][3] = BAD[k / 2 / arrays];
      expect_refused(u, b, rule->name, "is not finite", "");
      expect_accepted(u);
      batch_free(b);
      updater_free(u);
    }
  }
}

// a rule like another one, whose losses leave one bad number
static struct {
  const struct rule *rule;
  struct updater *u;
  int net;  // its loss or gradient; -1: a figure
  enum { LOSS, FIRST, LAST } part;
  int figure;
  float value;
} poison;

static void poisoned_losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  poison.rule->losses(self, ag, b, key);
  // the last part of update 17; for a figure all of them, since it may be the lowest of the parts
  const int n = poison.u ? poison.u->nshard : 1;
  if (key / (uint64_t)n != 17 || (poison.net >= 0 && key % (uint64_t)n != (uint64_t)n - 1)) {
    return;
  }
  if (poison.net < 0) {
    *(float *)((char *)self + poison.rule->figure[poison.figure].at) = poison.value;
    return;
  }
  struct net *net = poison.u->shard[n - 1].nets.at[poison.net];
  if (poison.part == LOSS) {
    net->loss = (double)poison.value;
  } else {
    net->grad[poison.part == FIRST ? 0 : net->n - 1] = poison.value;
  }
}

Test(rules, each_loss_and_gradient_that_is_not_finite_is_named) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    poison.rule = rules_of(&cfg);
    struct rule rule = *poison.rule;
    rule.losses = poisoned_losses;
    poison.u = NULL;
    struct updater *u = poison.u = running_rule(&rule, &cfg);
    struct batch *b = minibatch_random(&DIMS, B, 44);
    for (poison.net = 0; poison.net < u->nets.n; poison.net++) {
      for (int k = 0; k < 3 * NBAD; k++) {
        poison.part = k % 3;
        poison.value = BAD[k / 3];
        char words[128];
        snprintf(words, sizeof words, "the %s of %s ", poison.part == LOSS ? "loss" : "gradient",
                 u->nets.at[poison.net]->name);
        expect_refused(u, b, rule.name, words, u->nets.at[poison.net]->remedy);
      }
      expect_accepted(u);
    }
    batch_free(b);
    updater_free(u);
  }
}

Test(rules, each_figure_that_is_not_finite_is_named) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    poison.rule = rules_of(&cfg);
    struct rule rule = *poison.rule;
    rule.losses = poisoned_losses;
    poison.u = NULL;
    struct updater *u = poison.u = running_rule(&rule, &cfg);
    struct batch *b = minibatch_random(&DIMS, B, 45);
    poison.net = -1;
    for (poison.figure = 0; poison.figure < rule.nfigure; poison.figure++) {
      for (int k = 0; k < NBAD; k++) {
        poison.value = BAD[k];
        expect_refused(u, b, rule.name, rule.figure[poison.figure].name, "is not finite");
      }
      expect_accepted(u);
    }
    batch_free(b);
    updater_free(u);
  }
}

// ---- determinism and state ----

static struct updater *train(struct updater *u, uint64_t from, uint64_t to) {
  for (uint64_t index = from; index < to; index++) {
    struct batch *b = minibatch_random(&DIMS, B, index);
    cr_assert(index > 0 || minibatch_prepare(u, b) == ERR_OK);
    cr_assert_eq(updater_update(u, b, index), ERR_OK);
    batch_free(b);
  }
  return u;
}

static bool same_state(struct updater *a, struct updater *b) {
  size_t n, m;
  unsigned char *x = minibatch_state(a, &n), *y = minibatch_state(b, &m);
  const bool same = n == m && memcmp(x, y, n) == 0;
  free(x);
  free(y);
  return same;
}

Test(rules, same_seed_same_bits_other_seed_others) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    struct updater *a = train(updater_new(rule, &cfg, &DIMS, NULL), 0, 20);
    struct updater *b = train(updater_new(rule, &cfg, &DIMS, NULL), 0, 20);
    cfg.run_seed = 8;
    struct updater *other = train(updater_new(rule, &cfg, &DIMS, NULL), 0, 20);
    cr_assert(same_state(a, b));
    cr_assert(!same_state(a, other));
    updater_free(a);
    updater_free(b);
    updater_free(other);
  }
}

// what an update leaves: gradients and state
static unsigned char *trained_bits(const struct rule *rule, const struct config *cfg,
                                   struct crew *crew, size_t *n) {
  struct updater *u = train(updater_new(rule, cfg, &DIMS, crew), 0, 30);
  unsigned char *state = minibatch_state(u, n);
  updater_free(u);
  return state;
}

Test(rules, threads_are_cores_and_never_more_than_parts) {
  static const struct {
    int64_t setting;
    int parts, cores, want;
  } cases[] = {{0, 4, 1, 1},  {0, 4, 2, 2},    {0, 4, 3, 2},    {0, 4, 4, 3},  {0, 4, 5, 4},
               {0, 4, 64, 4}, {0, 1, 64, 1},   {0, 64, 64, 63}, {1, 4, 64, 1}, {3, 4, 1, 3},
               {4, 4, 4, 4},  {1024, 4, 2, 4}, {8, 2, 16, 2}};
  struct config cfg;
  config_defaults(&cfg);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cfg.learner_threads = cases[i].setting;
    cr_expect_eq(updater_threads(&cfg, cases[i].parts, cases[i].cores), cases[i].want, "case %zu",
                 i);
  }
}

// a job of the crew has so many tasks; pieces cover every number once
Test(rules, the_largest_networks_have_no_more_pieces_than_a_job) {
  static const size_t sizes[][3] = {{1, 4096, 4097}, {0, 5, 0}, {250000000, 1, 250000000}};
  static struct nets_piece piece[CREW_TASKS];
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    struct net net[3] = {{0}};
    struct nets list = {.n = 3, .at = {&net[0], &net[1], &net[2]}};
    size_t seen[3] = {0};
    for (int i = 0; i < 3; i++) {
      net[i].n = sizes[s][i];
    }
    const int n = nets_pieces(&list, piece, CREW_TASKS);
    cr_assert(n > 0 && n <= CREW_TASKS, "%d", n);
    for (int k = 0; k < n; k++) {
      cr_assert_eq(piece[k].first, seen[piece[k].net]);
      seen[piece[k].net] += piece[k].n;
      cr_assert(s == 2 || piece[k].n <= 4096);
    }
    cr_assert_arr_eq(seen, sizes[s], sizeof seen);
  }
}

Test(rules, nets_without_rounded_copies_cannot_be_rounded, .signal = SIGABRT) {
  float theta[1] = {0};
  struct net net = {.n = 1, .theta = theta};
  struct nets list = {.n = 1, .at = {&net}};
  nets_round_piece(&list, &(struct nets_piece){.net = 0, .first = 0, .n = 1});
}

Test(rules, any_number_of_threads_gives_the_same_bits) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    for (int shards = 1; shards <= 8; shards *= 2) {
      cfg.train_shards = shards;
      size_t n, m;
      unsigned char *alone = trained_bits(rule, &cfg, NULL, &n);
      const int threads[] = {1, 2, 3, 8};
      for (size_t k = 0; k < sizeof threads / sizeof *threads; k++) {
        struct crew *crew = crew_new(threads[k]);
        unsigned char *shared = trained_bits(rule, &cfg, crew, &m);
        cr_assert(n == m && memcmp(alone, shared, n) == 0, "%d threads, %d shards", threads[k],
                  shards);
        free(shared);
        crew_free(crew);
      }
      free(alone);
    }
  }
}

// the same in bfloat16, with layers that are wide enough for it; and it is another result
Test(rules, any_number_of_threads_gives_the_same_bits_in_bf16) {
  if (!gemm_has(NET_BACKEND_AUTO, NET_PRECISION_BF16)) {
    cr_skip_test("this build or this CPU has no products in bfloat16");
  }
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    cfg.net_hidden = (struct widths){.n = 2, .v = {64, 64}};
    size_t n, m;
    cr_assert_eq(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32), ERR_OK);
    unsigned char *exact = trained_bits(rule, &cfg, NULL, &n);
    cr_assert_eq(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_BF16), ERR_OK);
    unsigned char *alone = trained_bits(rule, &cfg, NULL, &m);
    cr_assert(n == m && memcmp(exact, alone, n) != 0);
    for (int threads = 2; threads <= 4; threads++) {
      struct crew *crew = crew_new(threads);
      unsigned char *shared = trained_bits(rule, &cfg, crew, &m);
      cr_assert(n == m && memcmp(alone, shared, n) == 0, "%d threads", threads);
      free(shared);
      crew_free(crew);
    }
    free(exact);
    free(alone);
  }
}

// the gradient of a minibatch of 4 parts, from the losses of each part by the rule itself
Test(rules, gradients_of_the_parts_are_added_in_pairs) {
  enum { PARTS = 4 };
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    cfg.train_shards = PARTS;
    struct updater *u = running_rule(rule, &cfg), *bare = running_rule(rule, &cfg);
    struct batch *b = minibatch_random(&DIMS, B, 71);
    cr_assert_eq(updater_update(u, b, 5), ERR_OK);
    float *part[PARTS][NETS_MAX];
    double loss[NETS_MAX] = {0};
    for (int i = 0; i < PARTS; i++) {
      const struct batch rows = batch_rows(b, &DIMS, i * B / PARTS, B / PARTS);
      agent_begin(&bare->agent, NULL);
      rule->losses(bare->self, &bare->agent, &rows, (uint64_t)(5 * PARTS + i));
      for (int k = 0; k < u->nets.n; k++) {
        const struct net *net = bare->nets.at[k];
        part[i][k] = must_alloc(net->n, sizeof(float));
        memcpy(part[i][k], net->grad, net->n * sizeof(float));
        loss[k] += net->loss / PARTS;
      }
    }
    for (int k = 0; k < u->nets.n; k++) {
      const struct net *net = u->nets.at[k];
      cr_assert_float_eq(net->loss, loss[k], 1e-12 * fmax(1, fabs(loss[k])), "%s", net->name);
      for (size_t j = 0; j < net->n; j++) {
        const float sum = (part[0][k][j] + part[1][k][j]) + (part[2][k][j] + part[3][k][j]);
        cr_assert_eq(net->grad[j], 0.25f * sum, "%s, number %zu", net->name, j);
      }
      for (int i = 0; i < PARTS; i++) {
        free(part[i][k]);
      }
    }
    batch_free(b);
    updater_free(u);
    updater_free(bare);
  }
}

Test(rules, parts_are_halved_until_they_divide_the_minibatch) {
  const int want[][3] = {{256, 4, 4}, {6, 4, 2}, {7, 4, 1}, {256, 6, 1}, {256, 64, 64}, {3, 3, 3}};
  struct config cfg;
  config_defaults(&cfg);
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    cfg.train_batch = want[i][0];
    cfg.train_shards = want[i][1];
    cr_assert_eq(updater_shards(&cfg), want[i][2], "%d rows, %d shards", want[i][0], want[i][1]);
  }
}

// one that is resumed from the tensors of another goes on as that one does
Test(rules, tensors_are_the_whole_state) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    struct updater *a = train(updater_new(rule, &cfg, &DIMS, NULL), 0, 10);
    struct updater *b = random_rule(rule, &cfg, 60);
    struct st_tensor from[MINIBATCH_MAX_TENSORS], to[MINIBATCH_MAX_TENSORS];
    const int n = updater_tensors(a, from, MINIBATCH_MAX_TENSORS);
    cr_assert_eq(updater_tensors(b, to, MINIBATCH_MAX_TENSORS), n);
    for (int i = 0; i < n; i++) {
      cr_assert_str_eq(from[i].name, to[i].name);
      cr_assert_eq(st_bytes(&from[i]), st_bytes(&to[i]));
      memcpy(to[i].data, from[i].data, st_bytes(&from[i]));
    }
    train(a, 10, 20);
    train(b, 10, 20);
    cr_assert(same_state(a, b));
    updater_free(a);
    updater_free(b);
  }
}

Test(rules, tensors_are_named_once_and_in_file_order) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    const struct rule *rule = rules_of(&cfg);
    struct updater *u = updater_new(rule, &cfg, &DIMS, NULL);
    struct st_tensor tensor[MINIBATCH_MAX_TENSORS];
    const int n = updater_tensors(u, tensor, MINIBATCH_MAX_TENSORS);
    bool float32 = false;
    for (int i = 0; i < n; i++) {
      cr_assert(!(float32 && tensor[i].dtype != ST_F32), "%s comes too late", tensor[i].name);
      float32 = tensor[i].dtype == ST_F32;
      for (int j = 0; j < i; j++) {
        cr_assert_str_neq(tensor[i].name, tensor[j].name);
      }
    }
    // no more than max are written, all are counted
    for (int max = 0; max < n; max++) {
      struct st_tensor few[MINIBATCH_MAX_TENSORS];
      memset(few, 0x5a, sizeof few);
      cr_assert_eq(updater_tensors(u, few, max), n);
      for (int i = 0; i < max; i++) {
        cr_assert_str_eq(few[i].name, tensor[i].name);
      }
      cr_assert_eq(few[max].name[0], 0x5a);
    }
    updater_free(u);
  }
  updater_free(NULL);
}

Test(rules, a_task_without_what_a_rule_needs_aborts, .signal = SIGABRT) {
  const struct dims rewards = {.obs = 3, .act = 2, .horizon = 10, .reward = 1};
  struct config cfg;
  config_defaults(&cfg);
  updater_new(&odac_rule, &cfg, &rewards, NULL);
}

// a policy to start from is published as it was, before and after its numbers are scaled
Test(rules, a_run_that_starts_from_a_policy_publishes_it) {
  struct config cfg;
  for (int r = 0; named(&cfg, r); r++) {
    snprintf(cfg.start_policy, sizeof cfg.start_policy, "given");
    struct updater *u = updater_new(rules_of(&cfg), &cfg, &DIMS, NULL);
    const size_t n = u->agent.policy.n;
    float *given = must_alloc(n, sizeof *given), *got = must_alloc(n, sizeof *got);
    struct rng rng;
    rng_init(&rng, 8, RNG_TEST, 0);
    rng_fill_uniform(&rng, given, n, -1, 1);
    updater_start(u, given);
    updater_publish(u, got);
    cr_assert_arr_eq(got, given, n * sizeof *got);
    struct batch *b = minibatch_random(&DIMS, B, 44);
    cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
    updater_publish(u, got);
    for (size_t i = 0; i < n; i++) {
      cr_assert_float_eq(got[i], given[i], 1e-5, "%s: number %zu", rules_of(&cfg)->name, i);
    }
    batch_free(b);
    free(given);
    free(got);
    updater_free(u);
  }
}
