// Tests of bootstrapped heads and of novelty: what networks see of a head, what is published, which
// rows a head learns from; novelty falls as counts rise; and a chain too long for chance.
#include "learner/agent/heads.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "common/nn/mlp_shape.h"
#include "common/nn/policy.h"
#include "common/nn/rowmlp.h"
#include "common/nn/weights.h"
#include "learner/agent/net.h"
#include "learner/agent/scaling.h"
#include "learner/agent/side.h"
#include "learner/replay/batch.h"
#include "learner/rules/rules.h"
#include "learner/worth/novelty.h"
#include "tests/unit/capture.h"
#include "tests/unit/minibatch.h"

// ---- what networks see, and what is published ----

// (1) of side.h
Test(heads, are_one_column_each) {
  const struct side side = {.plain = 4, .heads = 3, .numbers = 2};
  float x[3 * 10];
  const float head[] = {2, 0, 1}, z[] = {5, 6};
  for (int i = 0; i < 30; i++) {
    x[i] = 7;
  }
  side_lay(x, 10, &side, head, z, 3);
  for (int i = 0; i < 3; i++) {
    for (int k = 0; k < 10; k++) {
      const float want = k < 4 || k == 9 ? 7 : k > 6 ? z[k - 7] : k - 4 == (int)head[i] ? 2 : 0;
      cr_expect_eq(x[10 * i + k], want, "row %d, column %d: %g", i, k, (double)x[10 * i + k]);
    }
  }
}

enum { OBS = 3, GOAL = 2, ACT = 2, HEADS = 4, ROWS = 64 };

static const struct dims DIMS = {
    .obs = OBS, .act = ACT, .goal = GOAL, .horizon = 10, .hindsight = 1};

static struct config small(int heads) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.run_seed = 5;
  cfg.train_batch = ROWS;
  cfg.net_hidden = (struct widths){.n = 2, .v = {16, 12}};
  cfg.outcome_prefit = 5;
  cfg.explore_heads = heads;
  return cfg;
}

// the published policy, and the first layer's biases of each head
static void publish(const struct updater *u, float *theta, float *bias, int heads) {
  int width[MLP_MAX_LAYERS + 1];
  updater_layers(u, width);
  updater_publish(u, theta);
  const float *own = theta + (size_t)width[1] * (size_t)width[0];
  for (int k = 0; k < heads; k++) {
    float *b = bias + (size_t)k * (size_t)width[1];
    memset(b, 0, (size_t)width[1] * sizeof *b);
    if (k > 0) {
      updater_head_shift(u, b, k);
    }
    for (int j = 0; j < width[1]; j++) {
      b[j] += own[j];
    }
  }
}

// the published policy with the bias of a head says what the learner's network says for that head,
// after numbers were measured and a few updates
Test(heads, are_published_as_biases) {
  const struct config cfg = small(HEADS);
  struct updater *u = updater_new(rules_of(&cfg), &cfg, &DIMS, NULL);
  struct batch *b = minibatch_random(&DIMS, ROWS, 1);
  cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
  for (uint64_t i = 0; i < 20; i++) {
    cr_assert_eq(updater_update(u, b, i), ERR_OK);
  }
  int width[MLP_MAX_LAYERS + 1];
  const int n = updater_layers(u, width);
  cr_assert(n == 3 && width[0] == OBS + GOAL && width[1] == 16 && width[n] == 2 * ACT);
  float *theta = must_alloc(mlp_nparam(width, n), sizeof *theta);
  float bias[HEADS * 16], scratch[64], got[2 * ACT], row[OBS + GOAL];
  cr_assert_leq(rowmlp_scratch(width, n), 64);
  publish(u, theta, bias, HEADS);
  double apart = 0;
  for (int k = 0; k < HEADS; k++) {
    for (int i = 0; i < ROWS; i++) {
      b->head[i] = (float)k;
    }
    agent_begin(&u->agent, b);
    const float *want = agent_head(&u->agent, false, b->obs, b->goal, ROWS);
    for (int i = 0; i < ROWS; i++) {
      memcpy(row, b->obs + i * OBS, sizeof(float) * OBS);
      memcpy(row + OBS, b->goal + i * GOAL, sizeof(float) * GOAL);
      rowmlp_forward(got, theta, width, n, row, bias + k * 16, scratch);
      for (int j = 0; j < 2 * ACT; j++) {
        cr_assert_float_eq(got[j], want[i * 2 * ACT + j], 1e-4, "head %d", k);
      }
      rowmlp_forward(got, theta, width, n, row, NULL, scratch);
      apart += fabs((double)got[0] - (double)want[i * 2 * ACT]);
    }
  }
  cr_assert_gt(apart / (HEADS * ROWS), 1e-3, "all heads are one");
  free(theta);
  batch_free(b);
  updater_free(u);
}

// a policy to start from is every head, until they learn
Test(heads, all_start_from_a_given_policy) {
  struct config cfg = small(HEADS);
  snprintf(cfg.start_policy, sizeof cfg.start_policy, "given");
  struct updater *u = updater_new(rules_of(&cfg), &cfg, &DIMS, NULL);
  int width[MLP_MAX_LAYERS + 1];
  const size_t n = mlp_nparam(width, updater_layers(u, width));
  float *given = must_alloc(n, sizeof *given), *got = must_alloc(n, sizeof *got);
  float bias[HEADS * 16];
  struct rng rng;
  rng_init(&rng, 8, RNG_TEST, 0);
  rng_fill_uniform(&rng, given, n, -1, 1);
  updater_start(u, given);
  struct batch *b = minibatch_random(&DIMS, ROWS, 44);
  for (int prepared = 0; prepared < 2; prepared++) {
    cr_assert(!prepared || minibatch_prepare(u, b) == ERR_OK);
    publish(u, got, bias, HEADS);
    for (size_t i = 0; i < n; i++) {
      cr_assert_float_eq(got[i], given[i], 1e-5);
    }
    for (size_t i = 0; i < HEADS * 16; i++) {
      cr_assert_float_eq(bias[i], given[16 * (OBS + GOAL) + i % 16], 1e-5);
    }
  }
  batch_free(b);
  free(given);
  free(got);
  updater_free(u);
}

// ---- the prior ----

// what critics learn is the rest to their targets: q, with its prior, is as far from y as the loss
// says; and the first head has none
Test(heads, but_the_first_have_a_prior) {
  struct config cfg = small(HEADS);
  cfg.explore_prior = 2;
  static const struct agent_parts one = {.critics = 1, .slow_critics = true, .temperature = true};
  const struct policy_shape shape = {.obs = OBS, .goal = GOAL, .act = ACT};
  struct scaling *scaling = scaling_new(&shape);
  struct nets nets = {.seed = 4}, bare_nets = {.seed = 4};
  struct agent ag, bare;
  agent_init(&ag, &nets, &cfg, &shape, scaling, &one, 10);
  cfg.explore_prior = 0;
  agent_init(&bare, &bare_nets, &cfg, &shape, scaling, &one, 10);
  struct batch *b = minibatch_random(&DIMS, ROWS, 7);
  float y[ROWS];
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  rng_fill_normal(&rng, y, ROWS);
  agent_begin(&ag, b);
  agent_critic_loss(&ag, b, y);
  agent_begin(&bare, b);
  agent_critic_loss(&bare, b, y);
  double loss = 0, apart = 0;
  for (int i = 0; i < ROWS; i++) {
    loss += pow((double)ag.q[i] - (double)y[i], 2) / ROWS;
    const double prior = (double)ag.q[i] - (double)bare.q[i];
    cr_expect(b->head[i] > 0 || prior == 0, "the first head has a prior of %g", prior);
    apart += b->head[i] > 0 ? fabs(prior) : 0;
  }
  cr_expect_float_eq(ag.critic[0].loss, loss, 1e-5);
  cr_expect_gt(apart / ROWS, 0.05);
  batch_free(b);
  agent_release(&ag);
  agent_release(&bare);
  scaling_free(scaling);
}

// ---- which rows a head learns from ----

// half of the rows for the first head, the rest evenly for the others, each of which knows half of
// the transitions and never sees another
Test(heads, share_rows_and_know_half_of_the_transitions) {
  enum { N = 400, TIMES = 200 };
  struct batch *b = minibatch_random(&DIMS, N, 9);
  int of[HEADS] = {0}, seen[HEADS][N] = {{0}};
  for (uint64_t k = 0; k < TIMES; k++) {
    struct rng rng;
    rng_init(&rng, 1, RNG_HEADS, k);
    heads_assign(b, &DIMS, HEADS, &rng);
    for (int i = 0; i < N; i++) {
      const int head = (int)b->head[i];
      cr_assert(head >= 0 && head < HEADS);
      of[head]++;
      seen[head][i]++;
    }
  }
  // a row that none of three others knows (1/8) is the first one's
  const double all = N * TIMES, first = 0.5 + 0.5 / 8;
  cr_expect_float_eq(of[0] / all, first, 0.03);
  for (int k = 1; k < HEADS; k++) {
    cr_expect_float_eq(of[k] / all, (1 - first) / 3, 0.03);
    int known = 0;
    for (int i = 0; i < N; i++) {
      known += seen[k][i] > 0;
    }
    cr_expect(known > 160 && known < 240, "head %d knows %d of %d", k, known, N);
  }
  for (int i = 0; i < N; i++) {
    cr_expect_gt(seen[0][i], 0);
  }
  batch_free(b);
}

// ---- rules without heads, and a bonus without heads ----

Test(heads, are_refused_where_a_rule_has_none) {
  struct config cfg = small(2);
  cr_assert_eq(config_rule(&cfg, "bc"), ERR_OK);
  snprintf(cfg.demos_digest, sizeof cfg.demos_digest, "0123456789abcdef");
  capture_begin();
  cr_assert_eq(rules_resolve(&cfg, &DIMS, 0.1, false, "box2d"), ERR_CONFIG);
  const char *text = capture_end();
  cr_assert(strstr(text, "rule bc has no heads: set explore.heads=1"), "%s", text);
}

Test(heads, a_bonus_without_them_is_refused) {
  struct config cfg = small(1);
  cfg.explore_bonus = 1;
  capture_begin();
  cr_assert_eq(rules_resolve(&cfg, &DIMS, 0.1, false, "box2d"), ERR_CONFIG);
  const char *text = capture_end();
  cr_assert(strstr(text, "explore.heads=2"), "%s", text);
}

// ---- novelty ----

enum { PLACES = 6 };

// a place that is drawn in proportion to 1 / 2^place, and in row i of obs
static void visit(float *obs, int i, struct rng *rng) {
  int place = 0;
  while (place < PLACES - 1 && rng_float(rng) < 0.5f) {
    place++;
  }
  obs[i * PLACES + place] = 1;
}

// adds the novelty of each place, in one random network and its foreteller
static void add_novelty(double *sum, uint64_t seed) {
  const struct config cfg = small(2);
  const struct dims dims = {.obs = PLACES, .act = 1, .goal = 0, .horizon = 10, .reward = 1};
  const struct policy_shape shape = {.obs = PLACES, .act = 1};
  struct scaling *s = scaling_new(&shape);
  struct nets nets = {.seed = seed};
  struct novelty *novelty = novelty_new(&nets, &cfg, &shape, s);
  struct batch *b = batch_new(&dims, ROWS);
  struct rng rng;
  rng_init(&rng, seed, RNG_TEST, 0);
  float n[ROWS];
  for (int k = 0; k < 1000; k++) {
    memset(b->next_obs, 0, sizeof(float) * ROWS * PLACES);
    for (int i = 0; i < ROWS; i++) {
      visit(b->next_obs, i, &rng);
    }
    novelty_loss(novelty, n, b);
    net_step(nets.at[0]);
  }
  struct batch one = batch_rows(b, &dims, 0, PLACES);
  memset(one.next_obs, 0, sizeof(float) * PLACES * PLACES);
  for (int i = 0; i < PLACES; i++) {
    one.next_obs[i * PLACES + i] = 1;
  }
  novelty_loss(novelty, n, &one);
  double mean = 0;
  for (int i = 0; i < PLACES; i++) {
    mean += (double)n[i] / PLACES;
    sum[i] += (double)n[i];
  }
  cr_assert_float_eq(mean, 1, 1e-5);
  batch_free(b);
  novelty_free(novelty);
  scaling_free(s);
}

// Place i is visited half as often as the one before it: over a few random networks, what is rarer
// is newer.
Test(heads, novelty_falls_as_counts_rise) {
  double sum[PLACES] = {0};
  for (uint64_t seed = 0; seed < 12; seed++) {
    add_novelty(sum, seed);
  }
  cr_expect_gt(sum[2] + sum[3], 1.3 * (sum[0] + sum[1]));
  cr_expect_gt(sum[4] + sum[5], 1.3 * (sum[2] + sum[3]));
}

// ---- a chain too long for chance ----

// States 0 .. N - 1 in a row, from state 1; right when a > 0, else left. State 0 is worth a little,
// the other end 1. An episode of N + 4 steps that acts by chance gets there once in thousands.
enum { N = 12, STEPS = N + 4, EPISODES = 400, WIDTH = 24, TRAIN = 32 };

static const struct dims CHAIN = {.obs = N, .act = 1, .goal = 0, .horizon = STEPS, .reward = 1};

struct chain {
  struct updater *u;
  int from[EPISODES * STEPS], to[EPISODES * STEPS];
  float act[EPISODES * STEPS];
  int n;
  uint64_t updates;
};

static float worth(int state) {
  return state == N - 1 ? 1 : state == 0 ? 0.002f : 0;
}

static void learn(struct chain *c, const struct config *cfg, struct batch *b) {
  struct rng rng;
  rng_init(&rng, (uint64_t)cfg->run_seed, RNG_BATCH, c->updates);
  memset(b->obs, 0, sizeof(float) * TRAIN * N);
  memset(b->next_obs, 0, sizeof(float) * TRAIN * N);
  for (int i = 0; i < TRAIN; i++) {
    const int k = (int)rng_below(&rng, (uint32_t)c->n);
    b->obs[i * N + c->from[k]] = 1;
    b->next_obs[i * N + c->to[k]] = 1;
    b->act[i] = c->act[k];
    b->reward[i] = worth(c->to[k]);
  }
  if (cfg->explore_heads > 1) {
    heads_assign(b, &CHAIN, (int)cfg->explore_heads, &rng);
  }
  cr_assert(c->updates > 0 || minibatch_prepare(c->u, b) == ERR_OK);
  cr_assert_eq(updater_update(c->u, b, c->updates++), ERR_OK);
}

struct actor {
  float *theta, bias[16 * WIDTH], scratch[64];
  int width[MLP_MAX_LAYERS + 1], nlayer;
};

// the state after a step of a head, or of the first head's best guess when eps is NULL
static int step(struct actor *actor, float *a, int state, int head, const float *eps) {
  float obs[N] = {0}, out[2];
  obs[state] = 1;
  rowmlp_forward(out, actor->theta, actor->width, actor->nlayer, obs, actor->bias + head * WIDTH,
                 actor->scratch);
  policy_act(a, out, eps, 1);
  const int next = state + (*a > 0 ? 1 : -1);
  return next < 0 ? 0 : next > N - 1 ? N - 1 : next;
}

// one episode; does it reach the end?
static bool explore(struct chain *c, struct actor *actor, const struct config *cfg, int episode) {
  struct rng rng;
  rng_init(&rng, (uint64_t)cfg->run_seed, RNG_HEAD, (uint64_t)episode);
  const int head = (int)rng_below(&rng, (uint32_t)cfg->explore_heads);
  bool end = false;
  for (int t = 0, state = 1; t < STEPS; t++) {
    float eps;
    rng_fill_normal(&rng, &eps, 1);
    c->from[c->n] = state;
    state = c->to[c->n] = step(actor, &c->act[c->n], state, head, &eps);
    c->n++;
    end = end || state == N - 1;
  }
  return end;
}

// Episodes that reach the end, of the last 50; *best: does the first head's best guess?
static int reached(bool *best, const struct config *cfg) {
  struct chain *c = must_alloc(1, sizeof *c);
  c->u = updater_new(rules_of(cfg), cfg, &CHAIN, NULL);
  struct batch *b = batch_new(&CHAIN, TRAIN);
  struct actor actor;
  actor.nlayer = updater_layers(c->u, actor.width);
  actor.theta = must_alloc(mlp_nparam(actor.width, actor.nlayer), sizeof *actor.theta);
  int ends = 0;
  for (int e = 0; e < EPISODES; e++) {
    publish(c->u, actor.theta, actor.bias, (int)cfg->explore_heads);
    ends += explore(c, &actor, cfg, e) && e >= EPISODES - 50;
    for (int k = 0; k < STEPS; k++) {
      learn(c, cfg, b);
    }
  }
  publish(c->u, actor.theta, actor.bias, (int)cfg->explore_heads);
  int state = 1;
  for (int t = 0; t < N - 2; t++) {
    float a;
    state = step(&actor, &a, state, 0, NULL);
  }
  *best = state == N - 1;
  free(actor.theta);
  batch_free(b);
  updater_free(c->u);
  free(c);
  return ends;
}

// By chance, and by heads that differ in their first weights alone, the end is not found. Heads
// that expect something of what they have not seen find it, and so does one that is after what is
// new; then the first head, which is neither, learns from their episodes how to get there.
Test(heads, reach_the_end_of_a_long_chain) {
  static const struct {
    int heads;
    double prior, bonus;
    bool found;
  } cases[] = {{1, 0, 0, false}, {8, 0, 0, false}, {8, 1, 0, true}, {2, 0, 1, true}};
  struct config cfg;
  config_defaults(&cfg);
  cr_assert_eq(config_rule(&cfg, "sac"), ERR_OK);
  cfg.worth_reward = WORTH_REWARD_TASK;
  cfg.train_batch = TRAIN;
  cfg.net_hidden = (struct widths){.n = 2, .v = {WIDTH, WIDTH}};
  cfg.agent_lr = 3e-3;
  cfg.agent_tau = 0.02;
  cfg.agent_alpha = 1e-3;
  cfg.agent_temperature = AGENT_TEMPERATURE_CONSTANT;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    cfg.explore_heads = cases[k].heads;
    cfg.explore_prior = cases[k].prior;
    cfg.explore_bonus = cases[k].bonus;
    for (int seed = 1; seed <= 3; seed++) {
      cfg.run_seed = seed;
      bool best;
      const int ends = reached(&best, &cfg);
      cr_expect(cases[k].found ? ends >= 40 : ends == 0, "case %zu, seed %d: %d of 50", k, seed,
                ends);
      cr_expect_eq(best, cases[k].found, "case %zu, seed %d", k, seed);
    }
  }
}
