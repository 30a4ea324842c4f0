// tfrecord.c - framing and checking of records.
//
// CRC32C (Castagnoli) is the polynomial of the SSE4.2 crc32 instruction, which x86-64-v3 has: eight
// bytes at a time, no table. Lengths are compared with what is left, never added to it, so that a
// length of any value from a damaged file cannot wrap.
#include "common/tfrecord.h"

#include <nmmintrin.h>
#include <string.h>

enum { HEADER = TFRECORD_HEADER, FOOTER = TFRECORD_OVERHEAD - TFRECORD_HEADER };

uint32_t tfrecord_crc32c(const void *data, size_t n) {
  const unsigned char *p = data;
  uint64_t crc = 0xffffffffu;
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  for (; n > 0; n--, p++) {
    crc = _mm_crc32_u8((uint32_t)crc, *p);
  }
  return (uint32_t)crc ^ 0xffffffffu;
}

static uint32_t masked(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static uint32_t load32(const unsigned char *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

void tfrecord_frame(void *out, const void *data, size_t n) {
  unsigned char *p = out;
  uint64_t length = n;
  memcpy(p, &length, sizeof length);
  uint32_t crc = masked(tfrecord_crc32c(p, sizeof length));
  memcpy(p + sizeof length, &crc, sizeof crc);
  if (n > 0) {
    memmove(p + HEADER, data, n);
  }
  crc = masked(tfrecord_crc32c(p + HEADER, n));
  memcpy(p + HEADER + n, &crc, sizeof crc);
}

enum err tfrecord_next(const void **data, size_t *n, size_t *used, const void *bytes, size_t avail,
                       size_t max_bytes) {
  const unsigned char *p = bytes;
  if (avail < HEADER) {
    return ERR_UNAVAILABLE;
  }
  // the length is trusted only after its own crc
  uint64_t length;
  memcpy(&length, p, sizeof length);
  if (load32(p + sizeof length) != masked(tfrecord_crc32c(p, sizeof length)) ||
      length > max_bytes) {
    return ERR_FORMAT;
  }
  if (avail - HEADER < FOOTER || avail - HEADER - FOOTER < length) {
    return ERR_UNAVAILABLE;
  }
  if (load32(p + HEADER + length) != masked(tfrecord_crc32c(p + HEADER, length))) {
    return ERR_FORMAT;
  }
  *data = p + HEADER;
  *n = length;
  *used = length + TFRECORD_OVERHEAD;
  return ERR_OK;
}
