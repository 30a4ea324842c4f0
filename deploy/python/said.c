// said.c - takes the log's lines, and sorts them by thread and level.
//
// The code below the library logs an error where it finds it, on the thread of the call: the sink
// keeps the lines for that thread. What does not fit is cut off at a line's end.
#include "deploy/python/said.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

struct said {
  char text[8192];
  size_t n;
};

static _Thread_local struct said errors, warnings;

static void keep(enum log_level level, const char *text) {
  struct said *said = level == LOG_ERROR ? &errors : &warnings;
  const size_t more = strlen(text) + (said->n > 0);
  if (said->n + more < sizeof said->text) {
    said->n += (size_t)snprintf(said->text + said->n, sizeof said->text - said->n, "%s%s",
                                said->n > 0 ? "\n" : "", text);
  }
}

static void take_lines(void) {
  log_set_level(LOG_WARN);
  log_set_sink(keep);
}

void said_begin(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, take_lines);
  errors.n = warnings.n = 0;
  errors.text[0] = warnings.text[0] = '\0';
}

const char *said_errors(void) {
  return errors.text;
}

const char *said_warnings(void) {
  return warnings.text;
}
