// csv.h - rows of plain CSV (no quotes), by the names of their columns.
#ifndef COMMON_BASE_CSV_H
#define COMMON_BASE_CSV_H

#include <stdbool.h>

enum { CSV_NAME = 64 };

// A place in a header and in a row below it; each ends with its text or its line.
struct csv {
  const char *header, *row;
};

// The next column: its name, cut to CSV_NAME, and its number; NaN when the field is none. False:
// that was the last one.
bool csv_next(struct csv *at, char name[CSV_NAME], double *value);

// The number below a name; NaN when the field is none, or there is no such column.
double csv_number(const char *header, const char *row, const char *name);

#endif
