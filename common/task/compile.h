// compile.h - from MJCF to a model, or to one line that says what is wrong and what to do.
#ifndef COMMON_TASK_COMPILE_H
#define COMMON_TASK_COMPILE_H

#include <stddef.h>

struct mjModel_;

// Compiles a file. What MuJoCo does not find as it is, it is given with every file name taken from
// the file that has it (common/task/mjcf.h). NULL: text (n bytes) has the reason, with file and
// line, and the remedy where one is known. Else text has MuJoCo's warnings, or "". Free with
// mj_deleteModel.
struct mjModel_ *compile_file(const char *path, char *text, size_t n);

// The same from 1 <= size <= INT_MAX bytes of text, without includes of our own.
struct mjModel_ *compile_text(const char *xml, size_t size, char *text, size_t n);

#endif
