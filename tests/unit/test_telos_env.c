// test_telos_env.c - libtelos-env as other programs use it: the same episodes as an actor's,
// batches, goals, errors without a word on standard error, policies.
#include "deploy/python/telos_env.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/nn/policy.h"
#include "common/nn/policy_file.h"
#include "common/nn/rowmlp.h"
#include "tests/unit/capture.h"
#include "tests/unit/source.h"

static struct telos_env *load(const char *task, int n, int threads) {
  struct telos_env *env = telos_env_load(source_path("actor/tasks/%s.xml", task), n, threads);
  cr_assert(env, "%s: %s", task, telos_env_error());
  cr_assert_str_empty(telos_env_error());
  return env;
}

// a file of this text in a folder of the test's own, which the test removes
static const char *write_file(char folder[4096], const char *name, const char *text) {
  static char path[4200];
  const char *base = getenv("TELOS_TEST_TMP");
  cr_assert_eq(fsio_mkdirs(base ? base : "/tmp"), ERR_OK);
  snprintf(folder, 4096, "%s/env-XXXXXX", base ? base : "/tmp");
  cr_assert(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
  return path;
}

static void fill_actions(float *a, const struct telos_env_info *info, uint64_t seed) {
  struct rng rng;
  rng_init(&rng, seed, RNG_TEST, 0);
  rng_fill_uniform(&rng, a, (size_t)info->n * (size_t)info->act, -1, 1);
}

// ---- episodes ----

// one of the actor's episodes, and the library's with its actions, to the last bit
static void compare_with_actor(const char *name, uint64_t seed) {
  struct task *task = source_task(name);
  const struct rollout_options options = {.hindsight = 4};
  struct rollout *rollout = rollout_new(task, &options);
  const struct dims dims = task_dims(task, 4);
  struct episode *ep = episode_new(&dims);
  const struct ticket ticket = {.seed = seed, .kind = TICKET_WARMUP};
  cr_assert_eq(rollout_run(rollout, ep, &ticket, NULL, NULL), ERR_OK);

  struct telos_env *env = load(name, 1, 1);
  const struct telos_env_state s = telos_env_state(env);
  const size_t obs = (size_t)task->obs, goal = (size_t)task->goal, act = (size_t)task->act;
  cr_assert_eq(telos_env_reset(env, NULL, &seed, NULL), 0);
  cr_assert_arr_eq(s.desired, ep->desired, goal * sizeof(float));
  for (int t = 0; t <= ep->T; t++) {
    cr_assert_arr_eq(s.obs, ep->obs + (size_t)t * obs, obs * sizeof(float), "%s %d", name, t);
    cr_assert_arr_eq(s.achieved, ep->achieved + (size_t)t * goal, goal * sizeof(float));
    if (t > 0 && dims.reward) {
      cr_assert_eq(s.reward[0], ep->reward[t - 1]);
    }
    const bool last = t == ep->T;
    cr_assert_eq(s.terminated[0], last && ep->terminated, "%s %d", name, t);
    cr_assert_eq(s.truncated[0], last && !ep->terminated, "%s %d", name, t);
    if (!last) {
      cr_assert_eq(telos_env_step(env, ep->act + (size_t)t * act), 0);
    }
  }
  telos_env_free(env);
  episode_free(ep);
  rollout_free(rollout);
  task_free(task);
}

Test(telos_env, episodes_are_those_of_an_actor) {
  compare_with_actor("fetch-push-random", 7);
  compare_with_actor("sawyer-window-random", 8);
  compare_with_actor("box2d", 9);    // action noise
  compare_with_actor("hopper", 10);  // rewards, and ends
}

// a row of numbers of each env's state, for comparisons
static void copy_state(float *out, const struct telos_env *env) {
  const struct telos_env_info info = telos_env_info(env);
  const struct telos_env_state s = telos_env_state(env);
  const size_t n = (size_t)info.n, obs = (size_t)info.obs, goal = (size_t)info.goal;
  memcpy(out, s.obs, n * obs * sizeof *out);
  memcpy(out + n * obs, s.achieved, n * goal * sizeof *out);
  memcpy(out + n * (obs + goal), s.desired, n * goal * sizeof *out);
}

Test(telos_env, seeds_repeat_and_episodes_go_on_from_them) {
  enum { NUMBERS = 6 };
  float x[4][NUMBERS];
  struct telos_env *env = load("box2d-random", 1, 1);
  const uint64_t seed = 1ull << 63;
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(telos_env_reset(env, NULL, i % 2 == 0 ? &seed : NULL, NULL), 0);
    copy_state(x[i], env);
  }
  cr_expect_arr_eq(x[0], x[2], sizeof x[0]);
  cr_expect_arr_eq(x[1], x[3], sizeof x[0]);
  cr_expect_arr_neq(x[0], x[1], sizeof x[0]);
  telos_env_free(env);
}

// five rows on three threads, and each of them alone: over a horizon, where rows are reset
Test(telos_env, a_batch_is_its_rows) {
  enum { N = 5, NUMBERS = 6, ACT = 2 };
  const uint64_t seeds[N] = {3, 1, 4, 1, 5};
  struct telos_env *batch = load("box2d-random", N, 3), *one[N];
  const struct telos_env_info info = telos_env_info(batch);
  cr_assert(info.obs == 2 && info.goal == 2 && info.act == ACT && info.n == N);
  cr_assert_eq(telos_env_reset(batch, NULL, seeds, NULL), 0);
  for (int i = 0; i < N; i++) {
    one[i] = load("box2d-random", 1, 1);
    cr_assert_eq(telos_env_reset(one[i], NULL, &seeds[i], NULL), 0);
  }
  float a[N * ACT], alone[NUMBERS], x[N * NUMBERS];
  int resets = 0;
  for (int t = 0; t < info.horizon + 5; t++) {
    fill_actions(a, &info, (uint64_t)t);
    cr_assert_eq(telos_env_step(batch, a), 0);
    copy_state(x, batch);
    const struct telos_env_state s = telos_env_state(batch);
    for (int i = 0; i < N; i++) {
      cr_assert_eq(telos_env_step(one[i], a + i * ACT), 0);
      copy_state(alone, one[i]);
      for (int part = 0; part < 3; part++) {
        cr_assert_arr_eq(x + part * 2 * N + 2 * i, alone + 2 * part, 2 * sizeof *x);
      }
      cr_assert_eq(s.truncated[i], t == info.horizon - 1);
      resets += s.was_reset[i];
    }
  }
  cr_expect_eq(resets, N);
  telos_env_free(batch);
  for (int i = 0; i < N; i++) {
    telos_env_free(one[i]);
  }
}

Test(telos_env, only_marked_rows_are_reset) {
  float before[12], after[12], a[4] = {1, 1, 1, 1};
  struct telos_env *env = load("box2d-random", 2, 1);
  const unsigned char second[2] = {0, 1};
  cr_assert_eq(telos_env_reset(env, NULL, NULL, NULL), 0);
  cr_assert_eq(telos_env_step(env, a), 0);
  copy_state(before, env);
  cr_assert_eq(telos_env_reset(env, second, NULL, NULL), 0);
  copy_state(after, env);
  cr_expect_arr_eq(before, after, 2 * sizeof *after);
  cr_expect_arr_neq(before + 10, after + 10, 2 * sizeof *after);
  telos_env_free(env);
}

Test(telos_env, a_goal_is_what_was_asked_for) {
  struct telos_env *env = load("fetch-push", 1, 1);
  float goal[3] = {1.25f, 0.75f, 0.425f};
  cr_assert_eq(telos_env_info(env).goal, 3);
  cr_assert_eq(telos_env_reset(env, NULL, NULL, goal), 0);
  cr_expect_arr_eq(telos_env_state(env).desired, goal, sizeof goal);
  goal[1] = NAN;
  cr_expect_eq(telos_env_reset(env, NULL, NULL, goal), -1);
  cr_expect_str_eq(telos_env_error(),
                   "task fetch-push: environment 0: a number of its goal is not finite");
  telos_env_free(env);
}

// of sawyer-window the handle, which are the last three of six numbers
Test(telos_env, distances_count_what_success_counts) {
  struct telos_env *env = load("sawyer-window", 1, 1);
  cr_assert_eq(telos_env_info(env).goal, 6);
  const float achieved[12] = {1, 0, 0, 0, 0, 0, 0, 0, 12, 3, 4, 0}, desired[12] = {0};
  double all[2], counted[2];
  telos_env_distance(env, all, achieved, desired, 2, 0);
  telos_env_distance(env, counted, achieved, desired, 2, 1);
  cr_expect(all[0] == 1 && all[1] == 13);
  cr_expect(counted[0] == 0 && counted[1] == 5, "the hand does not count");
  telos_env_free(env);
}

// ---- what goes wrong ----

Test(telos_env, an_action_that_is_no_number_moves_nothing) {
  float before[12], after[12], a[4] = {0.5f, 0, 0, NAN};
  struct telos_env *env = load("box2d-random", 2, 1);
  cr_assert_eq(telos_env_reset(env, NULL, NULL, NULL), 0);
  copy_state(before, env);
  cr_expect_eq(telos_env_step(env, a), -1);
  cr_expect_str_eq(telos_env_error(),
                   "task box2d-random: environment 1: a number of its action is not finite");
  copy_state(after, env);
  cr_expect_arr_eq(before, after, sizeof after);
  telos_env_free(env);
}

static const char UNSTABLE[] =
    "<mujoco model='u'><option timestep='0.1'/>"
    "<custom><numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='5'/>"
    "<numeric name='telos.goal' data='0'/></custom>"
    "<worldbody><body><joint name='x' type='slide'/><geom size='0.1' mass='1'/></body></worldbody>"
    "<actuator><velocity joint='x' kv='300'/></actuator>"
    "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
    "</mujoco>";

Test(telos_env, an_unstable_step_cuts_the_episode_before_it) {
  char folder[4096];
  struct telos_env *env = telos_env_load(write_file(folder, "u.xml", UNSTABLE), 1, 1);
  cr_assert(env, "%s", telos_env_error());
  const struct telos_env_state s = telos_env_state(env);
  const float a[1] = {1};
  float last = 0;
  capture_begin();
  cr_assert_eq(telos_env_reset(env, NULL, NULL, NULL), 0);
  for (int t = 0; t < 50 && !s.truncated[0]; t++) {
    last = s.obs[0];
    cr_assert_eq(telos_env_step(env, a), 0);
  }
  cr_expect(s.unstable[0] && s.truncated[0] && !s.terminated[0]);
  cr_expect(s.obs[0] == last && isfinite(last));
  cr_assert_eq(telos_env_step(env, a), 0);
  cr_expect(s.was_reset[0] && !s.unstable[0] && s.obs[0] == 0);
  cr_expect_str_empty(capture_end());
  telos_env_free(env);
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}

static void expect_refused(const char *task, int n, int threads, const char *part) {
  capture_begin();
  struct telos_env *env = telos_env_load(task, n, threads);
  cr_expect_str_empty(capture_end(), "printed");
  cr_expect_null(env);
  cr_expect(strstr(telos_env_error(), part), "%s", telos_env_error());
}

Test(telos_env, errors_are_told_and_not_printed) {
  char folder[4096], good[4200];
  const char *bad = write_file(folder, "bad.xml", "<mujoco><worldbody/></mujoco>");
  snprintf(good, sizeof good, "%s", source_path("actor/tasks/box2d.xml"));
  expect_refused("fetch-pusch", 1, 1, "did you mean fetch-push?");
  expect_refused("/nowhere/x.xml", 1, 1, "task /nowhere/x.xml: cannot be read");
  expect_refused(bad, 1, 1, "telos.horizon");
  expect_refused(good, 0, 1, "0 environments; expected 1 to");
  expect_refused(good, 1, 1000, "1000 threads; expected 1 to");
  // what went wrong is forgotten with the next call
  struct telos_env *env = load("box2d", 1, 1);
  cr_expect_eq(telos_env_reset(env, NULL, NULL, NULL), 0);
  cr_expect_str_empty(telos_env_error());
  telos_env_free(env);
  telos_env_free(NULL);
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}

static void look_for_push(void *ctx, const char *name) {
  *(bool *)ctx = *(bool *)ctx || strcmp(name, "fetch-push") == 0;
}

// they stand beside the library, and the program that loads it is elsewhere
Test(telos_env, bundled_tasks_are_found_by_name) {
  bool found = false;
  unsetenv("TELOS_TASK_PATH");
  telos_env_list(look_for_push, &found);
  cr_expect(found);
  struct telos_env *env = telos_env_load("fetch-push", 1, 1);
  cr_assert(env, "%s", telos_env_error());
  cr_expect_str_eq(telos_env_info(env).name, "fetch-push");
  telos_env_free(env);
}

// ---- policies ----

enum { OBS = 3, GOAL = 2, ACT = 2, LAYERS = 2, HIDDEN = 9, MEMBERS = 2, ROWS = 4 };
static const int WIDTH[LAYERS + 1] = {OBS + GOAL, HIDDEN, 2 * ACT};

// a policy of a family, or of none
static struct weights *write_policy(const char *path, bool family) {
  float theta[512], along[64] = {0};
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  cr_assert_leq(mlp_nparam(WIDTH, LAYERS), 512);
  rng_fill_uniform(&rng, theta, 512, -1, 1);
  const size_t n = weights_along_size(1, MEMBERS, HIDDEN, 0, GOAL);
  cr_assert_leq(n, 64);
  rng_fill_uniform(&rng, along, n, -1, 1);
  weights_along_lay(along, 1, MEMBERS, 0, HIDDEN);
  struct weights *w = family ? weights_new_along(1, WIDTH, LAYERS, theta, along, n)
                             : weights_new(1, WIDTH, LAYERS, theta);
  const struct st_meta meta[] = {{"seed", "12"}, {"task", "planted"}};
  cr_assert_eq(policy_file_write(path, w, OBS, GOAL, ACT, meta, 2), ERR_OK);
  return w;
}

static void expect_actor_actions(const struct telos_policy *policy, const struct weights *w,
                                 int member) {
  float obs[ROWS * OBS], desired[ROWS * GOAL], got[ROWS * ACT], want[ACT], head[2 * ACT];
  float input[OBS + GOAL], bias[HIDDEN], scratch[256];
  cr_assert_leq(rowmlp_scratch(WIDTH, LAYERS), 256);
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  rng_fill_normal(&rng, obs, ROWS * OBS);
  rng_fill_normal(&rng, desired, ROWS * GOAL);
  cr_assert_eq(telos_policy_act(policy, got, obs, desired, ROWS, member), 0);
  for (int j = 0; j < HIDDEN && member >= 0; j++) {
    bias[j] = w->data[HIDDEN * (OBS + GOAL) + j] + weights_along(w, GOAL).mean[member * HIDDEN + j];
  }
  for (int i = 0; i < ROWS; i++) {
    memcpy(input, obs + (size_t)i * OBS, OBS * sizeof *input);
    memcpy(input + OBS, desired + (size_t)i * GOAL, GOAL * sizeof *input);
    rowmlp_forward(head, w->data, WIDTH, LAYERS, input, member >= 0 ? bias : NULL, scratch);
    policy_act(want, head, NULL, ACT);
    cr_expect_arr_eq(got + (size_t)i * ACT, want, sizeof want);
  }
}

Test(telos_env, a_policy_acts_as_actors_do) {
  char folder[4096], path[4200];
  snprintf(path, sizeof path, "%s", write_file(folder, "policy.safetensors", ""));
  struct weights *w = write_policy(path, false);
  for (int by_folder = 0; by_folder < 2; by_folder++) {
    struct telos_policy *policy = telos_policy_load(by_folder ? folder : path, NULL);
    cr_assert(policy, "%s", telos_env_error());
    const struct telos_policy_info info = telos_policy_info(policy);
    cr_expect(info.obs == OBS && info.goal == GOAL && info.act == ACT && info.members == 0);
    cr_expect_str_eq(info.task, "planted");
    cr_expect_str_eq(telos_policy_meta(policy, "seed"), "12");
    cr_expect_null(telos_policy_meta(policy, "colour"));
    expect_actor_actions(policy, w, -1);
    telos_policy_free(policy);
  }
  weights_unref(w);

  w = write_policy(path, true);
  struct telos_policy *policy = telos_policy_load(path, NULL);
  cr_assert(policy, "%s", telos_env_error());
  cr_assert_eq(telos_policy_info(policy).members, MEMBERS);
  expect_actor_actions(policy, w, 1);
  float x[OBS] = {0}, a[ACT];
  cr_expect_eq(telos_policy_act(policy, a, x, x, 1, MEMBERS), -1);
  cr_expect_str_eq(telos_env_error(),
                   "the policy is for a family of 2 tasks; say which one: member 0 to 1");
  telos_policy_free(policy);
  weights_unref(w);
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}

Test(telos_env, a_file_that_is_no_policy_is_refused) {
  char folder[4096];
  const char *path = write_file(folder, "policy.safetensors", "no policy");
  capture_begin();
  struct telos_policy *policies[] = {telos_policy_load(path, NULL),
                                     telos_policy_load(folder, "best"),
                                     telos_policy_load("/nowhere", NULL)};
  cr_expect_str_empty(capture_end());
  cr_expect(strstr(telos_env_error(), "/nowhere"), "%s", telos_env_error());
  for (int i = 0; i < 3; i++) {
    cr_expect_null(policies[i]);
  }
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}
