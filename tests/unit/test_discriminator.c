// Tests of learner/worth/discriminator.h: its log-likelihood is what it says; after training it
// comes to the best that any function can reach on a channel that is known.
#include "learner/worth/discriminator.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config.h"
#include "learner/agent/net.h"
#include "learner/agent/scaling.h"
#include "tests/unit/minibatch.h"

enum { WORDS = 6 };  // goals of the channel: corners in WORDS dimensions

static const struct dims DIMS = {.obs = 2, .act = 1, .goal = WORDS, .horizon = 10};
static const struct policy_shape SHAPE = {.obs = 2, .act = 1, .goal = WORDS};

struct subject {
  struct nets nets;
  struct scaling *scaling;
  struct discriminator *d;
};

static struct subject subject_new(int B, int decoys) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.train_batch = B;
  cfg.discern_decoys = decoys;
  struct subject s = {.scaling = scaling_new(&SHAPE)};
  s.d = discriminator_new(&s.nets, &cfg, &SHAPE, s.scaling);
  return s;
}

static void subject_free(struct subject *s) {
  discriminator_free(s->d);
  scaling_free(s->scaling);
}

static void set_word(float *goal, int word) {
  for (int i = 0; i < WORDS; i++) {
    goal[i] = i == word ? 1.0f : 0.0f;
  }
}

// Word x is sent; g is received: the same, or with probability noise any. A trifle that says
// nothing of x makes all goals different.
static void transmit(struct batch *b, int *sent, int *received, double noise, struct rng *rng) {
  for (int i = 0; i < b->B; i++) {
    sent[i] = (int)rng_below(rng, WORDS);
    received[i] = (double)rng_float(rng) < noise ? (int)rng_below(rng, WORDS) : sent[i];
    set_word(b->next_achieved + i * WORDS, sent[i]);
    set_word(b->goal + i * WORDS, received[i]);
    b->goal[i * WORDS] += 1e-3f * rng_float(rng);
  }
}

// -log q of row i by the ratio p(g | x) / p(g), which is the best function for (3)
static double best_loss(const int *sent, const int *received, int i, int B, int K, double noise) {
  const double same = (1 - noise) * WORDS + noise, other = noise;
  const double own = received[i] == sent[i] ? same : other;
  double sum = own;
  for (int k = 1; k <= K; k++) {
    const int g = received[(i + k) % B];
    sum += g == sent[i] ? same : other;
  }
  return log(sum / own);
}

Test(discriminator, comes_to_the_best_of_a_known_channel) {
  enum { B = 64, K = 15, UPDATES = 3000, LAST = 500 };
  const double noise = 0.3;
  struct subject s = subject_new(B, K);
  struct batch *b = batch_new(&DIMS, B);
  struct rng rng;
  rng_init(&rng, 3, RNG_TEST, 0);
  int sent[B], received[B];
  float l[B];
  double got = 0, best = 0;
  for (int u = 0; u < UPDATES; u++) {
    transmit(b, sent, received, noise, &rng);
    discriminator_loglik(s.d, l, b);
    const double loss = discriminator_loss(s.d);
    net_step(s.nets.at[0]);
    for (int i = 0; i < B && u >= UPDATES - LAST; i++) {
      best += best_loss(sent, received, i, B, K, noise) / (B * LAST);
      got += loss / (B * LAST);
    }
  }
  cr_assert_gt(got, best - 0.02, "%g, best %g", got, best);
  cr_assert_lt(got, best + 0.06, "%g, best %g", got, best);
  batch_free(b);
  subject_free(&s);
}

// nobody can be told from nobody: with equal goals the likelihood is 1; of two that are equal one
// counts; a lone row has no decoys
Test(discriminator, a_goal_is_no_decoy_of_itself) {
  enum { B = 8 };
  struct subject s = subject_new(B, 3);
  struct batch *b = batch_new(&DIMS, B);
  float l[B];
  for (int i = 0; i < B; i++) {
    set_word(b->next_achieved + i * WORDS, i % WORDS);
    set_word(b->goal + i * WORDS, 2);
  }
  discriminator_loglik(s.d, l, b);
  for (int i = 0; i < B; i++) {
    cr_assert_float_eq(l[i], 0, 1e-6);
  }
  set_word(b->goal + 5 * WORDS, 3);
  discriminator_loglik(s.d, l, b);
  cr_assert(l[1] == 0 && l[6] == 0 && l[7] == 0);
  cr_assert(l[2] < 0 && l[4] < 0 && l[5] < 0);
  const struct batch one = batch_rows(b, &DIMS, 5, 1);
  discriminator_loglik(s.d, l, &one);
  cr_assert_float_eq(l[0], 0, 1e-6);
  cr_assert_gt(discriminator_size(s.d), 0);
  batch_free(b);
  subject_free(&s);
  discriminator_free(NULL);
}
