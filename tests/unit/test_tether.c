// test_tether.c - a hand that its weld or connect holds away from the mocap body is not torn away.
#include "common/task/tether.h"

#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <string.h>

#include "common/task/env.h"
#include "tests/unit/source.h"

// A hand without weight, free to turn, half a metre above the mocap body, and a finger on it.
static const char model[] =
    "<mujoco model='t'><compiler autolimits='false' angle='degree'/>"
    "<option timestep='0.004' gravity='0 0 0'/><size njmax='60' nconmax='10'/><custom>"
    "<numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='10'/>"
    "<numeric name='telos.goal' data='0 0 0'/><text name='telos.mocap_body' data='point'/>"
    "<text name='telos.hand' data='hand'/>%s</custom>"
    "<worldbody><body name='point' mocap='true' pos='0 0 0'/>"
    "<body name='hand' pos='0 0 0.5'><freejoint/><geom size='0.05' mass='1'/>"
    "<body name='finger' pos='0 0 -0.1'><joint name='f' type='slide' axis='0 1 0' damping='10'/>"
    "<geom size='0.01' mass='0.1' contype='0' conaffinity='0'/></body></body></worldbody>"
    "<equality>%s</equality><actuator><position name='grip' joint='f' kp='10' ctrllimited='true' "
    "ctrlrange='0 0.05'/></actuator><sensor><framepos name='obs.hand' objtype='xbody' "
    "objname='hand'/><framequat name='obs.turn' objtype='xbody' objname='hand'/>"
    "<framepos name='goal.hand' objtype='xbody' objname='hand'/></sensor>"
    "<keyframe>%s</keyframe></mujoco>";

#define LEAD                                         \
  "<text name='telos.action_mode' data='mocap'/>"    \
  "<numeric name='telos.action_scale' data='0.02'/>" \
  "<numeric name='telos.mocap_lead' data='0.05'/>"
#define RELATIVE                                           \
  "<text name='telos.action_mode' data='mocap_relative'/>" \
  "<numeric name='telos.action_scale' data='0.02'/>"

static struct task *load(const char *custom, const char *equality, const char *key) {
  char xml[4096];
  struct task *task = NULL;
  snprintf(xml, sizeof xml, model, custom, equality, key);
  cr_assert_eq(task_from_xml(&task, xml, strlen(xml), "test"), ERR_OK);
  return task;
}

static struct rng unused;

static const float still[] = {0, 0, 0, -1};  // the finger, too: its range begins where it is

struct pose {
  double at[3], quat[4];
};

static struct pose hand_of(struct env *env) {
  float obs[7], achieved[3];
  struct pose p;
  env_observe(env, obs, achieved);
  for (int i = 0; i < 7; i++) {
    *(i < 3 ? &p.at[i] : &p.quat[i - 3]) = (double)obs[i];
  }
  return p;
}

static struct pose steps(struct env *env, int n, const float *a) {
  struct env_step ignored;
  for (int i = 0; i < n; i++) {
    cr_assert_eq(env_step(env, a, &unused, &ignored), ERR_OK);
  }
  return hand_of(env);
}

// how far, and by what angle, two poses are apart
static void expect_near(struct pose a, struct pose b, double most, const char *what) {
  double turn[3];
  mju_subQuat(turn, a.quat, b.quat);
  cr_expect_lt(mju_dist3(a.at, b.at), most, "%s: %g m", what, mju_dist3(a.at, b.at));
  cr_expect_lt(mju_norm3(turn), most, "%s: %g rad", what, mju_norm3(turn));
}

static struct env *start(const struct task *task) {
  float goal[3];
  struct env *env = env_new(task);
  cr_assert_eq(env_reset(env, goal, &unused), ERR_OK);
  return env;
}

static const struct {
  const char *name, *equality, *key;
  bool turns, follows;
} ties[] = {
    {"weld", "<weld body1='point' body2='hand' solref='0.02 1'/>", "", true, false},
    {"weld, the other way", "<weld body1='hand' body2='point' solref='0.02 1'/>", "", true, false},
    {"connect", "<connect body1='point' body2='hand' anchor='0.1 0 0.3' solref='0.02 1'/>", "",
     false, false},
    {"connect, the other way",
     "<connect body1='hand' body2='point' anchor='0.1 0 0.3' solref='0.02 1'/>", "", false, false},
    // the pose of a weld says one thing, the model another
    {"weld of its own pose",
     "<weld body1='point' body2='hand' relpose='0.1 0 0.2 0.8 0 0.6 0' solref='0.02 1'/>", "", true,
     true},
    // a key moves and turns the hand, and says nothing of the mocap body
    {"weld and key", "<weld body1='point' body2='hand' solref='0.02 1'/>",
     "<key qpos='1 2 3 0.8 0.6 0 0 0'/>", true, true},
    {"weld the other way and key", "<weld body1='hand' body2='point' solref='0.02 1'/>",
     "<key qpos='1 2 3 0 0.6 0.8 0 0'/>", true, true},
    {"connect and key", "<connect body1='point' body2='hand' anchor='0 0 0.5' solref='0.02 1'/>",
     "<key qpos='1 2 3 0.8 0 0.6 0 0'/>", false, true},
    {"weld and key for both", "<weld body1='point' body2='hand' solref='0.02 1'/>",
     "<key qpos='1 2 3.5 1 0 0 0 0' mpos='1 2 3'/>", true, false},
};
enum { NTIES = sizeof ties / sizeof ties[0] };

// Zero actions hold the hand where it is.
Test(tether, nothing_is_asked_and_the_hand_stays) {
  static const char *const modes[] = {LEAD, RELATIVE};
  for (size_t i = 0; i < 2 * NTIES; i++) {
    struct task *task = load(modes[i % 2], ties[i / 2].equality, ties[i / 2].key);
    const struct tether *t = &task->action.tether;
    cr_expect(t->exists && t->turns == ties[i / 2].turns, "%s", ties[i / 2].name);
    cr_expect_eq(t->follows, ties[i / 2].follows, "%s", ties[i / 2].name);
    struct env *env = start(task);
    const struct pose before = hand_of(env);
    double point[3];
    tether_set_point(point, &task->action, env_data(env));
    cr_expect_lt(mju_dist3(point, before.at), 1e-6, "%s", ties[i / 2].name);
    expect_near(steps(env, 50, still), before, 1e-4, ties[i / 2].name);
    env_free(env);
    task_free(task);
  }
}

// The set-point is where the hand is asked to be: it gets there, and no further than the limits.
Test(tether, actions_move_the_hand_and_limits_are_its_own) {
  struct task *task = load(LEAD
                           "<numeric name='telos.mocap_low' data='-1 -1 0.4'/>"
                           "<numeric name='telos.mocap_high' data='0.1 1 0.55'/>",
                           ties[0].equality, ties[0].key);
  struct env *env = start(task);
  struct pose want = hand_of(env);
  steps(env, 4, (float[]){0.5f, -1, 0, -1});
  want.at[0] += 0.04;
  want.at[1] -= 0.08;
  expect_near(steps(env, 30, still), want, 2e-3, "moved");
  steps(env, 30, (float[]){1, 0, 1, -1});
  want.at[0] = 0.1;
  want.at[2] = 0.55;
  expect_near(steps(env, 30, still), want, 2e-3, "at the limits");
  env_free(env);
  task_free(task);
}

// where the hand is drawn, the mocap body goes with it
Test(tether, reset_noise_moves_both) {
  struct task *task =
      load(LEAD "<numeric name='telos.reset_noise' data='0.3'/>", ties[5].equality, ties[5].key);
  struct env *env = env_new(task);
  struct rng reset;
  rng_init(&reset, 3, RNG_RESET, 0);
  for (int i = 0; i < 10; i++) {
    float goal[3];
    cr_assert_eq(env_reset(env, goal, &reset), ERR_OK);
    const struct pose before = hand_of(env);
    cr_expect(fabs(before.at[0] - 1) > 1e-6);
    expect_near(steps(env, 20, still), before, 1e-3, "with noise");
  }
  env_free(env);
  task_free(task);
}

// The model, and so what follows from it, is the same where it comes from the learner.
Test(tether, travels_with_the_model) {
  for (size_t i = 0; i < NTIES; i++) {
    struct task *task = load(LEAD, ties[i].equality, ties[i].key), *there = NULL;
    cr_assert_eq(task_from_mjb(&there, task->mjb, task->mjb_size), ERR_OK);
    cr_expect_eq(memcmp(&task->action.tether, &there->action.tether, sizeof(struct tether)), 0);
    task_free(there);
    task_free(task);
  }
}

// One number, or one an axis, is metres a step: the gripper keeps the range that it has.
Test(tether, the_scale_of_the_axes_is_not_that_of_the_gripper) {
  static const struct {
    const char *custom;
    double x, z, scale, offset;
  } cases[] = {
      {LEAD, 0.02, 0.02, 0.025, 0.025},
      {"<text name='telos.action_mode' data='mocap'/>"
       "<numeric name='telos.action_scale' data='0.01 0.02 0.03'/>",
       0.01, 0.03, 0.025, 0.025},
      {"<text name='telos.action_mode' data='mocap'/>"
       "<numeric name='telos.action_scale' data='0.01 0.02 0.03 0.04'/>",
       0.01, 0.03, 0.04, 0},
      {"<text name='telos.action_mode' data='mocap'/>"
       "<numeric name='telos.action_scale' data='0.01'/>"
       "<numeric name='telos.action_offset' data='0 0 0 0.05'/>",
       0.01, 0.01, 1, 0.05},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct task *task = load(cases[i].custom, ties[0].equality, "");
    const struct task_action *a = &task->action;
    cr_expect(a->scale[0] == cases[i].x && a->scale[2] == cases[i].z, "case %zu", i);
    cr_expect(a->scale[3] == cases[i].scale && a->offset[3] == cases[i].offset,
              "case %zu: %g + %g a", i, a->offset[3], a->scale[3]);
    task_free(task);
  }
}

// Where hand and mocap body are one place, nothing is added, and no bit of a trajectory changes.
Test(tether, bundled_tasks_have_no_offset) {
  static const char *const names[] = {
      "sawyer-push",   "sawyer-push-random",   "fetch-push",    "fetch-push-random",
      "sawyer-faucet", "sawyer-faucet-random", "sawyer-window", "sawyer-window-random"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    struct task *task = source_task(names[i]);
    const struct tether *t = &task->action.tether;
    cr_expect(t->exists && !t->apart && !t->follows, "%s", names[i]);
    task_free(task);
  }
}
