// metrics.c - four walks over metrics.def.
//
// Each figure is printed by its own literal format, so that the compiler checks every one. A
// buffer that is too small is a programming error: sizes follow from the table.
#include "common/config/metrics.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

static const char PREFIX[] = "progress";

// more text at out + used; returns the new length
__attribute__((format(printf, 4, 5))) static size_t append(char *out, size_t n, size_t used,
                                                           const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int k = vsnprintf(out + used, n - used, fmt, args);
  va_end(args);
  CHECK(k >= 0 && (size_t)k < n - used);
  return used + (size_t)k;
}

void metrics_clear(struct metrics *m) {
#define M(name, format, unit, help) m->name = NAN;
#include "common/config/metrics.def"
#undef M
}

size_t metrics_line(char *out, size_t n, const struct metrics *m) {
  size_t used = append(out, n, 0, "%s", PREFIX);
#define M(name, format, unit, help)           \
  used = append(out, n, used, " %s=", #name); \
  used = isnan(m->name) ? append(out, n, used, "-") : append(out, n, used, format, m->name);
#include "common/config/metrics.def"
#undef M
  return used;
}

// the field called by the n bytes at name, or NULL
static double *field(struct metrics *m, const char *name, size_t n) {
#define M(field_name, format, unit, help)                                 \
  if (n == sizeof #field_name - 1 && memcmp(name, #field_name, n) == 0) { \
    return &m->field_name;                                                \
  }
#include "common/config/metrics.def"
#undef M
  return NULL;
}

// the n bytes at text as a number, "-" as NaN; false when they are neither
static bool parse_value(double *value, const char *text, size_t n) {
  if (n == 1 && *text == '-') {
    *value = NAN;
    return true;
  }
  char *end;
  *value = strtod(text, &end);
  return n > 0 && end == text + n;
}

bool metrics_parse(struct metrics *m, const char *line) {
  size_t prefix = sizeof PREFIX - 1;
  if (strncmp(line, PREFIX, prefix) != 0) {
    return false;
  }
  struct metrics read;
  metrics_clear(&read);
  for (const char *p = line + prefix; *p != '\0';) {
    // words are parted by blanks; the line may end with a newline
    size_t gap = strspn(p, " \r\n");
    size_t word = strcspn(p + gap, " \r\n");
    if (word == 0) {
      break;
    }
    const char *equals = memchr(p + gap, '=', word);
    if (gap == 0 || equals == NULL) {
      return false;
    }
    const char *value = equals + 1;
    double *target = field(&read, p + gap, (size_t)(equals - (p + gap)));
    if (target != NULL && !parse_value(target, value, (size_t)(p + gap + word - value))) {
      return false;
    }
    p += gap + word;
  }
  *m = read;
  return true;
}

size_t metrics_csv_header(char *out, size_t n) {
  size_t used = 0;
#define M(name, format, unit, help) used = append(out, n, used, "%s%s", used > 0 ? "," : "", #name);
#include "common/config/metrics.def"
#undef M
  return used;
}

size_t metrics_csv_row(char *out, size_t n, const struct metrics *m) {
  size_t used = 0;
  const char *comma = "";
#define M(name, format, unit, help)                                     \
  used = append(out, n, used, "%s", comma);                             \
  used = isnan(m->name) ? used : append(out, n, used, format, m->name); \
  comma = ",";
#include "common/config/metrics.def"
#undef M
  return used;
}
