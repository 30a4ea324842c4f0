// test_scaling.c - what networks see has sensible numbers, and a published policy acts the same on
// plain ones.
#include "learner/agent/scaling.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/nn/policy.h"
#include "learner/agent/net.h"
#include "learner/nn/mlp.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"
#include "tests/unit/capture.h"

enum { OBS = 3, ACT = 1, GOAL = 2, T = 50, B = 64 };

static const struct dims dims = {
    .obs = OBS, .act = ACT, .goal = GOAL, .horizon = T, .hindsight = 2};
static const struct policy_shape shape = {.obs = OBS, .act = ACT, .goal = GOAL};

// Observations with means 10, -3, 0.5 and deviations 2, 1 and 0; goals that move little around 5
// and not at all, while the desired one is (7, 1).
static struct replay *make_replay(double hindsight) {
  struct replay *r = replay_new(&dims, 1000, hindsight);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  for (uint64_t k = 0; k < 10; k++) {
    struct episode *ep = episode_new(&dims);
    ep->ticket = (struct ticket){.id = k, .kind = TICKET_WARMUP};
    ep->T = T;
    ep->desired[0] = 7;
    ep->desired[1] = 1;
    for (int t = 0; t <= T; t++) {
      float *obs = ep->obs + OBS * (size_t)t;
      obs[0] = 10 + 2 * rng_normal(&rng);
      obs[1] = -3 + rng_normal(&rng);
      obs[2] = 0.5f;
      ep->achieved[GOAL * (size_t)t] = 5 + 0.1f * rng_normal(&rng);
    }
    for (int t = 0; t < T; t++) {
      ep->hindsight[2 * t] = ep->hindsight[2 * t + 1] = (uint16_t)(t + 1);
    }
    replay_add(r, ep);
    episode_free(ep);
  }
  return r;
}

// minibatches of a replay, as the trainer draws them
struct source {
  struct replay *replay;
  struct batch *batch;
  uint64_t seed;
  int n;  // draws so far
};

static const struct batch *draw(void *ctx, enum rng_stream stream, uint64_t index) {
  struct source *source = ctx;
  struct rng rng;
  cr_assert_eq(stream, RNG_SCALING);
  cr_assert_eq(index, (uint64_t)source->n++);
  rng_init(&rng, source->seed, stream, index);
  replay_sample_plain(source->replay, source->batch, &rng);
  return source->batch;
}

static const struct batch *fixed_batch(void *ctx, enum rng_stream stream, uint64_t index) {
  (void)stream;
  (void)index;
  return ctx;
}

// the scales of a replay with this share of hindsight goals
static struct scaling *measured(double hindsight, uint64_t seed) {
  struct source source = {
      .replay = make_replay(hindsight), .batch = batch_new(&dims, B), .seed = seed};
  struct scaling *s = scaling_new(&shape);
  cr_assert_eq(scaling_measure(s, &(struct draws){.draw = draw, .ctx = &source}), ERR_OK);
  batch_free(source.batch);
  replay_free(source.replay);
  return s;
}

Test(scaling, numbers_have_unit_size_and_none_is_blown_up) {
  struct scaling *s = measured(0.5, 7);
  // 1,024 draws of 500 transitions
  cr_expect_float_eq(s->mean[0], 10, 0.3);
  cr_expect_float_eq(s->mean[1], -3, 0.15);
  cr_expect_float_eq(s->mean[2], 0.5, 1e-5);
  cr_expect_float_eq(1 / (double)s->inv[0], 2, 0.2);
  // half the root of (4 + 1 + 0) / 3 is 0.645, below 1 and above 0
  cr_expect_float_eq(1 / (double)s->inv[1], 1, 0.1);
  cr_expect_float_eq(1 / (double)s->inv[2], 0.645, 0.06);
  // half are desired ones, 7 and 1; the others are achieved ones, 5 and 0
  cr_expect_float_eq(s->mean[3], 6, 0.05);
  cr_expect_float_eq(scaling_goal(s, 0), 1, 0.02);
  cr_expect_float_eq(s->mean[4], 0.5, 1e-5);
  cr_expect_float_eq(scaling_goal(s, 1), 0.5, 1e-5);
  for (int i = 0; i < GOAL; i++) {
    cr_expect_float_eq(scaling_goal(s, i) * s->inv[OBS + i], 1, 1e-6);
  }
  const double x = (double)scaling_goal(s, 0), y = (double)scaling_goal(s, 1);
  cr_expect_float_eq(scaling_spread(s), sqrt((x * x + y * y) / 2), 1e-6);
  scaling_free(s);
}

// one fixed goal and no hindsight: goals alone do not vary at all
Test(scaling, a_fixed_goal_without_hindsight_has_the_scale_of_the_way_to_it) {
  struct scaling *s = measured(0, 7);
  cr_expect_float_eq(s->mean[3], 6, 0.05);
  cr_expect_float_eq(scaling_goal(s, 0), 1, 0.02);
  cr_expect_float_eq(s->mean[4], 0.5, 1e-5);
  cr_expect_float_eq(scaling_goal(s, 1), 0.5, 1e-5);
  scaling_free(s);
}

// every outcome is the goal: the floor of the others holds, and the smallest scale when all are so
Test(scaling, what_never_varies_has_a_finite_scale) {
  struct batch *b = batch_new(&dims, B);
  struct scaling *s = scaling_new(&shape);
  const struct draws draws = {.draw = fixed_batch, .ctx = b};
  for (int i = 0; i < B; i++) {
    b->goal[GOAL * i + 1] = b->achieved[GOAL * i + 1] = 3;
  }
  cr_assert_eq(scaling_measure(s, &draws), ERR_OK);
  for (int i = 0; i < OBS + GOAL; i++) {
    cr_expect_float_eq(s->inv[i], 1e6f, 1);
    cr_expect_eq(s->mean[i], i == OBS + 1 ? 3 : 0);
  }
  cr_expect_float_eq(scaling_spread(s), 1e-6, 1e-9);
  // one half of goals 0 at 10, all others at 0: a deviation of 10 sqrt(3 / 16)
  for (int i = 0; i < B; i += 2) {
    b->goal[GOAL * i] = 10;
  }
  cr_assert_eq(scaling_measure(s, &draws), ERR_OK);
  cr_expect_float_eq(scaling_goal(s, 0), 10 * sqrt(3.0 / 16), 1e-5);
  cr_expect_float_eq(scaling_goal(s, 1), 5 * sqrt(3.0 / 16) / sqrt(2), 1e-5);
  scaling_free(s);
  batch_free(b);
}

Test(scaling, a_number_that_is_not_finite_is_named_and_changes_nothing) {
  struct batch *b = batch_new(&dims, B);
  struct scaling *s = measured(0.5, 7), *same = measured(0.5, 7);
  const struct {
    float *at;
    const char *words;
  } place[] = {
      {&b->obs[OBS * 5 + 2], "number 2 of observations"},
      {&b->achieved[GOAL * 9 + 1], "number 1 of goals"},
      {&b->goal[GOAL * 9], "number 0 of goals"},
  };
  const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f};
  for (int k = 0; k < 3 * 4; k++) {
    *place[k % 3].at = bad[k / 3];
    capture_begin();
    const enum err err = scaling_measure(s, &(struct draws){.draw = fixed_batch, .ctx = b});
    const char *line = capture_end();
    cr_assert_eq(err, ERR_NUMERIC);
    cr_assert(strstr(line, place[k % 3].words), "%s", line);
    cr_assert_eq(memcmp(s->mean, same->mean, (OBS + GOAL) * sizeof(float)), 0);
    cr_assert_eq(memcmp(s->inv, same->inv, (OBS + GOAL) * sizeof(float)), 0);
    *place[k % 3].at = 0;
  }
  scaling_free(s);
  scaling_free(same);
  batch_free(b);
}

Test(scaling, is_a_function_of_replay_and_seed) {
  struct scaling *x = measured(0.5, 7), *y = measured(0.5, 7), *z = measured(0.5, 8);
  cr_expect_eq(memcmp(x->mean, y->mean, (OBS + GOAL) * sizeof(float)), 0);
  cr_expect_eq(memcmp(x->inv, y->inv, (OBS + GOAL) * sizeof(float)), 0);
  cr_expect_neq(memcmp(x->mean, z->mean, (OBS + GOAL) * sizeof(float)), 0);
  scaling_free(x);
  scaling_free(y);
  scaling_free(z);
}

Test(scaling, a_folded_policy_acts_alike_on_plain_numbers) {
  const int width[] = {OBS + GOAL, 8, 2 * ACT}, in = OBS + GOAL;
  struct replay *r = make_replay(0.5);
  struct batch *b = batch_new(&dims, B);
  struct scaling *s = measured(0.5, 7);
  struct mlp *net = mlp_new(width, 2);
  struct mlp_tape *tape = mlp_tape_new(net, B, 0);
  struct rng rng;
  rng_init(&rng, 3, RNG_TEST, 0);
  rng_fill_uniform(&rng, net->theta, net->nparam, -1, 1);
  replay_sample(r, b, &rng);
  rows_set_scaled(mlp_input(tape), in, 0, b->obs, s->mean, s->inv, OBS, B);
  rows_set_scaled(mlp_input(tape), in, OBS, b->goal, s->mean + OBS, s->inv + OBS, GOAL, B);
  float before[B * 2 * ACT];
  memcpy(before, mlp_forward(net, tape, B), sizeof before);
  scaling_fold(s, net->theta, width[1]);
  rows_set_columns(mlp_input(tape), in, 0, b->obs, OBS, B);
  rows_set_columns(mlp_input(tape), in, OBS, b->goal, GOAL, B);
  const float *after = mlp_forward(net, tape, B);
  for (int i = 0; i < B * 2 * ACT; i++) {
    // inputs of size 10 in single precision
    cr_assert_float_eq(before[i], after[i], 1e-4);
  }
  // and back
  scaling_unfold(s, net->theta, width[0], width[1]);
  rows_set_scaled(mlp_input(tape), in, 0, b->obs, s->mean, s->inv, OBS, B);
  rows_set_scaled(mlp_input(tape), in, OBS, b->goal, s->mean + OBS, s->inv + OBS, GOAL, B);
  const float *again = mlp_forward(net, tape, B);
  for (int i = 0; i < B * 2 * ACT; i++) {
    cr_assert_float_eq(before[i], again[i], 1e-4);
  }
  mlp_tape_free(tape);
  mlp_free(net);
  scaling_free(s);
  batch_free(b);
  replay_free(r);
}

// before the first measurement nothing changes, to the bit
Test(scaling, starts_as_the_identity) {
  struct scaling *s = scaling_new(&shape);
  float theta[(OBS + GOAL) * 4 + 4], copy[(OBS + GOAL) * 4 + 4];
  struct rng rng;
  rng_init(&rng, 4, RNG_TEST, 0);
  rng_fill_normal(&rng, theta, sizeof theta / sizeof *theta);
  memcpy(copy, theta, sizeof theta);
  scaling_fold(s, theta, 4);
  cr_expect_eq(memcmp(copy, theta, sizeof theta), 0);
  float rows[4], plain[4];
  rng_fill_normal(&rng, plain, 4);
  rows_set_scaled(rows, 2, 0, plain, s->mean, s->inv, 2, 2);
  cr_expect_eq(memcmp(rows, plain, sizeof rows), 0);
  cr_expect_eq(scaling_spread(s), 1);
  scaling_free(s);
}

// what a checkpoint keeps is all of it
Test(scaling, tensors_are_its_whole_state) {
  struct scaling *s = measured(0.5, 7);
  struct st_tensor tensor[2];
  struct tensor_list list = {.out = tensor, .max = 2};
  scaling_tensors(s, &list);
  cr_assert_eq(list.n, 2);
  cr_expect_str_eq(tensor[0].name, "scaling.mean");
  cr_expect_str_eq(tensor[1].name, "scaling.inv");
  cr_expect_eq(tensor[0].data, s->mean);
  cr_expect_eq(tensor[1].data, s->inv);
  for (int i = 0; i < 2; i++) {
    cr_expect_eq(tensor[i].shape[0], OBS + GOAL);
  }
  scaling_free(s);
}
