// source.h - files of the source tree, wherever a test runs.
#ifndef TESTS_UNIT_SOURCE_H
#define TESTS_UNIT_SOURCE_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/task/task.h"

// A path below the root of the source tree (printf style), valid until the next call.
__attribute__((format(printf, 1, 2))) static inline const char *source_path(const char *format,
                                                                            ...) {
  static char path[4200];
  const char *root = getenv("TELOS_SOURCE");
  const int used = snprintf(path, sizeof path, "%s/", root != NULL ? root : ".");
  cr_assert(used > 0 && (size_t)used < sizeof path);
  va_list args;
  va_start(args, format);
  vsnprintf(path + used, sizeof path - (size_t)used, format, args);
  va_end(args);
  return path;
}

// The bundled task of this name. Free with task_free.
static inline struct task *source_task(const char *name) {
  struct task *task = NULL;
  cr_assert_eq(task_load(&task, source_path("actor/tasks/%s.xml", name)), ERR_OK, "%s", name);
  return task;
}

#endif
