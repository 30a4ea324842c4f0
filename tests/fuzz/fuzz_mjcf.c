// fuzz_mjcf.c - any bytes as an MJCF file, and as one that it may include.
//
// What stands before the first byte of 255 is main.xml, the rest is in.xml beside it. The text that
// comes of them is whole, and every line of it is a line of one of the two.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/task/mjcf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/telos-fuzz-mjcf-XXXXXX";
static char first[64], second[64];

static void clean(void) {
  unlink(first);
  unlink(second);
  rmdir(folder);
}

// a new file each time: some file systems wait for the disk when one is written again
static void put(const char *path, const void *bytes, size_t n) {
  unlink(path);
  FILE *f = fopen(path, "w");
  CHECK(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static void check_origins(const struct mjcf *m, const char *text, size_t n) {
  int lines = 1, origin;
  for (size_t i = 0; i < n; i++) {
    lines += text[i] == '\n';
  }
  for (int line = 1; line <= lines; line++) {
    const char *file = mjcf_origin(m, line, &origin);
    CHECK(file && origin >= 1 && file[0]);
  }
  CHECK(!mjcf_origin(m, lines + 1, &origin) && !mjcf_origin(m, 0, &origin));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!first[0]) {
    CHECK(mkdtemp(folder));
    snprintf(first, sizeof first, "%s/main.xml", folder);
    snprintf(second, sizeof second, "%s/in.xml", folder);
    atexit(clean);
  }
  const uint8_t *cut = size > 0 ? memchr(data, 255, size) : NULL;
  const size_t n = cut ? (size_t)(cut - data) : size;
  put(first, data, n);
  put(second, cut ? cut + 1 : data, cut ? size - n - 1 : 0);
  char reason[512];
  struct mjcf *m = mjcf_new(first, reason, sizeof reason);
  CHECK(memchr(reason, '\0', sizeof reason));
  if (!m) {
    return 0;
  }
  size_t length;
  const char *text = mjcf_text(m, &length);
  CHECK(text && text[length] == '\0');
  check_origins(m, text, length);
  mjcf_free(m);
  return 0;
}
