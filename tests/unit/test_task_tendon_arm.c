// test_task_tendon_arm.c - the worked example of "your own model": an arm of MuJoCo's samples.
//
// The forearm's middle is at p = 0.5 (cos s, sin s) + 0.25 (cos(s + e), sin(s + e)) for the angles
// s of the shoulder and e of the elbow, so that a goal tells its angles:
//   cos e = (|p|^2 - 0.5^2 - 0.25^2) / (2 x 0.5 x 0.25)                                        (1)
//   s = atan2(p_y, p_x) - atan2(0.25 sin e, 0.5 + 0.25 cos e)                                  (2)
#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"
#include "tests/unit/source.h"

enum { EPISODES = 200 };

static const char included[] = "/usr/share/mujoco/model/tendon_arm/arm26.xml";

static struct task *task;
static struct env *env;

static void set_up(void) {
  if (access(included, R_OK) != 0) {
    cr_skip_test("%s is missing: it comes with libmujoco-samples", included);
  }
  task = source_task("tendon-arm");
  env = env_new(task);
}

static void tear_down(void) {
  env_free(env);
  task_free(task);
}

TestSuite(tendon_arm, .init = set_up, .fini = tear_down);

// equations (1) and (2)
static void angles_of(double *shoulder, double *elbow, const float *p) {
  const double x = (double)p[0], y = (double)p[1];
  *elbow = acos((x * x + y * y - 0.3125) / 0.25);
  *shoulder = atan2(y, x) - atan2(0.25 * sin(*elbow), 0.5 + 0.25 * cos(*elbow));
}

static double distance(const float *a, const float *b) {
  return sqrt(pow((double)(a[0] - b[0]), 2) + pow((double)(a[1] - b[1]), 2) +
              pow((double)(a[2] - b[2]), 2));
}

Test(tendon_arm, is_what_its_file_says) {
  cr_expect_str_eq(task->name, "tendon-arm");
  cr_expect(task->obs == 10 && task->goal == 3 && task->act == 6);
  cr_expect(task->horizon == 100 && task->frame_skip == 4 && task->model->opt.timestep == 0.005);
  for (int i = 0; i < task->act; i++) {
    cr_expect(task->action.scale[i] == 0.5 && task->action.offset[i] == 0.5);
  }
  char name[32];
  task_action_name(name, sizeof name, task, 4);
  cr_expect_str_eq(name, "BF");
}

Test(tendon_arm, goals_are_places_that_the_joints_can_bring_the_forearm_to) {
  double least = 9, most = -9;
  for (uint64_t i = 0; i < EPISODES; i++) {
    struct rng rng;
    rng_init(&rng, i, RNG_RESET, 0);
    float goal[3], achieved[3], obs[10];
    cr_assert_eq(env_reset(env, goal, &rng), ERR_OK);
    env_observe(env, obs, achieved);
    double shoulder, elbow;
    angles_of(&shoulder, &elbow, goal);
    cr_expect(shoulder > 0.2 - 1e-5 && shoulder < 1.9 + 1e-5, "shoulder %g", shoulder);
    cr_expect(elbow > 0.2 - 1e-5 && elbow < 1.9 + 1e-5, "elbow %g", elbow);
    cr_expect(fabsf(goal[2]) < 1e-6f && distance(goal, achieved) >= 0.1);
    // the observation is of the arm as it is, not as it was posed for the goal
    angles_of(&shoulder, &elbow, achieved);
    cr_expect_float_eq((double)obs[0], shoulder, 1e-5);
    cr_expect_float_eq((double)obs[1], elbow, 1e-5);
    least = fmin(least, elbow);
    most = fmax(most, elbow);
  }
  cr_expect(least > 0.9 - 1e-5 && most < 1.1 + 1e-5 && most - least > 0.15);
}

// A muscle pulls while it is longer than it would be at the goal: that brings the arm there.
static void pull(float *act, const mjData *now, const mjData *there) {
  for (int i = 0; i < 6; i++) {
    const double longer = now->actuator_length[i] - there->actuator_length[i];
    act[i] = (float)(2 * (20 * longer + 2 * now->actuator_velocity[i]) - 1);
  }
}

Test(tendon_arm, muscles_can_reach_every_goal) {
  mjData *there = mj_makeData(task->model);
  for (uint64_t i = 0; i < EPISODES; i++) {
    struct rng reset, noise;
    rng_init(&reset, i, RNG_RESET, 0);
    rng_init(&noise, i, RNG_DYNAMICS, 0);
    float goal[3], achieved[3], obs[10], act[6];
    cr_assert_eq(env_reset(env, goal, &reset), ERR_OK);
    angles_of(&there->qpos[0], &there->qpos[1], goal);
    mj_forward(task->model, there);
    struct env_step step;
    for (int t = 0; t < task->horizon; t++) {
      pull(act, env_data(env), there);
      cr_assert_eq(env_step(env, act, &noise, &step), ERR_OK);
    }
    env_observe(env, obs, achieved);
    cr_expect(distance(goal, achieved) < 0.02, "episode %d ends %g away", (int)i,
              distance(goal, achieved));
  }
  mj_deleteData(there);
}

Test(tendon_arm, random_episodes_are_stable) {
  double moved = 0;
  for (uint64_t i = 0; i < EPISODES; i++) {
    struct rng reset, noise, action;
    rng_init(&reset, i, RNG_RESET, 0);
    rng_init(&noise, i, RNG_DYNAMICS, 0);
    rng_init(&action, i, RNG_ACTION, 0);
    float goal[3], first[3], last[3] = {0}, obs[10], act[6];
    cr_assert_eq(env_reset(env, goal, &reset), ERR_OK);
    env_observe(env, obs, first);
    struct env_step step;
    for (int t = 0; t < task->horizon; t++) {
      rng_fill_uniform(&action, act, 6, -1.0f, 1.0f);
      cr_assert_eq(env_step(env, act, &noise, &step), ERR_OK, "episode %d, step %d", (int)i, t);
      env_observe(env, obs, last);
      for (int k = 0; k < 10; k++) {
        cr_assert(fabsf(obs[k]) < 20.0f, "observation %d is %g", k, (double)obs[k]);
      }
      cr_assert_not(step.terminated);
    }
    moved += distance(first, last) / EPISODES;
  }
  cr_expect(moved > 0.1, "random muscles move the forearm by %g on average", moved);
}
