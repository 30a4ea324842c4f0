// Networks, the single-row kernel and snapshots: against plain loops in double, numbers
// worked out by hand, and central differences.
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/nn/rowmlp.h"
#include "common/nn/weights.h"
#include "learner/nn/mlp.h"

// networks of every kind: no hidden layer, widths of 1, below, at and above a vector, and large
struct shape {
  int nlayer;
  int width[MLP_MAX_LAYERS + 1];
};
static const struct shape SHAPES[] = {
    {1, {3, 1}},         {1, {8, 8}},           {2, {1, 1, 1}},
    {2, {7, 9, 1}},      {3, {6, 16, 16, 4}},   {3, {5, 33, 8, 3}},
    {3, {9, 23, 31, 2}}, {4, {4, 8, 17, 8, 2}}, {8, {2, 3, 4, 5, 6, 5, 4, 3, 2}},
};
enum { NSHAPE = sizeof SHAPES / sizeof SHAPES[0], MAX_OUT = 8 };

// all rows of a minibatch, in their order
static const int ROWS[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static struct rng seeded(uint64_t index) {
  struct rng r;
  rng_init(&r, 2026, RNG_TEST, index);
  return r;
}

static float *normals(struct rng *r, size_t n) {
  float *x = must_alloc(n, sizeof *x);
  rng_fill_normal(r, x, n);
  return x;
}

// a network whose every parameter is drawn, biases and last layer included
static struct mlp *drawn(const struct shape *s, struct rng *r) {
  struct mlp *net = mlp_new(s->width, s->nlayer);
  rng_fill_normal(r, net->theta, net->nparam);
  for (int l = 0; l < s->nlayer; l++) {
    float *W = net->theta + mlp_weight_offset(net, l);
    for (int i = 0; i < s->width[l] * s->width[l + 1]; i++) {
      W[i] /= sqrtf((float)s->width[l]);
    }
  }
  return net;
}

// eq. (1) for B rows in double by the definition
static void naive_forward(double *y, const double *theta, const struct shape *s, const double *x,
                          int B) {
  for (int b = 0; b < B; b++) {
    double in[512], out[512];
    memcpy(in, x + b * s->width[0], sizeof *x * (size_t)s->width[0]);
    const double *W = theta;
    for (int l = 0; l < s->nlayer; l++) {
      int n_in = s->width[l], n_out = s->width[l + 1];
      for (int i = 0; i < n_out; i++) {
        double z = W[n_out * n_in + i];
        for (int j = 0; j < n_in; j++) {
          z += W[i * n_in + j] * in[j];
        }
        out[i] = l < s->nlayer - 1 && z < 0 ? 0 : z;
      }
      W += n_out * n_in + n_out;
      memcpy(in, out, sizeof out);
    }
    memcpy(y + b * s->width[s->nlayer], in, sizeof *y * (size_t)s->width[s->nlayer]);
  }
}

static double *widen(const float *x, size_t n) {
  double *y = must_alloc(n, sizeof *y);
  for (size_t i = 0; i < n; i++) {
    y[i] = x[i];
  }
  return y;
}

// ---- mlp ----

Test(mlp, layout) {
  const int width[] = {3, 5, 2};
  struct mlp *net = mlp_new(width, 2);
  cr_assert_eq(net->nparam, 5 * 3 + 5 + 2 * 5 + 2);
  cr_assert_eq(net->nparam, mlp_nparam(width, 2));
  cr_assert_eq(mlp_weight_offset(net, 0), 0);
  cr_assert_eq(mlp_bias_offset(net, 0), 15);
  cr_assert_eq(mlp_weight_offset(net, 1), 20);
  cr_assert_eq(mlp_bias_offset(net, 1), 30);
  cr_assert_eq((uintptr_t)net->theta % 64, 0);
  for (size_t i = 0; i < net->nparam; i++) {
    cr_assert_eq(net->theta[i], 0.0f);
  }
  mlp_free(net);
  mlp_free(NULL);
  mlp_tape_free(NULL);
}

// eq. (2): fan-OUT bound in hidden layers, 3e-3 in the last, biases 0
Test(mlp, initialisation) {
  const int width[] = {6, 100, 400, 4};
  struct mlp *net = mlp_new(width, 3);
  struct rng r = seeded(1);
  memset(net->theta, 0xff, sizeof *net->theta * net->nparam);
  mlp_init_weights(net, &r);
  static const float bound[] = {0.1f, 0.05f, 3e-3f};
  size_t drawn_weights = 0;
  for (int l = 0; l < 3; l++) {
    const float *W = net->theta + mlp_weight_offset(net, l);
    int n = width[l] * width[l + 1];
    float least = 1, most = -1;
    double square = 0;
    for (int i = 0; i < n; i++) {
      least = fminf(least, W[i]);
      most = fmaxf(most, W[i]);
      square += (double)W[i] * W[i];
    }
    // the largest of 600 or more lies within 2 % of the bound but for 1 in 400 seeds
    cr_assert(most < bound[l] && most > 0.98f * bound[l], "layer %d", l);
    cr_assert(least >= -bound[l] && least < -0.98f * bound[l], "layer %d", l);
    // variance of a uniform is bound^2 / 3; four standard errors
    double unit = square / n * 3 / bound[l] / bound[l];
    cr_assert_float_eq(unit, 1, 4 * sqrt(0.8 / n), "layer %d", l);
    for (int i = 0; i < width[l + 1]; i++) {
      cr_assert_eq(net->theta[mlp_bias_offset(net, l) + (size_t)i], 0.0f);
    }
    drawn_weights += (size_t)n;
  }
  // one word for each weight, none for biases
  struct rng counted = seeded(1);
  for (size_t i = 0; i < drawn_weights; i++) {
    rng_u32(&counted);
  }
  cr_assert_eq(rng_u32(&r), rng_u32(&counted));
  mlp_free(net);
}

// 2-2-1, two rows, every number by hand (all are exact in float32):
//   W_0 = [1 -1; 2 1], b_0 = [0.5 -1], W_1 = [3 -2], b_1 = 0.25
//   x = [1 2]: z_0 = [-0.5 3], y = -5.75      x = [2 1]: z_0 = [1.5 4], y = -3.25
//   dy = 1: dz_0 = [0 -2], dx = [-4 -2]       dy = 2: dz_0 = [6 -4], dx = [-2 -10]
Test(mlp, by_hand) {
  const int width[] = {2, 2, 1};
  static const float theta[] = {1, -1, 2, 1, 0.5f, -1, 3, -2, 0.25f};
  static const float x[] = {1, 2, 2, 1}, dy[] = {1, 2};
  static const float y[] = {-5.75f, -3.25f}, dx[] = {-4, -2, -2, -10};
  static const float dtheta[] = {12, 6, -10, -8, 6, -6, 3, 11, 3};
  struct mlp *net = mlp_new(width, 2);
  struct mlp_tape *tape = mlp_tape_new(net, 2, 2);
  memcpy(net->theta, theta, sizeof theta);
  memcpy(mlp_input(tape), x, sizeof x);
  cr_assert_arr_eq(mlp_forward(net, tape, 2), y, sizeof y);
  float got_dtheta[9], got_dx[4];
  mlp_backward(net, tape, got_dtheta, dy, 2);
  mlp_input_gradient(net, tape, got_dx, 0, 2, dy, (const int[]){0, 1}, 2);
  cr_assert_arr_eq(got_dtheta, dtheta, sizeof dtheta);
  cr_assert_arr_eq(got_dx, dx, sizeof dx);
  mlp_tape_free(tape);
  mlp_free(net);
}

// eq. (1) against the definition, for every shape and batches around the four-row blocks.
// 1e-5: float32 rounding of numbers of size 1 through at most eight layers
Test(mlp, forward_equals_definition) {
  static const int batches[] = {1, 2, 4, 7, 32};
  for (int s = 0; s < NSHAPE; s++) {
    const struct shape *shape = &SHAPES[s];
    struct rng r = seeded(200 + (uint64_t)s);
    struct mlp *net = drawn(shape, &r);
    struct mlp_tape *tape = mlp_tape_new(net, 32, 0);
    double *theta = widen(net->theta, net->nparam);
    for (size_t k = 0; k < sizeof batches / sizeof batches[0]; k++) {
      int B = batches[k], n_in = shape->width[0], n_out = shape->width[shape->nlayer];
      rng_fill_normal(&r, mlp_input(tape), (size_t)B * (size_t)n_in);
      double *x = widen(mlp_input(tape), (size_t)B * (size_t)n_in);
      double *expected = must_alloc((size_t)B * (size_t)n_out, sizeof *expected);
      naive_forward(expected, theta, shape, x, B);
      const float *y = mlp_forward(net, tape, B);
      for (int i = 0; i < B * n_out; i++) {
        cr_assert_float_eq(y[i], expected[i], 1e-5 * (1 + fabs(expected[i])), "shape %d B %d", s,
                           B);
      }
      free(x);
      free(expected);
    }
    free(theta);
    mlp_tape_free(tape);
    mlp_free(net);
  }
}

// central difference of sum dy . y with respect to *p, in double
static double difference(double *p, const double *theta, const struct shape *s, const double *x,
                         const float *dy, int B) {
  const double h = 1e-5, at = *p;
  int n = B * s->width[s->nlayer];
  double y[512], J = 0;
  *p = at + h;
  naive_forward(y, theta, s, x, B);
  for (int i = 0; i < n; i++) {
    J += dy[i] * y[i];
  }
  *p = at - h;
  naive_forward(y, theta, s, x, B);
  for (int i = 0; i < n; i++) {
    J -= dy[i] * y[i];
  }
  *p = at;
  return J / (2 * h);
}

// Every gradient of every shape. The network is piecewise linear, so a difference in double is
// exact unless its step crosses a kink; 1e-5 is small enough that none of these does, while 1e-2
// crosses several. Then 2e-5 tests the float32 gradient alone.
Test(mlp, gradients_equal_central_differences) {
  static const int batches[] = {1, 3, 8, 13};
  for (int s = 0; s < NSHAPE; s++) {
    const struct shape *shape = &SHAPES[s];
    struct rng r = seeded(300 + (uint64_t)s);
    struct mlp *net = drawn(shape, &r);
    struct mlp_tape *tape = mlp_tape_new(net, 13, shape->width[0]);
    double *theta = widen(net->theta, net->nparam);
    for (size_t k = 0; k < sizeof batches / sizeof batches[0]; k++) {
      int B = batches[k];
      size_t n_in = (size_t)B * (size_t)shape->width[0];
      float *dy = normals(&r, (size_t)B * (size_t)shape->width[shape->nlayer]);
      rng_fill_normal(&r, mlp_input(tape), n_in);
      double *x = widen(mlp_input(tape), n_in);
      float *dtheta = must_alloc(net->nparam, sizeof *dtheta);
      float *dx = must_alloc(n_in, sizeof *dx);
      // overwritten, not added to
      memset(dtheta, 0xff, sizeof *dtheta * net->nparam);
      memset(dx, 0xff, sizeof *dx * n_in);
      mlp_forward(net, tape, B);
      mlp_backward(net, tape, dtheta, dy, B);
      mlp_input_gradient(net, tape, dx, 0, shape->width[0], dy, ROWS, B);
      for (size_t i = 0; i < net->nparam; i++) {
        double expected = difference(&theta[i], theta, shape, x, dy, B);
        cr_assert_float_eq(dtheta[i], expected, 2e-5 * (1 + fabs(expected)),
                           "shape %d B %d theta[%zu]: %g, %g", s, B, i, dtheta[i], expected);
      }
      for (size_t i = 0; i < n_in; i++) {
        double expected = difference(&x[i], theta, shape, x, dy, B);
        cr_assert_float_eq(dx[i], expected, 2e-5 * (1 + fabs(expected)),
                           "shape %d B %d x[%zu]: %g, %g", s, B, i, dx[i], expected);
      }
      free(dy);
      free(x);
      free(dtheta);
      free(dx);
    }
    free(theta);
    mlp_tape_free(tape);
    mlp_free(net);
  }
}

// some rows and columns of the input's gradient are those of all of it, whichever tape, up to
// rounding: each row is a sum of its own, but its order may depend on how many others there are
Test(mlp, input_gradient_of_some_rows_and_columns) {
  enum { B = 13 };
  static const int row[] = {11, 2, 3, 7, 12};
  for (int s = 0; s < NSHAPE; s++) {
    const struct shape *shape = &SHAPES[s];
    const int width = shape->width[0], n_out = shape->width[shape->nlayer];
    struct rng r = seeded(400 + (uint64_t)s);
    struct mlp *net = drawn(shape, &r);
    struct mlp_tape *tape = mlp_tape_new(net, B, net->width[0]);
    struct mlp_tape *other = mlp_tape_new(net, 2 * B, net->width[0]);
    const size_t n_in = (size_t)B * (size_t)width;
    float *dy = normals(&r, (size_t)n_out * B);
    rng_fill_normal(&r, mlp_input(tape), n_in);
    memcpy(mlp_input(other), mlp_input(tape), sizeof *dy * n_in);
    mlp_forward(net, tape, B);
    mlp_forward(net, other, B);
    float *all = must_alloc(n_in, sizeof *all), *some = must_alloc(n_in, sizeof *some);
    mlp_input_gradient(net, tape, all, 0, width, dy, ROWS, B);
    for (int n = 0; n <= 5; n++) {
      float dy_of[5 * MAX_OUT];
      for (int i = 0; i < n; i++) {
        memcpy(dy_of + i * n_out, dy + row[i] * n_out, sizeof *dy * (size_t)n_out);
      }
      for (int first = 0; first < width; first++) {
        const int count = width - first > 2 ? 2 : width - first;
        mlp_input_gradient(net, other, some, first, count, dy_of, row, n);
        for (int i = 0; i < n * count; i++) {
          const float want = all[row[i / count] * width + first + i % count];
          cr_assert_float_eq(some[i], want, 1e-5 * (1 + fabs((double)want)), "shape %d", s);
        }
      }
    }
    free(all);
    free(some);
    free(dy);
    mlp_tape_free(tape);
    mlp_tape_free(other);
    mlp_free(net);
  }
}

// ReLU must not turn a NaN into 0, in whichever unit it starts: columns of a tile and beyond it
// (layer 0, narrow) and columns of the pass after a product (layer 1)
Test(mlp, more_columns_than_the_tape_was_made_for_are_a_bug, .signal = SIGABRT) {
  struct mlp *net = mlp_new((const int[]){3, 2, 1}, 2);
  struct mlp_tape *tape = mlp_tape_new(net, 1, 1);
  memset(mlp_input(tape), 0, 3 * sizeof(float));
  mlp_forward(net, tape, 1);
  float dx[2];
  mlp_input_gradient(net, tape, dx, 2, 1, (const float[]){1}, (const int[]){0}, 1);
  mlp_input_gradient(net, tape, dx, 0, 2, (const float[]){1}, (const int[]){0}, 1);
}

Test(mlp, nan_shows) {
  const int width[] = {2, 21, 17, 1};
  struct mlp *net = mlp_new(width, 3);
  struct mlp_tape *tape = mlp_tape_new(net, 5, 0);
  float *scratch = must_alloc(rowmlp_scratch(width, 3), sizeof *scratch), y;
  for (size_t i = 0; i < net->nparam; i++) {
    net->theta[i] = 1;
  }
  for (int l = 0; l < 2; l++) {
    for (int i = 0; i < width[l + 1]; i++) {
      float *bias = net->theta + mlp_bias_offset(net, l) + i;
      *bias = NAN;
      const float *out = mlp_forward(net, tape, 5);
      for (int b = 0; b < 5; b++) {
        cr_assert(isnan(out[b]), "layer %d unit %d row %d", l, i, b);
      }
      rowmlp_forward(&y, net->theta, width, 3, mlp_input(tape), NULL, scratch);
      cr_assert(isnan(y), "layer %d unit %d", l, i);
      *bias = 1;
    }
  }
  cr_assert(isfinite(mlp_forward(net, tape, 5)[0]));
  free(scratch);
  mlp_tape_free(tape);
  mlp_free(net);
}

// ---- rowmlp ----

// the documented order in scalar code: eight lanes of fma, then one tree, then the bias
static void emulated_forward(float *y, const float *theta, const struct shape *s, const float *x) {
  float in[512], out[512];
  memcpy(in, x, sizeof *x * (size_t)s->width[0]);
  const float *W = theta;
  for (int l = 0; l < s->nlayer; l++) {
    int n_in = s->width[l], n_out = s->width[l + 1];
    for (int i = 0; i < n_out; i++) {
      float lane[8] = {0};
      for (int j = 0; j < (n_in + 7) / 8 * 8; j++) {
        float w = j < n_in ? W[i * n_in + j] : 0, v = j < n_in ? in[j] : 0;
        lane[j % 8] = fmaf(w, v, lane[j % 8]);
      }
      float z =
          ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
      z += W[n_out * n_in + i];
      out[i] = l < s->nlayer - 1 && 0 > z ? 0 : z;
    }
    W += n_out * n_in + n_out;
    memcpy(in, out, sizeof out);
  }
  memcpy(y, in, sizeof *y * (size_t)s->width[s->nlayer]);
}

// the same bits as the emulation, at any alignment, and nothing written beside y and scratch;
// close to mlp_forward, which sums in another order
Test(rowmlp, equals_emulation_and_mlp) {
  static const struct shape large[] = {{3, {6, 64, 64, 4}}, {3, {17, 256, 256, 12}}};
  for (int s = 0; s < NSHAPE + 2; s++) {
    const struct shape *shape = s < NSHAPE ? &SHAPES[s] : &large[s - NSHAPE];
    struct rng r = seeded(500 + (uint64_t)s);
    struct mlp *net = drawn(shape, &r);
    struct mlp_tape *tape = mlp_tape_new(net, 1, 0);
    size_t n_in = (size_t)shape->width[0], n_out = (size_t)shape->width[shape->nlayer];
    rng_fill_normal(&r, mlp_input(tape), n_in);
    float expected[16];
    emulated_forward(expected, net->theta, shape, mlp_input(tape));
    const float *y = mlp_forward(net, tape, 1);
    for (size_t i = 0; i < n_out; i++) {
      cr_assert_float_eq(expected[i], y[i], 1e-5 * (1 + fabsf(y[i])), "shape %d", s);
    }
    size_t n_scratch = rowmlp_scratch(shape->width, shape->nlayer);
    for (size_t shift = 0; shift < 8; shift++) {
      // malloc of the exact size: a sanitizer sees any access outside
      float *theta = malloc(sizeof *theta * (net->nparam + shift));
      float *x = malloc(sizeof *x * (n_in + shift));
      float *scratch = malloc(sizeof *scratch * (n_scratch + shift + 1));
      float *got = malloc(sizeof *got * (n_out + shift + 1));
      memcpy(theta + shift, net->theta, sizeof *theta * net->nparam);
      memcpy(x + shift, mlp_input(tape), sizeof *x * n_in);
      scratch[shift + n_scratch] = 12345;
      got[shift + n_out] = 54321;
      rowmlp_forward(got + shift, theta + shift, shape->width, shape->nlayer, x + shift, NULL,
                     scratch + shift);
      cr_assert_arr_eq(got + shift, expected, sizeof *got * n_out, "shape %d shift %zu", s, shift);
      cr_assert_eq(scratch[shift + n_scratch], 12345);
      cr_assert_eq(got[shift + n_out], 54321);
      free(theta);
      free(x);
      free(scratch);
      free(got);
    }
    mlp_tape_free(tape);
    mlp_free(net);
  }
}

// ---- weights ----

Test(weights, snapshot_is_a_copy_with_a_digest) {
  struct rng r = seeded(600);
  struct mlp *net = drawn(&SHAPES[4], &r);
  struct weights *w = weights_new(7, net->width, net->nlayer, net->theta);
  cr_assert_eq(w->version, 7);
  cr_assert_eq(w->nlayer, net->nlayer);
  cr_assert_eq(w->n, net->nparam);
  cr_assert_arr_eq(w->width, net->width, sizeof *net->width * (size_t)(net->nlayer + 1));
  cr_assert_arr_eq(w->data, net->theta, sizeof *net->theta * net->nparam);
  cr_assert_eq(w->digest, XXH3_64bits(net->theta, sizeof *net->theta * net->nparam));
  // a later change of the network does not reach the snapshot, and changes the next digest
  float before = w->data[3];
  net->theta[3] = nextafterf(net->theta[3], 10);
  struct weights *next = weights_new(8, net->width, net->nlayer, net->theta);
  cr_assert_eq(w->data[3], before);
  cr_assert_neq(next->digest, w->digest);
  weights_unref(next);
  weights_unref(w);
  mlp_free(net);
}

// the block lives until its last holder leaves (the sanitizer sees a use too late or a leak)
Test(weights, last_holder_frees) {
  const int width[] = {2, 1};
  static const float theta[] = {1, 2, 3};
  struct weights *w = weights_new(1, width, 1, theta);
  cr_assert_eq(weights_ref(w), w);
  weights_ref(w);
  weights_unref(w);
  weights_unref(w);
  cr_assert_eq(w->data[2], 3.0f);
  weights_unref(w);
  weights_unref(NULL);
}
