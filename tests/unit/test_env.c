// test_env.c - the simulation of a task: actions, resets, sensors, rewards, ends, bad states.
#include "common/task/env.h"

#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "tests/unit/source.h"

static struct task *load_text(const char *xml) {
  struct task *task = NULL;
  cr_assert_eq(task_from_xml(&task, xml, strlen(xml), "test"), ERR_OK);
  return task;
}

static void start(struct env *env, float *goal, struct rng *reset) {
  cr_assert_eq(env_reset(env, goal, reset), ERR_OK);
}

static enum err step(struct env *env, const float *a, struct rng *dynamics) {
  struct env_step ignored;
  return env_step(env, a, dynamics, &ignored);
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

// The action noise has the stated deviation and is added before the clip: with a = 0 the steps
// have deviation 0.2 * 0.2, with a = 1 half of them are cut to 0.2.
Test(env, action_noise_comes_before_the_clip) {
  struct task *task = source_task("box2d");
  struct env *env = env_new(task);
  struct rng reset, dynamics;
  rng_init(&reset, 1, RNG_RESET, 0);
  rng_init(&dynamics, 5, RNG_DYNAMICS, 0);
  float goal[2];
  const float still[2] = {0, 0}, up[2] = {0, 1};
  double square = 0;
  int full = 0, n = 0;
  for (int episode = 0; episode < 400; episode++) {
    start(env, goal, &reset);
    for (int t = 0; t < 5; t++, n++) {
      struct point p = position(env);
      cr_assert_eq(step(env, still, &dynamics), ERR_OK);
      struct point q = position(env);
      square += pow((double)(q.x - p.x), 2) / 0.04;
      cr_assert_eq(step(env, up, &dynamics), ERR_OK);
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
  start(env, x, &reset);
  x += task->goal;
  for (int t = 0; t < task->horizon; t++) {
    env_observe(env, x, x + task->obs);
    x += task->obs + task->goal;
    rng_fill_uniform(&rng, a, 2, -1, 1);
    cr_assert_eq(step(env, a, &dynamics), ERR_OK);
  }
  return (size_t)(x - out);
}

// a used simulation must give the bits of a new one, whatever ran in it before
Test(env, reset_is_complete) {
  struct task *tasks[4] = {source_task("box2d"), load_rich("Euler", ""), load_rich("RK4", ""),
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
// its end, for each of the two ways in which sensors are brought up to date. The forward call also
// moves the solver's starting point, so that contacts agree to solver tolerance only.
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
    start(env, goal, &reset);
    cr_expect(goal[0] >= -1 && goal[0] < 1 && goal[1] == 2 && goal[2] >= 3 && goal[2] < 4);
    mj_resetDataKeyframe(m, d, 0);
    for (int t = 0; t < task->horizon; t++) {
      rng_fill_uniform(&rng, a, 2, -1, 1);
      cr_assert_eq(step(env, a, &dynamics), ERR_OK);
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
    start(env, goal, &reset);
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
    start(env, goal, &reset);
    int t = 1;
    while (t < 50 && step(env, a, &dynamics) == ERR_OK) {
      t++;
    }
    cr_expect(t > 1 && t < 50);
    cr_expect(round == 0 || t == first);
    first = t;
  }
  start(env, goal, &reset);
  a[0] = NAN;
  cr_expect_eq(step(env, a, &dynamics), ERR_NUMERIC);
  a[0] = 0;
  start(env, goal, &reset);
  cr_expect_eq(step(env, a, &dynamics), ERR_OK);
  env_free(env);
  task_free(task);
}

// ---- actions ----

// a hand on three slides that follows a mocap body, a finger on it, and a wall it can be pressed on
static const char gantry[] =
    "<mujoco model='g'><compiler autolimits='false'/><size njmax='60' nconmax='10'/>"
    "<option timestep='0.002' gravity='0 0 0'/><custom>"
    "<numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='5'/>"
    "<numeric name='telos.goal' data='0 0 0'/><text name='telos.mocap_body' data='point'/>"
    "<text name='telos.hand' data='hand'/>%s</custom>"
    "<worldbody><geom type='box' size='0.1 1 1' pos='0.7 0 0'/>"
    "<body name='point' mocap='true' pos='0 0 0.5'/>"
    "<body name='hand' pos='0 0 0.5'><joint name='x' type='slide' axis='1 0 0' damping='5'/>"
    "<joint name='y' type='slide' axis='0 1 0' damping='5'/>"
    "<joint name='z' type='slide' axis='0 0 1' damping='5'/><geom size='0.05' mass='1'/>"
    "<body name='finger' pos='0 0 -0.1'><joint name='f' type='slide' axis='0 1 0' damping='10'/>"
    "<geom size='0.01' mass='0.1' contype='0' conaffinity='0'/></body></body></worldbody>"
    "<equality><connect body1='point' body2='hand' anchor='0 0 0' solref='0.04 1'/></equality>"
    "<actuator><position name='grip' joint='f' kp='10' ctrllimited='true' ctrlrange='0 0.04'/>"
    "</actuator><sensor><framepos name='obs.hand' objtype='xbody' objname='hand'/>"
    "<framepos name='goal.hand' objtype='xbody' objname='hand'/></sensor>"
    "<keyframe><key qpos='0.1 0 0 0' mpos='0.1 0 0.5'/></keyframe></mujoco>";

static struct task *load_gantry(const char *custom) {
  char xml[4096];
  snprintf(xml, sizeof xml, gantry, custom);
  return load_text(xml);
}

static struct rng unused;

// n steps of one action; where the set-point is then
static const double *act(struct env *env, int n, const float *a) {
  for (int i = 0; i < n; i++) {
    cr_assert_eq(step(env, a, &unused), ERR_OK);
  }
  return env_data(env)->mocap_pos;
}

static bool at(const double *p, double x, double y, double z) {
  return fabs(p[0] - x) < 1e-9 && fabs(p[1] - y) < 1e-9 && fabs(p[2] - z) < 1e-9;
}

Test(env, a_set_point_integrates_within_its_limits) {
  struct task *task = load_gantry(
      "<text name='telos.action_mode' data='mocap'/><text name='telos.mocap_axes' data='zx'/>"
      "<numeric name='telos.action_scale' data='0.02 0.01 1'/>"
      "<numeric name='telos.mocap_low' data='0 -1 0.4'/>"
      "<numeric name='telos.mocap_high' data='0.13 1 0.55'/>");
  struct env *env = env_new(task);
  float goal[3];
  cr_assert(task->act == 3 && task->action.naxis == 2);
  start(env, goal, &unused);
  cr_expect(at(act(env, 1, (float[]){0.5f, 1, 0}), 0.11, 0, 0.51), "z moves first, then x");
  cr_expect(at(act(env, 1, (float[]){-9, -9, 0}), 0.10, 0, 0.49), "actions are clipped");
  cr_expect(at(act(env, 9, (float[]){1, 1, 0}), 0.13, 0, 0.55), "the limits hold");
  cr_expect(at(act(env, 30, (float[]){-1, -1, 0}), 0, 0, 0.4));
  // the hand is there as well, and what it leaves is no memory of the next episode
  float obs[3], achieved[3];
  act(env, 50, (float[]){0, 0, 0});
  env_observe(env, obs, achieved);
  cr_expect(fabs((double)obs[0]) < 1e-3 && fabs((double)obs[2] - 0.4) < 1e-3);
  start(env, goal, &unused);
  cr_expect(at(env_data(env)->mocap_pos, 0.1, 0, 0.5));
  env_free(env);
  task_free(task);
}

// pressed on a wall the set-point stays within reach, so that it comes back at once
Test(env, a_set_point_does_not_wind_up) {
  struct task *task = load_gantry(
      "<text name='telos.action_mode' data='mocap'/>"
      "<numeric name='telos.action_scale' data='0.02 0.02 0.02 1'/>"
      "<numeric name='telos.mocap_lead' data='0.06'/>");
  struct env *env = env_new(task);
  float goal[3], obs[3], achieved[3];
  start(env, goal, &unused);
  act(env, 200, (float[]){1, 0, 0, 0});
  env_observe(env, obs, achieved);
  const double *point = env_data(env)->mocap_pos;
  // the contact is softer than the pull of 0.06: 15 mm deep
  cr_expect_float_eq(obs[0], 0.55, 0.02, "the hand is at the wall: %g", (double)obs[0]);
  cr_expect(point[0] - (double)obs[0] > 0.04 && point[0] - (double)obs[0] < 0.0601);
  const double *back = act(env, 4, (float[]){-1, 0, 0, 0});
  cr_expect_lt(back[0], 0.56);
  env_free(env);
  task_free(task);
}

Test(env, a_relative_set_point_starts_from_the_hand) {
  struct task *task = load_gantry(
      "<text name='telos.action_mode' data='mocap_relative'/>"
      "<numeric name='telos.action_scale' data='0.05 0.05 0.05 1'/>"
      "<numeric name='telos.mocap_low' data='-1 -1 0.45'/>"
      "<numeric name='telos.mocap_high' data='1 1 1'/>");
  struct env *env = env_new(task);
  float goal[3], obs[3], achieved[3];
  start(env, goal, &unused);
  for (int t = 0; t < 20; t++) {
    const float a[] = {0.5f, -1, t < 10 ? 0.1f : -1, 0};
    env_observe(env, obs, achieved);
    const double *point = act(env, 1, a);
    cr_expect_float_eq(point[0], (double)obs[0] + 0.025, 1e-6);
    cr_expect_float_eq(point[1], (double)obs[1] - 0.05, 1e-6);
    cr_expect_float_eq(point[2], fmax(0.45, (double)obs[2] + 0.05 * (double)a[2]), 1e-6);
  }
  env_free(env);
  task_free(task);
}

// an actuator covers its ctrlrange unless the file says otherwise
Test(env, actions_cover_the_control_range) {
  static const char xml[] =
      "<mujoco model='m'><compiler autolimits='false'/><custom>"
      "<numeric name='telos.horizon' data='1'/>"
      "<numeric name='telos.frame_skip' data='1'/><numeric name='telos.goal' data='1'/>%s</custom>"
      "<worldbody><body><joint name='x' type='slide'/><geom size='1'/></body></worldbody>"
      "<actuator><motor joint='x' ctrllimited='true' ctrlrange='-1 3'/><motor "
      "joint='x'/></actuator>"
      "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
      "</mujoco>";
  static const struct {
    const char *custom;
    double low[2], high[2];
  } cases[] = {{"", {-1, -1}, {3, 1}},
               {"<numeric name='telos.action_scale' data='0.5'/>", {-0.5, -0.5}, {0.5, 0.5}},
               {"<numeric name='telos.action_scale' data='2 4'/>"
                "<numeric name='telos.action_offset' data='1 0'/>",
                {-1, -4},
                {3, 4}}};
  for (int c = 0; c < 3; c++) {
    char text[2048];
    snprintf(text, sizeof text, xml, cases[c].custom);
    struct task *task = load_text(text);
    struct env *env = env_new(task);
    float goal[1];
    start(env, goal, &unused);
    act(env, 1, (float[]){-1, -1});
    cr_expect(env_data(env)->ctrl[0] == cases[c].low[0] &&
              env_data(env)->ctrl[1] == cases[c].low[1]);
    act(env, 1, (float[]){1, 1});
    cr_expect(env_data(env)->ctrl[0] == cases[c].high[0] &&
              env_data(env)->ctrl[1] == cases[c].high[1]);
    env_free(env);
    task_free(task);
  }
}

// ---- rewards and ends ----

static const char runner[] =
    "<mujoco model='r'><compiler autolimits='false'/><option timestep='0.01' gravity='0 0 0'/>"
    "<custom><numeric name='telos.horizon' data='100'/><numeric name='telos.frame_skip' data='4'/>"
    "<numeric name='telos.action_scale' data='3 2'/>"
    "<numeric name='telos.reward_weights' data='10'/>"
    "<numeric name='telos.rate_weights' data='2 0 -1'/><numeric name='telos.reward_alive' "
    "data='5'/>"
    "<numeric name='telos.control_cost' data='0.5'/>"
    "<numeric name='telos.scale.reward.speed' data='0.1'/>"
    "<numeric name='telos.alive_low' data='-100 -2'/><numeric name='telos.alive_high' data='3 2'/>"
    "<text name='telos.hook.alive.v' data='qvel'/></custom>"
    "<worldbody><body name='b'><joint name='x' type='slide' axis='1 0 0'/>"
    "<joint name='y' type='slide' axis='0 1 0'/><geom size='0.1' mass='1'/></body></worldbody>"
    "<actuator><motor joint='x'/><motor joint='y'/></actuator>"
    "<sensor><jointpos name='obs.x' joint='x'/><jointvel name='reward.speed' joint='x'/>"
    "<framepos name='rate.place' objtype='xbody' objname='b'/>"
    "<jointpos name='alive.x' joint='x'/>"
    "<user name='alive.v' objtype='body' objname='b' needstage='vel' datatype='real' dim='1' "
    "user='1'/></sensor></mujoco>";

Test(env, rewards_are_what_their_terms_say) {
  struct task *task = load_text(runner);
  cr_assert(task->goal == 0 && task->has_reward && task_dims(task, 1).reward == 1);
  struct env *env = env_new(task);
  struct env_step got;
  start(env, NULL, &unused);
  const mjData *d = env_data(env);
  double x = 0;
  for (int t = 0; t < 5; t++) {
    const float a[] = {0.5f, -1};
    cr_assert_eq(env_step(env, a, &unused, &got), ERR_OK);
    const double want =
        10 * 0.1 * d->qvel[0] + 2 * (d->qpos[0] - x) / 0.04 + 5 - 0.5 * (1.5 * 1.5 + 2 * 2);
    cr_expect_float_eq(got.reward, want, 1e-5);
    x = d->qpos[0];
  }
  env_free(env);
  task_free(task);
}

// the ends of a range are outside, in either sensor
Test(env, an_episode_ends_where_a_sensor_leaves_its_range) {
  struct task *task = load_text(runner);
  struct env *env = env_new(task);
  struct env_step got;
  static const struct {
    double x, y_speed;
    bool end;
  } cases[] = {{0, 0, false},   {2.99, 1.99, false}, {-99, -1.99, false}, {3, 0, true},
               {-100, 0, true}, {0, 2, true},        {0, -2, true},       {500, 0, true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    start(env, NULL, &unused);
    env_data(env)->qpos[0] = cases[i].x;
    env_data(env)->qvel[1] = cases[i].y_speed;
    cr_assert_eq(env_step(env, (float[]){0, 0}, &unused, &got), ERR_OK);
    cr_expect_eq(got.terminated, cases[i].end, "case %zu", i);
  }
  env_free(env);
  task_free(task);
}

// ---- sensors ----

// Every kind of sensor shows what a full mj_forward at the new state would, however much of it
// env_step leaves out for a task that observes this one alone.
Test(env, every_sensor_shows_the_present_state) {
  static const char xml[] =
      "<mujoco model='every'><compiler autolimits='false'/><size njmax='80' nconmax='20'/>"
      "<option timestep='0.005' integrator='%s'/><custom>"
      "<numeric name='telos.horizon' data='20'/><numeric name='telos.frame_skip' data='3'/>"
      "<numeric name='telos.goal' data='0'/></custom>"
      "<worldbody><geom name='floor' type='plane' size='5 5 1'/><camera name='world' pos='1 2 3'/>"
      "<body name='a' pos='0 0 0.6'><freejoint/><geom type='capsule' size='0.1 0.2'/>"
      "<site name='s' pos='0.1 0 0'/><camera name='c' pos='0 0.1 0'/>"
      "<body name='b' pos='0.3 0 0'><joint name='h' type='hinge' axis='0 1 0' limited='true' "
      "range='-20 20'/><geom size='0.08'/><site name='t'/>"
      "<body pos='0.3 0 0'><joint name='q' type='ball'/><geom size='0.05'/><site name='u'/></body>"
      "</body></body></worldbody>"
      "<tendon><spatial name='t' limited='true' range='0 0.3'><site site='s'/><site site='t'/>"
      "</spatial></tendon>"
      "<actuator><motor name='m' joint='h' gear='3'/></actuator>"
      "<sensor><jointpos name='goal.h' joint='h'/><%s name='obs.x' %s/></sensor></mujoco>";
  static const struct {
    const char *type, *of;
  } sensors[] = {
      {"jointpos", "joint='h'"},
      {"jointvel", "joint='h'"},
      {"ballquat", "joint='q'"},
      {"ballangvel", "joint='q'"},
      {"tendonpos", "tendon='t'"},
      {"tendonvel", "tendon='t'"},
      {"actuatorpos", "actuator='m'"},
      {"actuatorvel", "actuator='m'"},
      {"actuatorfrc", "actuator='m'"},
      {"jointlimitpos", "joint='h'"},
      {"jointlimitvel", "joint='h'"},
      {"jointlimitfrc", "joint='h'"},
      {"tendonlimitpos", "tendon='t'"},
      {"tendonlimitfrc", "tendon='t'"},
      {"accelerometer", "site='s'"},
      {"velocimeter", "site='u'"},
      {"gyro", "site='u'"},
      {"force", "site='t'"},
      {"torque", "site='t'"},
      {"touch", "site='t'"},
      {"magnetometer", "site='s'"},
      {"rangefinder", "site='s'"},
      {"subtreecom", "body='a'"},
      {"subtreelinvel", "body='a'"},
      {"subtreeangmom", "body='b'"},
      {"framepos", "objtype='site' objname='u'"},
      {"framequat", "objtype='xbody' objname='b'"},
      {"framexaxis", "objtype='body' objname='a'"},
      {"framelinvel", "objtype='site' objname='u' reftype='xbody' refname='a'"},
      {"frameangvel", "objtype='xbody' objname='b'"},
      {"framelinacc", "objtype='xbody' objname='b'"},
      {"framepos", "objtype='site' objname='u' reftype='camera' refname='c'"},
      {"framequat", "objtype='camera' objname='c'"},
  };
  static const char *const integrators[] = {"Euler", "RK4", "implicit"};
  for (size_t i = 0; i < 3 * sizeof sensors / sizeof *sensors; i++) {
    char text[4096];
    snprintf(text, sizeof text, xml, integrators[i % 3], sensors[i / 3].type, sensors[i / 3].of);
    struct task *task = load_text(text);
    struct env *env = env_new(task);
    mjData *copy = mj_makeData(task->model);
    float obs[4], goal[1];
    start(env, goal, &unused);
    for (int t = 0; t < 20; t++) {
      act(env, 1, (float[]){t % 3 == 0 ? 1 : -1});
      env_observe(env, obs, goal);
      mj_copyData(copy, task->model, env_data(env));
      mj_forward(task->model, copy);
      for (int k = 0; k < task->obs; k++) {
        const double want = copy->sensordata[task->sensors[TASK_OBS].adr[k]];
        cr_expect_float_eq(obs[k], want, 1e-5 * (1 + fabs(want)), "%s, %s: step %d: %g is %g",
                           sensors[i / 3].type, integrators[i % 3], t, (double)obs[k], want);
      }
    }
    mj_deleteData(copy);
    env_free(env);
    task_free(task);
  }
}

// ---- randomisation ----

#define RANDOM_TASK(names)                                                                       \
  "<mujoco model=\"r\"><option timestep=\"0.01\" gravity=\"0 0 0\"/><worldbody>"                 \
  "<body name=\"b\"><joint name=\"j\" type=\"slide\" axis=\"1 0 0\" damping=\"0.5\"/>"           \
  "<geom name=\"g\" size=\"0.1\" mass=\"2\"/></body></worldbody>"                                \
  "<actuator><motor name=\"a\" joint=\"j\" ctrllimited=\"true\" ctrlrange=\"-1 1\"/></actuator>" \
  "<sensor><jointpos name=\"obs.x\" joint=\"j\"/><jointvel name=\"obs.v\" joint=\"j\"/>"         \
  "<jointpos name=\"goal.x\" joint=\"j\"/></sensor><custom>"                                     \
  "<numeric name=\"telos.horizon\" data=\"10\"/><numeric name=\"telos.frame_skip\" data=\"1\"/>" \
  "<numeric name=\"telos.goal\" data=\"1\"/>" names "</custom></mujoco>"

#define RANDOM(name, data) "<numeric name=\"telos.random." name "\" data=\"" data "\"/>"

// velocity after a step of full force from rest
static double pushed(struct env *env, uint64_t seed) {
  struct rng reset, dynamics;
  rng_init(&reset, seed, RNG_RESET, 0);
  rng_init(&dynamics, seed, RNG_DYNAMICS, 0);
  float goal[1], obs[2], achieved[1];
  const float a[1] = {1};
  start(env, goal, &reset);
  cr_assert_eq(step(env, a, &dynamics), ERR_OK);
  env_observe(env, obs, achieved);
  return (double)obs[1];
}

// v = dt force / (mass + dt damping): the factors of many resets, from what they do
static void expect_factors(const char *names, double low, double high, bool force) {
  struct task *task = load_text(names);
  struct env *env = env_new(task);
  double least = INFINITY, most = 0;
  for (uint64_t seed = 0; seed < 200; seed++) {
    const double v = pushed(env, seed);
    const double factor = force ? v * (2 + 0.01 * 0.5) / 0.01 : (0.01 / v - 0.01 * 0.5) / 2;
    cr_assert_float_eq(pushed(env, seed), v, 1e-12, "a reset is a function of its generator");
    least = fmin(least, factor);
    most = fmax(most, factor);
  }
  cr_assert(least >= low - 1e-4 && least < low + 0.1 * (high - low), "%g", least);
  cr_assert(most <= high + 1e-4 && most > high - 0.1 * (high - low), "%g", most);
  env_free(env);
  task_free(task);
}

Test(env, masses_and_gains_differ_from_episode_to_episode) {
  expect_factors(RANDOM_TASK(RANDOM("mass.b", "0.5 2")), 0.5, 2, false);
  expect_factors(RANDOM_TASK(RANDOM("gain.a", "0.25 3")), 0.25, 3, true);
}

// a task of a family has the same factors at each reset, and another task others
Test(env, a_member_of_a_family_keeps_its_factors) {
  enum { MEMBERS = 20 };
  struct task *task = load_text(RANDOM_TASK(RANDOM("gain.a", "0.25 3")));
  struct env *env = env_new(task);
  double of[MEMBERS];
  for (int m = 0; m < MEMBERS; m++) {
    env_set_member(env, m);
    of[m] = pushed(env, 1);
    cr_expect_float_eq(pushed(env, 2), of[m], 1e-12);
    for (int k = 0; k < m; k++) {
      cr_expect(fabs(of[m] - of[k]) > 1e-9, "%d and %d are the same", m, k);
    }
  }
  env_set_member(env, 3);
  cr_expect_float_eq(pushed(env, 5), of[3], 1e-12);
  env_set_member(env, -1);
  cr_expect(fabs(pushed(env, 1) - pushed(env, 2)) > 1e-9);
  env_free(env);
  task_free(task);
}

// the task's own model stays as it is; frictions and dampings are drawn, too
Test(env, factors_are_on_the_models_own_values) {
  struct task *task = load_text(RANDOM_TASK(RANDOM("mass.b", "0.5 2") RANDOM("friction.g", "2 2")
                                                RANDOM("damping.j", "3 3")));
  cr_assert_eq(task->nrandom, 3);
  struct env *env = env_new(task), *other = env_new(task);
  for (uint64_t seed = 0; seed < 5; seed++) {
    const double v = pushed(env, seed);
    // damping 1.5 and the same mass at both
    cr_assert_float_eq(pushed(other, seed), v, 1e-12);
    cr_assert(v > 0.01 / (4 + 0.015) - 1e-6 && v < 0.01 / (1 + 0.015) + 1e-6);
  }
  cr_assert(task->model->body_mass[1] == 2 && task->model->dof_damping[0] == 0.5);
  env_free(env);
  env_free(other);
  task_free(task);
}
