// fuzz_keyfile.c - any bytes as a certificate.
//
// What is taken has to be what libzmq takes, too: two keys of 40 characters that Z85 knows, and the
// secret one the other's pair. What is refused has a reason and a line of the text.
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zmq.h>

#include "common/base/check.h"
#include "proto/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int lines(const uint8_t *data, size_t size) {
  int n = 1;
  for (size_t i = 0; i < size; i++) {
    n += data[i] == '\n';
  }
  return n;
}

static void check_key(const char *key) {
  uint8_t bytes[32];
  char again[KEY_TEXT];
  CHECK(strlen(key) == KEY_TEXT - 1 && zmq_z85_decode(bytes, key) != NULL);
  CHECK(zmq_z85_encode(again, bytes, sizeof bytes) != NULL && strcmp(again, key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct keyfile k = {.public_key = "as it was"};
  struct keyfile_fault fault = {-1, NULL};
  if (keyfile_parse(&k, &fault, (const char *)data, size)) {
    check_key(k.public_key);
    if (k.secret_key[0] != '\0') {
      char derived[KEY_TEXT];
      check_key(k.secret_key);
      CHECK(zmq_curve_public(derived, k.secret_key) == 0 && strcmp(derived, k.public_key) == 0);
    }
    CHECK(fault.what == NULL);
  } else {
    CHECK(strcmp(k.public_key, "as it was") == 0);
    CHECK(fault.what != NULL && fault.line >= 0 && fault.line <= lines(data, size));
  }
  return 0;
}
