// check.c - the two ways to end at once: a broken promise of the code, and no memory.
//
// Both leave one line (also in the run's log file) and a core dump; neither can be handled, since
// the state that a handler would look at is not to be trusted.
#include "common/base/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

enum { ALIGNMENT = 64 };

void check_failed(const char *cond, const char *file, int line) {
  log_error("%s:%d: check failed: %s; this is a bug, please report it with this line", file, line,
            cond);
  abort();
}

void *must_alloc(size_t n, size_t size) {
  size_t bytes;
  // round up to whole cache lines; aligned_alloc wants it, and no object gets zero bytes
  if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT) {
    log_error("out of memory: %zu objects of %zu bytes cannot be addressed", n, size);
    abort();
  }
  bytes = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

  void *p = aligned_alloc(ALIGNMENT, bytes);
  if (p == NULL) {
    log_error("out of memory: %zu bytes wanted; lower replay.capacity or raise the memory limit",
              bytes);
    abort();
  }
  return memset(p, 0, bytes);
}

char *must_strdup(const char *s) {
  CHECK(s != NULL);
  size_t n = strlen(s) + 1;
  return memcpy(must_alloc(n, 1), s, n);
}
