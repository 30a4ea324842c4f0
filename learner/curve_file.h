// curve_file.h - a CSV file that has a row for each of some moments of training, and what of it
// stays when a run goes on.
//
//   steps,...,seconds      header
//   1000,...,12.3          steps: a whole number; seconds: of training so far, over all lives
//
// A checkpoint may be older than the file: whoever reads it takes the rows that do not come again.
#ifndef LEARNER_CURVE_FILE_H
#define LEARNER_CURVE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

// Calls take for each whole row of the file, in its order; row is without newline, borrowed. A row
// that is damaged or torn is warned of and left out, and so is all of a file with another header.
// No file has no rows. header is without newline. ERR_IO: it cannot be read.
NODISCARD enum err curve_file_read(const char *path, const char *header,
                                   void (*take)(void *ctx, uint64_t steps, double seconds,
                                                const char *row),
                                   void *ctx);

// ",1.5" at out, or "," when x is not finite; returns the length.
int curve_file_number(char *out, size_t n, double x);

#endif
