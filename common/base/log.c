// log.c - a line is built in one buffer and leaves in one write().
//
// The mutex keeps lines in the same order in both places, and makes log_set_file(-1) a promise:
// when it has returned, nobody still writes to the old descriptor. Failures to write are ignored:
// there is nobody left to tell. Control characters become '?', so that text from a peer or a file
// cannot forge a second line or move the cursor. errno survives, so a caller may log first.
#include "common/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fsio.h"

enum {
  STAMP_BYTES = 26,   // "2026-01-31T23:59:59.999Z " and a NUL
  LINE_BYTES = 2048,  // level, name, text and newline
  NAME_BYTES = 32,
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int max_level = LOG_INFO;
static int file_fd = -1;
static void (*line_sink)(enum log_level level, const char *text);
static char speaker[NAME_BYTES] = "telos";

void log_set_level(enum log_level level) {
  atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

void log_set_file(int fd) {
  pthread_mutex_lock(&mutex);
  file_fd = fd;
  pthread_mutex_unlock(&mutex);
}

void log_set_name(const char *name) {
  pthread_mutex_lock(&mutex);
  snprintf(speaker, sizeof speaker, "%s", name);
  pthread_mutex_unlock(&mutex);
}

void log_set_sink(void (*sink)(enum log_level level, const char *text)) {
  pthread_mutex_lock(&mutex);
  line_sink = sink;
  pthread_mutex_unlock(&mutex);
}

// UTC with milliseconds and a blank, without NUL: exactly STAMP_BYTES - 1 bytes at out
static void write_stamp(char *out) {
  struct timespec now;
  struct tm tm;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &tm);

  char date[STAMP_BYTES], stamp[STAMP_BYTES + 8];
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(stamp, sizeof stamp, "%.19s.%03dZ ", date, (int)(now.tv_nsec / 1000000));
  memcpy(out, stamp, STAMP_BYTES - 1);
}

// level, name, text and newline at line (LINE_BYTES); returns the length
__attribute__((format(printf, 3, 0))) static size_t write_text(char *line, enum log_level level,
                                                               const char *fmt, va_list args) {
  int head = snprintf(line, LINE_BYTES, "%c %s: ", "EWID"[level], speaker);
  size_t room = LINE_BYTES - 1 - (size_t)head;  // the last byte is the newline's
  int body = vsnprintf(line + head, room, fmt, args);
  size_t n = (size_t)head + (body > 0 ? (size_t)body : 0);

  // a line that is too long says so at its end
  if (body > 0 && (size_t)body >= room) {
    n = LINE_BYTES - 2;
    memset(line + n - 3, '.', 3);
  }

  // one event is one line, whatever the text holds
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)line[i];
    if (c < 0x20 || c == 0x7f) {
      line[i] = '?';
    }
  }
  line[n] = '\n';
  return n + 1;
}

void log_line(enum log_level level, const char *fmt, ...) {
  if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed)) {
    return;
  }
  int saved_errno = errno;
  char buffer[STAMP_BYTES - 1 + LINE_BYTES];
  char *line = buffer + STAMP_BYTES - 1;

  pthread_mutex_lock(&mutex);
  va_list args;
  va_start(args, fmt);
  size_t n = write_text(line, level, fmt, args);
  va_end(args);

  ssize_t written = 0;
  if (line_sink) {
    line[n - 1] = '\0';
    line_sink(level, strstr(line, ": ") + 2);
    line[n - 1] = '\n';
  } else {
    // a reader that has stopped to read holds nobody up; the file has the line
    written = fsio_takes_line(STDERR_FILENO) ? write(STDERR_FILENO, line, n) : 0;
  }
  if (file_fd >= 0) {
    write_stamp(buffer);
    written = write(file_fd, buffer, STAMP_BYTES - 1 + n);
  }
  (void)written;
  pthread_mutex_unlock(&mutex);
  errno = saved_errno;
}
