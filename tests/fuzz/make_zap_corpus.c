// make_zap_corpus.c - writes the seeds of fuzz_zap.c:
//   make_zap_corpus tests/fuzz/corpus/zap
//
// A sound request, and one with each frame wrong, missing, or one too many.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/fsio.h"
#include "proto/zap.h"

struct frame {
  const char *data;
  size_t n;
};

static const char *folder;
static bool failed;

static const char key[] = "0123456789abcdefghijklmnopqrstuv";  // 32 bytes

static void write_seed(const char *name, const struct frame *frames, int n) {
  char path[4096];
  uint8_t data[2048];
  size_t used = 0;
  for (int i = 0; i < n; i++) {
    data[used++] = (uint8_t)frames[i].n;
    memcpy(data + used, frames[i].data, frames[i].n);
    used += frames[i].n;
  }
  snprintf(path, sizeof path, "%s/%s", folder, name);
  failed |= fsio_write_atomic(path, data, used) != ERR_OK;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int frame;
    struct frame value;
  } wrong[] = {{"version", 0, {"1.1", 3}},        {"no_version", 0, {"", 0}},
               {"empty_id", 1, {"", 0}},          {"no_domain", 2, {"", 0}},
               {"other_domain", 2, {"teloS", 5}}, {"address", 3, {"\033[2J\n\0x", 7}},
               {"routing_id", 4, {"\0\1\2", 3}},  {"null", 5, {"NULL", 4}},
               {"plain", 5, {"PLAIN", 5}},        {"short_key", 6, {key, 31}}};
  static const struct frame sound[ZAP_FRAMES + 1] = {{"1.0", 3},
                                                     {"1", 1},
                                                     {ZAP_DOMAIN, sizeof ZAP_DOMAIN - 1},
                                                     {"192.0.2.7", 9},
                                                     {"", 0},
                                                     {"CURVE", 5},
                                                     {key, sizeof key - 1},
                                                     {"more", 4}};
  if (argc != 2) {
    fprintf(stderr, "usage: make_zap_corpus FOLDER\n");
    return 64;
  }
  folder = argv[1];
  if (fsio_mkdirs(folder) != ERR_OK) {
    return 1;
  }
  write_seed("sound", sound, ZAP_FRAMES);
  write_seed("one_less", sound, ZAP_FRAMES - 1);
  write_seed("one_more", sound, ZAP_FRAMES + 1);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct frame frames[ZAP_FRAMES];
    memcpy(frames, sound, sizeof frames);
    frames[wrong[i].frame] = wrong[i].value;
    write_seed(wrong[i].name, frames, ZAP_FRAMES);
  }
  return failed ? 1 : 0;
}
