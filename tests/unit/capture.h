// capture.h - standard error of a stretch of a test, to compare log lines with.
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

static int capture_saved = -1, capture_file = -1;

// from here to capture_end, standard error goes into memory
static inline void capture_begin(void) {
  capture_saved = dup(STDERR_FILENO);
  capture_file = memfd_create("captured", MFD_CLOEXEC);
  cr_assert(capture_saved >= 0 && capture_file >= 0);
  dup2(capture_file, STDERR_FILENO);
}

// What came, valid until the next call.
static inline const char *capture_end(void) {
  static char text[65536];
  dup2(capture_saved, STDERR_FILENO);
  close(capture_saved);
  const ssize_t n = pread(capture_file, text, sizeof text - 1, 0);
  close(capture_file);
  text[n > 0 ? n : 0] = '\0';
  return text;
}

#endif
