// Adam, eq. (1), against numbers worked out by hand, and the Polyak step.
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "learner/nn/adam.h"

// theta = 1, lr = 0.1, gradients 0.5, -0.25, 2:
//   t  m         v              m / (1 - b1^t)  v / (1 - b2^t)  theta
//   1  0.05      0.00025        0.5             0.25            0.9
//   2  0.02      0.00031225     0.1052632       0.1562031       0.8733662
//   3  0.218     0.00431193775  0.8044280       1.4387591       0.8063016
// Computed with PyTorch's formula, theta -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
// 1e-6: a few roundings of float32 in numbers near 1.
Test(adam, three_steps_by_hand) {
  static const float gradient[] = {0.5f, -0.25f, 2.0f};
  static const float m[] = {0.05f, 0.02f, 0.218f};
  static const float v[] = {0.00025f, 0.00031225f, 0.00431193775f};
  static const float expected[] = {0.9f, 0.8733662f, 0.8063016f};
  struct adam opt;
  adam_init(&opt, 1, 0.1f);
  float theta = 1.0f;
  for (int t = 0; t < 3; t++) {
    adam_step(&opt, &theta, &gradient[t]);
    cr_assert_eq(opt.t, t + 1);
    cr_assert_float_eq(opt.m[0], m[t], 1e-6f * m[t]);
    cr_assert_float_eq(opt.v[0], v[t], 1e-6f * v[t]);
    cr_assert_float_eq(theta, expected[t], 1e-6f, "step %d: %.9g", t + 1, theta);
  }
  adam_release(&opt);
}

// the first step is lr in the direction of -d, whatever the size of d
Test(adam, first_step_has_length_lr) {
  float theta[] = {0, 0, 0}, d[] = {1e-3f, -7.0f, 1e6f};
  struct adam opt;
  adam_init(&opt, 3, 0.01f);
  adam_step(&opt, theta, d);
  cr_assert_float_eq(theta[0], -0.01f, 1e-6f);
  cr_assert_float_eq(theta[1], 0.01f, 1e-8f);
  cr_assert_float_eq(theta[2], -0.01f, 1e-8f);
  adam_release(&opt);
}

// eps keeps 0 / 0 away: parameters without gradient stay where they are
Test(adam, zero_gradient_moves_nothing) {
  float theta[] = {1.5f, -2.0f}, d[] = {0, 0};
  struct adam opt;
  adam_init(&opt, 2, 0.1f);
  for (int t = 0; t < 5; t++) {
    adam_step(&opt, theta, d);
  }
  cr_assert(theta[0] == 1.5f && theta[1] == -2.0f);
  adam_release(&opt);
}

// after many equal steps both corrections vanish: every step is lr
Test(adam, bias_correction_ends) {
  float theta = 0, d = 0.3f;
  struct adam opt;
  adam_init(&opt, 1, 1e-3f);
  for (int t = 0; t < 20000; t++) {
    adam_step(&opt, &theta, &d);
  }
  float before = theta;
  adam_step(&opt, &theta, &d);
  // 2e-6 is one unit in the last place of theta, near 20
  cr_assert_float_eq(theta - before, -1e-3f, 4e-6f);
  cr_assert_float_eq(theta, -20.0f, 0.02f);
  adam_release(&opt);
}

// every place in a block, in full vectors and in the remainder, computes the same bits
Test(adam, all_elements_alike) {
  enum { N = 29 };
  float theta[N], d[N], one = 0.7f;
  struct adam opt, single;
  adam_init(&opt, N, 0.05f);
  adam_init(&single, 1, 0.05f);
  for (int i = 0; i < N; i++) {
    theta[i] = one;
  }
  for (int t = 0; t < 7; t++) {
    float g = 0.1f * (float)(t - 2);
    for (int i = 0; i < N; i++) {
      d[i] = g;
    }
    adam_step(&opt, theta, d);
    adam_step(&single, &one, &g);
    for (int i = 0; i < N; i++) {
      cr_assert_eq(theta[i], one, "element %d step %d", i, t);
    }
  }
  adam_release(&opt);
  adam_release(&single);
}

// a gradient that is not finite must not be hidden
Test(adam, nan_shows) {
  float theta = 1, d = NAN;
  struct adam opt;
  adam_init(&opt, 1, 0.1f);
  adam_step(&opt, &theta, &d);
  cr_assert(isnan(theta));
  adam_release(&opt);
}

Test(adam, polyak_by_hand) {
  enum { N = 19 };
  float target[N], theta[N];
  for (int i = 0; i < N; i++) {
    target[i] = (float)i;
    theta[i] = -4.0f;
  }
  // powers of two, so exact: 0.75 i - 1
  adam_polyak(target, theta, 0.25f, N);
  for (int i = 0; i < N; i++) {
    cr_assert_eq(target[i], 0.75f * (float)i - 1.0f);
  }
  float before[N];
  memcpy(before, target, sizeof before);
  adam_polyak(target, theta, 0.0f, N);
  cr_assert_arr_eq(target, before, sizeof before);
  adam_polyak(target, theta, 1.0f, N);
  cr_assert_arr_eq(target, theta, sizeof theta);
}

// n steps leave (1 - tau)^n of the start
Test(adam, polyak_decays) {
  float target = 1, theta = 0;
  for (int i = 0; i < 1000; i++) {
    adam_polyak(&target, &theta, 0.005f, 1);
  }
  // a thousand roundings of 6e-8 each
  cr_assert_float_eq(target, pow(0.995, 1000), 1e-6);
}
