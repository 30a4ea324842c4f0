// test_task_sawyer_push.c - Sawyer Push against its sheet: how the hand follows its set-point, how
// the puck moves, and a solution by hand.
#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>

#include "actor/script.h"
#include "common/task/env.h"
#include "tests/unit/pushing.h"

// qpos: hand xyz, puck xyz
enum { HAND = 0, PUCK = 3, SUBSTEPS = 50 };

// from the hand's axis to the puck's, touching: radii 0.005 and 0.04
static const double contact_distance = 0.045;

static struct bench open_push(void) {
  return open_task("sawyer-push");
}

// hand and puck at rest, the set-point in the hand
static void place(struct bench *b, double hand_x, double hand_y, double puck_x, double puck_y) {
  start(b, 1);
  b->d->qpos[HAND] = b->d->mocap_pos[0] = hand_x;
  b->d->qpos[HAND + 1] = b->d->mocap_pos[1] = hand_y;
  b->d->qpos[PUCK] = puck_x;
  b->d->qpos[PUCK + 1] = puck_y;
  env_refresh(b->env);
}

static bool touching(const struct bench *b) {
  const int finger = mj_name2id(b->m, mjOBJ_GEOM, "finger");
  for (int i = 0; i < b->d->ncon; i++) {
    if (b->d->contact[i].geom1 == finger || b->d->contact[i].geom2 == finger) {
      return true;
    }
  }
  return false;
}

Test(task_sawyer_push, sheet) {
  struct bench b = open_push();
  const struct task *t = b.task;
  cr_expect(t->obs == 4 && t->act == 2 && t->goal == 4 && t->horizon == 100);
  cr_expect_float_eq(b.m->opt.timestep * t->frame_skip, 0.1, 1e-12);
  static const float begin[4] = {-0.02f, 0.50f, 0, 0.60f}, end[4] = {-0.05f, 0.60f, 0.15f, 0.70f};
  float obs[4], achieved[4];
  env_observe(b.env, obs, achieved);
  for (int i = 0; i < 4; i++) {
    cr_expect_float_eq(obs[i], begin[i], 1e-6);
    cr_expect_eq(achieved[i], obs[i]);
    cr_expect_float_eq(b.goal[i], end[i], 1e-6);
  }
  cr_expect_float_eq(distance(&b), 0.208, 0.0005);
  cr_expect_float_eq(hypot((double)(obs[0] - b.goal[0]), (double)(obs[1] - b.goal[1])), 0.104,
                     0.0005);
  cr_expect_float_eq(hypot((double)(obs[2] - b.goal[2]), (double)(obs[3] - b.goal[3])), 0.180,
                     0.0005);
  close_task(&b);
}

// The set-point begins at (0, 0.4): whatever the first action, y is at its limit after it.
Test(task_sawyer_push, set_point_integrates_within_limits) {
  struct bench b = open_push();
  const mjtNum *point = b.d->mocap_pos;
  static const float still[2] = {0, 0}, left_down[2] = {-1, -1}, right_up[2] = {1, 0.5f};
  step(&b, left_down);
  cr_expect_float_eq(point[0], -0.02, 1e-9);
  cr_expect_float_eq(point[1], 0.55, 1e-9);
  step(&b, still);
  cr_expect_float_eq(point[0], -0.02, 1e-9);
  step(&b, right_up);
  cr_expect_float_eq(point[0], 0, 1e-9);
  cr_expect_float_eq(point[1], 0.56, 1e-9);
  for (int i = 0; i < 12; i++) {
    step(&b, right_up);
  }
  cr_expect_float_eq(point[0], 0.1, 1e-9);
  cr_expect_float_eq(point[1], 0.65, 1e-9);
  cr_expect_float_eq(point[2], 0.06, 1e-9);
  close_task(&b);
}

// TASKS 10, check 3, and the table of section 4: 20 mm in free air. As there, what is read is
// xpos, which mj_step leaves at the state before it.
Test(task_sawyer_push, hand_follows_a_jump) {
  static const double travel[8] = {5.0, 11.7, 15.7, 17.8, 18.9, 19.5, 19.7, 19.9};
  struct bench b = open_push();
  const int hand = mj_name2id(b.m, mjOBJ_BODY, "hand");
  for (int axis = 0; axis < 2; axis++) {
    place(&b, 0, 0.6, 0.3, 0.9);
    const double from = b.d->qpos[HAND + axis];
    b.d->mocap_pos[axis] += 0.02;
    double at[9] = {0}, peak = 0;
    for (int i = 1; i <= 45; i++) {
      mj_step(b.m, b.d);
      peak = fmax(peak, b.d->qvel[HAND + axis]);
      if (i % 5 == 0) {
        at[i / 5 - 1] = 1000 * (b.d->xpos[3 * hand + axis] - from);
      }
    }
    for (int i = 0; i < 8; i++) {
      cr_expect_float_eq(at[i], travel[i], 0.06, "axis %d: %g mm after %d ms", axis, at[i],
                         10 * (i + 1));
    }
    cr_expect(at[1] >= 0.58 * 20 && at[1] <= 0.60 * 20);
    cr_expect(at[8] > 0.99 * 20);
    cr_expect_float_eq(peak, 0.77, 0.005);
  }
  close_task(&b);
}

// TASKS 10, check 3: once inside its box the hand is never more than 1 mm outside, at any physics
// step, pushing or not
Test(task_sawyer_push, hand_stays_in_its_box) {
  struct bench b = open_push();
  const double *low = b.task->action.low, *high = b.task->action.high;
  double worst = 0;
  for (uint64_t seed = 0; seed < 20; seed++) {
    start(&b, seed);
    float a[2] = {0, 0};
    bool inside = false;
    for (int t = 0; t < 100; t++) {
      // held for ten steps, so that limits and corners are reached
      if (t % 10 == 0) {
        rng_fill_uniform(&b.rng, a, 2, -2, 2);
      }
      for (int i = 0; i < 2; i++) {
        const double to = b.d->mocap_pos[i] + 0.02 * mju_clip((double)a[i], -1, 1);
        b.d->mocap_pos[i] = mju_clip(to, low[i], high[i]);
      }
      for (int k = 0; k < SUBSTEPS; k++) {
        mj_step(b.m, b.d);
        double out = 0;
        for (int i = 0; i < 2; i++) {
          const double x = b.d->qpos[HAND + i];
          out = fmax(out, fmax(low[i] - x, x - high[i]));
        }
        inside = inside || out <= 0;
        worst = inside ? fmax(worst, out) : worst;
      }
    }
    cr_expect(inside);
  }
  cr_expect_leq(worst, 0.001, "%g m outside", worst);
  close_task(&b);
}

// TASKS 10, check 3: a straight push
Test(task_sawyer_push, straight_push) {
  struct bench b = open_push();
  place(&b, 0, 0.55, 0, 0.6);
  int contacts = 0, since = -1, losses = 0;
  for (int t = 0; t < 20; t++) {
    b.d->mocap_pos[1] = fmin(b.d->mocap_pos[1] + 0.02, 0.65);
    for (int k = 0; k < SUBSTEPS; k++) {
      mj_step(b.m, b.d);
      since = touching(&b) ? 0 : since < 0 ? -1 : since + 1;
      contacts += since == 0;
      cr_expect_float_eq(b.d->qpos[PUCK], 0, 1e-4);
      cr_expect_float_eq(b.d->qpos[PUCK + 2], 0.015, 0.001, "puck at z = %g", b.d->qpos[PUCK + 2]);
      // 100 ms after contact was lost: at rest
      if (since == 50) {
        losses++;
        cr_expect_lt(fabs(b.d->qvel[PUCK + 1]), 0.001, "%g m/s", b.d->qvel[PUCK + 1]);
      }
    }
    cr_expect_geq(b.d->qpos[PUCK + 1], b.d->qpos[HAND + 1] + contact_distance - 0.001);
  }
  cr_expect(contacts > 0 && losses > 0);
  // the hand ends at 0.65; the puck was kicked further than contact, by 25 mm at most
  cr_expect_float_eq(b.d->qpos[HAND + 1], 0.65, 0.001);
  cr_expect(b.d->qpos[PUCK + 1] >= 0.695 - 0.001 && b.d->qpos[PUCK + 1] <= 0.72);
  close_task(&b);
}

// TASKS 10, check 3: the set-point path (-0.06, 0.55), (-0.06, 0.575), (0.10, 0.65), the larger
// component 0.02 a step, kicks the puck to (0.155, 0.698); from there the hand goes home.
Test(task_sawyer_push, script_solves_it) {
  struct bench b = open_push();
  struct script *s = NULL;
  const char *path = source_path("tests/scripts/sawyer-push.txt");
  cr_assert_eq(script_read(&s, path, b.task->act), ERR_OK);
  cr_assert_leq(script_steps(s), b.task->horizon);
  int solved = -1;
  for (int t = 0; t < b.task->horizon; t++) {
    float a[2];
    script_action(s, a, b.task, b.d, t);
    step(&b, a);
    cr_expect_float_eq(b.d->qpos[PUCK + 2], 0.015, 0.001);
    if (distance(&b) >= b.task->success_radius) {
      solved = -1;
    } else if (solved < 0) {
      solved = t + 1;
    }
  }
  cr_expect_float_eq(b.d->qpos[PUCK], 0.155, 0.005);
  cr_expect_float_eq(b.d->qpos[PUCK + 1], 0.698, 0.005);
  cr_expect_float_eq(b.d->qpos[HAND], -0.05, 0.001);
  cr_expect_float_eq(b.d->qpos[HAND + 1], 0.60, 0.001);
  cr_expect(solved > 0 && solved <= 30, "solved for good after %d steps", solved);
  script_free(s);
  close_task(&b);
}

// TASKS 10, check 7: 200 random episodes
Test(task_sawyer_push, random_episodes_are_sound) {
  struct bench b = open_push();
  int moved = 0;
  for (uint64_t seed = 0; seed < 200; seed++) {
    start(&b, seed);
    for (int t = 0; t < b.task->horizon; t++) {
      float a[2], obs[4], achieved[4];
      rng_fill_uniform(&b.rng, a, 2, -1, 1);
      step(&b, a);
      env_observe(b.env, obs, achieved);
      for (int i = 0; i < 4; i++) {
        cr_assert(isfinite(obs[i]) && obs[i] == achieved[i]);
      }
      const double apart = hypot((double)(obs[2] - obs[0]), (double)(obs[3] - obs[1]));
      cr_assert(apart > contact_distance - 0.002, "finger %g m from the puck's axis", apart);
      cr_assert_float_eq(b.d->qpos[PUCK + 2], 0.015, 0.002);
    }
    moved += hypot(b.d->qpos[PUCK], b.d->qpos[PUCK + 1] - 0.6) > 0.01;
    for (int i = 0; i < mjNWARNING; i++) {
      cr_assert_eq(b.d->warning[i].number, 0, "warning %d", i);
    }
  }
  cr_expect_gt(moved, 20, "the puck moved in %d episodes", moved);
  close_task(&b);
}

// hand and puck goals fill their boxes, except where they would be in one place
Test(task_sawyer_push, random_goals) {
  struct bench b = open_task("sawyer-push-random");
  static const double low[4] = {-0.1, 0.55, -0.15, 0.5}, high[4] = {0.1, 0.65, 0.15, 0.7};
  double least[4] = {1, 1, 1, 1}, most[4] = {-1, -1, -1, -1}, nearest = 1;
  for (uint64_t seed = 0; seed < 2000; seed++) {
    start(&b, seed);
    for (int i = 0; i < 4; i++) {
      least[i] = fmin(least[i], (double)b.goal[i]);
      most[i] = fmax(most[i], (double)b.goal[i]);
    }
    nearest =
        fmin(nearest, hypot((double)(b.goal[2] - b.goal[0]), (double)(b.goal[3] - b.goal[1])));
    cr_expect_float_eq(b.d->qpos[HAND], -0.02, 1e-9);
    cr_expect_float_eq(b.d->qpos[PUCK + 1], 0.6, 1e-9);
  }
  // of 2,000 uniforms the extreme ones are within 1 % of the ends, but for a chance of 1e-8
  for (int i = 0; i < 4; i++) {
    const double slack = 0.01 * (high[i] - low[i]);
    cr_expect(least[i] >= low[i] - 1e-6 && least[i] < low[i] + slack);
    cr_expect(most[i] <= high[i] + 1e-6 && most[i] > high[i] - slack);
  }
  cr_expect(nearest >= contact_distance && nearest < 0.05, "nearest %g", nearest);
  close_task(&b);
}
