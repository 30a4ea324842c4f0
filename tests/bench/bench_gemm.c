// bench_gemm.c - matrix products and networks against bare cblas_sgemm, one thread.
//
//   products   gemm_nt, gemm_nn, gemm_tn at the sizes of hidden layers, and gemm_nt at one output
//              column, where the limit is cblas_sgemv
//   networks   forward and backward of a critic, against the same products by cblas_sgemm
//
// Every ratio is rate / limit, both taken in turns in the same run; medians of nine after a
// warm-up.
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "learner/nn/gemm.h"
#include "learner/nn/mlp.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 9, BATCH = 256, LAYERS = 3 };

// one measured piece of work; every one reads what it needs from here
struct work {
  int m, n, k;
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

// median seconds of both, in turns
static void measure(double out[2], void (*run)(const struct work *),
                    void (*limit)(const struct work *), const struct work *w, double flop) {
  const int repeat = 1 + (int)(5e8 / flop);
  double time[2][ROUNDS];
  for (int i = -1; i < ROUNDS; i++) {
    const int slot = i < 0 ? 0 : i;
    time[0][slot] = seconds(run, w, repeat);
    time[1][slot] = seconds(limit, w, repeat);
  }
  for (int i = 0; i < 2; i++) {
    out[i] = bench_median(time[i], ROUNDS);
  }
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

static void bare(CBLAS_TRANSPOSE a, CBLAS_TRANSPOSE b, float *C, const float *A, const float *B,
                 int m, int n, int k) {
  cblas_sgemm(CblasRowMajor, a, b, m, n, k, 1.0f, A, a == CblasTrans ? m : k, B,
              b == CblasTrans ? k : n, 0.0f, C, n);
}

static void limit_nt(const struct work *w) {
  bare(CblasNoTrans, CblasTrans, w->C, w->A, w->B, w->m, w->n, w->k);
}

static void limit_nn(const struct work *w) {
  bare(CblasNoTrans, CblasNoTrans, w->C, w->A, w->B, w->m, w->n, w->k);
}

static void limit_tn(const struct work *w) {
  bare(CblasTrans, CblasNoTrans, w->C, w->A, w->B, w->m, w->n, w->k);
}

static void limit_gemv(const struct work *w) {
  cblas_sgemv(CblasRowMajor, CblasNoTrans, w->m, w->k, 1.0f, w->A, w->k, w->B, 1, 0.0f, w->C, 1);
}

// ---- networks ----

static void run_forward(const struct work *w) {
  mlp_forward(w->net, w->tape, BATCH);
}

static void run_backward(const struct work *w) {
  mlp_backward(w->net, w->tape, w->dtheta, w->dy, BATCH);
}

static void run_input_gradient(const struct work *w) {
  mlp_input_gradient(w->net, w->tape, w->dx, 0, w->net->width[0], w->dy, w->row, BATCH);
}

static void limit_forward(const struct work *w) {
  for (int l = 0; l < LAYERS; l++) {
    bare(CblasNoTrans, CblasTrans, l & 1 ? w->A : w->C, l & 1 ? w->C : w->A,
         w->net->theta + mlp_weight_offset(w->net, l), BATCH, w->net->width[l + 1],
         w->net->width[l]);
  }
}

static void limit_input_gradient(const struct work *w) {
  for (int l = LAYERS - 1; l >= 0; l--) {
    bare(CblasNoTrans, CblasNoTrans, l & 1 ? w->A : w->C, l & 1 ? w->C : w->A,
         w->net->theta + mlp_weight_offset(w->net, l), BATCH, w->net->width[l],
         w->net->width[l + 1]);
  }
}

static void limit_backward(const struct work *w) {
  for (int l = LAYERS - 1; l >= 0; l--) {
    const size_t offset = mlp_weight_offset(w->net, l);
    const int n_in = w->net->width[l], n_out = w->net->width[l + 1];
    float *dz = l & 1 ? w->C : w->A, *next = l & 1 ? w->A : w->C;
    bare(CblasTrans, CblasNoTrans, w->dtheta + offset, dz, w->B, n_out, n_in, BATCH);
    if (l > 0) {
      bare(CblasNoTrans, CblasNoTrans, next, dz, w->net->theta + offset, BATCH, n_in, n_out);
    }
  }
}

static void bench_products(struct work *w) {
  static const struct {
    const char *name;
    void (*run)(const struct work *), (*limit)(const struct work *);
    int m, n, k;
  } row[] = {
      {"nt", run_nt, limit_nt, BATCH, 256, 256}, {"nn", run_nn, limit_nn, BATCH, 256, 256},
      {"tn", run_tn, limit_tn, 256, 256, BATCH}, {"nt", run_nt, limit_nt, BATCH, 64, 64},
      {"nn", run_nn, limit_nn, BATCH, 64, 64},   {"tn", run_tn, limit_tn, 64, 64, BATCH},
      {"nt", run_nt, limit_gemv, BATCH, 1, 256}, {"nt", run_nt, limit_gemv, BATCH, 1, 64},
  };
  printf("product          GFLOP/s     limit  ratio\n");
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    w->m = row[i].m;
    w->n = row[i].n;
    w->k = row[i].k;
    const double flop = 2.0 * w->m * w->n * w->k;
    double time[2];
    measure(time, row[i].run, row[i].limit, w, flop);
    printf("%s %3dx%3dx%3d   %9.1f %9.1f  %5.2f\n", row[i].name, w->m, w->n, w->k,
           1e-9 * flop / time[0], 1e-9 * flop / time[1], time[1] / time[0]);
  }
}

static void bench_network(struct work *w, int hidden) {
  static const struct {
    const char *name;
    void (*run)(const struct work *), (*limit)(const struct work *);
    double products;  // per layer
  } row[] = {{"forward", run_forward, limit_forward, 1},
             {"backward, weights", run_backward, limit_backward, 2},
             {"backward, input", run_input_gradient, limit_input_gradient, 1}};
  const int width[LAYERS + 1] = {6, hidden, hidden, 1};
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 1);
  w->net = mlp_new(width, LAYERS);
  w->tape = mlp_tape_new(w->net, BATCH);
  mlp_init_weights(w->net, &rng);
  rng_fill_normal(&rng, mlp_input(w->tape), (size_t)BATCH * 6);
  w->dtheta = must_alloc(w->net->nparam, sizeof *w->dtheta);
  w->row = must_alloc(BATCH, sizeof *w->row);
  for (int i = 0; i < BATCH; i++) {
    w->row[i] = i;
  }
  w->dx = must_alloc((size_t)BATCH * 6, sizeof *w->dx);
  w->dy = must_alloc(BATCH, sizeof *w->dy);
  rng_fill_normal(&rng, w->dy, BATCH);
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    double time[2];
    measure(time, row[i].run, row[i].limit, w,
            row[i].products * 2.0 * BATCH * (double)w->net->nparam);
    printf("6-%d-%d-1 %-18s %9.1f us %9.1f us  %5.2f\n", hidden, hidden, row[i].name, 1e6 * time[0],
           1e6 * time[1], time[1] / time[0]);
  }
  free(w->dtheta);
  free(w->row);
  free(w->dx);
  free(w->dy);
  mlp_tape_free(w->tape);
  mlp_free(w->net);
}

int main(void) {
  gemm_init();
  printf("%s, one thread\n", gemm_kernel());
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  struct work w = {0};
  enum { FLOATS = BATCH * 256 };
  float **block[] = {&w.A, &w.B, &w.C};
  for (int i = 0; i < 3; i++) {
    *block[i] = must_alloc(FLOATS, sizeof **block[i]);
    rng_fill_normal(&rng, *block[i], FLOATS);
  }
  bench_products(&w);
  printf("network                            time         limit  ratio\n");
  bench_network(&w, 64);
  bench_network(&w, 256);
  free(w.A);
  free(w.B);
  free(w.C);
  return 0;
}
