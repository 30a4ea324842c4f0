// fuzz_safetensors.c - any bytes as a safetensors file.
//
// What is refused leaves the result as it was. What is accepted tiles its data: every tensor lies
// in the file, where the one before it ends; and when its order is one that we write, the file
// comes back equal from our own writer.
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/nn/safetensors.h"

enum { MAX_PAIRS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// st_decode without its log lines; standard error is back before anything is checked
static enum err decode(struct st_file *f, void *bytes, size_t n) {
  static int null_fd = -1, stderr_fd = -1;
  if (null_fd < 0) {
    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    CHECK(null_fd >= 0 && stderr_fd >= 0);
  }
  dup2(null_fd, STDERR_FILENO);
  enum err err = st_decode(f, bytes, n, "fuzz");
  dup2(stderr_fd, STDERR_FILENO);
  return err;
}

// every byte after the header belongs to one tensor, in order
static void check_tiling(const struct st_file *f, const uint8_t *bytes, size_t n) {
  uint64_t header;
  memcpy(&header, bytes, 8);
  const uint8_t *at = bytes + 8 + header;
  for (int i = 0; i < f->ntensor; i++) {
    CHECK(f->tensors[i].data == at);
    CHECK(st_bytes(&f->tensors[i]) <= (size_t)(bytes + n - at));
    at += st_bytes(&f->tensors[i]);
    CHECK(st_find(f, f->tensors[i].name) == &f->tensors[i]);
  }
  CHECK(at == bytes + n);
}

static void check_round_trip(const struct st_file *f) {
  for (int i = 1; i < f->ntensor; i++) {
    bool grows = f->tensors[i].dtype != ST_F32 && f->tensors[i - 1].dtype == ST_F32;
    if (grows) {
      return;
    }
  }
  if (f->nmeta > MAX_PAIRS) {
    return;
  }
  struct st_meta meta[MAX_PAIRS];
  for (int i = 0; i < f->nmeta; i++) {
    meta[i] = (struct st_meta){f->meta[2 * i], f->meta[2 * i + 1]};
  }
  void *bytes;
  size_t n;
  st_encode(&bytes, &n, f->tensors, f->ntensor, meta, f->nmeta);
  struct st_file back;
  CHECK(decode(&back, bytes, n) == ERR_OK);
  CHECK(back.ntensor == f->ntensor && back.nmeta == f->nmeta);
  for (int i = 0; i < f->ntensor; i++) {
    const struct st_tensor *a = &f->tensors[i], *b = st_find(&back, a->name);
    CHECK(b && a->dtype == b->dtype && a->rank == b->rank);
    CHECK(memcmp(a->shape, b->shape, sizeof a->shape) == 0);
    CHECK(memcmp(a->data, b->data, st_bytes(a)) == 0);
  }
  for (int i = 0; i < 2 * f->nmeta; i++) {
    CHECK(strcmp(f->meta[i], back.meta[i]) == 0);
  }
  st_release(&back);
  free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // an exact copy, so that a read beyond the end is seen
  uint8_t *bytes = malloc(size > 0 ? size : 1);
  CHECK(bytes != NULL);
  memcpy(bytes, data, size);
  struct st_file f = {.ntensor = -1, .nmeta = -1};
  enum err err = decode(&f, bytes, size);
  if (err == ERR_OK) {
    check_tiling(&f, bytes, size);
    check_round_trip(&f);
    st_release(&f);
  } else {
    CHECK(err == ERR_FORMAT && f.ntensor == -1 && f.nmeta == -1);
  }
  free(bytes);
  return 0;
}
