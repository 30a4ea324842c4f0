// make_safetensors_corpus.c - writes the seeds of fuzz_safetensors.c:
//   make_safetensors_corpus tests/fuzz/corpus/safetensors
//
// Files as our writer makes them, and by hand those that other writers may make or that break one
// rule of the format.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "common/nn/safetensors.h"

static const char *folder;
static bool failed;

static void write_seed(const char *name, const void *data, size_t n) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  failed |= fsio_write_atomic(path, data, n) != ERR_OK;
}

static void encoded(const char *name, const struct st_tensor *tensors, int n,
                    const struct st_meta *meta, int nmeta) {
  void *data;
  size_t size;
  st_encode(&data, &size, tensors, n, meta, nmeta);
  write_seed(name, data, size);
  free(data);
}

// a header as it is given, and nbody zero bytes
static void by_hand(const char *name, const char *header, size_t nbody) {
  unsigned char data[1024] = {0};
  uint64_t length = strlen(header);
  memcpy(data, &length, 8);
  snprintf((char *)data + 8, sizeof data - 8, "%s", header);
  write_seed(name, data, 8 + length + nbody);
}

static void from_our_writer(void) {
  static double wide[2] = {0.1, 1e300};
  static float narrow[6] = {1, 2, 3, 4, 5, 6};
  static const struct st_meta meta[] = {{"format", "pt"}, {"task", "a \"b\" \\ \n é"}};
  const struct st_tensor all[] = {
      {.name = "moments", .dtype = ST_F64, .rank = 1, .shape = {2}, .data = wide},
      {.name = "counter", .dtype = ST_U64, .rank = 0, .data = wide},
      {.name = "integer", .dtype = ST_I64, .rank = 2, .shape = {1, 1}, .data = wide},
      {.name = "none", .dtype = ST_F32, .rank = 2, .shape = {0, 9}, .data = NULL},
      {.name = "actor.net.0.weight", .dtype = ST_F32, .rank = 2, .shape = {2, 3}, .data = narrow},
      {.name = "scalar", .dtype = ST_F32, .rank = 0, .data = narrow},
  };
  encoded("all_types", all, 6, meta, 2);
  encoded("one_matrix", &all[4], 1, NULL, 0);
  encoded("metadata_only", NULL, 0, meta, 2);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: make_safetensors_corpus FOLDER\n");
    return 64;
  }
  folder = argv[1];
  if (fsio_mkdirs(folder) != ERR_OK) {
    return 1;
  }
  from_our_writer();
  by_hand("empty", "{}      ", 0);
  by_hand("out_of_order",
          "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
          "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}  ",
          8);
  by_hand("hole",
          "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}  ",
          12);
  by_hand("overlap",
          "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}  ",
          12);
  by_hand("product_wraps",
          "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4);
  by_hand("other_dtype", "{\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4);
  by_hand("duplicate",
          "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
          "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
          0);
  by_hand("misaligned", "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8);
  by_hand("metadata_number", "{\"__metadata__\":{\"steps\":1000}}", 0);
  by_hand("deep", "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", 0);
  by_hand("escapes", "{\"__metadata__\":{\"\\u00e9\\ud83d\\ude00\":\"\\u0001\\/\\b\"}}", 0);
  const unsigned char huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
  write_seed("length_huge", huge, sizeof huge);
  return failed;
}
