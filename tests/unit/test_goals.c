// Tests of learner/replay/goals.h: what is rare is chosen as often as what is common, and only what
// was reached; the same replay and generator give the same goals.
#include "learner/replay/goals.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "common/episode.h"
#include "learner/replay/replay.h"

enum { N = 400 };

static const struct dims DIMS = {.obs = 1, .act = 1, .goal = 2, .horizon = 20, .hindsight = 1};

// Episodes that stay around one of two places, of which the second has a share of them.
static struct replay *two_places(int episodes, int every) {
  struct replay *r = replay_new(&DIMS, 100000, 0);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  for (int i = 0; i < episodes; i++) {
    struct episode *ep = episode_new(&DIMS);
    ep->T = DIMS.horizon;
    ep->ticket.seed = (uint64_t)i;
    for (int t = 0; t <= ep->T; t++) {
      ep->achieved[2 * t] = (i % every == 0 ? 100.0f : 0.0f) + rng_normal(&rng);
      ep->achieved[2 * t + 1] = 3 + 1e-3f * rng_normal(&rng);
    }
    episode_hindsight(ep);
    replay_add(r, ep);
    episode_free(ep);
  }
  return r;
}

static double share_of_second(const struct replay *r, uint64_t index) {
  float goals[N * 2];
  struct rng rng;
  rng_init(&rng, 2, RNG_GOALS, index);
  goals_choose(goals, N, r, &DIMS, &rng);
  int second = 0;
  for (int i = 0; i < N; i++) {
    cr_assert(fabsf(goals[2 * i]) < 8 || fabsf(goals[2 * i] - 100) < 8);
    cr_assert(fabsf(goals[2 * i + 1] - 3) < 0.1f);
    second += goals[2 * i] > 50;
  }
  return (double)second / N;
}

// one in ten of the transitions, and half of the goals
Test(goals, a_rare_place_is_chosen_as_often_as_a_common_one) {
  struct replay *r = two_places(200, 10);
  double mean = 0;
  for (uint64_t i = 0; i < 20; i++) {
    mean += share_of_second(r, i) / 20;
  }
  cr_assert_float_eq(mean, 0.5, 0.08, "%g", mean);
  replay_free(r);
}

Test(goals, are_a_function_of_replay_and_generator) {
  struct replay *r = two_places(50, 5), *same = two_places(50, 5);
  float a[N * 2], b[N * 2];
  struct rng first, second;
  rng_init(&first, 3, RNG_GOALS, 7);
  rng_init(&second, 3, RNG_GOALS, 7);
  goals_choose(a, N, r, &DIMS, &first);
  goals_choose(b, N, same, &DIMS, &second);
  cr_assert_arr_eq(a, b, sizeof a);
  goals_choose(b, N, same, &DIMS, &second);
  cr_assert(memcmp(a, b, sizeof a) != 0);
  replay_free(r);
  replay_free(same);
}

// outcomes that never change have no scale
Test(goals, outcomes_that_are_all_alike_are_no_fault) {
  struct replay *r = replay_new(&DIMS, 1000, 0);
  struct episode *ep = episode_new(&DIMS);
  ep->T = 5;
  episode_hindsight(ep);
  replay_add(r, ep);
  float goals[2 * N];
  struct rng rng;
  rng_init(&rng, 4, RNG_GOALS, 0);
  goals_choose(goals, N, r, &DIMS, &rng);
  for (int i = 0; i < 2 * N; i++) {
    cr_assert_eq(goals[i], 0);
  }
  episode_free(ep);
  replay_free(r);
}
