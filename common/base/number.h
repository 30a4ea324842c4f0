// number.h - decimal numbers as people write them: one reader, one writer.
//
//   [+-] digits [. digits] [e [+-] digits]
//
// with a digit before or after the point, and single underscores between digits. So 1e6, 1_000_000
// and 1000000.0 are one whole number. Hexadecimal, "nan", "inf", blanks and an empty text are no
// numbers, and neither is one of more than NUMBER_DIGITS digits. No function depends on the locale.
#ifndef COMMON_BASE_NUMBER_H
#define COMMON_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum {
  NUMBER_DIGITS = 127,
  NUMBER_TEXT = 32,  // bytes that number_format_real needs at most
};

// A whole number, exactly. What is too large or too small becomes INT64_MAX or -INT64_MAX, for the
// caller's own range to refuse. False, and *out as it was: the text is no whole number.
bool number_parse_int(int64_t *out, const char *text);

// The same for 0 to UINT64_MAX; false for every number beyond.
bool number_parse_uint(uint64_t *out, const char *text);

// The nearest double; infinite when the number is too large for one.
bool number_parse_real(double *out, const char *text);

// The same for the n bytes at text: one number of a list.
bool number_parse_part(double *out, const char *text, size_t n);

// The shortest of 15 to 17 digits that number_parse_real reads back to the same bits.
void number_format_real(char out[NUMBER_TEXT], double value);

// The value of a command line's option, a whole number from min to max. ERR_USAGE (logged): it is
// none.
NODISCARD enum err number_option(uint64_t *out, const char *option, const char *text, uint64_t min,
                                 uint64_t max);

#endif
