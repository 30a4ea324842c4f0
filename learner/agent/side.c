// side.c - equations (1) to (3) of side.h.
#include "learner/agent/side.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"

static int head_columns(const struct side *side) {
  return side->heads > 1 ? side->heads : 0;
}

int side_columns(const struct side *side) {
  return head_columns(side) + side->numbers;
}

int side_first_number(const struct side *side) {
  return side->plain + head_columns(side);
}

// of the column of a head, eq. (1)
static float head_weight(const struct side *side) {
  return sqrtf((float)side->plain);
}

void side_lay(float *x, int width, const struct side *side, const float *head, const float *z,
              int B) {
  const int heads = head_columns(side), first = side_first_number(side);
  CHECK(x && first + side->numbers <= width);
  const size_t head_bytes = (size_t)heads * sizeof *x, bytes = (size_t)side->numbers * sizeof *x;
  for (int i = 0; i < B; i++, x += width) {
    memset(x + side->plain, 0, head_bytes + bytes);
    if (heads > 0) {
      x[side->plain + (head ? (int)head[i] : 0)] = head_weight(side);
    }
    if (z) {
      memcpy(x + first, z, bytes);
    }
  }
}

void side_fold(float *plain, const float *theta, const struct side *side, int width1, size_t n) {
  const size_t in = (size_t)side->plain, wide = in + (size_t)side_columns(side);
  const size_t rows = (size_t)width1;
  const float *b = theta + rows * wide;
  for (size_t j = 0; j < rows; j++) {
    const float *row = theta + j * wide;
    memcpy(plain + j * in, row, in * sizeof *plain);
    plain[rows * in + j] = side->heads > 1 ? b[j] + head_weight(side) * row[in] : b[j];
  }
  const size_t first = rows * (in + 1);
  memcpy(plain + first, b + rows, (n - first) * sizeof *plain);
}

void side_unfold(float *theta, const float *plain, const struct side *side, int width1, size_t n) {
  const size_t in = (size_t)side->plain, columns = (size_t)side_columns(side);
  const size_t wide = in + columns, rows = (size_t)width1;
  for (size_t j = 0; j < rows; j++) {
    memcpy(theta + j * wide, plain + j * in, in * sizeof *theta);
    memset(theta + j * wide + in, 0, columns * sizeof *theta);
  }
  memcpy(theta + rows * wide, plain + rows * in, (n - rows * in) * sizeof *theta);
}

void side_head_shift(float *shift, const float *theta, const struct side *side, int width1,
                     int head) {
  CHECK(head >= 1 && head < side->heads);
  const size_t in = (size_t)side->plain, wide = in + (size_t)side_columns(side);
  for (size_t j = 0; j < (size_t)width1; j++) {
    const float *column = theta + j * wide + in;
    shift[j] = head_weight(side) * (column[head] - column[0]);
  }
}

void side_context_shift(float *shift, const float *theta, const struct side *side, int width1,
                        const float *z) {
  const size_t wide = (size_t)side->plain + (size_t)side_columns(side);
  const size_t first = (size_t)side_first_number(side);
  for (size_t j = 0; j < (size_t)width1; j++) {
    double sum = 0;
    for (size_t k = 0; k < (size_t)side->numbers; k++) {
      sum += (double)theta[j * wide + first + k] * (double)z[k];
    }
    shift[j] = (float)sum;
  }
}
