// check.c - the two ways to end at once: a broken promise of the code, and no memory.
//
// Neither can be handled, since the state that a handler would look at is not to be trusted, or
// would need memory. Both leave one line (also in the run's log file). A broken promise is a bug
// and leaves a core dump; memory is the machine's or its user's affair, and has an exit code that
// says so.
#include "common/base/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/ram.h"

enum { ALIGNMENT = 64 };

// what makes a process small
static const char SETTINGS[] = "replay.capacity or learner.threads (learner), or --threads (actor)";

// a sink would keep the line to itself, and nobody is left to ask it
static void speak_at_last(void) {
  log_set_sink(NULL);
}

void check_failed(const char *cond, const char *file, int line) {
  speak_at_last();
  log_error("%s:%d: check failed: %s; this is a bug, please report it with this line", file, line,
            cond);
  abort();
}

void check_out_of_memory(const char *what, size_t bytes) {
  char text[RAM_TEXT];
  ram_format(text, bytes);
  speak_at_last();
  log_error("out of memory: %s more wanted for %s; raise the memory limit, or lower %s", text, what,
            SETTINGS);
  // other threads go on until the process has ended: nothing is cleaned up under them
  _exit(err_exit_code(ERR_CONFIG));
}

// n objects in whole bytes, at least one
static size_t bytes_of(size_t n, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT) {
    speak_at_last();
    log_error("out of memory: %zu objects of %zu bytes cannot be addressed", n, size);
    abort();
  }
  return bytes != 0 ? bytes : 1;
}

void *must_alloc(size_t n, size_t size) {
  // whole cache lines; aligned_alloc wants them
  const size_t bytes = (bytes_of(n, size) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  void *p = aligned_alloc(ALIGNMENT, bytes);
  if (p == NULL) {
    check_out_of_memory("a buffer", bytes);
  }
  return memset(p, 0, bytes);
}

void *must_realloc(void *old, size_t n, size_t size) {
  const size_t bytes = bytes_of(n, size);
  void *p = realloc(old, bytes);
  if (p == NULL) {
    check_out_of_memory("a buffer", bytes);
  }
  return p;
}

void must_thread(pthread_t *id, void *(*run)(void *arg), void *arg) {
  if (pthread_create(id, NULL, run, arg) != 0) {
    speak_at_last();
    log_error(
        "no thread can be started; raise the limits of memory and processes (ulimit -v, ulimit "
        "-u), or lower %s",
        SETTINGS);
    _exit(err_exit_code(ERR_CONFIG));
  }
}

char *must_strdup(const char *s) {
  CHECK(s != NULL);
  size_t n = strlen(s) + 1;
  return memcpy(must_alloc(n, 1), s, n);
}
