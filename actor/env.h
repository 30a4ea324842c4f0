// env.h - one MuJoCo simulation of a task: reset, step, observe.
//
// Shares the immutable task with others, owns its mjData; one thread. All randomness comes from
// the generators that the caller passes, so a trajectory is a function of them and the actions.
// Only env_new allocates.
#ifndef ACTOR_ENV_H
#define ACTOR_ENV_H

#include <stdbool.h>

#include "common/err.h"
#include "common/rng.h"
#include "common/task.h"

struct env;

struct env *env_new(const struct task *task);
void env_free(struct env *env);  // NULL is allowed

// The reset state (first keyframe) plus reset noise; everything else (warm start, mocap, time,
// controls) as a fresh mjData. desired (goal) receives the episode's goal.
void env_reset(struct env *env, float *desired, struct rng *reset);

// Action noise, clip to [-1, 1], scale, frame_skip physics steps. act (act) is the policy's action.
// ERR_NUMERIC (not logged) when the simulation became unstable: MuJoCo's bad-state warnings.
NODISCARD enum err env_step(struct env *env, const float *act, struct rng *dynamics);

// Sensors at the present state: obs (obs), achieved (goal).
void env_observe(struct env *env, float *obs, float *achieved);

#endif
