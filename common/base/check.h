// check.h - what must hold in every build, and allocation that cannot fail.
#ifndef COMMON_BASE_CHECK_H
#define COMMON_BASE_CHECK_H

#include <stddef.h>

// A programming error aborts with file and line; never compiled out.
#define CHECK(cond)                            \
  do {                                         \
    if (__builtin_expect(!(cond), 0)) {        \
      check_failed(#cond, __FILE__, __LINE__); \
    }                                          \
  } while (0)

_Noreturn void check_failed(const char *cond, const char *file, int line);

// Zeroed memory for n objects of the given size, aligned to 64 bytes so that vector code never
// straddles a cache line at its start. Aborts when memory is out or n * size overflows.
// Free with free().
void *must_alloc(size_t n, size_t size) __attribute__((returns_nonnull));

// A copy of s; aborts when memory is out. Free with free().
char *must_strdup(const char *s) __attribute__((returns_nonnull));

#endif
