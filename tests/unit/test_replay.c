// Tests of learner/replay/replay.h against a naive model: a plain list of episodes that keeps
// everything and answers a draw by walking it. Values in episodes encode where they come from, so a
// float in a batch names its episode, time and column.
#include "learner/replay/replay.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/ticket.h"
#include "learner/replay/batch.h"

enum { OBS = 3, ACT = 2, GOAL = 2, HORIZON = 20, K = 3, MAX_ADDS = 6000 };

static const struct dims DIMS = {
    .obs = OBS, .act = ACT, .goal = GOAL, .horizon = HORIZON, .hindsight = K};

// exact in float32: below 2^24
static float value(int id, int t, int column) {
  return (float)((id % 20000) * 800 + t * 16 + column);
}

static struct episode *make_episode(const struct dims *dims, int id, int T, bool terminated,
                                    struct rng *rng) {
  struct episode *ep = episode_new(dims);
  ep->ticket.id = (uint64_t)id;
  ep->T = T;
  ep->terminated = terminated;
  for (int t = 0; t <= T; t++) {
    for (int i = 0; i < dims->obs; i++) {
      ep->obs[t * dims->obs + i] = value(id, t, i);
    }
    for (int i = 0; i < dims->goal; i++) {
      ep->achieved[t * dims->goal + i] = value(id, t, 5 + i);
    }
    for (int i = 0; t < T && i < dims->act; i++) {
      ep->act[t * dims->act + i] = value(id, t, 10 + i);
    }
    for (int i = 0; t < T && i < dims->hindsight; i++) {
      ep->hindsight[t * dims->hindsight + i] =
          (uint16_t)(t + 1 + (int)rng_below(rng, (uint32_t)(T - t)));
    }
  }
  for (int i = 0; i < dims->goal; i++) {
    ep->desired[i] = -value(id, 0, i) - 1;
  }
  return ep;
}

// ---- the naive model ----

struct model {
  struct episode *ep[MAX_ADDS];
  int first, n;  // surviving: ep[first] .. ep[n - 1]
  int64_t capacity, max_episodes, size;
};

static int64_t limit_of_episodes(int64_t capacity, int horizon) {
  const int64_t limit = 8 * (int64_t)ceil((double)capacity / horizon);
  return limit > 16 ? limit : 16;
}

static void model_add(struct model *m, struct episode *ep) {
  cr_assert_lt(m->n, MAX_ADDS);
  while (m->first < m->n &&
         (m->size + ep->T > m->capacity || m->n - m->first + 1 > m->max_episodes)) {
    m->size -= m->ep[m->first++]->T;
  }
  m->ep[m->n++] = ep;
  m->size += ep->T;
}

static void model_free(struct model *m) {
  for (int i = 0; i < m->n; i++) {
    episode_free(m->ep[i]);
  }
  free(m);
}

static struct model *model_new(int64_t capacity, int horizon) {
  struct model *m = must_alloc(1, sizeof *m);
  m->capacity = capacity;
  m->max_episodes = limit_of_episodes(capacity, horizon);
  return m;
}

static void expect_row(const float *got, const float *want, int n, const char *what) {
  cr_assert_eq(memcmp(got, want, (size_t)n * sizeof(float)), 0, "%s differs", what);
}

// the batch that replay_sample must return, draw by draw
static void expect_batch(const struct model *m, const struct batch *b, struct rng *rng,
                         double hindsight) {
  for (int i = 0; i < b->B; i++) {
    uint32_t number = rng_below(rng, (uint32_t)m->size);
    const double u = rng_u32(rng) / 4294967296.0;
    int e = m->first;
    for (; number >= (uint32_t)m->ep[e]->T; e++) {
      number -= (uint32_t)m->ep[e]->T;
    }
    const struct episode *ep = m->ep[e];
    const int t = (int)number;
    const float *goal = ep->desired;
    if (u < hindsight) {
      goal = ep->achieved + ep->hindsight[t * K + (int)(u / hindsight * K)] * GOAL;
    }
    expect_row(b->obs + i * OBS, ep->obs + t * OBS, OBS, "obs");
    expect_row(b->next_obs + i * OBS, ep->obs + (t + 1) * OBS, OBS, "next_obs");
    expect_row(b->act + i * ACT, ep->act + t * ACT, ACT, "act");
    expect_row(b->achieved + i * GOAL, ep->achieved + t * GOAL, GOAL, "achieved");
    expect_row(b->next_achieved + i * GOAL, ep->achieved + (t + 1) * GOAL, GOAL, "next_achieved");
    expect_row(b->goal + i * GOAL, goal, GOAL, "goal");
    cr_assert_eq(b->done[i], ep->terminated && t == ep->T - 1 ? 1.0f : 0.0f);
  }
}

static int random_length(struct rng *rng, int style) {
  // lengths that stress the episode limit, the step limit, and both in turn
  switch (style) {
    case 0:
      return 1 + (int)rng_below(rng, HORIZON);
    case 1:
      return 1 + (int)rng_below(rng, 2);
    case 2:
      return HORIZON;
    default:
      return rng_below(rng, 8) == 0 ? HORIZON : 1 + (int)rng_below(rng, 3);
  }
}

static void run_against_model(int64_t capacity, int adds, uint64_t seed) {
  struct rng rng;
  rng_init(&rng, seed, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, capacity, 0.75);
  struct batch *b = batch_new(&DIMS, 7);
  struct model *m = model_new(capacity, HORIZON);
  for (int i = 0; i < adds; i++) {
    const int T = random_length(&rng, i / 400 % 4);
    struct episode *ep = make_episode(&DIMS, i, T, rng_below(&rng, 3) == 0, &rng);
    replay_add(r, ep);
    model_add(m, ep);
    cr_assert_eq(replay_size(r), m->size);
    cr_assert_eq(replay_episodes(r), m->n - m->first);
    cr_assert_eq(replay_evicted(r), (uint64_t)m->first);
    struct rng draw;
    rng_init(&draw, seed, RNG_TEST, (uint64_t)i + 1);
    struct rng again = draw;
    replay_sample(r, b, &draw);
    expect_batch(m, b, &again, 0.75);
  }
  model_free(m);
  batch_free(b);
  replay_free(r);
}

Test(replay, equals_a_naive_model_over_many_wraps) {
  run_against_model(100, 5000, 1);
  run_against_model(137, 3000, 2);
  run_against_model(1000, 3000, 3);
}

Test(replay, capacity_of_about_one_episode) {
  run_against_model(HORIZON, 2000, 4);
  run_against_model(HORIZON + 1, 2000, 5);
}

// an episode longer than capacity stays, alone
Test(replay, capacity_below_the_horizon) {
  run_against_model(7, 2000, 6);
  run_against_model(1, 2000, 7);
}

Test(replay, oldest_episodes_leave_first_and_whole) {
  struct rng rng;
  rng_init(&rng, 8, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, 50, 0);
  const int T[] = {20, 20, 10, 1, 20};
  const int64_t size[] = {20, 40, 50, 31, 31};
  const int64_t episodes[] = {1, 2, 3, 3, 3};
  const uint64_t evicted[] = {0, 0, 0, 1, 2};
  for (int i = 0; i < 5; i++) {
    struct episode *ep = make_episode(&DIMS, i, T[i], false, &rng);
    replay_add(r, ep);
    episode_free(ep);
    cr_assert_eq(replay_size(r), size[i]);
    cr_assert_eq(replay_episodes(r), episodes[i]);
    cr_assert_eq(replay_evicted(r), evicted[i]);
  }
  replay_free(r);
}

// 1000 / 20 full episodes x 8 = 400, however short they are
Test(replay, short_episodes_are_limited_in_number) {
  struct rng rng;
  rng_init(&rng, 9, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, 1000, 0);
  for (int i = 0; i < 3000; i++) {
    struct episode *ep = make_episode(&DIMS, i, 1, false, &rng);
    replay_add(r, ep);
    episode_free(ep);
    const int want = i + 1 < 400 ? i + 1 : 400;
    cr_assert_eq(replay_episodes(r), want);
    cr_assert_eq(replay_size(r), want);
  }
  replay_free(r);
}

static bool batches_equal(const struct batch *a, const struct batch *b) {
  const size_t n = (size_t)a->B * sizeof(float);
  return memcmp(a->obs, b->obs, n * OBS) == 0 && memcmp(a->next_obs, b->next_obs, n * OBS) == 0 &&
         memcmp(a->act, b->act, n * ACT) == 0 && memcmp(a->achieved, b->achieved, n * GOAL) == 0 &&
         memcmp(a->next_achieved, b->next_achieved, n * GOAL) == 0 &&
         memcmp(a->goal, b->goal, n * GOAL) == 0 && memcmp(a->done, b->done, n) == 0;
}

// a resumed learner adds the surviving episodes only, to empty rings, and goes on
Test(replay, surviving_suffix_rebuilds_an_equal_replay) {
  struct rng rng;
  rng_init(&rng, 10, RNG_TEST, 0);
  struct replay *old = replay_new(&DIMS, 300, 0.8);
  struct replay *new = NULL;
  struct batch *b_old = batch_new(&DIMS, 33);
  struct batch *b_new = batch_new(&DIMS, 33);
  struct model *m = model_new(300, HORIZON);
  for (int i = 0; i < 4000; i++) {
    const int T = random_length(&rng, i / 150 % 4);
    struct episode *ep = make_episode(&DIMS, i, T, rng_below(&rng, 2) == 0, &rng);
    replay_add(old, ep);
    model_add(m, ep);
    if (new) {
      replay_add(new, ep);
    }
    // stop and resume at odd moments
    if (i % 397 == 396) {
      replay_free(new);
      new = replay_new(&DIMS, 300, 0.8);
      for (int e = m->first; e < m->n; e++) {
        replay_add(new, m->ep[e]);
      }
      cr_assert_eq(replay_evicted(new), 0);
    }
    if (new) {
      struct rng draw;
      rng_init(&draw, 10, RNG_BATCH, (uint64_t)i);
      struct rng again = draw;
      replay_sample(old, b_old, &draw);
      replay_sample(new, b_new, &again);
      cr_assert(batches_equal(b_old, b_new));
      cr_assert_eq(replay_size(old), replay_size(new));
      cr_assert_eq(replay_episodes(old), replay_episodes(new));
    }
  }
  model_free(m);
  batch_free(b_old);
  batch_free(b_new);
  replay_free(old);
  replay_free(new);
}

// ---- statistics, at a fixed seed ----

// chi-square over all transitions of episodes of very different lengths; with 200 draws expected
// in each cell and nu cells, (chi2 - nu) / sqrt(2 nu) is about standard normal: 4 is one in 30000
Test(replay, draws_are_uniform_over_transitions) {
  struct rng rng;
  rng_init(&rng, 11, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, 400, 0.8);
  struct batch *b = batch_new(&DIMS, 256);
  static int count[200][HORIZON];
  static int length[200];
  memset(count, 0, sizeof count);
  for (int i = 0; i < 200; i++) {
    length[i] = random_length(&rng, 3);
    struct episode *ep = make_episode(&DIMS, i, length[i], false, &rng);
    replay_add(r, ep);
    episode_free(ep);
  }
  const int cells = (int)replay_size(r);
  const int batches = 200 * cells / 256;
  for (int i = 0; i < batches; i++) {
    replay_sample(r, b, &rng);
    for (int j = 0; j < b->B; j++) {
      const int code = (int)b->obs[j * OBS];
      count[code / 800][code % 800 / 16]++;
    }
  }
  const double expected = (double)batches * 256 / cells;
  double chi2 = 0;
  for (int e = (int)replay_evicted(r); e < 200; e++) {
    for (int t = 0; t < length[e]; t++) {
      const double d = count[e][t] - expected;
      chi2 += d * d / expected;
    }
  }
  const double z = (chi2 - (cells - 1)) / sqrt(2.0 * (cells - 1));
  cr_assert_lt(fabs(z), 4.0, "z = %g over %d cells", z, cells);
  batch_free(b);
  replay_free(r);
}

// the share of relabelled goals, that each is achieved later in the same episode, and that the k
// table entries are used equally often
Test(replay, hindsight_goals_follow_in_the_same_episode) {
  const double share = 0.8;
  const int T = 12;
  struct rng rng;
  rng_init(&rng, 12, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, 400, share);
  struct batch *b = batch_new(&DIMS, 250);
  static struct episode *ep[30];
  for (int i = 0; i < 30; i++) {
    ep[i] = make_episode(&DIMS, i, T, false, &rng);
    // distinct table entries where there is room, so that an entry is known by its time
    for (int t = 0; t < T; t++) {
      for (int k = 0; k < K; k++) {
        ep[i]->hindsight[t * K + k] = (uint16_t)(t + 1 + k <= T ? t + 1 + k : T);
      }
    }
    replay_add(r, ep[i]);
  }
  int relabelled = 0;
  int used[K] = {0};
  int with_room = 0;
  const int draws = 400 * 250;
  for (int i = 0; i < 400; i++) {
    replay_sample(r, b, &rng);
    for (int j = 0; j < b->B; j++) {
      const int code = (int)b->obs[j * OBS];
      const int e = code / 800;
      const int t = code % 800 / 16;
      if (b->goal[j * GOAL] < 0) {
        expect_row(b->goal + j * GOAL, ep[e]->desired, GOAL, "desired");
        continue;
      }
      relabelled++;
      const int goal = (int)b->goal[j * GOAL];
      const int later = goal % 800 / 16;
      cr_assert_eq(goal / 800, e, "goal of another episode");
      cr_assert(later >= t + 1 && later <= T, "time %d for t = %d", later, t);
      if (t + K <= T) {
        used[later - t - 1]++;
        with_room++;
      }
    }
  }
  // five standard deviations of a binomial
  const double sd = sqrt(draws * share * (1 - share));
  cr_assert_lt(fabs(relabelled - draws * share), 5 * sd);
  for (int k = 0; k < K; k++) {
    const double p = 1.0 / K;
    cr_assert_lt(fabs(used[k] - with_room * p), 5 * sqrt(with_room * p * (1 - p)));
  }
  for (int i = 0; i < 30; i++) {
    episode_free(ep[i]);
  }
  batch_free(b);
  replay_free(r);
}

Test(replay, hindsight_share_of_none_and_all) {
  for (int all = 0; all <= 1; all++) {
    struct rng rng;
    rng_init(&rng, 13, RNG_TEST, 0);
    struct replay *r = replay_new(&DIMS, 400, all);
    struct batch *b = batch_new(&DIMS, 256);
    struct episode *ep = make_episode(&DIMS, 1, HORIZON, false, &rng);
    replay_add(r, ep);
    for (int i = 0; i < 40; i++) {
      replay_sample(r, b, &rng);
      for (int j = 0; j < b->B; j++) {
        cr_assert_eq(b->goal[j * GOAL] > 0, all == 1);
      }
    }
    episode_free(ep);
    batch_free(b);
    replay_free(r);
  }
}

// ---- ends of episodes ----

Test(replay, done_marks_only_the_last_step_of_a_terminated_episode) {
  struct rng rng;
  rng_init(&rng, 14, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, 400, 0.5);
  struct batch *b = batch_new(&DIMS, 256);
  int length[20];
  for (int i = 0; i < 20; i++) {
    length[i] = 1 + (int)rng_below(&rng, HORIZON);
    struct episode *ep = make_episode(&DIMS, i, length[i], i % 2 == 1, &rng);
    replay_add(r, ep);
    episode_free(ep);
  }
  int ends = 0;
  for (int i = 0; i < 40; i++) {
    replay_sample(r, b, &rng);
    for (int j = 0; j < b->B; j++) {
      const int code = (int)b->obs[j * OBS];
      const int e = code / 800;
      const int t = code % 800 / 16;
      const bool end = e % 2 == 1 && t == length[e] - 1;
      cr_assert_eq(b->done[j], end ? 1.0f : 0.0f);
      ends += end;
      // the successor is the next state of the same episode, at its end too
      cr_assert_eq(b->next_obs[j * OBS], value(e, t + 1, 0));
      cr_assert_eq(b->next_achieved[j * GOAL], value(e, t + 1, 5));
    }
  }
  cr_assert_gt(ends, 100);
  batch_free(b);
  replay_free(r);
}

Test(replay, batch_sizes_around_the_chunk) {
  struct rng rng;
  rng_init(&rng, 15, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, 400, 0.5);
  struct model *m = model_new(400, HORIZON);
  for (int i = 0; i < 60; i++) {
    struct episode *ep = make_episode(&DIMS, i, random_length(&rng, 0), true, &rng);
    replay_add(r, ep);
    model_add(m, ep);
  }
  const int sizes[] = {1, 2, 63, 64, 65, 128, 129, 300};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct batch *b = batch_new(&DIMS, sizes[i]);
    struct rng again = rng;
    replay_sample(r, b, &rng);
    expect_batch(m, b, &again, 0.5);
    // both have drawn the same numbers
    cr_assert_eq(rng_u64(&rng), rng_u64(&again));
    batch_free(b);
  }
  model_free(m);
  replay_free(r);
}

Test(replay, a_sample_of_nothing_aborts, .signal = SIGABRT) {
  struct rng rng;
  rng_init(&rng, 16, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, 400, 0.5);
  struct batch *b = batch_new(&DIMS, 4);
  replay_sample(r, b, &rng);
}

Test(replay, an_episode_of_other_dimensions_aborts, .signal = SIGABRT) {
  struct rng rng;
  rng_init(&rng, 17, RNG_TEST, 0);
  struct dims other = DIMS;
  other.obs++;
  struct replay *r = replay_new(&DIMS, 400, 0.5);
  replay_add(r, make_episode(&other, 0, 5, false, &rng));
}

Test(replay, free_of_nothing) {
  replay_free(NULL);
  batch_free(NULL);
}

// the same transitions, and each goal is that of its rollout, whatever the share of hindsight
Test(replay, a_plain_draw_keeps_the_goals_of_rollouts) {
  struct rng rng, one, two;
  rng_init(&rng, 31, RNG_TEST, 0);
  struct replay *r = replay_new(&DIMS, 1000, 1);
  struct batch *plain = batch_new(&DIMS, 64), *other = batch_new(&DIMS, 64);
  for (int i = 0; i < 20; i++) {
    struct episode *ep = make_episode(&DIMS, i, random_length(&rng, 3), false, &rng);
    for (int j = 0; j < DIMS.goal; j++) {
      ep->desired[j] = 7;
    }
    replay_add(r, ep);
    episode_free(ep);
  }
  rng_init(&one, 32, RNG_TEST, 0);
  rng_init(&two, 32, RNG_TEST, 0);
  replay_sample_plain(r, plain, &one);
  replay_sample(r, other, &two);
  cr_assert_eq(memcmp(plain->obs, other->obs, 64 * (size_t)DIMS.obs * sizeof(float)), 0);
  for (int j = 0; j < 64 * DIMS.goal; j++) {
    cr_assert_eq(plain->goal[j], 7.0f);
    cr_assert_neq(other->goal[j], 7.0f);
  }
  batch_free(plain);
  batch_free(other);
  replay_free(r);
}

// ---- tasks of a family ----

// an episode is in the task that its ticket's seed says; a draw of one task's transitions is
// uniform over them and takes no other's
Test(replay, transitions_of_one_task_of_a_family) {
  enum { MEMBERS = 3, EPISODES = 12, DRAWS = 6000 };
  struct replay *r = replay_new(&DIMS, 100, 0);  // the first ones have left
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  int steps[MEMBERS] = {0}, of[EPISODES], drawn[EPISODES] = {0};
  for (int id = 0; id < EPISODES; id++) {
    struct episode *ep = make_episode(&DIMS, id, 10 + id % 4, false, &rng);
    ep->ticket.seed = (uint64_t)id * 1000003;
    of[id] = ticket_member(ep->ticket.seed, MEMBERS);
    replay_add(r, ep);
    episode_free(ep);
  }
  const int first = EPISODES - (int)replay_episodes(r);
  cr_assert(first > 0 && first < EPISODES - 3);
  for (int id = first; id < EPISODES; id++) {
    steps[of[id]] += 10 + id % 4;
  }
  struct batch *b = batch_new(&DIMS, DRAWS);
  for (int m = 0; m < MEMBERS; m++) {
    cr_assert_eq(replay_has_member(r, MEMBERS, m), steps[m] > 0);
    if (steps[m] == 0) {
      continue;
    }
    replay_sample_member(r, b, MEMBERS, m, &rng);
    for (int i = 0; i < DRAWS; i++) {
      const int id = (int)b->obs[i * OBS] / 800;
      cr_assert_eq(of[id], m);
      drawn[id]++;
    }
    for (int id = first; id < EPISODES; id++) {
      const double share = of[id] == m ? (double)(10 + id % 4) / steps[m] : 0;
      cr_expect_float_eq((double)drawn[id] / DRAWS, share, 0.05, "episode %d of task %d", id, m);
      drawn[id] = 0;
    }
  }
  int picked[MEMBERS] = {0};
  for (int i = 0; i < DRAWS; i++) {
    picked[replay_draw_member(r, MEMBERS, &rng)]++;
  }
  for (int m = 0; m < MEMBERS; m++) {
    cr_expect_float_eq((double)picked[m] / DRAWS, (double)steps[m] / (double)replay_size(r), 0.05);
  }
  batch_free(b);
  replay_free(r);
}
