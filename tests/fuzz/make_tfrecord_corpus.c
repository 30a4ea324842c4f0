// make_tfrecord_corpus.c - writes the seeds of fuzz_tfrecord.c:
//   make_tfrecord_corpus tests/fuzz/corpus/tfrecord
//
// Sound runs of records, torn and damaged ones, and lengths at every limit. The first byte of a
// seed tells the target whether to make the CRCs right.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/fsio.h"
#include "common/tfrecord.h"

static const char *folder;
static bool failed;

static void write_seed(const char *name, int repair, const void *bytes, size_t n) {
  char path[4096];
  unsigned char data[2048];
  data[0] = (unsigned char)repair;
  memcpy(data + 1, bytes, n);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  failed |= fsio_write_atomic(path, data, n + 1) != ERR_OK;
}

// a header that states this length, and 20 bytes after it
static void with_length(const char *name, uint64_t length) {
  unsigned char bytes[32] = {0};
  memcpy(bytes, &length, sizeof length);
  write_seed(name, 1, bytes, sizeof bytes);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: make_tfrecord_corpus FOLDER\n");
    return 64;
  }
  folder = argv[1];
  if (fsio_mkdirs(folder) != ERR_OK) {
    return 1;
  }

  // three records in a row, of 0, 9 and 100 bytes
  unsigned char run[512], text[100];
  memset(text, 'x', sizeof text);
  size_t end = 0;
  const size_t sizes[] = {0, 9, 100};
  for (int i = 0; i < 3; i++) {
    tfrecord_frame(run + end, text, sizes[i]);
    end += sizes[i] + TFRECORD_OVERHEAD;
  }
  write_seed("three", 0, run, end);
  write_seed("three_repaired", 1, run, end);
  write_seed("one_empty", 0, run, TFRECORD_OVERHEAD);
  write_seed("torn_header", 0, run, end - 105);
  write_seed("torn_data", 0, run, end - 50);
  write_seed("torn_footer", 0, run, end - 1);
  write_seed("nothing", 0, run, 0);
  run[20] ^= 1;
  write_seed("damaged_length", 0, run, end);
  run[20] ^= 1;
  run[30] ^= 1;
  write_seed("damaged_data", 0, run, end);

  with_length("length_fits", 16);
  with_length("length_one_too_many", 17);
  with_length("length_limit", 1 << 16);
  with_length("length_over_limit", (1 << 16) + 1);
  with_length("length_all_ones", UINT64_MAX);
  with_length("length_wraps", UINT64_MAX - 15);
  with_length("length_sign", (uint64_t)1 << 63);
  return failed;
}
