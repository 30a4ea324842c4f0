// env.h - one MuJoCo simulation of a task: reset, step, observe.
//
// Shares the immutable task with others, owns its mjData; one thread. All randomness comes from
// the generators that the caller passes, so a trajectory is a function of them and the actions.
// Only env_new allocates.
#ifndef COMMON_TASK_ENV_H
#define COMMON_TASK_ENV_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/task/task.h"

struct env;
struct mjData_;

struct env *env_new(const struct task *task);
void env_free(struct env *env);  // NULL is allowed

// From now on what telos.random.* draws is that of this task of a family, for each reset the same;
// negative: each reset draws its own.
void env_set_member(struct env *env, int member);

// The reset state (first keyframe) plus reset noise; everything else (warm start, mocap bodies,
// time, controls) as a fresh mjData. desired (goal) receives the episode's goal. Draws again while
// a rule rejects; ERR_NUMERIC (not logged) when 1,000 draws in a row were rejected.
NODISCARD enum err env_reset(struct env *env, float *desired, struct rng *reset);

struct env_step {
  float reward;     // 0 for a task without rewards
  bool terminated;  // an alive.* sensor left its range
};

// Action noise, clip to [-1, 1], controls and set-point, frame_skip physics steps. act (act) is the
// policy's action. ERR_NUMERIC (not logged) when the simulation became unstable: MuJoCo's bad-state
// warnings.
NODISCARD enum err env_step(struct env *env, const float *act, struct rng *dynamics,
                            struct env_step *out);

// Sensors at the present state: obs (obs), achieved (goal).
void env_observe(struct env *env, float *obs, float *achieved);

// The simulation's present state, for those who draw it or test it.
struct mjData_ *env_data(struct env *env);

// The state env_reset or env_step left was changed through env_data: brings the sensors up to it.
void env_refresh(struct env *env);

#endif
