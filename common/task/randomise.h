// randomise.h - parameters of the model that differ from episode to episode: domain randomisation.
//
//   value = factor x the model's own,  factor uniform on [low, high]
// drawn at each reset from the generator of the reset, so that it belongs to the ticket. A policy
// that does not see the factors has to do for all of them. In a family of tasks (the settings
// context.*) they are drawn from the number of the member instead.
#ifndef COMMON_TASK_RANDOMISE_H
#define COMMON_TASK_RANDOMISE_H

#include <stddef.h>

#include "common/base/rng.h"

struct checker;
struct mjData_;
struct mjModel_;
struct task;

enum task_random_kind {
  TASK_RANDOM_MASS,      // of a body, and its inertia
  TASK_RANDOM_FRICTION,  // of a geom: all three
  TASK_RANDOM_DAMPING,   // of a joint
  TASK_RANDOM_GAIN,      // of an actuator, and its bias: stronger and stiffer alike
  TASK_RANDOM_KINDS,
};

struct randomise_kind {
  const char *prefix;          // of the numerics' names; the element's own name follows
  const char *what, *element;  // "mass of", "body"
  int object;                  // mjOBJ_BODY ..
};
extern const struct randomise_kind randomise_kinds[TASK_RANDOM_KINDS];

struct task_random {
  enum task_random_kind kind;
  int id;  // of the body, geom, joint or actuator
  double low, high;
};

// "mass of body cube": what a factor is on, into out (n bytes).
void randomise_words(char *out, size_t n, const struct task *task, const struct task_random *r);

// Reads all numerics of these names into the task.
void randomise_read(struct checker *c);

// New factors for all of the task's elements, one draw each: into m, a copy of the task's model,
// with d as room to work in, whose state is lost.
void randomise(struct mjModel_ *m, struct mjData_ *d, const struct task *task, struct rng *rng);

#endif
