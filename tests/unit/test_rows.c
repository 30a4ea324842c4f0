// Tests of learner/nn/rows.h: what is laid where, and which numbers count as gone wrong.
#include "learner/nn/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

// both ways of laying columns, narrow and wide, leave the columns beside them alone
Test(rows, columns_are_laid_beside_others) {
  enum { B = 5, MAX = 9 };
  for (int n = 1; n <= MAX; n++) {
    for (int at = 0; at <= 2; at++) {
      const int width = at + n + 1;
      float x[B * (MAX + 3)], a[B * MAX];
      for (int i = 0; i < B * width; i++) {
        x[i] = -1;
      }
      for (int i = 0; i < B * n; i++) {
        a[i] = (float)i;
      }
      rows_set_columns(x, width, at, a, n, B);
      for (int i = 0; i < B; i++) {
        for (int j = 0; j < width; j++) {
          const float want = j >= at && j < at + n ? (float)(i * n + j - at) : -1;
          cr_assert_eq(x[i * width + j], want, "n %d at %d row %d column %d", n, at, i, j);
        }
      }
    }
  }
}

Test(rows, mean_is_summed_in_double) {
  const float x[] = {1e8f, 1, -1e8f, 2};
  cr_assert_eq(rows_mean(x, 4), 0.75);
}

// finite means below 2^60 here; one bad number anywhere is enough
Test(rows, numbers_beyond_the_limit_are_found_everywhere) {
  const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, 0x1p60f, -0x1p60f, 1e30f};
  float x[37] = {0};
  x[5] = nextafterf(0x1p60f, 0);
  x[6] = -x[5];
  x[7] = 0x1p-140f;
  cr_assert(rows_finite(x, 37));
  cr_assert(rows_finite(x, 0));
  for (int i = 0; i < 37; i++) {
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
      const float was = x[i];
      x[i] = bad[k];
      cr_assert_not(rows_finite(x, 37), "%g at %d", (double)bad[k], i);
      x[i] = was;
    }
  }
}

Test(rows, parts_of_a_block_do_not_overlap) {
  float *a, *b, *c;
  const struct rows_part part[] = {{&a, 1}, {&b, 16}, {&c, 17}};
  float *block = rows_new(part, 3);
  float *const at[] = {a, b, c};
  for (int i = 0; i < 3; i++) {
    cr_assert_eq((uintptr_t)at[i] % 64, 0);
    for (size_t k = 0; k < part[i].n; k++) {
      cr_assert_eq(at[i][k], 0);
      at[i][k] = (float)i + 1;
    }
  }
  cr_assert(a[0] == 1 && b[0] == 2 && b[15] == 2 && c[0] == 3);
  free(block);
}
