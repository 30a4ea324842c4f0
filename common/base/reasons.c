// reasons.c - a text's place in the table is its bit.
#include "common/base/reasons.h"

#include <string.h>

bool reasons_first(struct reasons *r, uint64_t *bits, const char *reason) {
  int i = 0;
  while (i < r->n && strcmp(r->text[i], reason) != 0) {
    i++;
  }
  if (i == REASONS_MAX) {
    return false;
  }
  if (i == r->n) {
    r->text[r->n++] = reason;
  }
  const uint64_t bit = UINT64_C(1) << i;
  const bool first = (*bits & bit) == 0;
  *bits |= bit;
  return first;
}
