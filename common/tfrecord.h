// tfrecord.h - append-only record files: TensorFlow's TFRecord framing.
//
//   u64 length | u32 masked crc32c(length) | data | u32 masked crc32c(data)      little-endian
//   mask(c) = rotate_right(c, 15) + 0xa282ead8
//
// A record is written with one write(); a torn last record is found by its length or CRC.
#ifndef COMMON_TFRECORD_H
#define COMMON_TFRECORD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum {
  TFRECORD_HEADER = 12,    // bytes before a record's data
  TFRECORD_OVERHEAD = 16,  // bytes a record adds to its data
};

uint32_t tfrecord_crc32c(const void *data, size_t n);

// The framed record into out (n + TFRECORD_OVERHEAD bytes). The data may stand in its place
// already, at out + TFRECORD_HEADER.
void tfrecord_frame(void *out, const void *data, size_t n);

// Next record of a byte range: *data, *n point into bytes; *used is what the frame takes.
// ERR_OK: a record. ERR_UNAVAILABLE (not logged): the range ends inside the record: more bytes
// may come. ERR_FORMAT (not logged): bad CRC, or length over max_bytes.
NODISCARD enum err tfrecord_next(const void **data, size_t *n, size_t *used, const void *bytes,
                                 size_t avail, size_t max_bytes);

#endif
