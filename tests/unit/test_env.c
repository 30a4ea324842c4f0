// test_env.c - the simulation of a task: Box 2D against its sheet, resets, sensors, bad states.
#include "actor/env.h"

#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

static struct task *load_box2d(void) {
  char path[4200];
  struct task *task = NULL;
  const char *root = getenv("TELOS_SOURCE");
  snprintf(path, sizeof path, "%s/actor/tasks/box2d.xml", root ? root : ".");
  cr_assert_eq(task_load(&task, path), ERR_OK);
  return task;
}

static struct task *load_text(const char *xml) {
  struct task *task = NULL;
  cr_assert_eq(task_from_xml(&task, xml, strlen(xml), "test"), ERR_OK);
  return task;
}

struct point {
  float x, y;
};

static struct point position(struct env *env) {
  float obs[2], achieved[2];
  env_observe(env, obs, achieved);
  cr_assert(obs[0] == achieved[0] && obs[1] == achieved[1]);
  return (struct point){obs[0], obs[1]};
}

static double distance(struct point p, double x, double y) {
  return hypot((double)p.x - x, (double)p.y - y);
}

// the action that goes straight to (x, y), 0.2 a step at most
static void go(float *a, struct point p, double x, double y) {
  a[0] = (float)fmax(-1, fmin(1, (x - (double)p.x) / 0.2));
  a[1] = (float)fmax(-1, fmin(1, (y - (double)p.y) / 0.2));
}

// Between two observations at most one physics step of 0.02 lies behind the first contact, which
// begins at 2.51 from the axes: nothing is ever deeper than 2.49. At the rim likewise 4.02.
static void expect_legal(struct point p) {
  const double r = fmax(fabs((double)p.x), fabs((double)p.y));
  cr_expect(r > 2.49 && r <= 4.021, "at (%g, %g)", (double)p.x, (double)p.y);
}

// TASKS 10, check 1: greedy movement without noise ends at the obstacle, 6.01 from the goal
Test(env, greedy_gets_stuck_on_box2d) {
  struct task *task = load_box2d();
  task->action_noise = 0;
  struct env *env = env_new(task);
  struct rng reset, dynamics;
  rng_init(&reset, 1, RNG_RESET, 0);
  rng_init(&dynamics, 1, RNG_DYNAMICS, 0);
  float goal[2], a[2];
  env_reset(env, goal, &reset);
  cr_expect(goal[0] == 3.5f && goal[1] == 2.0f);
  struct point p = position(env);
  cr_expect(p.x == -3.5f && p.y == -2.0f);
  for (int t = 0; t < task->horizon; t++) {
    go(a, p, 3.5, 2);
    cr_assert_eq(env_step(env, a, &dynamics), ERR_OK);
    p = position(env);
    expect_legal(p);
  }
  cr_expect_float_eq(distance(p, 3.5, 2), 6.01, 0.02);
  env_free(env);
  task_free(task);
}

// around the obstacle by three way-points, under the task's own noise
Test(env, waypoints_solve_box2d) {
  static const double way[3][2] = {{-3.2, 3.2}, {2.9, 3.2}, {3.5, 2}};
  struct task *task = load_box2d();
  struct env *env = env_new(task);
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct rng reset, dynamics;
    rng_init(&reset, seed, RNG_RESET, 0);
    rng_init(&dynamics, seed, RNG_DYNAMICS, 0);
    float goal[2], a[2];
    env_reset(env, goal, &reset);
    struct point p = position(env);
    int t = 0;
    for (int next = 0; t < 75 && distance(p, 3.5, 2) >= task->success_radius; t++) {
      next += next < 2 && distance(p, way[next][0], way[next][1]) < 0.4;
      go(a, p, way[next][0], way[next][1]);
      cr_assert_eq(env_step(env, a, &dynamics), ERR_OK);
      p = position(env);
      expect_legal(p);
    }
    cr_expect_lt(t, 75, "seed %d", (int)seed);
  }
  env_free(env);
  task_free(task);
}

// The kinematic rule of the task: move by 0.2 a, an offending coordinate stops 0.01 outside the
// face it crosses, the arena ends at 4.
static struct point kinematic(struct point p, const float *a) {
  const double from[2] = {(double)p.x, (double)p.y};
  double to[2];
  for (int i = 0; i < 2; i++) {
    to[i] = fmax(-4, fmin(4, from[i] + 0.2 * fmax(-1, fmin(1, (double)a[i]))));
  }
  for (int i = 0; i < 2; i++) {
    const int j = 1 - i;
    const bool beside = fabs(from[i]) >= 2.5 - 0.011;
    const bool within = fmin(from[j], to[j]) < 2.5 && fmax(from[j], to[j]) > -2.5;
    if (beside && within && fabs(to[i]) < 2.51) {
      to[i] = from[i] > 0 ? 2.51 : -2.51;
    }
  }
  return (struct point){(float)to[0], (float)to[1]};
}

// TASKS 2.1: mean disagreement of one step under 0.02, over states that random walks visit; and no
// episode of 200 becomes unstable or leaves the arena
Test(env, box2d_agrees_with_the_kinematic_rule) {
  struct task *task = load_box2d();
  task->action_noise = 0;
  struct env *env = env_new(task);
  struct rng reset, dynamics, rng;
  rng_init(&reset, 1, RNG_RESET, 0);
  rng_init(&dynamics, 1, RNG_DYNAMICS, 0);
  rng_init(&rng, 7, RNG_TEST, 0);
  double sum = 0;
  int n = 0;
  for (int episode = 0; episode < 200; episode++) {
    float goal[2], a[2] = {0, 0};
    env_reset(env, goal, &reset);
    struct point p = position(env);
    for (int t = 0; t < task->horizon; t++, n++) {
      // held for four steps, so that walls and corners are reached
      if (t % 4 == 0) {
        rng_fill_uniform(&rng, a, 2, -1.5f, 1.5f);
      }
      const struct point expected = kinematic(p, a);
      cr_assert_eq(env_step(env, a, &dynamics), ERR_OK);
      p = position(env);
      cr_assert(isfinite(p.x) && isfinite(p.y));
      expect_legal(p);
      sum += distance(p, (double)expected.x, (double)expected.y);
    }
  }
  cr_expect_lt(sum / n, 0.02, "mean disagreement %g", sum / n);
  env_free(env);
  task_free(task);
}

// The action noise has the stated deviation and is added before the clip: with a = 0 the steps
// have deviation 0.2 * 0.2, with a = 1 half of them are cut to 0.2.
Test(env, action_noise_comes_before_the_clip) {
  struct task *task = load_box2d();
  struct env *env = env_new(task);
  struct rng reset, dynamics;
  rng_init(&reset, 1, RNG_RESET, 0);
  rng_init(&dynamics, 5, RNG_DYNAMICS, 0);
  float goal[2];
  const float still[2] = {0, 0}, up[2] = {0, 1};
  double square = 0;
  int full = 0, n = 0;
  for (int episode = 0; episode < 400; episode++) {
    env_reset(env, goal, &reset);
    for (int t = 0; t < 5; t++, n++) {
      struct point p = position(env);
      cr_assert_eq(env_step(env, still, &dynamics), ERR_OK);
      struct point q = position(env);
      square += pow((double)(q.x - p.x), 2) / 0.04;
      cr_assert_eq(env_step(env, up, &dynamics), ERR_OK);
      p = position(env);
      full += (double)(p.y - q.y) > 0.2 - 1e-6;
    }
  }
  // 2000 draws: the relative error of a deviation is 1.6 %, of a half 2.2 %; three of each
  cr_expect_float_eq(sqrt(square / n), 0.2, 0.2 * 0.05);
  cr_expect_float_eq((double)full / n, 0.5, 0.035);
  env_free(env);
  task_free(task);
}

// a model with everything that a reset has to restore: contacts (warm start), a muscle-like
// activation, a mocap body, control, a quaternion, velocities, and sensors of all three stages
static const char rich[] =
    "<mujoco model='rich'><compiler autolimits='false'/>"
    "<option timestep='0.005' integrator='%s'/><size njmax='100' nconmax='30'/>"
    "<custom><numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='5'/>"
    "<numeric name='telos.reset_noise' data='0.05'/>"
    "<numeric name='telos.goal_low' data='-1 2 3'/><numeric name='telos.goal_high' data='1 2 4'/>"
    "</custom>"
    "<worldbody><geom type='plane' size='5 5 1'/><body name='m' mocap='true' pos='0 0 1'/>"
    "<body name='b' pos='0 0 0.3'><freejoint name='f'/><geom type='capsule' size='0.1 0.2'/>"
    "<site name='s'/><body pos='0.3 0 0'><joint name='h' type='hinge' axis='0 1 0'/>"
    "<geom size='0.08'/></body></body></worldbody>"
    "<equality><connect body1='m' body2='b' anchor='0 0 0.2' solref='0.5 1'/></equality>"
    "<actuator><motor name='a' joint='h' gear='0.5'/>"
    "<general name='d' joint='h' dyntype='filter' dynprm='0.1' gainprm='0.3'/></actuator>"
    "<sensor><framepos name='goal.b' objtype='body' objname='b'/>"
    "<jointpos name='obs.h' joint='h'/><jointvel name='obs.v' joint='h'/>"
    "<framequat name='obs.q' objtype='body' objname='b'/>%s</sensor>"
    "<keyframe><key qpos='0 0 0.3 1 0 0 0 0.2' qvel='0.1 0 0 0 0 0 1' act='0.5' ctrl='0.1 0.2'/>"
    "</keyframe></mujoco>";

static struct task *load_rich(const char *integrator, const char *sensor) {
  char xml[4096];
  snprintf(xml, sizeof xml, rich, integrator, sensor);
  return load_text(xml);
}

// one episode of random actions; every observed number into out, returns how many
static size_t episode(struct env *env, const struct task *task, uint64_t seed, float *out) {
  struct rng reset, dynamics, rng;
  rng_init(&reset, seed, RNG_RESET, 0);
  rng_init(&dynamics, seed, RNG_DYNAMICS, 0);
  rng_init(&rng, seed, RNG_TEST, 0);
  float *x = out, a[2];
  env_reset(env, x, &reset);
  x += task->goal;
  for (int t = 0; t < task->horizon; t++) {
    env_observe(env, x, x + task->obs);
    x += task->obs + task->goal;
    rng_fill_uniform(&rng, a, 2, -1, 1);
    cr_assert_eq(env_step(env, a, &dynamics), ERR_OK);
  }
  return (size_t)(x - out);
}

// a used simulation must give the bits of a new one, whatever ran in it before
Test(env, reset_is_complete) {
  struct task *tasks[4] = {load_box2d(), load_rich("Euler", ""), load_rich("RK4", ""),
                           load_rich("Euler", "<accelerometer name='obs.acc' site='s'/>")};
  static float fresh[4096], used[4096];
  for (int i = 0; i < 4; i++) {
    struct env *a = env_new(tasks[i]), *b = env_new(tasks[i]);
    const size_t n = episode(a, tasks[i], 42, fresh);
    cr_assert(n <= 4096);
    for (uint64_t seed = 0; seed < 20; seed++) {
      episode(b, tasks[i], seed, used);
    }
    cr_expect_neq(memcmp(fresh, used, n * sizeof(float)), 0, "other seeds, other episodes");
    episode(b, tasks[i], 42, used);
    cr_expect_eq(memcmp(fresh, used, n * sizeof(float)), 0, "task %d", i);
    env_free(a);
    env_free(b);
    task_free(tasks[i]);
  }
}

// Sensors are those of the present state: the same as a plain loop of mj_step with mj_forward at
// its end, for each of the two ways in which a step may end. The forward call also moves the
// solver's starting point, so that contacts agree to solver tolerance only.
Test(env, sensors_show_the_present_state) {
  struct task *tasks[3] = {load_rich("Euler", ""), load_rich("RK4", ""),
                           load_rich("Euler", "<accelerometer name='obs.acc' site='s'/>")};
  for (int k = 0; k < 3; k++) {
    const struct task *task = tasks[k];
    const mjModel *m = task->model;
    mjData *d = mj_makeData(m);
    struct rng reset, dynamics, rng;
    rng_init(&reset, 3, RNG_RESET, 0);
    rng_init(&dynamics, 3, RNG_DYNAMICS, 0);
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < m->nq; i++) {
      task->reset_noise[i] = 0;
    }
    struct env *env = env_new(task);
    float goal[3], a[2], obs[16], achieved[3];
    env_reset(env, goal, &reset);
    cr_expect(goal[0] >= -1 && goal[0] < 1 && goal[1] == 2 && goal[2] >= 3 && goal[2] < 4);
    mj_resetDataKeyframe(m, d, 0);
    for (int t = 0; t < task->horizon; t++) {
      rng_fill_uniform(&rng, a, 2, -1, 1);
      cr_assert_eq(env_step(env, a, &dynamics), ERR_OK);
      env_observe(env, obs, achieved);
      d->ctrl[0] = (double)a[0];
      d->ctrl[1] = (double)a[1];
      for (int i = 0; i < task->frame_skip; i++) {
        mj_step(m, d);
      }
      mj_forward(m, d);
      // 1e-4: float rounding and what the solver's tolerance leaves, over 50 steps with contacts
      for (int i = 0; i < 3; i++) {
        cr_assert_float_eq(achieved[i], d->sensordata[i], 1e-4, "task %d step %d", k, t);
      }
      for (int i = 0; i < task->obs; i++) {
        cr_assert_float_eq(obs[i], d->sensordata[3 + i], 1e-4 * (1 + fabs(d->sensordata[3 + i])),
                           "task %d step %d obs %d", k, t, i);
      }
    }
    mj_deleteData(d);
    env_free(env);
    task_free(tasks[k]);
  }
}

Test(env, reset_noise_is_uniform_and_keeps_quaternions_whole) {
  struct task *task = load_rich("Euler", "");
  struct env *env = env_new(task);
  struct rng reset;
  rng_init(&reset, 9, RNG_RESET, 0);
  double low = 1, high = -1, sum = 0;
  for (int i = 0; i < 1000; i++) {
    float goal[3], obs[6], achieved[3];
    env_reset(env, goal, &reset);
    env_observe(env, obs, achieved);
    const double x = (double)achieved[0];
    low = fmin(low, x);
    high = fmax(high, x);
    sum += x;
    double norm = 0;
    for (int j = 2; j < 6; j++) {
      norm += (double)obs[j] * (double)obs[j];
    }
    cr_assert_float_eq(norm, 1, 1e-5);
  }
  // 1000 uniforms on [-0.05, 0.05]: the mean's deviation is 0.0009; the ends are nearly reached
  cr_expect(low >= -0.05 && low < -0.0495 && high <= 0.05 && high > 0.0495);
  cr_expect_float_eq(sum / 1000, 0, 0.003);
  env_free(env);
  task_free(task);
}

// a controller with a gain far above what the timestep allows
static const char unstable[] =
    "<mujoco model='u'><option timestep='0.1'/>"
    "<custom><numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='5'/>"
    "<numeric name='telos.goal' data='0'/></custom>"
    "<worldbody><body><joint name='x' type='slide'/><geom size='0.1' mass='1'/></body></worldbody>"
    "<actuator><velocity joint='x' kv='300'/></actuator>"
    "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
    "</mujoco>";

Test(env, bad_states_are_reported_and_forgotten_by_reset) {
  log_set_level(LOG_ERROR);
  struct task *task = load_text(unstable);
  struct env *env = env_new(task);
  struct rng reset, dynamics;
  rng_init(&reset, 1, RNG_RESET, 0);
  rng_init(&dynamics, 1, RNG_DYNAMICS, 0);
  float goal[1], a[1] = {1};
  int first = 0;
  for (int round = 0; round < 2; round++) {
    env_reset(env, goal, &reset);
    int t = 1;
    while (t < 50 && env_step(env, a, &dynamics) == ERR_OK) {
      t++;
    }
    cr_expect(t > 1 && t < 50);
    cr_expect(round == 0 || t == first);
    first = t;
  }
  env_reset(env, goal, &reset);
  a[0] = NAN;
  cr_expect_eq(env_step(env, a, &dynamics), ERR_NUMERIC);
  a[0] = 0;
  env_reset(env, goal, &reset);
  cr_expect_eq(env_step(env, a, &dynamics), ERR_OK);
  env_free(env);
  task_free(task);
}
