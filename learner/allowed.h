// allowed.h - the allow-list: a folder with one public key file for each actor that may connect.
//
//   allowed/rack3.key     the key, and its name for people
//
// Hidden files are passed over (Kubernetes keeps its own there), so are others that do not end in
// .key. A file that is no certificate allows nobody. One thread.
#ifndef LEARNER_ALLOWED_H
#define LEARNER_ALLOWED_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/keyfile.h"

enum { ALLOWED_MAX = 65536 };  // keys; more are passed over, with a line

struct allowed_entry {
  char key[KEY_TEXT];
  char name[KEY_MAX_NAME + 1];
};

struct allowed {
  struct allowed_entry *entries;  // sorted by key, each once
  int n;
  uint64_t seen;  // what the folder looked like when it was read
};

// Reads the folder again if it has changed since the last time, or was never read (*a is zeroed).
// True: it was read; *revoked says whether a key of before is not allowed any more. What is wrong
// with it is logged, a line each. A folder that is missing or cannot be read allows nobody.
bool allowed_read(struct allowed *a, bool *revoked, const char *folder);
void allowed_release(struct allowed *a);

// The name of an allowed key (Z85), borrowed until the next allowed_read; NULL: it is not allowed.
const char *allowed_find(const struct allowed *a, const char *key);

#endif
