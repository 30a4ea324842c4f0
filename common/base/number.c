// number.c - a text becomes digits and an exponent first; what it is worth is decided after that.
//
// The C library alone would not do: strtod takes "0x10", "nan" and " 1", and strtoll reads 1e6
// as 1. With the digits in hand, whole numbers are exact in every notation.
#include "common/base/number.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

// a decimal number as it was written
struct decimal {
  char digits[NUMBER_DIGITS + 1];  // mantissa without sign, point, underscores, leading zeros
  int count;                       // of digits; 0 for zero
  int exponent;                    // value = digits * 10^exponent
  bool negative;
};

// digits with single underscores between them; appends to d and returns their number, -1 when
// there are too many or an underscore stands wrong
static int read_digits(struct decimal *d, const char **text) {
  int count = 0;
  const char *p = *text;
  while (isdigit((unsigned char)*p) || (*p == '_' && count > 0 && isdigit((unsigned char)p[1]))) {
    if (*p == '_') {
      p++;
      continue;
    }
    if (d->count == NUMBER_DIGITS) {
      return -1;
    }
    if (d->count > 0 || *p != '0') {
      d->digits[d->count++] = *p;
    }
    count++;
    p++;
  }
  *text = p;
  return count;
}

static bool read_decimal(struct decimal *d, const char *p) {
  *d = (struct decimal){.negative = *p == '-'};
  p += *p == '-' || *p == '+';
  int whole = read_digits(d, &p);
  int fraction = 0;
  if (*p == '.') {
    p++;
    fraction = read_digits(d, &p);
  }
  if (whole < 0 || fraction < 0 || whole + fraction == 0) {
    return false;
  }
  if (*p == 'e' || *p == 'E') {
    p++;
    int sign = *p == '-' ? -1 : 1;
    p += *p == '-' || *p == '+';
    if (!isdigit((unsigned char)*p)) {
      return false;
    }
    // beyond any double the exact value no longer matters
    for (; isdigit((unsigned char)*p); p++) {
      d->exponent = d->exponent < 9999 ? d->exponent * 10 + (*p - '0') : d->exponent;
    }
    d->exponent *= sign;
  }
  d->exponent -= fraction;

  // trailing zeros go into the exponent: 1.50e1 is 15
  while (d->count > 0 && d->digits[d->count - 1] == '0') {
    d->count--;
    d->exponent++;
  }
  d->digits[d->count] = '\0';
  return *p == '\0';
}

// the size of a whole number; false when it is none. *fits: it is at most UINT64_MAX.
static bool whole_size(uint64_t *out, bool *fits, const struct decimal *d) {
  if (d->count > 0 && d->exponent < 0) {
    return false;
  }
  uint64_t value = 0;
  bool good = d->count == 0 || d->count + d->exponent <= 20;
  for (int i = 0; good && d->count > 0 && i < d->count + d->exponent; i++) {
    const uint64_t digit = i < d->count ? (uint64_t)(d->digits[i] - '0') : 0;
    good = value <= (UINT64_MAX - digit) / 10;
    value = 10 * value + digit;
  }
  *out = value;
  *fits = good;
  return true;
}

bool number_parse_int(int64_t *out, const char *text) {
  struct decimal d;
  uint64_t size;
  bool fits;
  if (!read_decimal(&d, text) || !whole_size(&size, &fits, &d)) {
    return false;
  }
  const int64_t value = fits && size <= INT64_MAX ? (int64_t)size : INT64_MAX;
  *out = d.negative ? -value : value;
  return true;
}

bool number_parse_uint(uint64_t *out, const char *text) {
  struct decimal d;
  uint64_t size;
  bool fits;
  if (!read_decimal(&d, text) || !whole_size(&size, &fits, &d) || !fits ||
      (d.negative && size > 0)) {
    return false;
  }
  *out = size;
  return true;
}

bool number_parse_real(double *out, const char *text) {
  struct decimal d;
  if (!read_decimal(&d, text)) {
    return false;
  }
  char plain[NUMBER_DIGITS + 32];
  snprintf(plain, sizeof plain, "%s%se%d", d.negative ? "-" : "", d.count > 0 ? d.digits : "0",
           d.exponent);
  *out = strtod(plain, NULL);
  return true;
}

bool number_parse_part(double *out, const char *text, size_t n) {
  char part[NUMBER_DIGITS + 64];
  if (n >= sizeof part) {
    return false;
  }
  memcpy(part, text, n);
  part[n] = '\0';
  return number_parse_real(out, part);
}

void number_format_real(char out[NUMBER_TEXT], double value) {
  snprintf(out, NUMBER_TEXT, "%.15g", value);
  if (strtod(out, NULL) != value) {
    snprintf(out, NUMBER_TEXT, "%.16g", value);
  }
  if (strtod(out, NULL) != value) {
    snprintf(out, NUMBER_TEXT, "%.17g", value);
  }
}

enum err number_option(uint64_t *out, const char *option, const char *text, uint64_t min,
                       uint64_t max) {
  uint64_t value;
  if (!number_parse_uint(&value, text) || value < min || value > max) {
    log_error("%s %s: expected a whole number from %" PRIu64 " to %" PRIu64, option, text, min,
              max);
    return ERR_USAGE;
  }
  *out = value;
  return ERR_OK;
}
