// run_name.h - the folder of a run, <runs>/<model>/<name>: from a command line, and back to one.
#ifndef LAUNCH_RUN_NAME_H
#define LAUNCH_RUN_NAME_H

#include <stdbool.h>

enum { RUN_NAME_MODEL = 64 };  // bytes of a model's name

// A name may have slashes, but it stays inside of the runs folder: relative, and without empty
// components, "." and "..".
bool run_name_is_good(const char *name);

// The model's name, <mujoco model="..">, of a task's file. Where it has none that can be a folder,
// the file's name without .xml.
void run_name_model(char out[RUN_NAME_MODEL], const char *path);

// Logs what to do with a run's folder that was given in place of a task.
void run_name_tell(const char *run);

#endif
