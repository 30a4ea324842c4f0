// test_task_faucet.c - Sawyer Faucet against its sheet, and the hand that it shares with Sawyer
// Window. Figures are measurements of the published environments' arm, or of earlier models of ours
// where it says so.
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "tests/unit/sawyer.h"

static double lever_of(const float *handle) {
  return atan2((double)handle[0], 0.8 - (double)handle[1]);
}

// the lever's limits are +-1.57; a blow bends it 0.1 beyond
static const struct sawyer_joint lever = {lever_of, -1.67, 1.67, 0, 1.57};

// ---- the hand ----

// A set-point jump of 10 mm: where the hand is every 12.5 ms. The figures were read right after
// MuJoCo's step, which shows the state one step of 2.5 ms earlier.
Test(sawyer_hand, step_response) {
  static const double travel[8] = {0.9, 2.9, 4.8, 6.5, 7.7, 8.5, 9.1, 9.5};  // mm
  const float still[4] = {0, 0, 0, -1};
  struct sawyer s;
  sawyer_open(&s, "sawyer-faucet");
  s.task->frame_skip = 1;
  for (int axis = 0; axis < 2; axis++) {
    double peak = 0;
    int half = 0, whole = 0;
    sawyer_reset(&s, 0);
    const double from = s.d->mocap_pos[axis];
    s.d->mocap_pos[axis] += 0.01;
    for (int i = 1; i <= 80; i++) {
      sawyer_step(&s, still);
      const double x = 1e3 * (s.d->qpos[axis] - from);
      peak = fmax(peak, s.d->qvel[axis]);
      half = half == 0 && x >= 5 ? i : half;
      whole = whole == 0 && x >= 9.9 ? i : whole;
      if (i % 5 == 4 && i / 5 < 8) {
        // 0.05 of rounding and as much for the differences between versions
        cr_expect_float_eq(x, travel[i / 5], 0.1, "axis %d after %d: %.3f mm", axis, i, x);
      }
    }
    cr_expect_float_eq(peak, 0.17, 0.005, "axis %d: %g m/s", axis, peak);
    cr_expect_float_eq(2.5 * (half + 1), 40, 2.5);
    cr_expect_float_eq(2.5 * (whole + 1), 143, 2.5);
  }
  sawyer_close(&s);
}

// Two servos of gain 400 on fingers of (100 + 0.1) kg with damping 1000, commands a and -a: the
// equation of one of them, integrated here.
Test(sawyer_hand, one_servo_moves_both_fingers) {
  const float shut[4] = {0, 0, 0, 1}, open[4] = {0, 0, 0, -1};
  struct sawyer s;
  sawyer_open(&s, "sawyer-faucet");
  double x = 0, v = 0, fastest = 0;
  for (int t = 0; t < 12; t++) {
    sawyer_step(&s, shut);
    for (int i = 0; i < 1250; i++) {
      v += 1e-5 * (400 * (1 - x) - 1000 * v) / 100.1;
      x += 1e-5 * v;
    }
    cr_expect_float_eq(s.d->qpos[SAWYER_RIGHT], x, 2e-4, "step %d", t);
    cr_expect_float_eq(s.d->qpos[SAWYER_LEFT], -s.d->qpos[SAWYER_RIGHT], 1e-6, "step %d", t);
    fastest = fmax(fastest, s.d->qvel[SAWYER_RIGHT]);
  }
  cr_expect(fastest > 0.2 && fastest < 0.4);
  // each goes on to the end of its own travel
  for (int t = 0; t < 40; t++) {
    sawyer_step(&s, shut);
  }
  cr_expect_float_eq(s.d->qpos[SAWYER_RIGHT], 0.04, 0.001);
  cr_expect_float_eq(s.d->qpos[SAWYER_LEFT], -0.03, 0.001);
  for (int t = 0; t < 80; t++) {
    sawyer_step(&s, open);
  }
  cr_expect_float_eq(s.d->qpos[SAWYER_RIGHT], 0, 0.001);
  cr_expect_float_eq(s.d->qpos[SAWYER_LEFT], 0, 0.001);
  sawyer_close(&s);
}

static void watch_nothing(struct sawyer *s) {
  cr_assert_eq(s->task->frame_skip, 1);
}

// what the checks of walls watch is what the task does
Test(sawyer_hand, watching_changes_nothing) {
  struct sawyer s, watched;
  struct rng rng;
  float act[4] = {1, 0, 0, -1};
  int left = 20;
  sawyer_open(&s, "sawyer-faucet");
  sawyer_open(&watched, "sawyer-faucet");
  const double p[3] = {-0.1, 0.65, 0.12};
  sawyer_place(&s, p, 0.1);
  sawyer_place(&watched, p, 0.1);
  rng_init(&rng, 3, RNG_TEST, 0);
  for (int t = 0; t < 300; t++) {
    sawyer_draw_held(&rng, act, &left);
    sawyer_step(&s, act);
    sawyer_watch(&watched, act, watch_nothing);
    cr_assert_arr_eq(s.d->qpos, watched.d->qpos, 6 * sizeof(mjtNum), "step %d", t);
  }
  cr_expect_gt(fabs(s.d->qpos[SAWYER_JOINT] - 0.1), 0.01);
  sawyer_close(&s);
  sawyer_close(&watched);
}

// ---- the task ----

Test(sawyer_faucet, sheet) {
  static const float goal[6] = {0, 0.625f, 0.125f, 0.175f, 0.8f, 0.125f};
  struct sawyer s;
  sawyer_open(&s, "sawyer-faucet");
  cr_expect_float_eq(sawyer_distance(&s, 0), 0.343, 0.0005);
  cr_expect_float_eq(sawyer_distance(&s, 3), 0.247, 0.0005);
  sawyer_check_sheet(&s, goal);
  sawyer_close(&s);
}

Test(sawyer_faucet, handle_formula) {
  const double p[3] = {0, 0.4, 0.2};
  struct sawyer s;
  sawyer_open(&s, "sawyer-faucet");
  for (int i = -157; i <= 157; i++) {
    const double q = i / 100.0;
    const double handle[3] = {0.175 * sin(q), 0.8 - 0.175 * cos(q), 0.125};
    float obs[6], achieved[6];
    sawyer_place(&s, p, q);
    env_observe(s.env, obs, achieved);
    for (int j = 0; j < 3; j++) {
      cr_expect_float_eq(achieved[3 + j], handle[j], 0.001, "q %g", q);
    }
  }
  sawyer_close(&s);
}

// the hand sweeps to the right along y = 0.65: where the lever is when the hand passes two places
// (TASKS 10.5, from earlier models of ours: about 0.95 and 1.10); beyond, it is released and rests
Test(sawyer_faucet, sweep_turns_the_lever_and_releases_it) {
  static const double at[2] = {0.09, 0.135}, angle[2] = {0.95, 1.10};
  struct sawyer s;
  sawyer_open(&s, "sawyer-faucet");
  sawyer_go(&s, -0.1, 0.55, 0.13, -1, 20);
  sawyer_go(&s, -0.1, 0.65, 0.13, -1, 30);
  const mjtNum *hand = s.d->qpos, *q = s.d->qpos + SAWYER_JOINT;
  cr_expect_float_eq(*q, 0, 1e-6);
  for (int next = 0, t = 0; next < 2 && t < 100; t++) {
    const double x = hand[0], before = *q;
    sawyer_go(&s, 0.3, 0.65, 0.13, -1, 1);
    if (hand[0] >= at[next]) {
      const double there = before + (*q - before) * (at[next] - x) / (hand[0] - x);
      cr_expect_float_eq(there, angle[next], 0.02, "x %g: q %g", at[next], there);
      next++;
    }
  }
  cr_expect_float_eq(hand[1], 0.65, 0.002);
  sawyer_go(&s, 0.3, 0.65, 0.13, -1, 10);
  cr_expect_eq(s.d->ncon, 0);
  const double released = *q;
  cr_expect_gt(released, 1.08);
  sawyer_go(&s, 0.3, 0.65, 0.13, -1, 50);
  cr_expect_float_eq(*q, released, 1e-4);
  sawyer_close(&s);
}

// pushed at full speed and let go half-way: it stops where it is
Test(sawyer_faucet, released_lever_does_not_move) {
  struct sawyer s;
  sawyer_open(&s, "sawyer-faucet");
  sawyer_go(&s, -0.1, 0.65, 0.13, -1, 40);
  sawyer_go(&s, 0.05, 0.65, 0.13, -1, 15);
  sawyer_go(&s, -0.1, 0.65, 0.13, -1, 5);
  cr_expect_eq(s.d->ncon, 0);
  const double released = s.d->qpos[SAWYER_JOINT];
  cr_expect(released > 0.3 && released < 1);
  sawyer_go(&s, -0.1, 0.65, 0.13, -1, 100);
  cr_expect_float_eq(s.d->qpos[SAWYER_JOINT], released, 1e-4);
  sawyer_close(&s);
}

Test(sawyer_faucet, script_solves_it) {
  sawyer_check_script("sawyer-faucet");
}

Test(sawyer_faucet, nothing_goes_through_anything) {
  sawyer_check_walls("sawyer-faucet-random", lever);
}

Test(sawyer_faucet, random_outcomes_can_be) {
  sawyer_check_goals("sawyer-faucet-random", lever);
}

Test(sawyer_faucet, random_episodes_are_sound) {
  sawyer_check_random_episodes("sawyer-faucet");
}
