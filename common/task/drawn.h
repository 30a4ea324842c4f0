// drawn.h - what a picture of a task shows of its goal, and what it leaves out.
//
// `telos play` draws by these rules, and `telos task` tells them, so that nothing is missing from a
// picture without a word.
#ifndef COMMON_TASK_DRAWN_H
#define COMMON_TASK_DRAWN_H

#include <stdbool.h>

struct mjModel_;
struct task;

// How a goal sensor is shown. More than one may be.
struct drawn_goal {
  int qpos;      // a ghost is posed: the first coordinate that the sensor reads, else -1
  int site;      // the site of its name stands at the goal (2 or 3 numbers), else -1
  bool sphere;   // it reads a place and has no site: a sphere stands there
  bool nothing;  // none of these
};

// of sensor i of the goal, counted from 0
struct drawn_goal drawn_goal_of(const struct task *task, int i);

enum { DRAWN_GROUPS = 3 };  // shapes of the groups 0 to 2 are drawn, those of 3 to 5 are not

// How many geoms, sites and tendons are in the other groups.
struct drawn_hidden {
  int geoms, sites, tendons;
};

struct drawn_hidden drawn_hidden_of(const struct mjModel_ *m);

// Whether a geom is drawn.
bool drawn_geom(const struct mjModel_ *m, int geom);

// Whether any geom of the bodies that are marked (nbody) is drawn.
bool drawn_any(const struct mjModel_ *m, const bool *bodies);

#endif
