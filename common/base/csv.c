// csv.c - one column after the other.
#include "common/base/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool csv_next(struct csv *at, char name[CSV_NAME], double *value) {
  if (at->header == NULL || at->row == NULL) {
    return false;
  }
  const size_t n = strcspn(at->header, ",\n"), k = strcspn(at->row, ",\n");
  char *end;
  snprintf(name, CSV_NAME, "%.*s", (int)n, at->header);
  *value = strtod(at->row, &end);
  *value = k > 0 && end == at->row + k ? *value : NAN;
  at->header = at->header[n] == ',' ? at->header + n + 1 : NULL;
  at->row = at->row[k] == ',' ? at->row + k + 1 : NULL;
  return true;
}

double csv_number(const char *header, const char *row, const char *name) {
  struct csv at = {header, row};
  char column[CSV_NAME];
  for (double value; csv_next(&at, column, &value);) {
    if (strcmp(column, name) == 0) {
      return value;
    }
  }
  return NAN;
}
