// fuzz_wire.c - any bytes as a frame: an error, or a message that survives another round trip.
//
// The first byte says whether the decoder knows the task's sizes. What decodes is encoded again;
// that frame must decode, and encode to the same bytes. A frame that has the place for a check is
// given the right one: else no mutation would come further.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "proto/wire.h"
#include "proto/wire_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// the sizes that tests/fuzz/make_wire_corpus.c uses
static const struct dims DIMS = {.obs = 3, .act = 2, .goal = 2, .horizon = 12, .hindsight = 4};

enum { CHECK_TAG = 0x79 };  // first byte of a check

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static struct wire_decoder *decoder;
  static struct wire_encoder *encoder;
  if (!decoder) {
    decoder = wire_decoder_new(NULL, 1 << 20);
    encoder = wire_encoder_new();
  }
  if (n == 0) {
    return 0;
  }
  wire_decoder_set_dims(decoder, data[0] & 1 ? &DIMS : NULL);
  struct wire_msg m;
  // exactly as long as the frame, so that a sanitizer sees reads beyond
  uint8_t *input = malloc(n - 1 > 0 ? n - 1 : 1);
  CHECK(input);
  memcpy(input, data + 1, n - 1);
  if (n - 1 >= WIRE_CHECK_BYTES && input[n - 1 - WIRE_CHECK_BYTES] == CHECK_TAG) {
    wire_seal(input, n - 1);
  }
  enum err err = wire_decode(decoder, &m, input, n - 1);
  if (err) {
    free(input);
    CHECK(err == ERR_FORMAT || err == ERR_REFUSED);
    CHECK(wire_fault(decoder)[0]);
    return 0;
  }
  size_t size, again;
  const void *frame = wire_encode(encoder, &size, &m);
  void *first = malloc(size);
  CHECK(first);
  memcpy(first, frame, size);
  free(input);
  wire_drop(&m);
  err = wire_decode(decoder, &m, first, size);
  CHECK(err == ERR_OK);
  frame = wire_encode(encoder, &again, &m);
  CHECK(again == size && memcmp(frame, first, size) == 0);
  wire_drop(&m);
  free(first);
  return 0;
}
