// wire_scan.h - what can be said of a frame before it is unpacked. Inside proto, and its tests.
//
// A frame of protocol 2 or later ends in its check, WIRE_CHECK_BYTES long: a field of its own, and
// the XXH3-64 of all bytes before that field. Only an episode has none.
#ifndef PROTO_WIRE_SCAN_H
#define PROTO_WIRE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

enum { WIRE_CHECK_BYTES = 9 };

// Writes the check of the bytes before it into the last WIRE_CHECK_BYTES of the frame.
void wire_seal(void *frame, size_t n);
bool wire_sealed(const void *frame, size_t n);

// The protocol number of an envelope, and which message it seems to be (0: none that we know),
// tolerant of all else. NULL, or what is wrong (static text).
const char *wire_peek(uint64_t *protocol, enum wire_type *type, const void *frame, size_t n);

// The frame against the schema: NULL, or what is wrong (static text).
const char *wire_scan(const void *frame, size_t n);

extern const char WIRE_MALFORMED[];

#endif
