// block.h - what every flat block of numbers in the learner's state needs: a test for numbers that
// went wrong, and its description as a tensor.
#ifndef LEARNER_NN_BLOCK_H
#define LEARNER_NN_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/nn/safetensors.h"

// True when every |x_i| < 2^60: finite, and its square, which Adam keeps, finite too. Integer
// comparison of the bits vectorises; a sum of floats would not.
static inline bool block_finite(const float *x, size_t n) {
  const uint32_t sign = 0x80000000u, limit = (127u + 60u) << 23;
  uint32_t bad = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bad |= (bits & ~sign) >= limit;
  }
  return !bad;
}

// A list of tensors being filled: counts all, keeps the first max.
struct block_list {
  struct st_tensor *out;
  int max, n;
};

// Appends n numbers at data as "prefix.name"; a scalar (rank 0) when n is 0.
static inline void block_list_add(struct block_list *list, const char *prefix, const char *name,
                                  enum st_dtype dtype, void *data, size_t n) {
  if (list->n < list->max) {
    struct st_tensor *t = &list->out[list->n];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s.%s", prefix, name);
    t->dtype = dtype;
    t->rank = n > 0 ? 1 : 0;
    t->shape[0] = (int64_t)n;
    t->data = data;
  }
  list->n++;
}

#endif
