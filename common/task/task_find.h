// task_find.h - the file of a task that is given by name or path.
#ifndef COMMON_TASK_TASK_FIND_H
#define COMMON_TASK_TASK_FIND_H

#include "common/base/err.h"

enum { TASK_MAX_PATH = 4096 };

// The file into path. ERR_CONFIG (logged): there is none that can be read.
NODISCARD enum err task_find(char path[TASK_MAX_PATH], const char *name);

#endif
