// test_scaling.c - what networks see has sensible numbers, and a published policy acts the same on
// plain ones.
#include "learner/replay/scaling.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/nn/mlp.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"

enum { OBS = 3, ACT = 1, GOAL = 2, T = 50, B = 64 };

static const struct dims dims = {
    .obs = OBS, .act = ACT, .goal = GOAL, .horizon = T, .hindsight = 2};

// Observations with means 10, -3, 0.5 and deviations 2, 1 and 0; goals that move little around 5
// and not at all, while the desired one is (7, 1).
static struct replay *make_replay(void) {
  struct replay *r = replay_new(&dims, 1000, 0.5);
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

Test(scaling, numbers_have_unit_size_and_none_is_blown_up) {
  struct replay *r = make_replay();
  struct batch *b = batch_new(&dims, B);
  struct scaling *s = scaling_new(&dims);
  scaling_measure(s, r, b, 7);
  // 1,024 draws of 500 transitions
  cr_expect_float_eq(s->mean[0], 10, 0.3);
  cr_expect_float_eq(s->mean[1], -3, 0.15);
  cr_expect_float_eq(s->mean[2], 0.5, 1e-5);
  cr_expect_float_eq(1 / (double)s->inv[0], 2, 0.2);
  // half the root of (4 + 1 + 0) / 3 is 0.65, below 1 and above 0
  cr_expect_float_eq(1 / (double)s->inv[1], 1, 0.1);
  cr_expect_float_eq(1 / (double)s->inv[2], 0.645, 0.06);
  // half of the goals are desired ones: 5 and 7, 0 and 1
  cr_expect_float_eq(s->mean[3], 6, 0.15);
  cr_expect_float_eq(1 / (double)s->inv[3], 1, 0.1);
  cr_expect_float_eq(s->mean[4], 0.5, 0.08);
  cr_expect_float_eq(1 / (double)s->inv[4], 0.5, 0.05);
  scaling_free(s);
  batch_free(b);
  replay_free(r);
}

Test(scaling, is_a_function_of_replay_and_seed) {
  struct replay *r = make_replay(), *same = make_replay();
  struct batch *b = batch_new(&dims, B);
  struct scaling *x = scaling_new(&dims), *y = scaling_new(&dims);
  scaling_measure(x, r, b, 7);
  scaling_measure(y, same, b, 7);
  cr_expect_eq(memcmp(x->mean, y->mean, (OBS + GOAL) * sizeof(float)), 0);
  cr_expect_eq(memcmp(x->inv, y->inv, (OBS + GOAL) * sizeof(float)), 0);
  scaling_measure(y, same, b, 8);
  cr_expect_neq(memcmp(x->mean, y->mean, (OBS + GOAL) * sizeof(float)), 0);
  scaling_free(x);
  scaling_free(y);
  batch_free(b);
  replay_free(r);
  replay_free(same);
}

Test(scaling, a_folded_policy_acts_alike_on_plain_numbers) {
  const int width[] = {OBS + GOAL, 8, 2 * ACT};
  struct replay *r = make_replay();
  struct batch *b = batch_new(&dims, B);
  struct scaling *s = scaling_new(&dims);
  struct mlp *net = mlp_new(width, 2);
  struct mlp_tape *tape = mlp_tape_new(net, B);
  struct rng rng;
  scaling_measure(s, r, b, 7);
  rng_init(&rng, 3, RNG_TEST, 0);
  mlp_init_weights(net, &rng);
  rng_fill_uniform(&rng, net->theta, net->nparam, -1, 1);

  replay_sample(r, b, &rng);
  float plain[B * (OBS + GOAL)], before[B * 2 * ACT];
  for (size_t i = 0; i < B; i++) {
    memcpy(plain + i * (OBS + GOAL), b->obs + i * OBS, OBS * sizeof(float));
    memcpy(plain + i * (OBS + GOAL) + OBS, b->goal + i * GOAL, GOAL * sizeof(float));
  }
  scaling_apply(s, b);
  for (size_t i = 0; i < B; i++) {
    memcpy(mlp_input(tape) + i * (OBS + GOAL), b->obs + i * OBS, OBS * sizeof(float));
    memcpy(mlp_input(tape) + i * (OBS + GOAL) + OBS, b->goal + i * GOAL, GOAL * sizeof(float));
  }
  memcpy(before, mlp_forward(net, tape, B), sizeof before);
  scaling_fold(s, net->theta, width[1]);
  memcpy(mlp_input(tape), plain, sizeof plain);
  const float *after = mlp_forward(net, tape, B);
  for (int i = 0; i < B * 2 * ACT; i++) {
    // inputs of size 10 in single precision
    cr_assert_float_eq(before[i], after[i], 1e-4);
  }
  mlp_tape_free(tape);
  mlp_free(net);
  scaling_free(s);
  batch_free(b);
  replay_free(r);
}

// before the first measurement nothing changes, to the bit
Test(scaling, starts_as_the_identity) {
  struct scaling *s = scaling_new(&dims);
  float theta[(OBS + GOAL) * 4 + 4], copy[(OBS + GOAL) * 4 + 4];
  struct rng rng;
  rng_init(&rng, 4, RNG_TEST, 0);
  rng_fill_normal(&rng, theta, sizeof theta / sizeof *theta);
  memcpy(copy, theta, sizeof theta);
  scaling_fold(s, theta, 4);
  cr_expect_eq(memcmp(copy, theta, sizeof theta), 0);
  scaling_free(s);
}

Test(scaling, applies_to_every_state_and_goal_of_a_batch) {
  struct replay *r = make_replay();
  struct batch *b = batch_new(&dims, B), *plain = batch_new(&dims, B);
  struct scaling *s = scaling_new(&dims);
  scaling_measure(s, r, b, 7);
  struct rng x, y;
  rng_init(&x, 5, RNG_TEST, 0);
  rng_init(&y, 5, RNG_TEST, 0);
  replay_sample(r, b, &x);
  replay_sample(r, plain, &y);
  scaling_apply(s, b);
  const float *const scaled[] = {b->obs, b->next_obs, b->achieved, b->next_achieved, b->goal};
  const float *const was[] = {plain->obs, plain->next_obs, plain->achieved, plain->next_achieved,
                              plain->goal};
  for (int a = 0; a < 5; a++) {
    const int n = a < 2 ? OBS : GOAL, at = a < 2 ? 0 : OBS;
    for (int i = 0; i < B * n; i++) {
      const float want = (was[a][i] - s->mean[at + i % n]) * s->inv[at + i % n];
      cr_assert_float_eq(scaled[a][i], want, 1e-6);
    }
  }
  cr_expect_eq(memcmp(b->act, plain->act, B * ACT * sizeof(float)), 0);
  cr_expect_eq(memcmp(b->done, plain->done, B * sizeof(float)), 0);
  scaling_free(s);
  batch_free(b);
  batch_free(plain);
  replay_free(r);
}
