// Tests of learner/agent/agent.h that no rule covers by itself: losses do not depend on what was
// laid into the critics' rows before them, and values are what their equations say.
#include "learner/agent/agent.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config.h"
#include "learner/agent/scaling.h"
#include "tests/unit/minibatch.h"

enum { B = 16 };

static const struct dims DIMS = {.obs = 3, .act = 2, .goal = 2, .horizon = 10, .hindsight = 1};
static const struct policy_shape SHAPE = {.obs = 3, .act = 2, .goal = 2};

struct subject {
  struct nets nets;
  struct scaling *scaling;
  struct agent agent;
};

static struct subject *subject_new(void) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.train_batch = B;
  cfg.net_hidden = (struct widths){.n = 2, .v = {6, 5}};
  struct subject *s = must_alloc(1, sizeof *s);
  s->scaling = scaling_new(&SHAPE);
  agent_init(&s->agent, &s->nets, &cfg, &SHAPE, s->scaling, &agent_twin, 10);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  rng_fill_uniform(&rng, s->scaling->mean, 5, -2, 2);
  rng_fill_uniform(&rng, s->scaling->inv, 5, 0.5f, 2);
  for (int i = 0; i < s->nets.n; i++) {
    const struct net *net = s->nets.at[i];
    rng_fill_uniform(&rng, net->theta, net->n, -0.7f, 0.7f);
    if (net->target) {
      rng_fill_uniform(&rng, net->target, net->n, -0.7f, 0.7f);
    }
  }
  return s;
}

static void subject_free(struct subject *s) {
  agent_release(&s->agent);
  scaling_free(s->scaling);
  free(s);
}

static void policy_loss(struct agent *ag, const struct batch *b) {
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  agent_policy_loss(ag, b, 0.3f, &rng);
}

// (s, g) of these arrays, standardised, and after it the actions, in rows of this width
static void expect_rows(const struct subject *s, const float *x, int width, const float *obs,
                        const float *goal, const float *act) {
  const struct scaling *scaling = s->scaling;
  for (int i = 0; i < B; i++, x += width) {
    for (int j = 0; j < width; j++) {
      const float plain = j < 3 ? obs[3 * i + j] : j < 5 ? goal[2 * i + j - 3] : act[2 * i + j - 5];
      const float want = j < 5 ? (plain - scaling->mean[j]) * scaling->inv[j] : plain;
      cr_assert_eq(x[j], want, "row %d column %d: %g, want %g", i, j, (double)x[j], (double)want);
    }
  }
}

// all that reads states: values, samples and both losses; the minibatch itself stays as it is
Test(agent, networks_see_standardised_numbers_and_nothing_else_does) {
  struct subject *s = subject_new();
  struct agent *ag = &s->agent;
  struct batch *b = minibatch_random(&DIMS, B, 5), *same = minibatch_random(&DIMS, B, 5);
  const float *policy = mlp_input(ag->policy_tape), *critic = mlp_input(ag->critic_tape[0]);
  const float y[B] = {0};
  float V[B], act[B * 2], logp[B];
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  agent_begin(ag, NULL);
  agent_sample(ag, act, logp, b->next_obs, b->goal, &rng, B);
  expect_rows(s, policy, 5, b->next_obs, b->goal, NULL);
  agent_min_target(ag, V, b->next_obs, b->goal, act, B);
  expect_rows(s, critic, 7, b->next_obs, b->goal, act);
  agent_critic_loss(ag, b, y);
  expect_rows(s, critic, 7, b->obs, b->goal, b->act);
  policy_loss(ag, b);
  expect_rows(s, policy, 5, b->obs, b->goal, NULL);
  expect_rows(s, critic, 7, b->obs, b->goal, ag->act);
  expect_rows(s, mlp_input(ag->critic_tape[1]), 7, b->obs, b->goal, ag->act);
  cr_assert_eq(memcmp(b->obs, same->obs, B * 3 * sizeof(float)), 0);
  cr_assert_eq(memcmp(b->next_obs, same->next_obs, B * 3 * sizeof(float)), 0);
  cr_assert_eq(memcmp(b->goal, same->goal, B * 2 * sizeof(float)), 0);
  batch_free(b);
  batch_free(same);
  subject_free(s);
}

// alone, after the critics' loss of the same minibatch, after values of other states, and with a
// minibatch whose numbers changed in place
Test(agent, policy_loss_does_not_depend_on_what_came_before) {
  struct subject *s = subject_new();
  struct agent *ag = &s->agent;
  struct batch *b = minibatch_random(&DIMS, B, 1), *other = minibatch_random(&DIMS, B, 2);
  const float y[B] = {0};
  float V[B];
  const size_t bytes = ag->policy.n * sizeof(float);
  float *want = must_alloc(ag->policy.n, sizeof *want);
  agent_begin(ag, NULL);
  policy_loss(ag, b);
  const double loss = ag->policy.loss;
  memcpy(want, ag->policy.grad, bytes);
  for (int i = 0; i < 5; i++) {
    agent_begin(ag, NULL);
    if (i == 1 || i == 2) {
      agent_critic_loss(ag, b, y);
    }
    if (i == 2) {
      agent_min_target(ag, V, other->obs, other->goal, other->act, B);
    }
    if (i == 3) {
      agent_critic_loss(ag, other, y);
    }
    if (i == 4) {
      // the next minibatch stands at the same address
      agent_critic_loss(ag, other, y);
      memcpy(other->obs, b->obs, B * 3 * sizeof(float));
      memcpy(other->goal, b->goal, B * 2 * sizeof(float));
      agent_begin(ag, NULL);
      policy_loss(ag, other);
    } else {
      policy_loss(ag, b);
    }
    cr_assert_eq(ag->policy.loss, loss, "case %d", i);
    cr_assert_eq(memcmp(want, ag->policy.grad, bytes), 0, "case %d", i);
  }
  free(want);
  batch_free(b);
  batch_free(other);
  subject_free(s);
}

// Qbar_which at (s, g, act): with both slow copies equal, the minimum is the one
static void slow_critic(struct agent *ag, int which, float *Q, const struct batch *b,
                        const float *act) {
  struct net *other = &ag->critic[1 - which];
  const size_t bytes = other->n * sizeof(float);
  float *kept = must_alloc(other->n, sizeof *kept);
  memcpy(kept, other->target, bytes);
  memcpy(other->target, ag->critic[which].target, bytes);
  agent_min_target(ag, Q, b->obs, b->goal, act, B);
  memcpy(other->target, kept, bytes);
  free(kept);
}

// eq. (1): the smaller slow copy, less alpha log pi
Test(agent, value_is_the_smaller_slow_critic_less_the_entropy_term) {
  struct subject *s = subject_new();
  struct agent *ag = &s->agent;
  struct batch *b = minibatch_random(&DIMS, B, 3);
  float V[B], Q[2][B], logp[B], act[B * 2];
  struct rng rng;
  rng_init(&rng, 4, RNG_TEST, 0);
  agent_begin(ag, NULL);
  agent_sample(ag, act, logp, b->obs, b->goal, &rng, B);
  // equal on average, so that each is the smaller one somewhere
  for (int i = 0; i < 2; i++) {
    slow_critic(ag, i, Q[i], b, act);
    float mean = 0;
    for (int k = 0; k < B; k++) {
      mean += Q[i][k] / B;
    }
    ag->critic[i].target[ag->critic[i].n - 1] -= mean;
    slow_critic(ag, i, Q[i], b, act);
  }
  agent_min_target(ag, V, b->obs, b->goal, act, B);
  int first = 0;
  for (int i = 0; i < B; i++) {
    cr_assert_eq(V[i], fminf(Q[0][i], Q[1][i]));
    first += Q[0][i] < Q[1][i];
  }
  cr_assert(first > 0 && first < B, "%d of %d", first, B);
  float less[B];
  memcpy(less, V, sizeof less);
  agent_subtract_entropy(less, 0.25f, logp, B);
  for (int i = 0; i < B; i++) {
    cr_assert_eq(less[i], V[i] - 0.25f * logp[i]);
  }
  batch_free(b);
  subject_free(s);
}

Test(agent, level_is_the_last_bias_of_critics_and_slow_copies) {
  struct subject *s = subject_new();
  agent_set_level(&s->agent, 7.5f);
  for (int i = 0; i < 2; i++) {
    const struct net *critic = &s->agent.critic[i];
    cr_assert_eq(critic->theta[critic->n - 1], 7.5f);
    cr_assert_eq(critic->target[critic->n - 1], 7.5f);
    cr_assert_neq(critic->theta[critic->n - 2], 7.5f);
  }
  subject_free(s);
}
