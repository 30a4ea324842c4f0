// test_task_ant.c - Ant in its four variants: body, actuators, starts, goals and their table.
//
// Figures without a source of their own are those of the task's sheet, most of them measured on the
// published body.
#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"
#include "tests/unit/source.h"

enum { NQ = 15, NV = 14, NU = 8, FIRST_JOINT = 7, MAX_OBS = NQ + NV };

static const char *const variants[4] = {"ant", "ant-random", "ant-xy", "ant-xy-random"};

static struct task *task;
static struct env *env;
static struct rng reset_rng, dynamics;
static float goal[NQ], obs[MAX_OBS], achieved[NQ];

static void begin(const char *name) {
  // no cache: a goal table is what this build draws
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  task = source_task(name);
  cr_assert_str_eq(task->name, name);
  cr_assert(task->obs == MAX_OBS && task->act == NU && task->goal <= NQ);
  env = env_new(task);
}

static void end(void) {
  env_free(env);
  task_free(task);
}

// fills goal, obs and achieved
static void start(uint64_t seed) {
  rng_init(&reset_rng, seed, RNG_RESET, 0);
  rng_init(&dynamics, seed, RNG_DYNAMICS, 0);
  cr_assert_eq(env_reset(env, goal, &reset_rng), ERR_OK);
  env_observe(env, obs, achieved);
}

// as it is written, without noise
static void start_exactly(void) {
  memset(task->reset_noise, 0, NQ * sizeof *task->reset_noise);
  memset(task->reset_velocity_normal, 0, NV * sizeof *task->reset_velocity_normal);
  start(0);
}

static void step(const float *a) {
  struct env_step ignored;
  cr_assert_eq(env_step(env, a, &dynamics, &ignored), ERR_OK);
  cr_assert_not(ignored.terminated);
  env_observe(env, obs, achieved);
  for (int i = 0; i < MAX_OBS; i++) {
    cr_assert(isfinite(obs[i]));
  }
}

static void rest(int steps) {
  static const float still[NU] = {0};
  for (int t = 0; t < steps; t++) {
    step(still);
  }
}

// over numbers [from, to)
static double distance(const float *a, const float *b, int from, int to) {
  double sum = 0;
  for (int i = from; i < to; i++) {
    sum += pow((double)a[i] - (double)b[i], 2);
  }
  return sqrt(sum);
}

// the torso's own z axis points down
static bool overturned(void) {
  return obs[4] * obs[4] + obs[5] * obs[5] > 0.5f;
}

// mean and standard deviation, one value at a time
struct stat {
  double sum, squares, low, high;
  int n;
};

static void add(struct stat *s, double x) {
  s->low = s->n == 0 ? x : fmin(s->low, x);
  s->high = s->n == 0 ? x : fmax(s->high, x);
  s->sum += x;
  s->squares += x * x;
  s->n++;
}

static double mean(const struct stat *s) {
  return s->sum / s->n;
}

static double deviation(const struct stat *s) {
  return sqrt(s->squares / s->n - mean(s) * mean(s));
}

// ---- the body ----

static void expect_shared_body(void) {
  const mjModel *m = task->model;
  cr_expect(m->nq == NQ && m->nv == NV && m->nu == NU);
  cr_expect(task->horizon == 100 && task->frame_skip == 5 && m->opt.timestep == 0.01);
  cr_expect_eq(m->opt.integrator, mjINT_RK4);
  cr_expect_float_eq(mj_getTotalmass(m), 0.911, 0.0005);
  // success is about the place alone, within half a metre
  cr_expect_eq(task->success_radius, 0.5);
  for (int k = 0; k < task->goal; k++) {
    cr_expect_eq(task->success_counts[k], k < 2);
  }
  // older MuJoCo versions take the larger margin of two, newer ones their sum
  for (int g = 0; g < m->ngeom; g++) {
    cr_expect_eq(m->geom_margin[g], m->geom_bodyid[g] == 0 ? 0 : 0.01);
  }
  cr_expect_geq(mj_name2id(m, mjOBJ_CAMERA, "view"), 0);
}

// the observation is the state, and the achieved goal its beginning
static void expect_state_observed(void) {
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, 0);
  start(5);
  for (int t = 0; t < 10; t++) {
    float a[NU];
    rng_fill_uniform(&rng, a, NU, -1, 1);
    step(a);
    for (int i = 0; i < NQ; i++) {
      cr_assert_eq(obs[i], (float)env_data(env)->qpos[i]);
    }
    for (int i = 0; i < NV; i++) {
      cr_assert_eq(obs[NQ + i], (float)env_data(env)->qvel[i]);
    }
    cr_assert_eq(memcmp(achieved, obs, (size_t)task->goal * sizeof *obs), 0);
  }
}

Test(task_ant, variants_share_body_and_observation) {
  for (int i = 0; i < 4; i++) {
    begin(variants[i]);
    cr_expect_eq(task->goal, i < 2 ? NQ : 2);
    expect_shared_body();
    expect_state_observed();
    end();
  }
}

// dropped from the default pose, without torques
Test(task_ant, settles_on_its_legs) {
  static const double sign[4] = {1, -1, -1, 1};
  begin("ant");
  start_exactly();
  cr_expect(obs[2] == 0.75f && obs[3] == 1.0f);
  rest(60);
  cr_expect_float_eq(obs[2], 0.543, 0.003, "z %g", (double)obs[2]);
  for (int leg = 0; leg < 4; leg++) {
    const double ankle = (double)obs[FIRST_JOINT + 2 * leg + 1];
    cr_expect_float_eq(ankle, 0.931 * sign[leg], 0.01, "ankle %d: %g", leg + 1, ankle);
  }
  end();
}

// The published goal is a pose that nothing holds: an episode later the torso is at 0.479. So are
// the measures of all four legs, whose joints are outside their limits by different amounts.
Test(task_ant, sinks_from_the_goal_pose) {
  begin("ant");
  start_exactly();
  for (int i = 0; i < NQ; i++) {
    env_data(env)->qpos[i] = (double)goal[i];
  }
  env_refresh(env);
  rest(task->horizon);
  cr_expect_float_eq(obs[2], 0.479, 0.003, "z %g", (double)obs[2]);
  end();
}

// ---- actuators ----

// Action k accelerates one joint, in the published order. The joint moves by the difference to a
// step without torque: gear 120 on armature 1 (and little else) over 0.05 s, damped a little.
Test(task_ant, actuators_come_in_the_published_order) {
  static const char *const order[NU] = {"hip_4", "ankle_4", "hip_1", "ankle_1",
                                        "hip_2", "ankle_2", "hip_3", "ankle_3"};
  begin("ant");
  const mjModel *m = task->model;
  // high up, in the middle of all ranges: no contacts, no limits
  static const double bend[4] = {0.87, -0.87, -0.87, 0.87};
  float before[NU] = {0};
  for (int k = -1; k < NU; k++) {
    float a[NU] = {0};
    start_exactly();
    mjData *d = env_data(env);
    d->qpos[2] = 3;
    for (int leg = 0; leg < 4; leg++) {
      d->qpos[FIRST_JOINT + 2 * leg + 1] = bend[leg];
    }
    if (k >= 0) {
      a[k] = 0.05f;
    }
    step(a);
    const float *v = obs + NQ + 6;
    if (k < 0) {
      memcpy(before, v, sizeof before);
      continue;
    }
    cr_expect_str_eq(mj_id2name(m, mjOBJ_ACTUATOR, k), order[k]);
    int most = 0;
    for (int j = 1; j < NU; j++) {
      most = fabsf(v[j] - before[j]) > fabsf(v[most] - before[most]) ? j : most;
    }
    cr_expect_str_eq(mj_id2name(m, mjOBJ_JOINT, 1 + most), order[k]);
    const double gained = (double)(v[most] - before[most]);
    cr_expect_float_eq(gained, 0.05 * 120 * 0.05, 0.03, "action %d: %g", k, gained);
  }
  end();
}

// ---- starts ----

// U(-0.1, 0.1) on positions, the quaternion made whole after it, and 0.1 N(0, 1) on velocities
Test(task_ant, starts_with_the_published_noise) {
  enum { RESETS = 500 };
  begin("ant");
  struct stat z = {0}, hip = {0}, velocity = {0};
  for (uint64_t seed = 0; seed < RESETS; seed++) {
    start(seed);
    add(&z, (double)obs[2]);
    add(&hip, (double)obs[FIRST_JOINT]);
    for (int i = 0; i < NV; i++) {
      add(&velocity, (double)obs[NQ + i]);
    }
    cr_assert_float_eq(distance(obs, (float[NQ]){0}, 3, 7), 1, 1e-5);
  }
  // means within 4.5 errors of a uniform's 0.0577; the ends are nearly reached
  cr_expect_float_eq(mean(&z), 0.75, 0.012);
  cr_expect(z.low >= 0.65 && z.low < 0.655 && z.high <= 0.85 && z.high > 0.845);
  cr_expect(hip.low >= -0.1 && hip.low < -0.095 && hip.high <= 0.1 && hip.high > 0.095);
  // 7,000 normals: 4.5 errors are 0.0054 of the mean, 0.0038 of the deviation
  cr_expect_float_eq(mean(&velocity), 0, 0.0054);
  cr_expect_float_eq(deviation(&velocity), 0.1, 0.0038);
  end();
}

Test(task_ant, is_far_from_its_goal_at_first) {
  enum { RESETS = 300 };
  begin("ant");
  struct stat all = {0}, place = {0}, joints = {0};
  for (uint64_t seed = 0; seed < RESETS; seed++) {
    start(seed);
    add(&all, distance(achieved, goal, 0, NQ));
    add(&place, distance(achieved, goal, 0, 2));
    add(&joints, distance(achieved, goal, FIRST_JOINT, NQ));
  }
  cr_expect_float_eq(mean(&all), 7.33, 0.05, "%g", mean(&all));
  cr_expect_float_eq(mean(&place), 7.07, 0.05, "%g", mean(&place));
  cr_expect_float_eq(mean(&joints), 1.92, 0.05, "%g", mean(&joints));
  end();
}

// 200 episodes of uniform random torques: none is unstable, and they lead nowhere. The share that
// ends overturned has a standard error of 0.032, the displacement (deviation 0.9) one of 0.064.
Test(task_ant, random_torques_lead_nowhere) {
  enum { EPISODES = 200 };
  begin("ant");
  struct stat last = {0}, moved = {0};
  int down = 0;
  for (uint64_t seed = 0; seed < EPISODES; seed++) {
    struct rng rng;
    rng_init(&rng, seed, RNG_TEST, 0);
    start(seed);
    float first[NQ];
    memcpy(first, achieved, sizeof first);
    for (int t = 0; t < task->horizon; t++) {
      float a[NU];
      rng_fill_uniform(&rng, a, NU, -1, 1);
      step(a);
    }
    add(&last, distance(achieved, goal, 0, NQ));
    add(&moved, distance(achieved, first, 0, 2));
    down += overturned();
  }
  cr_expect(mean(&last) > 7.2 && mean(&last) < 7.7, "final distance %g", mean(&last));
  cr_expect_geq(last.low, 2.5, "nearest %g", last.low);
  cr_expect_float_eq(mean(&moved), 1.5, 0.2, "displacement %g", mean(&moved));
  cr_expect_float_eq((double)down / EPISODES, 0.28, 0.1, "%d overturned", down);
  end();
}

// ---- goals ----

Test(task_ant, fixed_goals_are_as_published) {
  static const float published[NQ] = {
      5,           5,           0.55825595f, 0.99471698f,  -0.06549675f, 0.05403846f,  0.05769015f,
      0.54550099f, 0.49175504f, 0.43605609f, -1.06352108f, -0.54212713f, -0.72604919f, -0.00647439f,
      0.99493912f};
  for (int v = 0; v < 4; v += 2) {
    begin(variants[v]);
    for (uint64_t seed = 0; seed < 3; seed++) {
      start(seed);
      cr_expect_eq(memcmp(goal, published, (size_t)task->goal * sizeof *goal), 0);
    }
    end();
  }
}

// a place uniform in [-5, 5]^2: four quarters of 500, means and deviations within 4.5 errors
static void expect_square(const struct stat place[2], const int quarter[4], double sd) {
  const int n = place[0].n;
  for (int i = 0; i < 4; i++) {
    cr_expect_float_eq(quarter[i], n / 4.0, 4.5 * sqrt(n * 0.25 * 0.75), "%s: %d in quarter %d",
                       task->name, quarter[i], i);
  }
  for (int i = 0; i < 2; i++) {
    cr_expect_float_eq(mean(&place[i]), 0, 4.5 * sd / sqrt(n));
    cr_expect_float_eq(deviation(&place[i]), sd, 4.5 * 0.45 * sd / sqrt(n), "%s: deviation %g",
                       task->name, deviation(&place[i]));
  }
}

Test(task_ant, random_places_cover_the_square) {
  enum { RESETS = 2000 };
  begin("ant-xy-random");
  struct stat place[2] = {{0}};
  int quarter[4] = {0};
  for (uint64_t seed = 0; seed < RESETS; seed++) {
    start(seed);
    quarter[(goal[0] > 0) + 2 * (goal[1] > 0)]++;
    for (int i = 0; i < 2; i++) {
      cr_assert(fabsf(goal[i]) <= 5);
      add(&place[i], (double)goal[i]);
    }
  }
  expect_square(place, quarter, 10 / sqrt(12));
  end();
}

// Poses of random rollouts: statistics near those of the published goal file, whose rollouts are
// not known in detail (ours bend their ankles as its later version does, by 0.84). Every row is
// another one. Ankles are positive in legs 1 and 4, negative in 2 and 3.
static void expect_published_poses(void) {
  static const double sign[4] = {1, -1, -1, 1};
  const float *row = task->target.table;
  cr_assert_eq(task->target.table_rows, 1000);
  struct stat x[NQ] = {{0}}, ankle = {0}, hip = {0};
  for (int r = 0; r < task->target.table_rows; r++, row += NQ) {
    for (int i = 0; i < NQ; i++) {
      cr_assert(isfinite(row[i]));
      add(&x[i], (double)row[i]);
    }
    for (int leg = 0; leg < 4; leg++) {
      add(&hip, (double)row[FIRST_JOINT + 2 * leg]);
      add(&ankle, sign[leg] * (double)row[FIRST_JOINT + 2 * leg + 1]);
    }
    cr_assert_float_eq(distance(row, (float[NQ]){0}, 3, 7), 1, 1e-5);
    cr_assert(r == 0 || memcmp(row, row - NQ, NQ * sizeof *row) != 0);
  }
  cr_expect_float_eq(mean(&x[2]), 0.68, 0.04, "z %g", mean(&x[2]));
  cr_expect_float_eq(deviation(&x[2]), 0.12, 0.03, "z deviation %g", deviation(&x[2]));
  cr_expect_float_eq(deviation(&x[4]), 0.08, 0.02, "roll %g", deviation(&x[4]));
  cr_expect_float_eq(deviation(&x[5]), 0.08, 0.02, "pitch %g", deviation(&x[5]));
  cr_expect_float_eq(deviation(&x[6]), 0.18, 0.04, "yaw %g", deviation(&x[6]));
  cr_expect_gt(x[3].low, 0, "none stands on its head");
  cr_expect_float_eq(mean(&hip), 0, 0.03);
  cr_expect_float_eq(deviation(&hip), 0.335, 0.07, "hips %g", deviation(&hip));
  cr_expect_float_eq(mean(&ankle), 0.84, 0.07, "ankles %g", mean(&ankle));
  cr_expect_float_eq(deviation(&ankle), 0.3, 0.03, "ankles %g", deviation(&ankle));
  // the place is where the rollout came to; the box around it is added at reset
  cr_expect(fabs(mean(&x[0])) < 0.05 && deviation(&x[0]) < 0.5);
}

// a goal drawn at reset is a row of the table at another place
static void expect_rows_as_goals(void) {
  enum { RESETS = 2000 };
  struct stat place[2] = {{0}}, offset = {0};
  int quarter[4] = {0}, used[1000] = {0};
  for (uint64_t seed = 0; seed < RESETS; seed++) {
    start(seed);
    int r = 0;
    while (r < 1000 && memcmp(goal + 2, task->target.table + NQ * r + 2, 13 * sizeof *goal) != 0) {
      r++;
    }
    cr_assert_lt(r, 1000, "a pose that is not in the table");
    used[r]++;
    quarter[(goal[0] > 0) + 2 * (goal[1] > 0)]++;
    for (int i = 0; i < 2; i++) {
      add(&offset, (double)goal[i] - (double)task->target.table[NQ * r + i]);
      add(&place[i], (double)goal[i]);
    }
  }
  // 4,000 uniforms come within 0.03 of the ends
  cr_expect_float_eq(offset.low, -5, 0.03);
  cr_expect_float_eq(offset.high, 5, 0.03);
  // published: deviation 2.9, range about +-6
  expect_square(place, quarter, 2.9);
  cr_expect(place[0].low < -4.9 && place[0].low > -6.5 && place[0].high > 4.9 &&
            place[0].high < 6.5);
  // of 2,000 draws of 1,000 rows, exp(-2) = 135 (+-11) are never drawn
  int unused = 0;
  for (int r = 0; r < 1000; r++) {
    unused += used[r] == 0;
  }
  cr_expect_float_eq(unused, 135, 50);
}

Test(task_ant, random_goals_are_poses_of_rollouts) {
  begin("ant-random");
  expect_published_poses();
  expect_rows_as_goals();
  end();
}
