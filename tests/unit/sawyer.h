// sawyer.h - what the tests of Sawyer Faucet and Sawyer Window share: a running task, moves by
// hand, and how deep things are inside each other.
#ifndef TESTS_UNIT_SAWYER_H
#define TESTS_UNIT_SAWYER_H

#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"

enum { SAWYER_HAND_X, SAWYER_HAND_Y, SAWYER_HAND_Z, SAWYER_RIGHT, SAWYER_LEFT, SAWYER_JOINT };

struct sawyer {
  struct task *task;
  struct env *env;
  mjData *d;
  struct rng dynamics;
  float goal[6];
};

// actor/tasks/<name>.xml of the source tree, reset with seed 0.
void sawyer_open(struct sawyer *s, const char *name);
void sawyer_close(struct sawyer *s);

void sawyer_reset(struct sawyer *s, uint64_t seed);

// Hand and set-point to p, fingers open, lever or sash to q, all at rest.
void sawyer_place(struct sawyer *s, const double *p, double q);

// One control step; every number is checked to be finite.
void sawyer_step(struct sawyer *s, const float *act);

// The same, with visit called after each of its physics steps.
void sawyer_watch(struct sawyer *s, const float *act, void (*visit)(struct sawyer *s));

// Steps with the set-point going to (x, y, z) as fast as actions allow.
void sawyer_go(struct sawyer *s, double x, double y, double z, float grip, int steps);

// Distance of the achieved goal's numbers first .. 5 from the goal's.
double sawyer_distance(struct sawyer *s, int first);

// Plays tests/scripts/<name>.txt from the reset state: within the horizon, without a warning, it
// brings the hand to 1 cm of its goal and the handle to success.
void sawyer_check_script(const char *name);

// How deep the hand's boxes and anything else are inside each other, 0 when they are apart: in
// metres or, relative, as a share of half the thickness of a round thing or of a finger; from 1 on,
// it would be pushed out on the other side. Computed here, not by MuJoCo.
double sawyer_overlap(const struct sawyer *s, bool relative);

// Random actions, each number from {-1, 0, 1}, held for 1 .. 40 steps.
void sawyer_draw_held(struct rng *rng, float *act, int *left);

// ---- checks of both tasks ----

// 6 numbers observed, achieved and wanted; goal g; success by the handle alone; the hand at rest.
void sawyer_check_sheet(struct sawyer *s, const float *g);

// The lever or sash.
struct sawyer_joint {
  double (*of)(const float *handle);  // where it is with the handle there
  double low, high;                   // how far it may be pushed
  double goal_low, goal_high;         // random outcomes
};

// All 16 actions of +-1 from the reset state, then 184 episodes of held ones from random outcomes
// of the task <name>-random near the handle: nothing goes through anything.
void sawyer_check_walls(const char *name, struct sawyer_joint joint);

// Random outcomes: the hand in its box, the handle where some position of the joint has it, and
// both apart.
void sawyer_check_goals(const char *name, struct sawyer_joint joint);

// 200 episodes of uniform actions: no warnings, set-point inside its limits and near the hand.
void sawyer_check_random_episodes(const char *name);

#endif
