// task.h - a task is one MJCF file that declares what the policy sees and what an outcome is.
//
// The convention, with all its names, is actor/tasks/README.md; common/task/convention.c reads it.
// All of it is MuJoCo's own elements: sensors by name prefix, <custom> numerics and texts named
// telos.*, a keyframe, actuators, mocap bodies. Every mistake is reported, one line each, with the
// element's name and what was expected.
//
// The compiled model (MJB bytes) is what travels to actors, and its digest is what runs, actors
// and checkpoints compare. A struct task is immutable after loading and may be shared by threads.
#ifndef COMMON_TASK_TASK_H
#define COMMON_TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/episode.h"
#include "common/task/randomise.h"
#include "common/task/tether.h"

struct evaluation_part;
struct mjModel_;
struct hook;

enum { TASK_MAX_NAME = 63 };

#define TASK_NO_LIMIT 1e9  // of a length that a task does not bound

// What a sensor is for, by the prefix of its name.
enum task_role {
  TASK_OBS,     // obs.*     the observation
  TASK_GOAL,    // goal.*    the achieved goal
  TASK_REWARD,  // reward.*  reward terms: weight x value after the step
  TASK_RATE,    // rate.*    reward terms: weight x change over the step / its seconds
  TASK_ALIVE,   // alive.*   leaving telos.alive_low .. telos.alive_high ends the episode
  TASK_ORIGIN,  // origin.*  at reset, added to the sampled goal
  TASK_APART,   // apart.*   vectors whose length at reset is at least telos.reset_apart
  TASK_NROLE,
};

struct task_sensors {
  int *id;        // (n) sensor ids in file order
  int n;          // sensors
  int width;      // numbers, all together
  int *adr;       // (width) where each number is in sensordata
  double *scale;  // (width) its factor
};

enum task_action_mode {
  TASK_CTRL,            // ctrl = offset + scale a
  TASK_MOCAP,           // set-point += scale a, then limits and lead; actuators as in TASK_CTRL
  TASK_MOCAP_RELATIVE,  // set-point = hand + scale a, then limits; actuators as in TASK_CTRL
};

// Actions are in [-1, 1]: the mocap axes first, then the actuators in file order. The set-point is
// where the hand is asked to be; the mocap body is there, or where its tether says.
struct task_action {
  enum task_action_mode mode;
  int naxis, axis[3];      // coordinates of the set-point that actions move; 0 in TASK_CTRL
  int mocap;               // row of mocap_pos
  int hand;                // body that follows it
  struct tether tether;    // how it follows
  double low[3], high[3];  // set-point limits [m]; -+TASK_NO_LIMIT: none
  double lead;             // largest distance of set-point and hand [m], or TASK_NO_LIMIT
  double *scale, *offset;  // (act)
  double noise;            // standard deviation, normalised action units
};

// goal = base + uniform on [low, high], drawn again while a rule rejects it. With TASK_GOAL_JOINTS
// it is what the goal sensors read when the listed joints are uniform on their ranges and all else
// is at the reset state.
enum task_goal_base {
  TASK_GOAL_PLAIN,   // 0
  TASK_GOAL_ORIGIN,  // the origin.* sensors at reset
  TASK_GOAL_TABLE,   // a row of the table, uniformly
  TASK_GOAL_JOINTS,
};

struct task_apart {
  int a, b, n;      // first numbers of two parts of the goal, and their length
  double distance;  // they are at least this far apart
};

struct task_goal {
  enum task_goal_base base;
  double *low, *high;              // (goal)
  double *hole_low, *hole_high;    // (goal) rejected box, or NULL
  int njoint;                      // TASK_GOAL_JOINTS
  int *joint_qpos;                 // (njoint) index into qpos
  double *joint_low, *joint_high;  // (njoint)
  const float *table;              // (table_rows x goal), in the model; TASK_GOAL_TABLE
  int table_rows;
  unsigned table_seed;
  int table_steps;           // longest random rollout behind a row
  struct task_apart *apart;  // (napart)
  int napart;
  double min_distance;  // from the achieved goal at reset; 0: any
};

struct task {
  struct mjModel_ *model;        // owned, read-only
  char name[TASK_MAX_NAME + 1];  // <mujoco model="...">
  int obs, act, goal;            // floats; goal is 0 for a task that has rewards alone
  int horizon;                   // steps
  int frame_skip;                // physics steps per action
  struct task_sensors sensors[TASK_NROLE];
  const struct hook **hook;  // (nsensor) NULL but for user sensors
  bool has_hooks;
  struct task_action action;
  struct task_goal target;
  double success_radius;          // goal units; 0: success is not defined
  bool *success_counts;           // (goal) the numbers over which success is measured
  double *reset_noise;            // (nq) half-width of a uniform
  double *reset_velocity_noise;   // (nv) half-width of a uniform
  double *reset_velocity_normal;  // (nv) standard deviation of a normal
  double *reset_apart;            // (apart sensors) metres
  struct task_random *random;     // (nrandom) what differs from episode to episode
  int nrandom;
  double max_overlap;  // of two geoms at reset and at a goal by joints [m], or TASK_NO_LIMIT
  bool has_reward;
  double *reward_weight, *rate_weight;  // (width of reward.*), (width of rate.*)
  double reward_alive;                  // a step
  double control_cost;                  // times sum ctrl^2, as applied
  double *alive_low, *alive_high;       // (width of alive.*)
  void *mjb;                            // compiled model, owned
  size_t mjb_size;                      // bytes
  uint64_t digest;                      // XXH3-64 of mjb
};

// Finds a task: a path when the name has a '/' or ends in .xml, else <dir>/<name>.xml in
// $TELOS_TASK_PATH (colon separated), in tasks/ beside the executable, and in tasks/ in the data
// folder: that of the tree in which the executable was installed, then the one of the build.
// Compiles and checks it, and fills its goal table. ERR_CONFIG: not found,
// unreadable, malformed, or against the convention.
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

// The tasks that task_load finds by name, sorted: calls each with the name and the file.
void task_list(void (*each)(void *ctx, const char *name, const char *path), void *ctx);

// The parts of the goal, one a goal.* sensor in their order, at most max: how many. Names are the
// model's, borrowed.
int task_goal_parts(struct evaluation_part *parts, int max, const struct task *task);

// What number i of an observation, achieved goal, .. is called: "goal.handle[2]", or "obs.x" for
// sensors of one number. At most n bytes.
void task_number_name(char *out, size_t n, const struct task *task, enum task_role role, int i);

// The frame that a sensor reads, in words: "inertial frame of pole" (objtype body: its origin is
// the centre of mass), "frame of pole" (xbody), "site tip", with the frame that it is measured in
// when there is one. "" for a sensor of no frame. At most n bytes.
void task_sensor_frame(char *out, size_t n, const struct task *task, int sensor);

// What action i is called: "mocap x", or the actuator's name.
void task_action_name(char *out, size_t n, const struct task *task, int i);

#endif
