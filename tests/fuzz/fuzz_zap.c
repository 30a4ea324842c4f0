// fuzz_zap.c - any bytes as the frames of a ZAP request.
//
// The input is a list of frames: a byte for its length, then so many bytes, as long as there are
// any. A request that is taken has a key that Z85 knows, and an address that can be logged.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/base/check.h"
#include "proto/zap.h"

enum { MAX_FRAMES = 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct zap_frame frames[MAX_FRAMES] = {{NULL, 0}};
  void *copies[MAX_FRAMES];
  int n = 0;
  for (size_t at = 0; at < size && n < MAX_FRAMES; n++) {
    const size_t left = size - at - 1, length = data[at] < left ? data[at] : left;
    // an exact copy, so that a read beyond the end is seen
    copies[n] = malloc(length > 0 ? length : 1);
    CHECK(copies[n] != NULL);
    memcpy(copies[n], data + at + 1, length);
    frames[n] = (struct zap_frame){copies[n], length};
    at += length + 1;
  }
  struct zap_request request = {.key = "as it was"};
  const char *what = zap_parse(&request, frames, n);
  if (what == NULL) {
    uint8_t bytes[32];
    CHECK(n == ZAP_FRAMES && frames[ZAP_FRAMES - 1].n == sizeof bytes);
    CHECK(zmq_z85_decode(bytes, request.key) != NULL);
    CHECK(memcmp(bytes, frames[ZAP_FRAMES - 1].data, sizeof bytes) == 0);
    CHECK(strlen(request.address) <= ZAP_MAX_ADDRESS);
    for (const char *c = request.address; *c != '\0'; c++) {
      CHECK(*c > ' ' && *c < 127);
    }
  } else {
    CHECK(strcmp(request.key, "as it was") == 0);
  }
  for (int i = 0; i < n; i++) {
    free(copies[i]);
  }
  return 0;
}
