// scene.h - draws a task's simulation and its goal into a picture, without a display.
//
// MuJoCo's own renderer on OSMesa, which draws on the CPU. The goal is shown by what reads it:
//   a goal sensor of 2 or 3 numbers and a site of the same name   the site stands at the goal
//   a goal sensor that reads a place, without such a site         a sphere stands there
//   a goal sensor that reads joints (jointpos, hook qpos)         a translucent copy of the bodies
//                                                                 that these joints move, posed
//                                                                 there
// What shows neither is told once, at level warn. Groups 3 to 5 are not drawn, but for the goal's
// sites, and for bodies that would not be seen at all.
//
// One scene a thread: it holds the thread's OpenGL context.
#ifndef PLAY_SCENE_H
#define PLAY_SCENE_H

#include <stdint.h>

#include "common/base/err.h"

struct mjData_;
struct scene;
struct task;

enum { SCENE_MIN_SIZE = 64, SCENE_MAX_SIZE = 4096 };  // pixels

struct scene_options {
  int width, height;   // pixels
  const char *camera;  // of the model; NULL: "view" when there is one, else a view of everything,
                       // the goal included
};

// Borrows the task. ERR_CONFIG: no such camera, or OSMesa cannot draw this model at this size.
NODISCARD enum err scene_new(struct scene **out, const struct task *task,
                             const struct scene_options *opt);
void scene_free(struct scene *s);  // NULL is allowed

// The goal of the pictures that follow, for an episode that begins in the state d.
void scene_set_goal(struct scene *s, const struct mjData_ *d, const float *desired);

// Fills rgb (height x width x 3, top row first) with the state d; names and values are two columns
// of text, with '\n' between lines. ERR_CONFIG: MuJoCo cannot draw it.
NODISCARD enum err scene_draw(struct scene *s, uint8_t *rgb, const struct mjData_ *d,
                              const char *names, const char *values);

#endif
