// test_trial.c - what a trial of a task tells: each kind of trouble once, with its numbers, and
// nothing of a bundled task.
#include "common/task/trial.h"

#include <criterion/criterion.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/task/drawn.h"
#include "tests/unit/capture.h"
#include "tests/unit/source.h"

static struct trial trial;

// runs one; the log stays empty, whatever MuJoCo warns of
static void try_task(const struct task *task) {
  capture_begin();
  trial_run(&trial, task);
  cr_expect_str_empty(capture_end());
}

static struct task *load(const char *xml) {
  struct task *task = NULL;
  cr_assert_eq(task_from_xml(&task, xml, strlen(xml), "test"), ERR_OK);
  return task;
}

// one line with all of these words, and no other
static void expect_line(const char *xml, const char *const *words) {
  struct task *task = load(xml);
  try_task(task);
  task_free(task);
  cr_expect_eq(trial.n, 1, "%d lines, the first: %s; second: %s", trial.n, trial.line[0],
               trial.line[1]);
  for (; trial.n > 0 && *words; words++) {
    cr_expect(strstr(trial.line[0], *words) != NULL, "no \"%s\" in\n%s", *words, trial.line[0]);
  }
}

#define EXPECT(xml, ...) expect_line(xml, (const char *const[]){__VA_ARGS__, NULL})

// a box on a rail: custom elements, joint, motor, goal sensor
static const char *rail(const char *custom, const char *joint, const char *motor,
                        const char *goal) {
  static char xml[4096];
  snprintf(xml, sizeof xml,
           "<mujoco model='rail'><compiler autolimits='false'/><option timestep='0.01'/><custom>"
           "<numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='5'/>"
           "%s</custom><worldbody><body name='box' pos='0 0 1'><joint name='x' type='slide' "
           "axis='1 0 0' %s/><geom type='box' size='0.1 0.1 0.1' mass='1'/></body></worldbody>"
           "<actuator><motor name='m' joint='x' ctrllimited='true' %s/></actuator><sensor>"
           "<jointpos name='obs.x' joint='x'/>%s</sensor></mujoco>",
           custom, joint, motor, goal);
  return xml;
}

#define GOAL_X "<jointpos name='goal.x' joint='x'/>"
#define FAR_GOAL \
  "<numeric name='telos.goal_low' data='1'/><numeric name='telos.goal_high' data='2'/>"
#define DAMPED "damping='1'"
#define MOTOR "ctrlrange='-5 5'"

Test(trial, a_sound_task_gives_no_line) {
  struct task *task = load(rail(FAR_GOAL, DAMPED, MOTOR, GOAL_X));
  try_task(task);
  cr_expect_eq(trial.n, 0, "%s", trial.line[0]);
  task_free(task);
}

static void try_bundled(void *ctx, const char *name, const char *path) {
  int *n = ctx;
  struct task *task = NULL;
  cr_assert_eq(task_load(&task, path), ERR_OK, "%s", name);
  try_task(task);
  cr_expect_eq(trial.n, 0, "%s: %s", name, trial.line[0]);
  task_free(task);
  ++*n;
}

Test(trial, bundled_tasks_give_no_line) {
  int n = 0;
  setenv("TELOS_TASK_PATH", source_path("actor/tasks"), 1);
  task_list(try_bundled, &n);
  cr_expect_geq(n, 20);
}

Test(trial, a_goal_that_is_the_start) {
  EXPECT(rail("<numeric name='telos.goal' data='0'/>", DAMPED, MOTOR, GOAL_X),
         "the goal is reached at reset in 20 of 20 resets: the score, 100 x final / initial "
         "distance, means nothing");
  EXPECT(rail("<numeric name='telos.goal' data='0.01'/>"
              "<numeric name='telos.success_radius' data='0.1'/>",
              DAMPED, MOTOR, GOAL_X),
         "resets begin within telos.success_radius in 20 of 20", "means nothing");
  // finite, large and as meaningless
  EXPECT(rail("<numeric name='telos.goal' data='0'/>"
              "<numeric name='telos.reset_noise' data='0.001'/>",
              DAMPED, MOTOR, GOAL_X),
         "resets begin close to the goal: at 0.000", "is large for all but the best");
}

Test(trial, episodes_that_become_unstable) {
  EXPECT(
      rail(FAR_GOAL, "stiffness='45000'", MOTOR, GOAL_X),
      "10 of 10 episodes of random actions become unstable, after about 7 of 50 steps; a smaller "
      "timestep or action scale helps");
}

Test(trial, a_joint_that_leaves_its_range_by_far) {
  EXPECT(
      rail(FAR_GOAL, "damping='1' limited='true' range='-1.5 1.5'", "ctrlrange='-1e7 1e7'", GOAL_X),
      "joint \"x\" leaves its range, -1.5 to 1.5, by up to ", "times its width in 10 of 10",
      "a smaller timestep or control range helps");
}

Test(trial, controls_that_are_cut_off) {
  EXPECT(rail(FAR_GOAL "<numeric name='telos.action_scale' data='7'/>", DAMPED, MOTOR, GOAL_X),
         "action \"m\" is a control of -7 to 7, and its ctrlrange is -5 to 5");
}

Test(trial, a_goal_that_no_picture_shows) {
  EXPECT(rail(FAR_GOAL, DAMPED, MOTOR, "<jointvel name='goal.v' joint='x'/>"),
         "\"goal.v\" of the goal is not drawn by telos play: it reads neither a place nor joints");
}

// a pole that hangs, whose inertial frame is turned by 180 degrees: solved by hanging
Test(trial, an_inertial_frame_for_a_body) {
  static const char xml[] =
      "<mujoco model='pole'><custom><numeric name='telos.horizon' data='50'/>"
      "<numeric name='telos.frame_skip' data='5'/><numeric name='telos.goal' data='0 0 "
      "1'/></custom>"
      "<worldbody><site name='goal.up'/><body name='pole' pos='0 0 1.5'>"
      "<joint name='j' type='hinge' axis='0 1 0' damping='0.1'/>"
      "<geom type='capsule' fromto='0 0 0 0 0 1' size='0.05' mass='1'/></body></worldbody>"
      "<actuator><motor joint='j' ctrllimited='true' ctrlrange='-20 20'/></actuator>"
      "<sensor><jointpos name='obs.j' joint='j'/>"
      "<framezaxis name='goal.up' objtype='%s' objname='pole'/></sensor>"
      "<keyframe><key qpos='%s'/></keyframe></mujoco>";
  char text[2048];
  snprintf(text, sizeof text, xml, "body", "1.5");
  EXPECT(text, "\"goal.up\" reads the inertial frame of \"pole\"",
         "objtype=\"xbody\" is the body's");
  snprintf(text, sizeof text, xml, "xbody", "1.5");
  struct task *task = load(text);
  try_task(task);
  cr_expect_eq(trial.n, 0, "%s", trial.line[0]);
  char words[64];
  task_sensor_frame(words, sizeof words, task, 1);
  cr_expect_str_eq(words, "frame of pole");
  task_sensor_frame(words, sizeof words, task, 0);
  cr_expect_str_empty(words);
  task_free(task);
}

// ---- set-points ----

static const char *hand(const char *equality, const char *key) {
  static char xml[4096];
  snprintf(xml, sizeof xml,
           "<mujoco model='h'><compiler autolimits='false'/><option gravity='0 0 0'/><custom>"
           "<numeric name='telos.horizon' data='10'/><numeric name='telos.frame_skip' data='5'/>"
           "<text name='telos.action_mode' data='mocap'/>"
           "<numeric name='telos.action_scale' data='0.02'/>"
           "<numeric name='telos.mocap_lead' data='0.05'/>"
           "<text name='telos.mocap_body' data='point'/><text name='telos.hand' data='hand'/>"
           "<numeric name='telos.goal' data='0.4 0.3 1'/></custom><worldbody>"
           "<body name='point' mocap='true'/><body name='hand' pos='0 0 0.5'><freejoint/>"
           "<geom size='0.05' mass='1'/></body></worldbody><equality>%s</equality><sensor>"
           "<framepos name='obs.hand' objtype='xbody' objname='hand'/>"
           "<framepos name='goal.hand' objtype='xbody' objname='hand'/></sensor>"
           "<keyframe>%s</keyframe></mujoco>",
           equality, key);
  return xml;
}

Test(trial, a_set_point_that_tears) {
  static const char weld[] = "<weld body1='point' body2='hand'/>";
  struct task *task = load(hand(weld, ""));
  try_task(task);
  cr_expect_eq(trial.n, 0, "the weld's own offset is kept: %s", trial.line[0]);
  task_free(task);
  // a key that says where both are, and not where the weld holds them
  EXPECT(hand(weld, "<key qpos='0 0 1 0 1 0 0' mpos='0 0 0.1'/>"),
         "the set-point and \"hand\" are 0.4 m apart and turned by 180 degrees at reset",
         "mpos=\"0 0 1.5\" mquat=\"0 1 0 0\" of the mocap body holds it");
  EXPECT(hand("", "<key qpos='0 0 0 1 0 0 0' mpos='0 0 0.01'/>"),
         "no <weld> or <connect> between the bodies", "\"hand\" need not follow");
}

// ---- what is drawn ----

Test(trial, what_is_drawn_of_a_task) {
  struct task *task = load(
      "<mujoco model='d'><default><site group='4'/></default><custom>"
      "<numeric name='telos.horizon' data='5'/><numeric name='telos.frame_skip' data='1'/>"
      "<numeric name='telos.goal' data='1 0 0 1 1 1 0 0'/></custom><worldbody>"
      "<site name='goal.there'/><body name='b'><joint name='x' type='slide'/><site name='s'/>"
      "<geom name='seen' size='0.1'/><geom name='hidden' group='3' size='0.1'/>"
      "<geom name='air' size='0.1' rgba='1 1 1 0'/></body></worldbody>"
      "<actuator><motor joint='x'/></actuator><sensor><jointpos name='obs.x' joint='x'/>"
      "<framepos name='goal.there' objtype='site' objname='s'/>"
      "<framepos name='goal.alone' objtype='site' objname='s'/>"
      "<jointpos name='goal.x' joint='x'/><jointvel name='goal.v' joint='x'/></sensor></mujoco>");
  const struct drawn_goal there = drawn_goal_of(task, 0), alone = drawn_goal_of(task, 1),
                          x = drawn_goal_of(task, 2), v = drawn_goal_of(task, 3);
  cr_expect(there.site == 0 && !there.sphere && there.qpos < 0 && !there.nothing);
  cr_expect(alone.site < 0 && alone.sphere && alone.qpos < 0 && !alone.nothing);
  cr_expect(x.site < 0 && !x.sphere && x.qpos == 0 && !x.nothing);
  cr_expect(v.site < 0 && !v.sphere && v.qpos < 0 && v.nothing);
  const struct drawn_hidden hidden = drawn_hidden_of(task->model);
  cr_expect(hidden.geoms == 1 && hidden.sites == 2 && hidden.tendons == 0);
  cr_expect(drawn_geom(task->model, 0) && !drawn_geom(task->model, 1) &&
            !drawn_geom(task->model, 2));
  task_free(task);
}
