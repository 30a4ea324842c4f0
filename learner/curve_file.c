// curve_file.c - a row is told from a damaged one by its commas and by the numbers at its ends.
#include "learner/curve_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"

static const size_t MAX_FILE = (size_t)1 << 30;  // bytes

static int commas(const char *text) {
  int n = 0;
  for (; *text != '\0'; text++) {
    n += *text == ',';
  }
  return n;
}

// steps and seconds of a row; false: it is none of ours
static bool parse_row(uint64_t *steps, double *seconds, const char *row, const char *header) {
  char number[32];
  const size_t n = strcspn(row, ",");
  if (commas(row) != commas(header) || n >= sizeof number) {
    return false;
  }
  memcpy(number, row, n);
  number[n] = '\0';
  const char *last = strrchr(row, ',') + 1;
  return number_parse_uint(steps, number) && number_parse_part(seconds, last, strlen(last)) &&
         isfinite(*seconds);
}

enum err curve_file_read(const char *path, const char *header,
                         void (*take)(void *ctx, uint64_t steps, double seconds, const char *row),
                         void *ctx) {
  void *bytes;
  size_t n;
  if (!fsio_exists(path)) {
    return ERR_OK;
  }
  const enum err err = fsio_read(&bytes, &n, path, MAX_FILE);
  if (err != ERR_OK) {
    return err;
  }
  int line_number = 0;
  for (char *line = bytes, *next; *line != '\0'; line = next) {
    const size_t length = strcspn(line, "\n");
    const bool whole = line[length] == '\n';
    next = line + length + whole;
    line[length] = '\0';
    uint64_t steps;
    double seconds;
    if (++line_number == 1) {
      if (strcmp(line, header) != 0) {
        log_warn("%s has other columns than this telos writes: it is begun anew", path);
        break;
      }
    } else if (!whole || !parse_row(&steps, &seconds, line, header)) {
      log_warn("%s is damaged in line %d: the row is left out", path, line_number);
    } else {
      take(ctx, steps, seconds, line);
    }
  }
  free(bytes);
  return ERR_OK;
}

int curve_file_number(char *out, size_t n, double x) {
  return isfinite(x) ? snprintf(out, n, ",%.9g", x) : snprintf(out, n, ",");
}
