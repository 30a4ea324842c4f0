// test_rollout.c - an episode is a pure function of its ticket, and explores as configured.
#include "actor/rollout.h"

#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "tests/unit/source.h"

// a policy for Box 2D with weights of moderate size, so that actions vary with state and goal
static struct weights *make_weights(uint64_t version, int hidden) {
  const int width[4] = {4, hidden, hidden, 4};
  const size_t n = mlp_nparam(width, 3);
  float *data = malloc(n * sizeof(float));
  struct rng rng;
  rng_init(&rng, version, RNG_TEST, 0);
  rng_fill_uniform(&rng, data, n, -0.2f, 0.2f);
  struct weights *w = weights_new(version, width, 3, data);
  free(data);
  return w;
}

static struct ticket make_ticket(uint64_t seed, enum ticket_kind kind) {
  return (struct ticket){.id = seed, .seed = seed * 1000003u + 17, .version = 1, .kind = kind};
}

static const struct rollout_options plain = {
    .least = 1, .random = 0.2, .repeat = 0.3, .hindsight = 4};

static uint64_t run(struct rollout *r, struct episode *ep, uint64_t seed, enum ticket_kind kind,
                    const struct weights *w) {
  const struct ticket ticket = make_ticket(seed, kind);
  cr_assert_eq(rollout_run(r, ep, &ticket, w, NULL), ERR_OK);
  const char *fault = episode_fault(ep);
  cr_assert_null(fault, "%s", fault ? fault : "");
  return episode_seal(ep);
}

static struct episode *make_episode(const struct task *task, int k) {
  const struct dims dims = task_dims(task, k);
  return episode_new(&dims);
}

static bool same_action(const float *a, const float *b) {
  return a[0] == b[0] && a[1] == b[1];
}

// ---- goals of the learner ----

// a share of training episodes gets goals that go along with the policy, no other kind of episode
// does, and nothing else of an episode changes
Test(rollout, some_training_episodes_have_goals_of_the_learner) {
  enum { N = 400 };
  struct task *task;
  cr_assert_eq(task_load(&task, source_path("actor/tasks/box2d.xml")), ERR_OK);
  struct weights *bare = make_weights(1, 8);
  const float along[] = {1, 0, 0.25f, 1, 2, 3, 4, 5, 6};
  struct weights *w = weights_new_along(1, bare->width, bare->nlayer, bare->data, along, 9);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4), *without = make_episode(task, 4);
  int set = 0, of[4] = {0};
  for (uint64_t seed = 0; seed < N; seed++) {
    const struct ticket ticket = make_ticket(seed, TICKET_TRAIN);
    cr_assert_eq(rollout_run(r, ep, &ticket, w, NULL), ERR_OK);
    cr_assert_eq(rollout_run(r, without, &ticket, bare, NULL), ERR_OK);
    cr_assert_arr_eq(ep->obs, without->obs, 2 * sizeof(float));
    if (ep->desired[0] != without->desired[0]) {
      const int i = (int)(ep->desired[0] - 1) / 2;
      cr_assert(i >= 0 && i < 3 && ep->desired[0] == along[3 + 2 * i] &&
                ep->desired[1] == along[4 + 2 * i]);
      of[i]++;
      set++;
    }
  }
  cr_assert(set > 70 && set < 130, "%d of %d", set, N);
  cr_assert(of[0] > 10 && of[1] > 10 && of[2] > 10);
  const enum ticket_kind others[] = {TICKET_EVAL, TICKET_WARMUP};
  for (int k = 0; k < 2; k++) {
    for (uint64_t seed = 0; seed < 20; seed++) {
      const struct ticket ticket = make_ticket(seed, others[k]);
      cr_assert_eq(rollout_run(r, ep, &ticket, w, NULL), ERR_OK);
      cr_assert_eq(rollout_run(r, without, &ticket, bare, NULL), ERR_OK);
      cr_assert_arr_eq(ep->desired, without->desired, 2 * sizeof(float));
    }
  }
  episode_free(ep);
  episode_free(without);
  rollout_free(r);
  weights_unref(w);
  weights_unref(bare);
  task_free(task);
}

// each training episode is acted by a head that its ticket chooses, all about as often; evaluations
// by the first one
Test(rollout, a_ticket_has_a_head) {
  enum { HEADS = 3, TICKETS = 300 };
  struct task *task;
  cr_assert_eq(task_load(&task, source_path("actor/tasks/box2d.xml")), ERR_OK);
  struct weights *w[HEADS], *bare = make_weights(1, 8);
  const size_t first = (size_t)bare->width[0] * 8;
  float along[3 + (HEADS - 1) * 8] = {HEADS, 0, 0};
  for (int i = 3; i < 3 + (HEADS - 1) * 8; i++) {
    along[i] = i < 11 ? 0.5f : -0.5f;
  }
  struct weights *all = weights_new_along(1, bare->width, bare->nlayer, bare->data, along,
                                          sizeof along / sizeof *along);
  float *theta = must_alloc(bare->nparam, sizeof *theta);
  for (int k = 0; k < HEADS; k++) {  // a policy that is one head alone
    memcpy(theta, bare->data, bare->nparam * sizeof *theta);
    for (size_t j = 0; j < 8 && k > 0; j++) {
      theta[first + j] += along[3 + (size_t)(k - 1) * 8 + j];
    }
    w[k] = weights_new(1, bare->width, bare->nlayer, theta);
  }
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4), *alone = make_episode(task, 4);
  int of[HEADS] = {0};
  for (uint64_t seed = 0; seed < TICKETS + 20; seed++) {
    const bool train = seed < TICKETS;
    const struct ticket ticket = make_ticket(seed, train ? TICKET_TRAIN : TICKET_EVAL);
    cr_assert_eq(rollout_run(r, ep, &ticket, all, NULL), ERR_OK);
    int same = 0, head = -1;
    for (int k = 0; k < HEADS; k++) {
      cr_assert_eq(rollout_run(r, alone, &ticket, w[k], NULL), ERR_OK);
      if (memcmp(ep->act, alone->act, sizeof(float) * 2 * (size_t)ep->T) == 0) {
        same++;
        head = k;
      }
    }
    cr_assert_eq(same, 1, "ticket %d is that of %d heads", (int)seed, same);
    cr_assert(train || head == 0);
    of[head] += train;
  }
  for (int k = 0; k < HEADS; k++) {
    cr_expect(of[k] > TICKETS / 3 - 30 && of[k] < TICKETS / 3 + 30, "head %d: %d", k, of[k]);
    weights_unref(w[k]);
  }
  free(theta);
  episode_free(ep);
  episode_free(alone);
  rollout_free(r);
  weights_unref(all);
  weights_unref(bare);
  task_free(task);
}

// in a family an episode is in the task that its ticket chooses, and its policy has that task's
// context: a sample for training, the mean for evaluations
Test(rollout, a_ticket_has_a_task_of_a_family) {
  enum { MEMBERS = 3, TICKETS = 60, WIDTH = 8 };
  struct task *task;
  cr_assert_eq(task_load(&task, source_path("tests/tasks/gains.xml")), ERR_OK);
  struct weights *bare = make_weights(1, WIDTH);
  const size_t first = (size_t)bare->width[0] * WIDTH;
  float along[3 + 2 * MEMBERS * WIDTH] = {1, MEMBERS, 0};
  for (int i = 0; i < 2 * MEMBERS * WIDTH; i++) {
    along[3 + i] = 0.1f * (float)(i / WIDTH + 1);
  }
  struct weights *family = weights_new_along(1, bare->width, bare->nlayer, bare->data, along,
                                             sizeof along / sizeof *along);
  struct rollout_options opt = plain;
  opt.members = MEMBERS;
  // one that is told of the family by its settings, as an actor is; and one that is not
  struct rollout *r = rollout_new(task, &opt), *told = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4), *other = make_episode(task, 4);
  float *theta = must_alloc(bare->nparam, sizeof *theta);
  for (uint64_t seed = 0; seed < TICKETS; seed++) {
    const bool train = seed % 2 == 0;
    const struct ticket ticket = make_ticket(seed, train ? TICKET_TRAIN : TICKET_EVAL);
    const int member = ticket_member(ticket.seed, MEMBERS);
    // a policy of this context alone
    memcpy(theta, bare->data, bare->nparam * sizeof *theta);
    for (size_t j = 0; j < WIDTH; j++) {
      theta[first + j] += along[3 + (size_t)(train ? MEMBERS + member : member) * WIDTH + j];
    }
    struct weights *alone = weights_new(1, bare->width, bare->nlayer, theta);
    cr_assert_eq(rollout_run(r, ep, &ticket, family, NULL), ERR_OK);
    cr_assert_eq(rollout_run(r, other, &ticket, alone, NULL), ERR_OK);
    const size_t bytes = sizeof(float) * 2 * (size_t)ep->T;
    cr_assert(ep->T == other->T);
    cr_assert_arr_eq(ep->act, other->act, bytes);
    cr_assert_arr_eq(ep->obs, other->obs, bytes, "the parameters are those of the member");
    // a policy of a family says so itself
    cr_assert_eq(rollout_run(told, other, &ticket, family, NULL), ERR_OK);
    cr_assert_arr_eq(ep->obs, other->obs, bytes);
    weights_unref(alone);
  }
  free(theta);
  episode_free(ep);
  episode_free(other);
  rollout_free(r);
  rollout_free(told);
  weights_unref(family);
  weights_unref(bare);
  task_free(task);
}

// ---- purity ----

struct job {
  const struct task *task;
  const struct weights *w;
  uint64_t seed, digest;
};

static void *run_in_thread(void *arg) {
  struct job *job = arg;
  struct rollout *r = rollout_new(job->task, &plain);
  struct episode *ep = make_episode(job->task, plain.hindsight);
  const struct ticket ticket = make_ticket(job->seed, TICKET_TRAIN);
  job->digest = rollout_run(r, ep, &ticket, job->w, NULL) == ERR_OK ? episode_seal(ep) : 0;
  episode_free(ep);
  rollout_free(r);
  return NULL;
}

Test(rollout, the_same_ticket_gives_the_same_episode) {
  struct task *task = source_task("box2d");
  struct weights *w = make_weights(1, 32), *other = make_weights(2, 48);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, plain.hindsight);
  const uint64_t first = run(r, ep, 5, TICKET_TRAIN, w);
  cr_expect_eq(ep->T, task->horizon);
  cr_expect_not(ep->terminated, "the time limit is no true end");
  cr_expect_not(ep->unstable);

  // again, after tickets of every kind and weights of another shape
  for (uint64_t seed = 0; seed < 10; seed++) {
    run(r, ep, seed, TICKET_TRAIN, other);
    run(r, ep, seed, TICKET_WARMUP, NULL);
    run(r, ep, seed, TICKET_EVAL, w);
  }
  cr_expect_eq(run(r, ep, 5, TICKET_TRAIN, w), first);

  // elsewhere: other threads with simulations of their own, two at a time
  struct job job[2] = {{task, w, 5, 0}, {task, w, 6, 0}};
  pthread_t thread[2];
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(pthread_create(&thread[i], NULL, run_in_thread, &job[i]), 0);
  }
  for (int i = 0; i < 2; i++) {
    pthread_join(thread[i], NULL);
  }
  cr_expect_eq(job[0].digest, first);
  cr_expect_neq(job[1].digest, first);

  // on the compiled model, as actors have it
  struct task *copy = NULL;
  cr_assert_eq(task_from_mjb(&copy, task->mjb, task->mjb_size), ERR_OK);
  job[0] = (struct job){copy, w, 5, 0};
  run_in_thread(&job[0]);
  cr_expect_eq(job[0].digest, first);
  task_free(copy);
  episode_free(ep);
  rollout_free(r);
  weights_unref(w);
  weights_unref(other);
  task_free(task);
}

Test(rollout, seeds_versions_and_kinds_differ) {
  struct task *task = source_task("box2d");
  struct weights *w = make_weights(1, 32), *other = make_weights(2, 32);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, plain.hindsight);
  uint64_t digest[8];
  int n = 0;
  digest[n++] = run(r, ep, 1, TICKET_TRAIN, w);
  digest[n++] = run(r, ep, 2, TICKET_TRAIN, w);
  digest[n++] = run(r, ep, 1, TICKET_TRAIN, other);
  digest[n++] = run(r, ep, 1, TICKET_WARMUP, NULL);
  digest[n++] = run(r, ep, 1, TICKET_EVAL, w);
  digest[n++] = run(r, ep, 2, TICKET_EVAL, w);
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      cr_expect_neq(digest[i], digest[j], "episodes %d and %d", i, j);
    }
  }
  episode_free(ep);
  rollout_free(r);
  weights_unref(w);
  weights_unref(other);
  task_free(task);
}

// An evaluation ticket draws no actions: with the task's own noise off, seeds do not matter.
Test(rollout, evaluation_is_deterministic_but_for_the_task) {
  struct task *task = source_task("box2d");
  task->action.noise = 0;
  struct weights *w = make_weights(1, 32);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *a = make_episode(task, plain.hindsight), *b = make_episode(task, 4);
  run(r, a, 1, TICKET_EVAL, w);
  run(r, b, 2, TICKET_EVAL, w);
  const size_t n = (size_t)task->horizon;
  cr_expect_eq(memcmp(a->act, b->act, n * 2 * sizeof(float)), 0);
  cr_expect_eq(memcmp(a->obs, b->obs, (n + 1) * 2 * sizeof(float)), 0);
  // with it on, they do
  task->action.noise = 0.2;
  run(r, a, 1, TICKET_EVAL, w);
  run(r, b, 2, TICKET_EVAL, w);
  cr_expect_neq(memcmp(a->obs, b->obs, (n + 1) * 2 * sizeof(float)), 0);
  episode_free(a);
  episode_free(b);
  rollout_free(r);
  weights_unref(w);
  task_free(task);
}

// Every step takes the same draws whatever it does with them: with and without exploration, the
// actions that the policy takes at the first step, and the task's noise, are the same.
Test(rollout, choices_do_not_shift_the_streams) {
  struct task *task = source_task("box2d");
  struct weights *w = make_weights(1, 32);
  const struct rollout_options calm = {.hindsight = 4},
                               wild = {.least = 1, .random = 0.5, .hindsight = 4};
  struct rollout *r = rollout_new(task, &calm), *s = rollout_new(task, &wild);
  struct episode *a = make_episode(task, 4), *b = make_episode(task, 4);
  struct episode *uniform = make_episode(task, 4);
  int policy = 0, random = 0;
  for (uint64_t seed = 0; seed < 50; seed++) {
    run(r, a, seed, TICKET_TRAIN, w);
    run(s, b, seed, TICKET_TRAIN, w);
    run(s, uniform, seed, TICKET_WARMUP, NULL);
    const bool by_policy = same_action(a->act, b->act);
    policy += by_policy;
    // where step 0 is random it is the warm-up's action, and so at every later step
    for (int t = 0; t < b->T; t++) {
      random += same_action(b->act + 2 * t, uniform->act + 2 * t);
    }
    cr_expect(by_policy || same_action(b->act, uniform->act));
  }
  // 50 and 5000 coins: deviations 3.5 and 35; four of each
  cr_expect(abs(policy - 25) <= 14, "%d", policy);
  cr_expect(abs(random - 2500) <= 140, "%d", random);
  episode_free(a);
  episode_free(b);
  episode_free(uniform);
  rollout_free(r);
  rollout_free(s);
  weights_unref(w);
  task_free(task);
}

// shares of the three sources of an action are as configured: repeat wins over random
Test(rollout, exploration_shares) {
  struct task *task = source_task("box2d");
  struct weights *w = make_weights(1, 32);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4), *uniform = make_episode(task, 4);
  int repeated = 0, random = 0, n = 0;
  for (uint64_t seed = 0; seed < 100; seed++) {
    run(r, ep, seed, TICKET_TRAIN, w);
    run(r, uniform, seed, TICKET_WARMUP, NULL);
    for (int t = 1; t < ep->T; t++, n++) {
      const float *a = ep->act + 2 * t;
      const bool again = same_action(a, a - 2);
      repeated += again;
      random += !again && same_action(a, uniform->act + 2 * t);
    }
  }
  // 9900 steps: deviations 46 and 34; four of each
  cr_expect_float_eq(repeated, 0.3 * n, 184, "%d of %d", repeated, n);
  cr_expect_float_eq(random, 0.7 * 0.2 * n, 138, "%d of %d", random, n);
  episode_free(ep);
  episode_free(uniform);
  rollout_free(r);
  weights_unref(w);
  task_free(task);
}

// the level is the ticket's: a share of them has none, the others are uniform from least to 1, and
// an episode's random actions follow its level
Test(rollout, a_ticket_has_a_level) {
  const struct rollout_options opt = {.none = 0.4, .least = 0.2, .random = 0.5, .hindsight = 4};
  int none = 0, low = 0;
  enum { TICKETS = 4000 };
  for (uint64_t seed = 0; seed < TICKETS; seed++) {
    const double level = rollout_level(&opt, seed);
    cr_assert(level == 0 || (level >= 0.2 && level <= 1), "%g", level);
    cr_assert_eq(level, rollout_level(&opt, seed));
    none += level == 0;
    low += level > 0 && level < 0.6;
  }
  // deviations 31 and 29; four of each
  cr_expect_float_eq(none, 0.4 * TICKETS, 124, "%d", none);
  cr_expect_float_eq(low, 0.3 * TICKETS, 116, "%d", low);

  struct task *task = source_task("box2d");
  struct weights *w = make_weights(1, 32);
  struct rollout *r = rollout_new(task, &opt);
  struct episode *ep = make_episode(task, 4), *uniform = make_episode(task, 4);
  double expected = 0, variance = 0;
  int random = 0;
  for (uint64_t seed = 0; seed < 100; seed++) {
    run(r, ep, seed, TICKET_TRAIN, w);
    run(r, uniform, seed, TICKET_WARMUP, NULL);
    int here = 0;
    for (int t = 0; t < ep->T; t++) {
      here += same_action(ep->act + 2 * t, uniform->act + 2 * t);
    }
    const double p = 0.5 * rollout_level(&opt, ep->ticket.seed);
    cr_expect(p > 0 || here == 0, "ticket %llu explores", (unsigned long long)seed);
    random += here;
    expected += p * ep->T;
    variance += p * (1 - p) * ep->T;
  }
  cr_expect_float_eq(random, expected, 4 * sqrt(variance), "%d of %g", random, expected);
  episode_free(ep);
  episode_free(uniform);
  rollout_free(r);
  weights_unref(w);
  task_free(task);
}

// warm-up needs no weights; its actions are uniform on [-1, 1], each drawn anew
Test(rollout, warmup_is_uniform) {
  struct task *task = source_task("box2d");
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4);
  int count[10] = {0}, n = 0;
  for (uint64_t seed = 0; seed < 50; seed++) {
    run(r, ep, seed, TICKET_WARMUP, NULL);
    for (int i = 0; i < 2 * ep->T; i++, n++) {
      const int bin = (int)((double)(ep->act[i] + 1) * 5);
      count[bin < 9 ? bin : 9]++;
    }
  }
  double chi2 = 0;
  for (int i = 0; i < 10; i++) {
    chi2 += pow(count[i] - n / 10.0, 2) / (n / 10.0);
  }
  // 9 degrees of freedom: 27.9 has probability 0.001; the seeds are fixed
  cr_expect_lt(chi2, 27.9, "chi-square %g", chi2);
  episode_free(ep);
  rollout_free(r);
  task_free(task);
}

// The strategy 'future' (1707.01495, section 3.3): row t is uniform on t+1..T. All rows of many
// episodes, as the place of j in its range, cut into 10 classes where the range allows.
Test(rollout, hindsight_is_uniform_over_the_future) {
  const struct dims dims = {.obs = 1, .act = 1, .goal = 1, .horizon = 60, .hindsight = 8};
  struct episode *ep = episode_new(&dims);
  ep->T = 51;
  int count[10] = {0}, n = 0, last_row = 0;
  for (uint64_t seed = 0; seed < 400; seed++) {
    ep->ticket = make_ticket(seed, TICKET_TRAIN);
    episode_hindsight(ep);
    for (int t = 0; t < ep->T; t++) {
      for (int i = 0; i < 8; i++) {
        const int j = ep->hindsight[8 * t + i], range = ep->T - t;
        cr_assert(j >= t + 1 && j <= ep->T);
        last_row += range == 1 && j == ep->T;
        if (range % 10 == 0) {
          count[(j - t - 1) * 10 / range]++;
          n++;
        }
      }
    }
  }
  cr_expect_eq(last_row, 400 * 8);
  double chi2 = 0;
  for (int i = 0; i < 10; i++) {
    chi2 += pow(count[i] - n / 10.0, 2) / (n / 10.0);
  }
  cr_expect_lt(chi2, 27.9, "chi-square %g of %d", chi2, n);

  // independent within a row: neighbours coincide as often as chance has it. Row 0 has 51
  // places: 400 * 7 pairs give 55 on average, deviation 7.3; four of them
  int same = 0;
  for (uint64_t seed = 0; seed < 400; seed++) {
    ep->ticket = make_ticket(seed, TICKET_TRAIN);
    episode_hindsight(ep);
    for (int i = 1; i < 8; i++) {
      same += ep->hindsight[i] == ep->hindsight[i - 1];
    }
  }
  cr_expect(abs(same - 55) < 30, "%d", same);
  episode_free(ep);
}

Test(rollout, steps_are_counted) {
  struct task *task = source_task("box2d");
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4);
  _Atomic uint64_t steps = 0;
  const struct ticket ticket = make_ticket(1, TICKET_WARMUP);
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(rollout_run(r, ep, &ticket, NULL, &steps), ERR_OK);
  }
  cr_expect_eq(atomic_load(&steps), 3u * (uint64_t)task->horizon);
  episode_free(ep);
  rollout_free(r);
  task_free(task);
}

// ---- unstable simulations ----

// A slide with a velocity controller of gain kv at timestep 0.1: it diverges in a few steps when
// kv * 0.1 > 2, the sooner the larger. Reset noise gives each attempt another start.
static struct task *load_slide(double kv, int frame_skip) {
  char xml[2048];
  snprintf(xml, sizeof xml,
           "<mujoco model='u'><option timestep='0.1'/>"
           "<custom><numeric name='telos.horizon' data='50'/>"
           "<numeric name='telos.frame_skip' data='%d'/>"
           "<numeric name='telos.reset_noise' data='0.5'/>"
           "<numeric name='telos.goal' data='0'/></custom>"
           "<worldbody><body><joint name='x' type='slide'/><geom size='0.1' mass='1'/></body>"
           "</worldbody><actuator><velocity joint='x' kv='%g'/></actuator>"
           "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
           "</mujoco>",
           frame_skip, kv);
  struct task *task = NULL;
  cr_assert_eq(task_from_xml(&task, xml, strlen(xml), "test"), ERR_OK);
  return task;
}

Test(rollout, an_unstable_episode_ends_before_the_bad_step) {
  log_set_level(LOG_ERROR);
  struct task *task = load_slide(100, 2);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep[3];
  uint64_t digest[3];
  for (int i = 0; i < 3; i++) {
    ep[i] = make_episode(task, 4);
    digest[i] = run(r, ep[i], i == 1 ? 4 : 3, TICKET_WARMUP, NULL);
  }
  cr_expect(ep[0]->T >= 1 && ep[0]->T < task->horizon, "T = %d", ep[0]->T);
  cr_expect_not(ep[0]->terminated);
  cr_expect(ep[0]->unstable);
  cr_expect_eq(digest[2], digest[0]);
  for (int i = 0; i < 3; i++) {
    episode_free(ep[i]);
  }
  rollout_free(r);
  task_free(task);
}

Test(rollout, a_simulation_that_never_starts_is_an_error) {
  log_set_level(LOG_ERROR);
  struct task *task = load_slide(100, 50);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4);
  const struct ticket ticket = make_ticket(3, TICKET_WARMUP);
  cr_expect_eq(rollout_run(r, ep, &ticket, NULL, NULL), ERR_NUMERIC);
  episode_free(ep);
  rollout_free(r);
  task_free(task);
}

#if mjVERSION_HEADER < 300
// Balls that touch nothing at first fit into the stack, and no longer when they lie on the floor.
// MuJoCo would end the process; 3 finds its memory by itself.
Test(rollout, a_fatal_error_of_mujoco_is_an_error) {
  static const char xml[] =
      "<mujoco model='s'><size njmax='200' nconmax='40' nstack='2000'/><custom>"
      "<numeric name='telos.horizon' data='100'/><numeric name='telos.frame_skip' data='10'/>"
      "<numeric name='telos.goal' data='0'/></custom><worldbody><geom type='plane' size='9 9 1'/>"
      "<body pos='0 0 1'><freejoint/><geom size='0.1'/></body>"
      "<body pos='1 0 1'><freejoint/><geom size='0.1'/></body>"
      "<body pos='2 0 1'><freejoint/><geom size='0.1'/></body>"
      "<body pos='3 0 1'><freejoint/><geom size='0.1'/></body>"
      "<body pos='0 1 1'><freejoint/><geom size='0.1'/></body>"
      "<body pos='1 1 1'><freejoint/><geom size='0.1'/></body>"
      "<body pos='2 1 1'><freejoint/><geom size='0.1'/></body>"
      "<body><joint name='x' type='slide'/><geom size='0.1' contype='0' conaffinity='0'/></body>"
      "</worldbody><actuator><motor joint='x'/></actuator>"
      "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
      "</mujoco>";
  log_set_level(LOG_ERROR - 1);
  struct task *task = NULL;
  cr_assert_eq(task_from_xml(&task, xml, sizeof xml - 1, "test"), ERR_OK);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4);
  const struct ticket ticket = make_ticket(3, TICKET_WARMUP);
  cr_expect_eq(rollout_run(r, ep, &ticket, NULL, NULL), ERR_NUMERIC);
  cr_expect_eq(rollout_run(r, ep, &ticket, NULL, NULL), ERR_NUMERIC, "and the next one too");
  episode_free(ep);
  rollout_free(r);
  task_free(task);
}
#endif

// The key stands just below the largest position that MuJoCo accepts, 1e10, and reset noise carries
// it beyond in 4 of 10 attempts: such a start is unstable at once and another one is drawn.
Test(rollout, an_unstable_start_is_drawn_again) {
  static const char edge[] =
      "<mujoco model='e'><custom><numeric name='telos.horizon' data='3'/>"
      "<numeric name='telos.frame_skip' data='1'/><numeric name='telos.goal' data='0'/>"
      "<numeric name='telos.reset_noise' data='1e9'/></custom>"
      "<worldbody><body><joint name='x' type='slide' axis='1 0 0'/>"
      "<geom size='0.1' mass='1'/></body></worldbody><actuator><motor joint='x'/></actuator>"
      "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
      "<keyframe><key qpos='9.8e9'/></keyframe></mujoco>";
  log_set_level(LOG_ERROR);
  struct task *task = NULL;
  cr_assert_eq(task_from_xml(&task, edge, sizeof edge - 1, "test"), ERR_OK);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4);
  int again = 0;
  for (uint64_t seed = 0; seed < 40; seed++) {
    run(r, ep, seed, TICKET_WARMUP, NULL);
    cr_expect_eq(ep->T, 3);
    cr_expect_not(ep->unstable, "a start that is drawn again is no cut");
    // the start that env.c describes: one draw for the joint, before the goal's
    double start = 2e10;
    for (uint64_t attempt = 0; start > 1e10; attempt++) {
      struct rng rng;
      rng_init(&rng, ep->ticket.seed, RNG_RESET, attempt);
      start = 9.8e9 + 1e9 * (2.0 * (double)rng_float(&rng) - 1.0);
      again += attempt > 0;
    }
    cr_expect_eq(ep->obs[0], (float)start);
  }
  cr_expect_gt(again, 5);
  episode_free(ep);
  rollout_free(r);
  task_free(task);
}

// ---- hooks ----

struct witness {
  const struct episode *ep;
  const struct task *task;
  int calls;
  bool wrong;
};

static void observe(void *ctx, struct env *env, const struct episode *ep, int t) {
  struct witness *w = ctx;
  float obs[2], achieved[2];
  env_observe(env, obs, achieved);
  w->wrong = w->wrong || ep != w->ep || t != w->calls || ep->T != t ||
             memcmp(obs, ep->obs + 2 * t, sizeof obs) != 0;
  w->calls++;
}

static void act_left(void *ctx, float *action, struct env *env, int t) {
  const struct witness *w = ctx;
  action[0] = -0.5f;
  action[1] = (float)t / (float)w->task->horizon;
  (void)env;
}

// Who looks on sees each state once and changes nothing.
Test(rollout, a_witness_changes_nothing) {
  struct task *task = source_task("box2d");
  struct weights *w = make_weights(1, 32);
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4);
  struct witness witness = {.ep = ep, .task = task};
  const struct rollout_hooks hooks = {.observe = observe, .ctx = &witness};
  static const enum ticket_kind kinds[] = {TICKET_WARMUP, TICKET_TRAIN, TICKET_EVAL};
  for (int i = 0; i < 3; i++) {
    rollout_set_hooks(r, NULL);
    const uint64_t alone = run(r, ep, 3, kinds[i], w);
    witness.calls = 0;
    rollout_set_hooks(r, &hooks);
    cr_expect_eq(run(r, ep, 3, kinds[i], w), alone);
    cr_expect_eq(witness.calls, task->horizon + 1);
    cr_expect_not(witness.wrong);
  }
  episode_free(ep);
  rollout_free(r);
  weights_unref(w);
  task_free(task);
}

// Actions and goal of the hooks stand in for those of the ticket; the noise stays the ticket's.
Test(rollout, hooks_replace_actions_and_goal) {
  struct task *task = source_task("box2d");
  struct rollout *r = rollout_new(task, &plain);
  struct episode *ep = make_episode(task, 4);
  const float goal[2] = {1.25f, -3};
  struct witness witness = {.ep = ep, .task = task};
  const struct rollout_hooks hooks = {.act = act_left, .ctx = &witness, .desired = goal};
  rollout_set_hooks(r, &hooks);
  const uint64_t first = run(r, ep, 3, TICKET_EVAL, NULL);
  cr_expect(ep->desired[0] == goal[0] && ep->desired[1] == goal[1]);
  for (int t = 0; t < ep->T; t++) {
    cr_assert(ep->act[2 * t] == -0.5f && ep->act[2 * t + 1] == (float)t / (float)task->horizon);
  }
  cr_expect_eq(run(r, ep, 3, TICKET_EVAL, NULL), first);
  cr_expect_neq(run(r, ep, 4, TICKET_EVAL, NULL), first);
  episode_free(ep);
  rollout_free(r);
  task_free(task);
}
