// metrics.c - walks over metrics.def.
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
#define W(name, words, help) m->name = -1;
#include "common/config/metrics.def"
#undef M
#undef W
}

void metrics_set(struct metrics *m, const char *name, double value) {
#define M(field, format, unit, help) \
  if (strcmp(name, #field) == 0) {   \
    m->field = value;                \
  }
#define W(field, words, help)
#include "common/config/metrics.def"
#undef M
#undef W
}

// ---- words ----

// Word i of "a|b|c"; its length in *n. NULL: there is none.
static const char *word_at(const char *words, int i, size_t *n) {
  for (; i > 0 && words != NULL; i--) {
    words = strchr(words, '|');
    words = words != NULL ? words + 1 : NULL;
  }
  *n = words != NULL ? strcspn(words, "|") : 0;
  return i == 0 ? words : NULL;
}

// Which of the words the n bytes at text are; -1: none.
static int find_word(const char *words, const char *text, size_t n) {
  size_t length;
  const char *word;
  for (int i = 0; (word = word_at(words, i, &length)) != NULL; i++) {
    if (length == n && memcmp(word, text, n) == 0) {
      return i;
    }
  }
  return -1;
}

static size_t append_word(char *out, size_t n, size_t used, const char *words, int i) {
  size_t length;
  const char *word = word_at(words, i, &length);
  return word != NULL ? append(out, n, used, "%.*s", (int)length, word) : append(out, n, used, "-");
}

// ---- the progress line ----

size_t metrics_line(char *out, size_t n, const struct metrics *m) {
  size_t used = append(out, n, 0, "%s", PREFIX);
#define M(name, format, unit, help)           \
  used = append(out, n, used, " %s=", #name); \
  used = isnan(m->name) ? append(out, n, used, "-") : append(out, n, used, format, m->name);
#define W(name, words, help)                  \
  used = append(out, n, used, " %s=", #name); \
  used = append_word(out, n, used, words, m->name);
#include "common/config/metrics.def"
#undef M
#undef W
  return used;
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

// Reads one figure: name and value are texts of so many bytes. An unknown name is passed over;
// false: the value is none.
static bool read_figure(struct metrics *m, const char *name, size_t n_name, const char *value,
                        size_t n_value) {
#define M(field, format, unit, help)                                      \
  if (n_name == sizeof #field - 1 && memcmp(name, #field, n_name) == 0) { \
    return parse_value(&m->field, value, n_value);                        \
  }
#define W(field, words, help)                                             \
  if (n_name == sizeof #field - 1 && memcmp(name, #field, n_name) == 0) { \
    m->field = find_word(words, value, n_value);                          \
    return true;                                                          \
  }
#include "common/config/metrics.def"
#undef M
#undef W
  return true;
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
    if (!read_figure(&read, p + gap, (size_t)(equals - (p + gap)), value,
                     (size_t)(p + gap + word - value))) {
      return false;
    }
    p += gap + word;
  }
  *m = read;
  return true;
}
