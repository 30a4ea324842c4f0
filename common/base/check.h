// check.h - what must hold in every build, and what takes memory and cannot fail.
#ifndef COMMON_BASE_CHECK_H
#define COMMON_BASE_CHECK_H

#include <pthread.h>
#include <stddef.h>

// A programming error aborts with file and line; never compiled out.
#define CHECK(cond)                            \
  do {                                         \
    if (__builtin_expect(!(cond), 0)) {        \
      check_failed(#cond, __FILE__, __LINE__); \
    }                                          \
  } while (0)

_Noreturn void check_failed(const char *cond, const char *file, int line);

// Out of memory is the end of the process, with one line and the exit code of too little memory
// (ERR_CONFIG): so many bytes more were wanted for this.
_Noreturn void check_out_of_memory(const char *what, size_t bytes);

// Zeroed memory for n objects of the given size, aligned to 64 bytes so that vector code never
// straddles a cache line at its start. Ends the process when memory is out; aborts when n * size
// overflows. Free with free().
void *must_alloc(size_t n, size_t size) __attribute__((returns_nonnull));

// Plain memory of another size, as realloc; the new part is not zeroed.
void *must_realloc(void *old, size_t n, size_t size) __attribute__((returns_nonnull));

// A copy of s. Free with free().
char *must_strdup(const char *s) __attribute__((returns_nonnull));

// Starts a thread, whose stack takes memory, too.
void must_thread(pthread_t *id, void *(*run)(void *arg), void *arg);

#endif
