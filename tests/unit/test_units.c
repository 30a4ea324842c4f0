// Tests that the units of a task are nobody's business but the likelihood's: the same episodes in
// metres and in millimetres give networks the same numbers and a policy that acts alike, while the
// likelihood and its distances are in the units of each.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "learner/agent/scaling.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"
#include "learner/rules/odac.h"
#include "learner/rules/updater.h"
#include "learner/worth/outcome.h"

enum { OBS = 3, ACT = 2, GOAL = 2, IN = OBS + GOAL, T = 40, B = 32 };

static const struct dims DIMS = {
    .obs = OBS, .act = ACT, .goal = GOAL, .horizon = T, .hindsight = 2};

// one learner with its replay; unit: how many of its units are a metre
struct life {
  struct config cfg;
  struct replay *replay;
  struct batch *batch;
  struct updater *u;
};

static const struct batch *draw(void *ctx, enum rng_stream stream, uint64_t index) {
  struct life *life = ctx;
  struct rng rng;
  rng_init(&rng, 11, stream, index);
  (stream == RNG_SCALING ? replay_sample_plain : replay_sample)(life->replay, life->batch, &rng);
  return life->batch;
}

// walks about places that are 3 to 5 m from 0
static void fill_replay(struct replay *r, float unit) {
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  for (uint64_t k = 0; k < 20; k++) {
    struct episode *ep = episode_new(&DIMS);
    ep->ticket = (struct ticket){.id = k, .kind = TICKET_WARMUP};
    ep->T = T;
    float at[OBS] = {3, -5, 0.2f};
    ep->desired[0] = 4 * unit;
    ep->desired[1] = -3 * unit;
    for (int t = 0; t <= T; t++) {
      for (int i = 0; i < OBS; i++) {
        at[i] += (i == 2 ? 0.01f : 0.1f) * rng_normal(&rng);
        ep->obs[OBS * t + i] = at[i] * unit;
        if (i < GOAL) {
          ep->achieved[GOAL * t + i] = at[i] * unit;
        }
      }
    }
    for (int t = 0; t < T; t++) {
      rng_fill_uniform(&rng, ep->act + ACT * t, ACT, -1, 1);
      ep->hindsight[2 * t] = (uint16_t)(t + 1);
      ep->hindsight[2 * t + 1] = T;
    }
    replay_add(r, ep);
    episode_free(ep);
  }
}

static struct life *life_new(float unit, const char *setting) {
  struct life *life = must_alloc(1, sizeof *life);
  config_defaults(&life->cfg);
  life->cfg.train_batch = B;
  life->cfg.net_hidden = (struct widths){.n = 2, .v = {16, 16}};
  life->cfg.outcome_hidden = (struct widths){.n = 1, .v = {16}};
  life->cfg.outcome_prefit = 100;
  if (setting) {
    cr_assert_eq(config_set(&life->cfg, setting), ERR_OK);
  }
  life->replay = replay_new(&DIMS, 10000, 0.8);
  fill_replay(life->replay, unit);
  life->batch = batch_new(&DIMS, B);
  life->u = updater_new(&odac_rule, &life->cfg, &DIMS, NULL);
  cr_assert_eq(updater_prepare(life->u, &(struct draws){.draw = draw, .ctx = life}), ERR_OK);
  return life;
}

static void life_free(struct life *life) {
  updater_free(life->u);
  batch_free(life->batch);
  replay_free(life->replay);
  free(life);
}

// heads (B x 2 ACT) of the published policy on plain numbers, as an actor has them
static void published_heads(struct life *life, float *heads, const struct batch *b) {
  const struct mlp *policy = updater_policy(life->u);
  struct mlp plain = *policy;
  plain.theta = must_alloc(policy->nparam, sizeof(float));
  updater_publish(life->u, plain.theta);
  struct mlp_tape *tape = mlp_tape_new(&plain, B, 0);
  rows_set_columns(mlp_input(tape), IN, 0, b->obs, OBS, B);
  rows_set_columns(mlp_input(tape), IN, OBS, b->goal, GOAL, B);
  memcpy(heads, mlp_forward(&plain, tape, B), B * 2 * ACT * sizeof(float));
  mlp_tape_free(tape);
  free(plain.theta);
}

// what the policy's rows hold, and the actions that it draws, in the learner
static void learner_rows(struct life *life, float *rows, float *act, const struct batch *b) {
  float logp[B];
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  agent_begin(&life->u->agent, NULL);
  agent_sample(&life->u->agent, act, logp, b->obs, b->goal, &rng, B);
  memcpy(rows, mlp_input(life->u->agent.policy_tape), B * IN * sizeof(float));
}

static void expect_alike(const float *x, const float *y, int n, float tolerance, const char *what) {
  for (int i = 0; i < n; i++) {
    cr_assert_float_eq(x[i], y[i], tolerance * fmaxf(1, fabsf(x[i])), "%s [%d]: %g and %g", what, i,
                       (double)x[i], (double)y[i]);
  }
}

Test(units, networks_and_actions_are_the_same_in_metres_and_millimetres) {
  struct life *m = life_new(1, NULL), *mm = life_new(1000, NULL);
  for (uint64_t update = 0; update <= 5; update++) {
    draw(m, RNG_BATCH, update);
    draw(mm, RNG_BATCH, update);
    cr_assert_float_eq(mm->batch->obs[0] / m->batch->obs[0], 1000, 1e-3);
    float rows[2][B * IN], act[2][B * ACT], heads[2][B * 2 * ACT];
    learner_rows(m, rows[0], act[0], m->batch);
    learner_rows(mm, rows[1], act[1], mm->batch);
    published_heads(m, heads[0], m->batch);
    published_heads(mm, heads[1], mm->batch);
    // single precision of numbers ten deviations from 0, and what Adam makes of it in a few steps
    const float tolerance = update == 0 ? 2e-5f : 5e-3f;
    expect_alike(rows[0], rows[1], B * IN, 2e-5f, "rows");
    expect_alike(act[0], act[1], B * ACT, tolerance, "actions of the learner");
    expect_alike(heads[0], heads[1], B * 2 * ACT, tolerance, "heads of an actor");
    cr_assert_eq(updater_update(m->u, m->batch, update), ERR_OK);
    cr_assert_eq(updater_update(mm->u, mm->batch, update), ERR_OK);
    const struct odac *o = m->u->self, *other = mm->u->self;
    cr_assert_float_eq(other->N / o->N, 1, 1e-3);
  }
  // and the numbers that networks see are of size 1
  float rows[B * IN], act[B * ACT], square = 0;
  learner_rows(m, rows, act, m->batch);
  for (int i = 0; i < B * IN; i++) {
    square += rows[i] * rows[i] / (B * IN);
  }
  cr_assert(square > 0.3f && square < 3, "%g", (double)square);
  life_free(m);
  life_free(mm);
}

// a density a millimetre is a thousandth of one a metre, in each dimension
Test(units, learned_likelihood_is_in_the_units_of_the_task) {
  struct life *m = life_new(1, NULL), *mm = life_new(1000, NULL);
  float l[2][B];
  draw(m, RNG_BATCH, 0);
  draw(mm, RNG_BATCH, 0);
  const struct odac *o = m->u->self, *other = mm->u->self;
  outcome_loglik(o->outcome, l[0], m->batch);
  outcome_loglik(other->outcome, l[1], mm->batch);
  for (int i = 0; i < B; i++) {
    cr_assert_float_eq(l[1][i], l[0][i] - GOAL * log(1000), 1e-3 * fmax(10, fabs(l[0][i])),
                       "%g and %g", (double)l[0][i], (double)l[1][i]);
  }
  life_free(m);
  life_free(mm);
}

// a known scale of 1 unit: the distance to the goal, a thousand times as many millimetres
Test(units, distances_are_in_the_units_of_the_task) {
  for (int k = 0; k < 2; k++) {
    const float unit = k == 0 ? 1 : 1000;
    struct life *life = life_new(unit, "outcome.model=fixed");
    float l[B];
    const struct batch *b = draw(life, RNG_BATCH, 0);
    const struct odac *o = life->u->self;
    outcome_loglik(o->outcome, l, b);
    double farthest = 0;
    for (int i = 0; i < B; i++) {
      const double far = hypot((double)b->goal[2 * i] - b->achieved[2 * i],
                               (double)b->goal[2 * i + 1] - b->achieved[2 * i + 1]);
      cr_assert_float_eq(-l[i] - log(2 * M_PI), far, 1e-6 * fmax(10, far));
      farthest = fmax(farthest, far);
    }
    // metres, and millimetres
    cr_assert(farthest > 0.5 * unit && farthest < 10 * unit, "%g", farthest);
    life_free(life);
  }
}
