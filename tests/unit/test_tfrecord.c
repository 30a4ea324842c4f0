// test_tfrecord.c - framing against the published check value and a bit-by-bit CRC; every torn and
// every damaged record is found.
#include "common/tfrecord.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

// reflected Castagnoli polynomial, one bit at a time: shares nothing with the instruction
static uint32_t crc_by_bits(const unsigned char *p, size_t n) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < n; i++) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
    }
  }
  return ~crc;
}

Test(tfrecord, crc_has_the_published_check_value) {
  cr_expect_eq(tfrecord_crc32c("123456789", 9), 0xe3069283u);
  cr_expect_eq(tfrecord_crc32c("", 0), 0u);
}

Test(tfrecord, crc_equals_the_bitwise_one_at_every_length_and_alignment) {
  unsigned char bytes[80];
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = (unsigned char)(i * 37 + 11);
  }
  for (size_t from = 0; from < 8; from++) {
    for (size_t n = 0; from + n <= sizeof bytes; n++) {
      cr_assert_eq(tfrecord_crc32c(bytes + from, n), crc_by_bits(bytes + from, n),
                   "from %zu length %zu", from, n);
    }
  }
}

// the frame of "abc", put together by hand from the format's definition
Test(tfrecord, frame_layout_is_the_published_one) {
  unsigned char got[3 + TFRECORD_OVERHEAD], want[3 + TFRECORD_OVERHEAD] = {3};
  memcpy(want + 12, "abc", 3);
  uint32_t crc = crc_by_bits(want, 8);
  uint32_t mask = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  memcpy(want + 8, &mask, 4);
  crc = crc_by_bits(want + 12, 3);
  mask = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  memcpy(want + 15, &mask, 4);
  tfrecord_frame(got, "abc", 3);
  cr_expect_arr_eq(got, want, sizeof want);
}

Test(tfrecord, records_in_a_row_come_back_in_order) {
  const char *texts[] = {"first", "", "a third record that is longer than eight bytes"};
  unsigned char bytes[256];
  size_t end = 0;
  for (int i = 0; i < 3; i++) {
    tfrecord_frame(bytes + end, texts[i], strlen(texts[i]));
    end += strlen(texts[i]) + TFRECORD_OVERHEAD;
  }
  size_t at = 0;
  for (int i = 0; i < 3; i++) {
    const void *data;
    size_t n, used;
    cr_assert_eq(tfrecord_next(&data, &n, &used, bytes + at, end - at, 100), ERR_OK);
    cr_assert_eq(n, strlen(texts[i]));
    cr_expect_eq(memcmp(data, texts[i], n), 0);
    at += used;
  }
  const void *data;
  size_t n, used;
  cr_expect_eq(at, end);
  cr_expect_eq(tfrecord_next(&data, &n, &used, bytes + at, 0, 100), ERR_UNAVAILABLE);
}

Test(tfrecord, a_record_torn_at_any_byte_asks_for_more) {
  unsigned char bytes[20 + TFRECORD_OVERHEAD];
  tfrecord_frame(bytes, "12345678901234567890", 20);
  for (size_t avail = 0; avail < sizeof bytes; avail++) {
    // an exact copy, so that a read past the end is seen by the address sanitizer
    unsigned char *copy = malloc(avail + 1);
    memcpy(copy, bytes, avail);
    const void *data;
    size_t n, used;
    cr_expect_eq(tfrecord_next(&data, &n, &used, copy, avail, 100), ERR_UNAVAILABLE, "%zu", avail);
    free(copy);
  }
}

Test(tfrecord, a_flip_of_any_bit_is_a_format_error) {
  unsigned char bytes[20 + TFRECORD_OVERHEAD];
  tfrecord_frame(bytes, "12345678901234567890", 20);
  for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    const void *data;
    size_t n, used;
    cr_expect_eq(tfrecord_next(&data, &n, &used, bytes, sizeof bytes, 100), ERR_FORMAT, "bit %zu",
                 bit);
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
  }
}

Test(tfrecord, a_length_over_the_limit_is_a_format_error) {
  unsigned char bytes[20 + TFRECORD_OVERHEAD];
  tfrecord_frame(bytes, "12345678901234567890", 20);
  const void *data;
  size_t n, used;
  cr_expect_eq(tfrecord_next(&data, &n, &used, bytes, sizeof bytes, 19), ERR_FORMAT);
  cr_expect_eq(tfrecord_next(&data, &n, &used, bytes, sizeof bytes, 20), ERR_OK);

  // the largest length of all, with a right crc: refused without arithmetic that wraps
  uint64_t length = UINT64_MAX;
  memcpy(bytes, &length, 8);
  uint32_t crc = crc_by_bits(bytes, 8);
  uint32_t mask = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  memcpy(bytes + 8, &mask, 4);
  cr_expect_eq(tfrecord_next(&data, &n, &used, bytes, sizeof bytes, 100), ERR_FORMAT);
  cr_expect_eq(tfrecord_next(&data, &n, &used, bytes, sizeof bytes, SIZE_MAX), ERR_UNAVAILABLE);
}
