// reasons.h - texts that are logged once for each of several senders.
#ifndef COMMON_BASE_REASONS_H
#define COMMON_BASE_REASONS_H

#include <stdbool.h>
#include <stdint.h>

enum { REASONS_MAX = 64 };

struct reasons {
  const char *text[REASONS_MAX];  // met so far, by anyone
  int n;
};

// True the first time that this reason (a static text, compared by what it says) is met for the
// sender whose bits these are, 0 at first. False for what is beyond REASONS_MAX texts: a log must
// not grow with what others send.
bool reasons_first(struct reasons *r, uint64_t *bits, const char *reason);

#endif
