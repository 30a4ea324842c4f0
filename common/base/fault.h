// fault.h - why what was read cannot be used, for a caller who decides whether that matters:
// nothing is logged yet.
#ifndef COMMON_BASE_FAULT_H
#define COMMON_BASE_FAULT_H

#include "common/base/err.h"

struct fault {
  char text[256];  // cut off when longer
};

// Formats the reason; returns ERR_FORMAT.
enum err fault_set(struct fault *fault, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
