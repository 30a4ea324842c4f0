// bench_gemm.c - matrix products and networks by every backend that is built in, side by side, one
// thread.
//
//   products   gemm_nt, gemm_nn, gemm_tn at the sizes of hidden, first and last layers
//   networks   forward and backward of a critic
//
// The backends take turns in the same run; medians of nine after a warm-up. What a first product of
// a shape costs is told apart.
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "learner/nn/gemm.h"
#include "learner/nn/mlp.h"
#include "tests/bench/bench.h"
#include "tests/variants.h"

enum { ROUNDS = 9, LARGEST = 2048 * 256, LAYERS = 3 };

// one measured piece of work; every one reads what it needs from here
struct work {
  int m, n, k, rows;
  float *A, *B, *C;
  struct mlp *net;
  struct mlp_tape *tape;
  float *dtheta, *dx, *dy;
  int *row;
};

static double seconds(void (*run)(const struct work *), const struct work *w, int repeat) {
  const double start = now_cpu_s();
  for (int i = 0; i < repeat; i++) {
    run(w);
  }
  return (now_cpu_s() - start) / repeat;
}

// median seconds of each variant, in turns; 0: it is not built in
static void measure(double out[NVARIANT], void (*run)(const struct work *), const struct work *w,
                    double flop) {
  const int repeat = 1 + (int)(3e8 / flop);
  double time[NVARIANT][ROUNDS] = {0};
  for (int round = -1; round < ROUNDS; round++) {
    for (int v = 0; v < NVARIANT; v++) {
      if (variant_choose(v)) {
        time[v][round < 0 ? 0 : round] = seconds(run, w, repeat);
      }
    }
  }
  for (int v = 0; v < NVARIANT; v++) {
    out[v] = bench_median(time[v], ROUNDS);
  }
}

static void print_head(const char *what) {
  printf("%-22s", what);
  for (int v = 0; v < NVARIANT; v++) {
    printf(" %13s", variants[v].name);
  }
  printf("\n");
}

// ---- products ----

static void run_nt(const struct work *w) {
  gemm_nt(w->C, w->A, w->B, w->m, w->n, w->k, 0);
}

static void run_nn(const struct work *w) {
  gemm_nn(w->C, w->A, w->B, w->m, w->n, w->k, 0);
}

static void run_tn(const struct work *w) {
  gemm_tn(w->C, w->A, w->B, w->m, w->n, w->k, 0);
}

// the three products of a layer of `in` inputs and `out` outputs on B rows
static void bench_layer(struct work *w, int B, int in, int out) {
  const struct {
    const char *name;
    void (*run)(const struct work *);
    int m, n, k;
  } row[] = {{"nt", run_nt, B, out, in}, {"nn", run_nn, B, in, out}, {"tn", run_tn, out, in, B}};
  for (int i = 0; i < 3; i++) {
    w->m = row[i].m;
    w->n = row[i].n;
    w->k = row[i].k;
    const double flop = 2.0 * w->m * w->n * w->k;
    double time[NVARIANT];
    measure(time, row[i].run, w, flop);
    printf("%s %4d x %3d x %4d    ", row[i].name, w->m, w->n, w->k);
    for (int v = 0; v < NVARIANT; v++) {
      printf(" %13.1f", time[v] > 0 ? 1e-9 * flop / time[v] : 0.0);
    }
    printf("\n");
  }
}

// ---- networks ----

static void run_forward(const struct work *w) {
  mlp_forward(w->net, w->tape, w->rows);
}

static void run_backward(const struct work *w) {
  mlp_backward(w->net, w->tape, w->dtheta, w->dy, w->rows);
}

static void run_input_gradient(const struct work *w) {
  mlp_input_gradient(w->net, w->tape, w->dx, 0, w->net->width[0], w->dy, w->row, w->rows);
}

static void bench_network(struct work *w, int hidden) {
  static const struct {
    const char *name;
    void (*run)(const struct work *);
    double products;  // per layer
  } row[] = {
      {"forward", run_forward, 1}, {"weights", run_backward, 2}, {"input", run_input_gradient, 1}};
  const int width[LAYERS + 1] = {32, hidden, hidden, 1};
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 1);
  w->rows = 256;
  const size_t rows = (size_t)w->rows;
  w->net = mlp_new(width, LAYERS);
  w->tape = mlp_tape_new(w->net, w->rows, w->net->width[0]);
  mlp_init_weights(w->net, &rng);
  rng_fill_normal(&rng, mlp_input(w->tape), rows * (size_t)width[0]);
  w->dtheta = must_alloc(w->net->nparam, sizeof *w->dtheta);
  w->row = must_alloc(rows, sizeof *w->row);
  for (int i = 0; i < w->rows; i++) {
    w->row[i] = i;
  }
  w->dx = must_alloc(rows * (size_t)width[0], sizeof *w->dx);
  w->dy = must_alloc(rows, sizeof *w->dy);
  rng_fill_normal(&rng, w->dy, rows);
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    double time[NVARIANT];
    measure(time, row[i].run, w, row[i].products * 2.0 * w->rows * (double)w->net->nparam);
    printf("32-%3d-%3d-1 %-9s", hidden, hidden, row[i].name);
    for (int v = 0; v < NVARIANT; v++) {
      printf(" %13.1f", 1e6 * time[v]);
    }
    printf("\n");
  }
  free(w->dtheta);
  free(w->row);
  free(w->dx);
  free(w->dy);
  mlp_tape_free(w->tape);
  mlp_free(w->net);
}

int main(void) {
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  struct work w = {0};
  float **block[] = {&w.A, &w.B, &w.C};
  for (int i = 0; i < 3; i++) {
    *block[i] = must_alloc(LARGEST, sizeof **block[i]);
    rng_fill_normal(&rng, *block[i], LARGEST);
  }
  w.m = w.n = w.k = 200;
  for (int v = 0; v < NVARIANT; v++) {
    if (variant_choose(v)) {
      const double first = seconds(run_nt, &w, 1), later = seconds(run_nt, &w, 1);
      printf("%-13s %s; first product of a shape %.0f us, then %.0f us\n", variants[v].name,
             gemm_kernel(), 1e6 * first, 1e6 * later);
    }
  }
  static const int layers[][3] = {
      {64, 256, 256},  {128, 256, 256}, {256, 256, 256}, {2048, 256, 256}, {64, 128, 128},
      {256, 128, 128}, {256, 64, 64},   {64, 17, 256},   {256, 17, 256},   {256, 35, 256},
      {256, 60, 256},  {256, 35, 128},  {256, 256, 1},   {256, 256, 4},    {256, 256, 8},
      {256, 256, 16},  {256, 128, 16}};
  print_head("product, GFLOP/s");
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    bench_layer(&w, layers[i][0], layers[i][1], layers[i][2]);
  }
  print_head("network, us");
  static const int hidden[] = {64, 128, 256};
  for (int i = 0; i < 3; i++) {
    bench_network(&w, hidden[i]);
  }
  free(w.A);
  free(w.B);
  free(w.C);
  return 0;
}
