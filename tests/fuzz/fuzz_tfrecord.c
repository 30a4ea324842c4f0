// fuzz_tfrecord.c - any bytes as a run of records.
//
// The first byte chooses: even takes the rest as it is; odd first makes every CRC right, so that
// lengths and data of any value get past it. Each record found must lie inside the range, and be
// the very bytes that framing its data gives.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/tfrecord.h"

enum { HEADER = 12, FOOTER = 4, MAX_BYTES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void store_crc(uint8_t *out, const uint8_t *data, size_t n) {
  uint32_t crc = tfrecord_crc32c(data, n);
  uint32_t mask = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  memcpy(out, &mask, sizeof mask);
}

// makes the CRCs right, record after record, until one does not fit
static void repair(uint8_t *p, size_t n) {
  while (n >= HEADER) {
    uint64_t length;
    memcpy(&length, p, sizeof length);
    store_crc(p + sizeof length, p, sizeof length);
    if (n - HEADER < FOOTER || length > n - HEADER - FOOTER) {
      return;
    }
    store_crc(p + HEADER + length, p + HEADER, length);
    p += length + TFRECORD_OVERHEAD;
    n -= length + TFRECORD_OVERHEAD;
  }
}

static void walk(const uint8_t *p, size_t left, bool repaired) {
  for (;;) {
    const void *data = NULL;
    size_t n = 0, used = 0;
    enum err err = tfrecord_next(&data, &n, &used, p, left, MAX_BYTES);
    if (err != ERR_OK) {
      uint64_t length = 0;
      memcpy(&length, p, left < sizeof length ? left : sizeof length);
      // with right CRCs a record is refused for its length alone
      CHECK(err == ERR_UNAVAILABLE || err == ERR_FORMAT);
      CHECK(!repaired || err == ERR_UNAVAILABLE || length > MAX_BYTES);
      CHECK(data == NULL && n == 0 && used == 0);
      return;
    }
    CHECK(used <= left && used == n + TFRECORD_OVERHEAD && n <= MAX_BYTES);
    CHECK((const uint8_t *)data == p + HEADER);
    uint8_t *again = malloc(used);
    CHECK(again != NULL);
    tfrecord_frame(again, data, n);
    CHECK(memcmp(again, p, used) == 0);
    free(again);
    p += used;
    left -= used;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) {
    return 0;
  }
  // an exact copy, so that a read beyond the end is seen
  size_t n = size - 1;
  uint8_t *bytes = malloc(n > 0 ? n : 1);
  CHECK(bytes != NULL);
  memcpy(bytes, data + 1, n);
  bool repaired = data[0] % 2 == 1;
  if (repaired) {
    repair(bytes, n);
  }
  walk(bytes, n, repaired);
  free(bytes);
  return 0;
}
