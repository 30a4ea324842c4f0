// fuzz_config.c - any bytes as a configuration file.
//
// What is refused must leave the configuration as it was; what is accepted must come back equal
// from its own dump. Messages go nowhere: there are millions.
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// config_defaults clears padding and the ends of texts, so equal settings are equal bytes
static bool same_bytes(const void *a, const void *b) {
  return memcmp(a, b, sizeof(struct config)) == 0;
}

// reads a text with standard error closed off, so that a finding is still reported
static enum err read_quietly(struct config *cfg, const char *text, size_t n) {
  static int nowhere = -1, saved = -1;
  if (nowhere < 0) {
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    CHECK(nowhere >= 0 && saved >= 0);
  }
  dup2(nowhere, STDERR_FILENO);
  enum err err = config_read_yaml(cfg, text, n, "fuzz.yaml");
  dup2(saved, STDERR_FILENO);
  return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct config cfg, defaults, back;
  config_defaults(&cfg);
  config_defaults(&defaults);
  config_defaults(&back);

  // an exact copy, so that a read beyond the end is seen
  char *text = malloc(size > 0 ? size : 1);
  CHECK(text != NULL);
  memcpy(text, data, size);
  enum err err = read_quietly(&cfg, text, size);
  free(text);
  if (err != ERR_OK) {
    CHECK(err == ERR_CONFIG);
    CHECK(same_bytes(&cfg, &defaults));
    return 0;
  }

  char *dump = config_dump(&cfg);
  CHECK(read_quietly(&back, dump, strlen(dump)) == ERR_OK);
  CHECK(same_bytes(&cfg, &back));
  free(dump);
  return 0;
}
