// test_evaluation.c - score, interval and success of evaluation.h, eqs. (1) and (2).
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/episode.h"
#include "common/evaluation.h"

static struct episode *line_episode(float initial, float final) {
  const struct dims dims = {.obs = 1, .act = 1, .goal = 2, .horizon = 3, .hindsight = 1};
  struct episode *ep = episode_new(&dims);
  ep->T = 3;
  ep->desired[0] = 1.0f;
  ep->desired[1] = -2.0f;
  // the first coordinate carries the distance, the second is already right
  for (int t = 0; t <= ep->T; t++) {
    ep->achieved[2 * t] = 1.0f + (t == 0 ? initial : t == ep->T ? final : 100.0f);
    ep->achieved[2 * t + 1] = -2.0f;
  }
  return ep;
}

Test(evaluation, distance_is_euclidean) {
  struct episode *ep = line_episode(3.0f, 0.0f);
  ep->achieved[1] = -2.0f + 4.0f;
  cr_assert_float_eq(evaluation_distance(ep, 0, NULL), 5.0, 1e-6);
  cr_assert_float_eq(evaluation_distance(ep, 3, NULL), 0.0, 1e-6);
  episode_free(ep);
}

Test(evaluation, score_is_the_ratio_of_means) {
  // finals 1, 2; initials 4, 8: ratio 3/12, and both points lie on the line, so no spread
  struct episode *eps[] = {line_episode(4, 1), line_episode(8, 2)};
  struct evaluation e;
  evaluation_compute(&e, eps, 2, 1.5, NULL);
  cr_assert_eq(e.n, 2);
  cr_assert_float_eq(e.score, 25.0, 1e-9);
  cr_assert_float_eq(e.ci, 0.0, 1e-9);
  cr_assert_float_eq(e.distance, 1.5, 1e-9);
  cr_assert_float_eq(e.initial, 6.0, 1e-9);
  cr_assert_float_eq(e.success, 0.5, 1e-9);  // 1 < 1.5 < 2: strictly below the radius
  cr_assert_eq(e.unstable, 0);
  eps[1]->unstable = true;
  evaluation_compute(&e, eps, 2, 1.0, NULL);
  cr_assert_float_eq(e.success, 0.0, 1e-9);
  evaluation_compute(&e, eps, 2, 0.0, NULL);
  cr_assert(isnan(e.success), "no radius, no success");
  cr_assert_eq(e.unstable, 1);
  episode_free(eps[0]);
  episode_free(eps[1]);
}

Test(evaluation, hand_computed_interval) {
  // equal initials 10, finals 1, 2, 3: R = 0.2, e = -1, 0, 1, sd = 1, t_{0.975,2} = 4.30265
  struct episode *eps[] = {line_episode(10, 1), line_episode(10, 2), line_episode(10, 3)};
  struct evaluation e;
  evaluation_compute(&e, eps, 3, 0.0, NULL);
  cr_assert_float_eq(e.ci, 100.0 * 4.30265 * 1.0 / (sqrt(3.0) * 10.0), 1e-3);
  for (int i = 0; i < 3; i++) {
    episode_free(eps[i]);
  }
}

// the interval must contain the true ratio in about 95 % of repetitions: with 2000 of them the
// standard error of the share is 0.5 %, so 93..97 % is four of them
Test(evaluation, interval_covers_the_truth) {
  struct rng rng;
  rng_init(&rng, 7, RNG_TEST, 0);
  int covered = 0;
  const int repetitions = 2000, n = 20;
  for (int r = 0; r < repetitions; r++) {
    struct episode *eps[20];
    for (int i = 0; i < n; i++) {
      const float initial = 8.0f + 0.5f * rng_normal(&rng);
      const float noise = rng_normal(&rng);
      eps[i] = line_episode(initial, 0.25f * initial + 0.3f * noise);
    }
    struct evaluation e;
    evaluation_compute(&e, eps, n, 0.0, NULL);
    covered += fabs(e.score - 25.0) <= e.ci;
    for (int i = 0; i < n; i++) {
      episode_free(eps[i]);
    }
  }
  cr_assert(covered > 0.93 * repetitions && covered < 0.97 * repetitions, "covered %d of %d",
            covered, repetitions);
}

// three numbers in two parts: the first and third differ from the goal
Test(evaluation, parts_are_distances_of_their_own) {
  const struct dims dims = {.obs = 1, .act = 1, .goal = 3, .horizon = 1, .hindsight = 1};
  struct episode *eps[2];
  for (int i = 0; i < 2; i++) {
    eps[i] = episode_new(&dims);
    eps[i]->T = 1;
    const float end[3] = {3.0f + (float)i, 4.0f, 2.0f};
    memcpy(eps[i]->achieved + 3, end, sizeof end);
  }
  const struct evaluation_part parts[] = {{.name = "goal.hand", .first = 0, .n = 2},
                                          {.name = "goal.puck", .first = 2, .n = 1}};
  struct evaluation e;
  char text[EVALUATION_TEXT];
  evaluation_compute(&e, eps, 2, 0.0, NULL);
  evaluation_parts_text(text, sizeof text, &e);
  cr_expect_str_eq(text, "");
  evaluation_parts(&e, eps, parts, 2);
  cr_assert_eq(e.nparts, 2);
  cr_expect_float_eq(e.part[0].distance, (5.0 + sqrt(32.0)) / 2, 1e-6);
  cr_expect_float_eq(e.part[1].distance, 2.0, 1e-9);
  evaluation_parts_text(text, sizeof text, &e);
  cr_expect_str_eq(text, "goal.hand 5.328, goal.puck 2");
  // one part is the whole
  evaluation_parts(&e, eps, parts, 1);
  evaluation_parts_text(text, sizeof text, &e);
  cr_expect_str_eq(text, "");
  episode_free(eps[0]);
  episode_free(eps[1]);
}

Test(evaluation, in_words) {
  struct episode *eps[] = {line_episode(4, 1), line_episode(8, 2)};
  struct evaluation e;
  char text[EVALUATION_TEXT], small[20];
  evaluation_compute(&e, eps, 2, 1.5, NULL);
  evaluation_text(text, sizeof text, &e);
  cr_expect_str_eq(text, "distance 1.5, score 25.000 +- 0.000, success 0.5 over 2 episodes");
  evaluation_text(small, sizeof small, &e);
  cr_expect_str_eq(small, "distance 1.5, score");
  // what has no meaning is not printed as a number
  eps[0]->achieved[0] = eps[1]->achieved[0] = 1.0f;
  eps[1]->unstable = true;
  evaluation_compute(&e, eps, 2, 0.0, NULL);
  cr_expect_eq(e.unstable, 1);
  evaluation_text(text, sizeof text, &e);
  cr_expect_str_eq(text,
                   "distance 1.5, no score (the initial distance is 0) over 2 episodes, 1 of them "
                   "cut: the simulation became unstable");
  episode_free(eps[0]);
  episode_free(eps[1]);
}

// what evaluation_text says is read back: a curve is made from logs
Test(evaluation, words_are_read_back) {
  static const struct evaluation cases[] = {
      {.n = 50, .distance = 0.25, .score = 2.789, .ci = 0.15, .ret = NAN, .success = 0.98},
      {.n = 2, .distance = 1.5, .score = NAN, .ci = NAN, .ret = NAN, .success = NAN, .unstable = 1},
      {.n = 20, .distance = NAN, .score = 3012, .ci = 25, .ret = 3012, .success = NAN}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[EVALUATION_TEXT];
    struct evaluation e;
    evaluation_text(text, sizeof text, &cases[i]);
    cr_assert(evaluation_parse(&e, text), "%s", text);
    const double want[] = {cases[i].distance, cases[i].score, cases[i].ci, cases[i].ret,
                           cases[i].success},
                 got[] = {e.distance, e.score, e.ci, e.ret, e.success};
    for (int k = 0; k < 5; k++) {
      cr_expect(want[k] == got[k] || (isnan(want[k]) && isnan(got[k])), "%s: number %d", text, k);
    }
    cr_expect_eq(e.n, cases[i].n);
  }
  struct evaluation e = {.n = 7};
  cr_expect_not(evaluation_parse(&e, "of the moon"));
  cr_expect_not(evaluation_parse(&e, "distance 1.5, score 2 +- 1"));
  cr_expect_eq(e.n, 7);
}

Test(evaluation, no_initial_distance_gives_nan) {
  struct episode *eps[] = {line_episode(0, 1), line_episode(0, 2)};
  struct evaluation e;
  evaluation_compute(&e, eps, 2, 1.0, NULL);
  cr_assert(isnan(e.score) && isnan(e.ci));
  episode_free(eps[0]);
  episode_free(eps[1]);
}
