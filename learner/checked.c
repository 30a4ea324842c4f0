// checked.c - the digest's line is put together again from the bytes that follow it, and compared
// as a whole: so a flip in the line itself is found like any other.
#include "learner/checked.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/fsio.h"

enum { MAX_LINE = 128, DIGITS = 16 };

static const struct {
  const char *before, *after;  // of the digest
} LINE[] = {
    [CHECKED_JSON] = {"{\"xxh3\": \"", "\",\n"},
    [CHECKED_YAML] = {"# xxh3 ", " of the lines below: give changes as group.name=value\n"},
};

// The first line over n bytes that follow; returns its length, which is always the same.
static size_t first_line(char out[MAX_LINE], enum checked kind, const char *rest, size_t n) {
  const int used = snprintf(out, MAX_LINE, "%s%0*" PRIx64 "%s", LINE[kind].before, DIGITS,
                            (uint64_t)XXH3_64bits(rest, n), LINE[kind].after);
  CHECK(used > 0 && used < MAX_LINE);
  return (size_t)used;
}

enum err checked_write(const char *path, enum checked kind, const char *body) {
  char line[MAX_LINE];
  if (kind == CHECKED_JSON) {
    CHECK(strncmp(body, "{\n", 2) == 0);
    body += 2;
  }
  const size_t n = strlen(body), used = first_line(line, kind, body, n);
  char *text = must_alloc(used + n + 1, 1);
  memcpy(text, line, used + 1);
  memcpy(text + used, body, n + 1);
  const enum err err = fsio_write_atomic(path, text, used + n);
  free(text);
  return err;
}

const char *checked_read(char **text, size_t *n, const char *path, enum checked kind,
                         size_t max_bytes) {
  char line[MAX_LINE];
  void *bytes;
  if (!fsio_exists(path)) {
    return "is missing";
  }
  if (fsio_read(&bytes, n, path, max_bytes) != ERR_OK) {
    return "cannot be read";
  }
  const size_t used = strlen(LINE[kind].before) + DIGITS + strlen(LINE[kind].after);
  const char *rest = (const char *)bytes + used;
  if (*n < used || first_line(line, kind, rest, *n - used) != used ||
      memcmp(bytes, line, used) != 0) {
    free(bytes);
    return "is not what was written";
  }
  *text = bytes;
  return NULL;
}

enum err checked_write_json(const char *path, const json_t *root, int indent) {
  char *text = json_dumps(root, JSON_INDENT((size_t)indent));
  CHECK(text != NULL);
  const enum err err = checked_write(path, CHECKED_JSON, text);
  free(text);
  return err;
}

const char *checked_read_json(json_t **root, const char *path, size_t max_bytes) {
  char *text;
  size_t n;
  const char *fault = checked_read(&text, &n, path, CHECKED_JSON, max_bytes);
  if (fault != NULL) {
    return fault;
  }
  *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
  free(text);
  return *root != NULL ? NULL : "is not JSON";
}
