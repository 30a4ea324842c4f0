// tether.h - the weld or connect by which a mocap body pulls the hand after it.
//
// The set-point of a mocap task is where the hand is asked to be. A tether may hold the hand away
// from the mocap body, and turned against it: a <weld> keeps the pose that the two have in the
// model, a <connect> has its anchor. So the mocap body's place is
//   set-point + R_hand hand_at - R_mocap body_at                                              (1)
// and its orientation, with a weld, q_hand turn^-1. Without either there is nothing to add, and the
// two places are one.
#ifndef COMMON_TASK_TETHER_H
#define COMMON_TASK_TETHER_H

#include <stdbool.h>

struct mjData_;
struct mjModel_;
struct task_action;

struct tether {
  bool exists;        // an equality of the two bodies, active from the start
  bool turns;         // it is a weld, which holds the orientation, too
  bool apart;         // what (1) adds is not nothing
  bool follows;       // at reset the mocap body is put to where the hand stays as it is
  double body_at[3];  // where it holds the mocap body, in the body's frame
  double hand_at[3];  // where it holds the hand, in the hand's frame
  double turn[4];     // the hand's orientation in the mocap body's frame
};

// Fills action's tether from the model; mocap and hand are read. d is the reset state: when the
// hand is not where the tether holds it there, and no key says where the mocap body is, that
// follows.
void tether_read(struct task_action *action, const struct mjModel_ *m, const struct mjData_ *d);

// Where the mocap body of d has to be for its hand to stay as it is: pos (3), quat (4).
void tether_place(double pos[3], double quat[4], const struct task_action *action,
                  const struct mjData_ *d);

// What (1) adds to the set-point at the state d.
void tether_offset(double offset[3], const struct task_action *action, const struct mjData_ *d);

// The set-point at the state d.
void tether_set_point(double point[3], const struct task_action *action, const struct mjData_ *d);

#endif
