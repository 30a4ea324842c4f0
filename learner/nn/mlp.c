// mlp.c - forward and backward of a ReLU network.
//
// Nearly all the time belongs to the matrix products (gemm.h), so the rest is kept to one pass per
// layer and direction: bias and ReLU belong to the forward product, and ReLU mask and bias gradient
// go together after the product that goes back a layer. The passes run down the rows with the
// columns inside: each column is a sum of its own, so the compiler vectorises them without
// reordering a sum, and every order of summation is the one written here.
#include "learner/nn/mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "learner/nn/gemm.h"

struct mlp_tape {
  int nlayer;
  int width[MLP_MAX_LAYERS + 1];
  int max_batch;
  int rows;                      // B of the last forward
  float *x[MLP_MAX_LAYERS + 1];  // x_l (max_batch x n_l)
  float *dz[2];                  // gradients of two neighbouring layers (max_batch x max hidden)
  int max_columns;               // of mlp_input_gradient
  float *columns;                // some columns of W_0 (n_1 x max_columns)
  float *scratch;                // of gemm_layer_relu
};

// ---- network ----

struct mlp *mlp_new(const int *width, int nlayer) {
  size_t nparam = mlp_nparam(width, nlayer);
  struct mlp *net = must_alloc(1, sizeof *net);
  net->nlayer = nlayer;
  memcpy(net->width, width, sizeof *width * ((size_t)nlayer + 1));
  net->nparam = nparam;
  net->theta = must_alloc(nparam, sizeof *net->theta);
  return net;
}

void mlp_free(struct mlp *net) {
  if (net) {
    free(net->theta);
    free(net);
  }
}

void mlp_init_weights(struct mlp *net, struct rng *rng) {
  CHECK(net && rng);
  memset(net->theta, 0, sizeof *net->theta * net->nparam);
  // eq. (2): the bound is 1/sqrt(fan-out), a fixed small one for the last layer
  for (int l = 0; l < net->nlayer; l++) {
    size_t n = (size_t)net->width[l + 1] * (size_t)net->width[l];
    float k = l < net->nlayer - 1 ? 1.0f / sqrtf((float)net->width[l + 1]) : 3e-3f;
    rng_fill_uniform(rng, net->theta + mlp_weight_offset(net, l), n, -k, k);
  }
}

// ---- tape ----

struct mlp_tape *mlp_tape_new(const struct mlp *net, int max_batch, int columns) {
  CHECK(net && max_batch >= 1 && columns >= 0 && columns <= net->width[0]);
  struct mlp_tape *tape = must_alloc(1, sizeof *tape);
  tape->nlayer = net->nlayer;
  memcpy(tape->width, net->width, sizeof tape->width);
  tape->max_batch = max_batch;
  size_t widest = 0;
  for (int l = 0; l <= net->nlayer; l++) {
    size_t width = (size_t)net->width[l];
    tape->x[l] = must_alloc((size_t)max_batch * width, sizeof(float));
    if (l > 0 && l < net->nlayer && width > widest) {
      widest = width;
    }
  }
  // a single layer has no hidden gradient and never touches these
  for (int i = 0; i < 2 && widest > 0; i++) {
    tape->dz[i] = must_alloc((size_t)max_batch * widest, sizeof(float));
  }
  tape->max_columns = columns;
  if (columns > 0) {
    tape->columns = must_alloc((size_t)net->width[1] * (size_t)columns, sizeof(float));
  }
  tape->scratch = must_alloc(gemm_layer_scratch((int)widest), sizeof(float));
  return tape;
}

void mlp_tape_free(struct mlp_tape *tape) {
  if (tape) {
    for (int l = 0; l <= tape->nlayer; l++) {
      free(tape->x[l]);
    }
    free(tape->dz[0]);
    free(tape->dz[1]);
    free(tape->columns);
    free(tape->scratch);
    free(tape);
  }
}

float *mlp_input(struct mlp_tape *tape) {
  CHECK(tape);
  return tape->x[0];
}

static void check_shapes(const struct mlp *net, const struct mlp_tape *tape, int B) {
  CHECK(net && tape && B >= 1 && B <= tape->max_batch && net->nlayer == tape->nlayer);
  for (int l = 0; l <= net->nlayer; l++) {
    CHECK(net->width[l] == tape->width[l]);
  }
}

// ---- forward ----

static struct gemm_weights weights_of(const struct mlp *net, int l) {
  const size_t offset = mlp_weight_offset(net, l);
  return (struct gemm_weights){.f32 = net->theta + offset,
                               .bf16 = net->rounded ? net->rounded + offset : NULL};
}

const float *mlp_forward(const struct mlp *net, struct mlp_tape *tape, int B) {
  check_shapes(net, tape, B);
  // eq. (1), layer by layer
  for (int l = 0; l < net->nlayer; l++) {
    int n_in = net->width[l], n_out = net->width[l + 1];
    const float *b = net->theta + mlp_bias_offset(net, l);
    if (l < net->nlayer - 1) {
      gemm_layer_relu(tape->x[l + 1], tape->x[l], weights_of(net, l), b, B, n_out, n_in,
                      tape->scratch);
    } else {
      gemm_layer(tape->x[l + 1], tape->x[l], weights_of(net, l), b, B, n_out, n_in);
    }
  }
  tape->rows = B;
  return tape->x[net->nlayer];
}

// ---- backward ----

// dz (n x width) <- dz where x > 0 in these rows, else 0
static void mask_rows(float *restrict dz, const float *restrict x, const int *row, int n,
                      int width) {
  for (int i = 0; i < n; i++, dz += width) {
    const float *restrict xi = x + (size_t)row[i] * (size_t)width;
    for (int j = 0; j < width; j++) {
      dz[j] = xi[j] > 0.0f ? dz[j] : 0.0f;
    }
  }
}

// db (n) = column sums of dz (B x n). Four rows at a time: a quarter of the traffic to db
static void column_sums(float *restrict db, const float *restrict dz, int B, int n) {
  memset(db, 0, sizeof *db * (size_t)n);
  size_t w = (size_t)n;
  int i = 0;
  for (; i + 4 <= B; i += 4, dz += 4 * w) {
    for (size_t j = 0; j < w; j++) {
      db[j] += (dz[j] + dz[w + j]) + (dz[2 * w + j] + dz[3 * w + j]);
    }
  }
  for (; i < B; i++, dz += w) {
    for (size_t j = 0; j < w; j++) {
      db[j] += dz[j];
    }
  }
}

// mask and column_sums in one pass over dz (B x n)
static void mask_and_column_sums(float *restrict db, float *restrict dz, const float *restrict x,
                                 int B, int n) {
  memset(db, 0, sizeof *db * (size_t)n);
  size_t w = (size_t)n;
  int i = 0;
  for (; i + 4 <= B; i += 4, dz += 4 * w, x += 4 * w) {
    for (size_t j = 0; j < w; j++) {
      float d0 = x[j] > 0.0f ? dz[j] : 0.0f;
      float d1 = x[w + j] > 0.0f ? dz[w + j] : 0.0f;
      float d2 = x[2 * w + j] > 0.0f ? dz[2 * w + j] : 0.0f;
      float d3 = x[3 * w + j] > 0.0f ? dz[3 * w + j] : 0.0f;
      dz[j] = d0;
      dz[w + j] = d1;
      dz[2 * w + j] = d2;
      dz[3 * w + j] = d3;
      db[j] += (d0 + d1) + (d2 + d3);
    }
  }
  for (; i < B; i++, dz += w, x += w) {
    for (size_t j = 0; j < w; j++) {
      dz[j] = x[j] > 0.0f ? dz[j] : 0.0f;
      db[j] += dz[j];
    }
  }
}

void mlp_backward(const struct mlp *net, struct mlp_tape *tape, float *dtheta, const float *dy,
                  int B) {
  check_shapes(net, tape, B);
  CHECK(dtheta && dy && B == tape->rows);
  const int last = net->nlayer - 1;
  column_sums(dtheta + mlp_bias_offset(net, last), dy, B, net->width[net->nlayer]);
  // dz = dJ/dz_l on entry of round l; its bias gradient is already done
  const float *dz = dy;
  for (int l = last; l >= 0; l--) {
    const int n_in = net->width[l], n_out = net->width[l + 1];
    const size_t offset = mlp_weight_offset(net, l);
    gemm_tn(dtheta + offset, dz, tape->x[l], n_out, n_in, B, 0);
    if (l > 0) {
      // dJ/dz_{l-1} = (dz W_l) where x_l > 0, and its column sums db_{l-1}
      float *next = tape->dz[l & 1];
      gemm_layer_back(next, dz, weights_of(net, l), B, n_in, n_out);
      mask_and_column_sums(dtheta + mlp_bias_offset(net, l - 1), next, tape->x[l], B, n_in);
      dz = next;
    }
  }
}

void mlp_input_gradient(const struct mlp *net, struct mlp_tape *tape, float *dx, int first,
                        int count, const float *dy, const int *row, int n) {
  check_shapes(net, tape, tape->rows);
  CHECK(dx && dy && row && n >= 0 && n <= tape->rows);
  CHECK(first >= 0 && count >= 1 && count <= tape->max_columns && first + count <= net->width[0]);
  if (n == 0) {
    return;
  }
  const float *dz = dy;
  for (int l = net->nlayer - 1; l > 0; l--) {
    const int n_in = net->width[l], n_out = net->width[l + 1];
    float *next = tape->dz[l & 1];
    gemm_layer_back(next, dz, weights_of(net, l), n, n_in, n_out);
    mask_rows(next, tape->x[l], row, n, n_in);
    dz = next;
  }
  for (int j = 0; j < net->width[1]; j++) {
    memcpy(tape->columns + (size_t)j * (size_t)count,
           net->theta + (size_t)j * (size_t)net->width[0] + first, (size_t)count * sizeof(float));
  }
  gemm_nn(dx, dz, tape->columns, n, count, net->width[1], 0);
}
