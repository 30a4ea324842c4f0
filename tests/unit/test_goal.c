// test_goal.c - goals and resets: each sampler draws what actor/tasks/README.md says, and each rule
// rejects what it should and nothing else.
#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"
#include "tests/unit/capture.h"

enum { DRAWS = 2000 };

// A ball on three slides, and a block beside it. The ball's joint coordinates are its position.
static const char model[] =
    "<mujoco model='ball'><compiler autolimits='false'/><size njmax='40' nconmax='10'/>"
    "<option timestep='0.01' gravity='0 0 0'/><custom>"
    "<numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='1'/>%s"
    "</custom>%s<worldbody>"
    "<geom name='block' type='box' size='0.5 0.5 0.5'/>"
    "<body name='ball' pos='0 0 0'><joint name='x' type='slide' axis='1 0 0'/>"
    "<joint name='y' type='slide' axis='0 1 0'/><joint name='z' type='slide' axis='0 0 1'/>"
    "<geom name='ball' size='0.1' mass='1'/></body>"
    "<body name='arm' pos='5 0 0'><joint name='turn' type='hinge' axis='0 0 1' limited='true' "
    "range='-90 90'/><geom type='capsule' fromto='0 0 0 1 0 0' size='0.05'/>"
    "<site name='tip' pos='1 0 0'/></body>"
    "</worldbody><actuator><motor joint='x'/><motor joint='y'/></actuator>"
    "<sensor><jointpos name='obs.x' joint='x'/>%s</sensor>"
    "<keyframe><key qpos='2 0 0 0'/></keyframe></mujoco>";

static const char ball_goal[] = "<framepos name='goal.ball' objtype='xbody' objname='ball'/>";

static struct task *load(const char *custom, const char *asset, const char *sensors) {
  char xml[4096];
  cr_assert_lt(snprintf(xml, sizeof xml, model, custom, asset, sensors), (int)sizeof xml);
  struct task *task = NULL;
  cr_assert_eq(task_from_xml(&task, xml, strlen(xml), "test"), ERR_OK);
  return task;
}

static struct env *env;
static struct rng rng;

static void begin(const struct task *task) {
  env = env_new(task);
  rng_init(&rng, 5, RNG_TEST, 0);
}

static void end(struct task *task) {
  env_free(env);
  task_free(task);
}

static void draw(float *goal) {
  cr_assert_eq(env_reset(env, goal, &rng), ERR_OK);
}

static bool near(double a, double b) {
  return fabs(a - b) < 1e-6;
}

Test(goal, fixed_and_box) {
  struct task *task = load("<numeric name='telos.goal' data='1 2 3'/>", "", ball_goal);
  float g[3];
  begin(task);
  draw(g);
  cr_expect(g[0] == 1 && g[1] == 2 && g[2] == 3);
  end(task);

  task = load(
      "<numeric name='telos.goal_low' data='-1 0 5'/>"
      "<numeric name='telos.goal_high' data='1 4 5'/>",
      "", ball_goal);
  begin(task);
  double sum[2] = {0, 0};
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    cr_assert(g[0] >= -1 && g[0] < 1 && g[1] >= 0 && g[1] < 4 && g[2] == 5);
    sum[0] += (double)g[0];
    sum[1] += (double)g[1];
  }
  // means of uniforms on widths 2 and 4: standard deviations 0.013 and 0.026
  cr_expect_float_eq(sum[0] / DRAWS, 0, 0.06);
  cr_expect_float_eq(sum[1] / DRAWS, 2, 0.12);
  end(task);
}

Test(goal, box_minus_box) {
  struct task *task = load(
      "<numeric name='telos.goal_low' data='-4 -4 0'/>"
      "<numeric name='telos.goal_high' data='4 4 0'/>"
      "<numeric name='telos.goal_hole_low' data='-2.5 -2.5 -1'/>"
      "<numeric name='telos.goal_hole_high' data='2.5 2.5 1'/>",
      "", ball_goal);
  float g[3];
  int side[4] = {0};
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    cr_assert(fabs((double)g[0]) >= 2.5 || fabs((double)g[1]) >= 2.5);
    side[0] += g[0] > 2.5f;
    side[1] += g[0] < -2.5f;
    side[2] += g[1] > 2.5f;
    side[3] += g[1] < -2.5f;
  }
  // each side is 12 of the 39 square units: 615 draws, with a deviation of 21
  for (int i = 0; i < 4; i++) {
    cr_expect(side[i] > 615 - 100 && side[i] < 615 + 100, "side %d: %d", i, side[i]);
  }
  end(task);
}

Test(goal, joint_manifold) {
  struct task *task = load(
      "<text name='telos.goal_joints' data='turn'/>"
      "<numeric name='telos.goal_joint_low' data='0'/>"
      "<numeric name='telos.goal_joint_high' data='1.5'/>",
      "", "<framepos name='goal.tip' objtype='site' objname='tip'/>");
  float g[3];
  double least = 9, most = -9;
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    const double angle = atan2((double)g[1], (double)g[0] - 5);
    cr_assert_float_eq(hypot((double)g[0] - 5, (double)g[1]), 1, 1e-5);
    cr_assert(angle >= -1e-6 && angle <= 1.5 + 1e-6);
    least = fmin(least, angle);
    most = fmax(most, angle);
    // the state itself stays where the key put it
    cr_assert_eq(env_data(env)->qpos[3], 0);
  }
  cr_expect(least < 0.02 && most > 1.48);
  end(task);
}

// the arm's goals may not touch the ball that stands in its way at the reset
Test(goal, joints_leave_out_what_overlaps) {
  static const char joints[] =
      "<text name='telos.goal_joints' data='x'/><numeric name='telos.goal_joint_low' data='-2'/>"
      "<numeric name='telos.goal_joint_high' data='2'/>"
      "<numeric name='telos.max_overlap' data='0.05'/>";
  struct task *task = load(joints, "", ball_goal);
  float g[3];
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    // block to 0.5, ball of 0.1, and 0.05 may overlap
    cr_assert_geq(fabs((double)g[0]), 0.55 - 1e-6);
  }
  end(task);
}

Test(goal, relative_to_a_body_at_reset) {
  struct task *task = load(
      "<numeric name='telos.reset_noise' data='1 1 0 0'/>"
      "<numeric name='telos.goal_low' data='-0.1 0 0.5'/>"
      "<numeric name='telos.goal_high' data='0.1 0 0.5'/>",
      "",
      "<framepos name='goal.ball' objtype='xbody' objname='ball'/>"
      "<framepos name='origin.ball' objtype='xbody' objname='ball'/>");
  float g[3];
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    const double *at = env_data(env)->qpos;
    cr_assert(fabs((double)g[0] - at[0]) <= 0.1 + 1e-6);
    cr_assert(near((double)g[1], at[1]) && near((double)g[2], at[2] + 0.5));
  }
  end(task);
}

Test(goal, parts_stay_apart_and_goals_are_not_reached_at_reset) {
  struct task *task = load(
      "<numeric name='telos.goal_low' data='1 -1 -1'/>"
      "<numeric name='telos.goal_high' data='3 1 1'/>"
      "<numeric name='telos.goal_apart' data='1 2 1 0.3'/>"
      "<numeric name='telos.goal_distance' data='0.5'/>",
      "", ball_goal);
  float g[3];
  double nearest = 9, closest = 9;
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    const double apart = fabs((double)g[1] - (double)g[2]);
    const double far = hypot(hypot((double)g[0] - 2, (double)g[1]), (double)g[2]);
    cr_assert(apart >= 0.3 - 1e-6 && far >= 0.5 - 1e-6);
    nearest = fmin(nearest, far);
    closest = fmin(closest, apart);
  }
  cr_expect(nearest < 0.6 && closest < 0.31, "nothing more is rejected: %g %g", nearest, closest);
  end(task);
}

// ---- resets ----

Test(goal, resets_keep_bodies_apart) {
  struct task *task = load(
      "<numeric name='telos.reset_noise' data='4 4 0 0'/>"
      "<numeric name='telos.reset_apart' data='3'/>"
      "<numeric name='telos.goal' data='0 0 0'/>",
      "",
      "<framepos name='goal.ball' objtype='xbody' objname='ball'/>"
      "<framepos name='apart.arm' objtype='xbody' objname='ball' "
      "reftype='xbody' refname='arm'/>");
  float g[3];
  double closest = 9;
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    const double *at = env_data(env)->qpos;
    closest = fmin(closest, hypot(at[0] - 5, at[1]));
  }
  cr_expect(closest >= 3 && closest < 3.1, "%g", closest);
  end(task);
}

Test(goal, resets_do_not_overlap) {
  struct task *task = load(
      "<numeric name='telos.reset_noise' data='3 3 0 0'/>"
      "<numeric name='telos.max_overlap' data='0'/>"
      "<numeric name='telos.goal' data='0 0 0'/>",
      "", ball_goal);
  float g[3];
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    const double *at = env_data(env)->qpos;
    // outside of the block grown by the ball; at the corners the ball is round
    cr_assert(fabs(at[0]) >= 0.6 - 1e-9 || fabs(at[1]) >= 0.6 - 1e-9 ||
              hypot(fabs(at[0]) - 0.5, fabs(at[1]) - 0.5) >= 0.1 - 1e-9);
  }
  end(task);
}

Test(goal, velocities_at_reset) {
  struct task *task = load(
      "<numeric name='telos.reset_velocity_noise' data='0.5 0 0 0'/>"
      "<numeric name='telos.reset_velocity_normal' data='0 2 0 0'/>"
      "<numeric name='telos.goal' data='0 0 0'/>",
      "", ball_goal);
  float g[3];
  double most = 0, square = 0;
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    const double *v = env_data(env)->qvel;
    cr_assert(fabs(v[0]) <= 0.5 && v[2] == 0 && v[3] == 0);
    most = fmax(most, fabs(v[0]));
    square += v[1] * v[1];
  }
  cr_expect_gt(most, 0.49);
  // the variance of 2,000 normals of deviation 2 has a deviation of 0.13
  cr_expect_float_eq(square / DRAWS, 4, 0.6);
  end(task);
}

Test(goal, rules_that_leave_nothing_are_refused) {
  log_set_level(LOG_ERROR - 1);
  char xml[4096];
  snprintf(xml, sizeof xml, model,
           "<numeric name='telos.goal' data='0 0 0'/>"
           "<numeric name='telos.goal_distance' data='100'/>",
           "", ball_goal);
  struct task *task = NULL;
  cr_expect_eq(task_from_xml(&task, xml, strlen(xml), "test"), ERR_CONFIG);
}

// ---- tables ----

static const char table_custom[] =
    "<numeric name='telos.goal_table_seed' data='3'/><numeric name='telos.goal_table_steps' "
    "data='30'/>%s";
static const char table_asset[] =
    "<asset><hfield name='telos.goal_table' nrow='100' ncol='3' size='1 1 1 1'/></asset>";

static struct task *load_table(const char *more) {
  char custom[1024];
  snprintf(custom, sizeof custom, table_custom, more);
  return load(custom, table_asset, ball_goal);
}

// a cache of its own for each test
static void own_cache(char folder[64]) {
  snprintf(folder, 64, "/tmp/telos-cache-XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  setenv("XDG_CACHE_HOME", folder, 1);
}

static void remove_cache(const char *folder) {
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  cr_assert_eq(system(command), 0);
}

Test(goal, table_of_random_rollouts) {
  char folder[64];
  own_cache(folder);
  struct task *task = load_table("");
  const struct task_goal *t = &task->target;
  cr_assert(t->table_rows == 100 && t->table_steps == 30);
  int moved = 0;
  for (int r = 0; r < 100; r++) {
    const float *row = t->table + 3 * (size_t)r;
    // 30 steps of a force of at most 1 on 1 kg from 2: at most 0.045 away, mostly much less
    cr_assert(fabs((double)row[0] - 2) < 0.05 && fabs((double)row[1]) < 0.05 && row[2] == 0);
    moved += row[0] != 2;
  }
  cr_expect_gt(moved, 80);
  // goals are rows
  float g[3];
  begin(task);
  bool seen[100] = {false};
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    int r = 0;
    while (r < 100 && memcmp(t->table + 3 * (size_t)r, g, sizeof g) != 0) {
      r++;
    }
    cr_assert_lt(r, 100, "a goal that is no row");
    seen[r] = true;
  }
  for (int r = 0; r < 100; r++) {
    cr_expect(seen[r], "row %d is never drawn", r);
  }
  // an actor has the same table
  struct task *copy = NULL;
  cr_assert_eq(task_from_mjb(&copy, task->mjb, task->mjb_size), ERR_OK);
  cr_expect_eq(memcmp(copy->target.table, t->table, 300 * sizeof(float)), 0);
  task_free(copy);
  end(task);
  remove_cache(folder);
}

// the cache gives what the rollouts gave; a damaged file, or none, costs the rollouts only
Test(goal, tables_are_cached) {
  char folder[64], command[256];
  own_cache(folder);
  struct task *first = load_table("");
  snprintf(command, sizeof command, "test $(ls %s/telos | wc -l) = 1", folder);
  cr_expect_eq(system(command), 0, "one file is kept");
  struct task *cached = load_table("");
  cr_expect_eq(first->digest, cached->digest);
  // another table in the same place, with a digest that is right, is what a load would take
  snprintf(command, sizeof command, "printf garbage > $(ls %s/telos/*)", folder);
  cr_assert_eq(system(command), 0);
  capture_begin();
  struct task *again = load_table("");
  cr_expect_str_empty(capture_end(), "what is kept again is no news");
  cr_expect_eq(first->digest, again->digest);
  setenv("XDG_CACHE_HOME", "/proc/no/such/place", 1);
  capture_begin();
  struct task *alone = load_table("");
  const char *log = capture_end();
  cr_expect_eq(first->digest, alone->digest);
  // harmless: one warning, with reason and remedy, and no error
  cr_expect(strncmp(log, "W ", 2) == 0 && strchr(log, '\n') == strrchr(log, '\n'), "%s", log);
  cr_expect(strstr(log, "/proc/no/such/place/telos/goals-") && strstr(log, "XDG_CACHE_HOME"), "%s",
            log);
  task_free(first);
  task_free(cached);
  task_free(again);
  task_free(alone);
  remove_cache(folder);
}

Test(goal, a_box_is_added_to_the_table) {
  char folder[64];
  own_cache(folder);
  struct task *task = load_table(
      "<numeric name='telos.goal_low' data='-5 0 7'/>"
      "<numeric name='telos.goal_high' data='5 0 7'/>");
  float g[3];
  double least = 9, most = -9;
  begin(task);
  for (int i = 0; i < DRAWS; i++) {
    draw(g);
    cr_assert(fabs((double)g[1]) < 0.05 && g[2] == 7);
    least = fmin(least, (double)g[0]);
    most = fmax(most, (double)g[0]);
  }
  cr_expect(least < -2.9 && least > -3.1 && most > 6.9 && most < 7.1, "%g %g", least, most);
  end(task);
  remove_cache(folder);
}
