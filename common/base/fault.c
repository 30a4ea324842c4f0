#include "common/base/fault.h"

#include <stdarg.h>
#include <stdio.h>

enum err fault_set(struct fault *fault, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(fault->text, sizeof fault->text, fmt, ap);
  va_end(ap);
  return ERR_FORMAT;
}
