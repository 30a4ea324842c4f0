// rows.c - one pass over the numbers each.
#include "learner/nn/rows.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "common/base/check.h"

// a few columns go one by one: a call of memcpy per row would cost more than the row
void rows_set_columns(float *x, int width, int at, const float *a, int n, int B) {
  x += at;
  if (n <= 4) {
    for (int j = 0; j < n; j++) {
      for (int i = 0; i < B; i++) {
        x[i * width + j] = a[i * n + j];
      }
    }
    return;
  }
  for (int i = 0; i < B; i++, x += width, a += n) {
    memcpy(x, a, (size_t)n * sizeof(float));
  }
}

void rows_set_scaled(float *restrict x, int width, int at, const float *restrict a,
                     const float *restrict mean, const float *restrict inv, int n, int B) {
  x += at;
  for (int i = 0; i < B; i++, x += width, a += n) {
    for (int j = 0; j < n; j++) {
      x[j] = (a[j] - mean[j]) * inv[j];
    }
  }
}

double rows_mean(const float *x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    sum += x[i];
  }
  return sum / n;
}

// integer comparison of the bits vectorises; a sum of floats would not
struct rows_range rows_range(const float *x, int n) {
  struct rows_range r = {INFINITY, -INFINITY};
  for (int i = 0; i < n; i++) {
    r.lowest = fminf(r.lowest, x[i]);
    r.highest = fmaxf(r.highest, x[i]);
  }
  return r;
}

bool rows_finite(const float *x, size_t n) {
  const uint32_t sign = 0x80000000u, limit = (127u + 60u) << 23;
  uint32_t bad = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bad |= (bits & ~sign) >= limit;
  }
  return !bad;
}

float *rows_new(const struct rows_part *part, int nparts) {
  const size_t line = 64 / sizeof(float);
  size_t total = 0;
  for (int i = 0; i < nparts; i++) {
    total += (part[i].n + line - 1) / line * line;
  }
  float *block = must_alloc(total, sizeof(float)), *next = block;
  for (int i = 0; i < nparts; i++) {
    *part[i].at = next;
    next += (part[i].n + line - 1) / line * line;
  }
  return block;
}
