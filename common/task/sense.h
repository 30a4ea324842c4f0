// sense.h - brings the sensors of a task to the state that a simulation is in.
#ifndef COMMON_TASK_SENSE_H
#define COMMON_TASK_SENSE_H

#include <stdbool.h>

struct mjData_;
struct task;

// What the sensors of a task need, found once.
struct sense {
  bool forward;         // mj_forward
  bool tendons;         // tendon or actuator sensors
  bool cameras;         // sensors of, or in, the frame of a camera
  bool velocity;        // sensors of the velocity stage that joint velocities do not give
  bool contact_forces;  // a hook that reads what mj_rnePostConstraint computes
};

void sense_init(struct sense *sense, const struct task *task);

// Sensors, and what hooks compute, at the positions and velocities of d. Allocates nothing.
void sense_update(const struct sense *sense, const struct task *task, struct mjData_ *d);

#endif
