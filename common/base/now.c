// now.c - seconds in a double: exact to the nanosecond for a hundred days.
#include "common/base/now.h"

#include <time.h>

#include "common/base/check.h"

static double read_s(clockid_t clock) {
  struct timespec t;
  CHECK(clock_gettime(clock, &t) == 0);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double now_s(void) {
  return read_s(CLOCK_MONOTONIC);
}

double now_cpu_s(void) {
  return read_s(CLOCK_THREAD_CPUTIME_ID);
}
