// safetensors.h - named tensors in one file: u64 header length, JSON header, raw little-endian
// data.
//
// Format: github.com/huggingface/safetensors. The reader enforces its rules (no holes, no overlap,
// offsets equal shape x size, no duplicate keys, header at most 1 MiB, rank at most 8) before it
// trusts a length. Only F32, F64, I64 and U64 are used here.
//
// Files written from equal content are equal byte for byte: tensors in the order given, metadata
// in the order given, header padded with spaces so that data starts at a multiple of 64.
#ifndef COMMON_NN_SAFETENSORS_H
#define COMMON_NN_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum st_dtype { ST_F32, ST_F64, ST_I64, ST_U64 };
enum { ST_MAX_RANK = 8, ST_MAX_NAME = 127 };

struct st_tensor {
  char name[ST_MAX_NAME + 1];
  enum st_dtype dtype;
  int rank;
  int64_t shape[ST_MAX_RANK];
  void *data;  // writer: borrowed from the caller; reader: points into the file's buffer
};

// size_t bytes of a tensor's data.
size_t st_bytes(const struct st_tensor *t);

struct st_meta {
  const char *key, *value;  // borrowed
};

// The file's bytes, must_alloc'd in *data (free with free()), n in *n. Tensors must be given in
// descending alignment (all F64/I64/U64 before F32); CHECKed.
void st_encode(void **data, size_t *n, const struct st_tensor *tensors, int ntensor,
               const struct st_meta *meta, int nmeta);

// A parsed file: tensors point into bytes, which must outlive it.
struct st_file {
  struct st_tensor *tensors;
  int ntensor;
  char **meta;  // key, value, key, value, ..
  int nmeta;    // pairs
};

// ERR_FORMAT with one logged line (label names the file). Release with st_release.
NODISCARD enum err st_decode(struct st_file *out, void *bytes, size_t n, const char *label);
void st_release(struct st_file *f);

// NULL when absent.
const struct st_tensor *st_find(const struct st_file *f, const char *name);
const char *st_meta_value(const struct st_file *f, const char *key);

#endif
