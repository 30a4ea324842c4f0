// task.h - a task is one MJCF file that declares what the policy sees and what an outcome is.
//
// Convention (all with MuJoCo's own elements; README "Tasks" has the table with an example):
//   <sensor> named obs.*    in file order: the observation
//   <sensor> named goal.*   in file order: the achieved goal
//   <custom> numeric        telos.horizon, telos.frame_skip                        required
//                           telos.action_scale (1 or one per actuator, default 1)
//                           telos.action_noise (standard deviation in units of the
//                           normalised action, default 0), telos.reset_noise (half-width of a
//                           uniform on each qpos, 1 or nq, default 0), telos.success_radius
//                           (default 0: never), and the goal:
//                           telos.goal (fixed) or telos.goal_low with telos.goal_high (uniform box)
//   <custom> text           telos.action_mode: "ctrl" (default): ctrl = scale * a
//   <keyframe>              the first key is the reset state; without one, the model's default
//   actuators               take the action, in [-1, 1] per actuator
//   <mujoco model="...">    the task's name: letters, digits, '_', '-', '.'
// Unknown telos.* names are errors with the nearest known name. Every mistake is reported, one
// line each, with the element's name and what was expected. Numbers are finite, at most 1e9 in
// size. Refused as well: user sensors (nothing computes them), MuJoCo's own sensor noise (it does
// not come from the ticket), a reset state that cannot be simulated.
//
// The compiled model (MJB bytes) is what travels to actors, and its digest is what runs, actors
// and checkpoints compare. A struct task is immutable after loading and may be shared by threads.
#ifndef COMMON_TASK_H
#define COMMON_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "common/episode.h"
#include "common/err.h"

struct mjModel_;

enum { TASK_MAX_NAME = 63 };

struct task {
  struct mjModel_ *model;        // owned, read-only
  char name[TASK_MAX_NAME + 1];  // <mujoco model="...">
  int obs, act, goal;            // floats
  int horizon;                   // steps
  int frame_skip;                // physics steps per action
  double action_noise;           // standard deviation, normalised action units
  double success_radius;         // goal units; 0: success is not defined
  double *action_scale;          // (act)
  double *reset_noise;           // (nq)
  double *goal_low;              // (goal); equal to goal_high for a fixed goal
  double *goal_high;             // (goal)
  int *obs_sensor;               // sensor ids, n_obs_sensor
  int *goal_sensor;              // sensor ids, n_goal_sensor
  int n_obs_sensor, n_goal_sensor;
  void *mjb;        // compiled model, owned
  size_t mjb_size;  // bytes
  uint64_t digest;  // XXH3-64 of mjb
};

// Finds a task: a path when the name has a '/' or ends in .xml, else <dir>/<name>.xml in
// $TELOS_TASK_PATH (colon separated), in tasks/ beside the executable, and in tasks/ in the
// installed data folder. Compiles and checks it. ERR_CONFIG: not found, unreadable, malformed, or
// against the convention.
NODISCARD enum err task_load(struct task **out, const char *name);

// The same from MJB bytes, as received from the learner, whose digest the caller has compared:
// checked against damage, not against a model made to do harm. ERR_FORMAT when they are not a
// whole model of this MuJoCo version, ERR_CONFIG when it is against the convention.
NODISCARD enum err task_from_mjb(struct task **out, const void *mjb, size_t n);

// Same from MJCF text in memory; label names it in messages.
NODISCARD enum err task_from_xml(struct task **out, const char *xml, size_t n, const char *label);

void task_free(struct task *task);  // NULL is allowed

// Sizes of this task's episodes with k hindsight indices a step.
struct dims task_dims(const struct task *task, int hindsight);

#endif
