// bench_update.c - one update of every rule by every backend, against its matrix products alone,
// one thread.
//
// The linker wraps the functions of gemm.h, so the products of one update are recorded as they are
// called: shapes and addresses; a layer is recorded as the product that it stands for. The limit
// replays the record on the same memory, with nothing in between. Backends, update and limit are
// taken in turns in the same run; medians of nine after a warm-up.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/nn/gemm.h"
#include "learner/replay/batch.h"
#include "learner/rules/rules.h"
#include "learner/rules/updater.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 9, MAX_CALLS = 256 };

// the first is what the others are compared with
static const struct variant {
  const char *name;
  enum net_backend backend;
  enum net_precision precision;
} variants[] = {{"openblas f32", NET_BACKEND_OPENBLAS, NET_PRECISION_F32},
                {"onednn f32", NET_BACKEND_ONEDNN, NET_PRECISION_F32},
                {"onednn bf16", NET_BACKEND_ONEDNN, NET_PRECISION_BF16}};
enum { NVARIANT = sizeof variants / sizeof *variants };

static bool choose(int i) {
  return gemm_has(variants[i].backend, variants[i].precision) &&
         gemm_init(variants[i].backend, variants[i].precision) == ERR_OK;
}

// ---- recording ----

typedef void product_fn(float *C, const float *A, const float *B, int m, int n, int k,
                        int accumulate);

struct call {
  product_fn *product;
  float *C;
  const float *A, *B;
  int m, n, k, accumulate;
};

static struct call record[MAX_CALLS];
static int ncall;
static bool recording;

product_fn __real_gemm_nt, __wrap_gemm_nt, __real_gemm_nn, __wrap_gemm_nn, __real_gemm_tn,
    __wrap_gemm_tn;
void __real_gemm_layer(float *Y, const float *X, const float *W, const float *b, int m, int n,
                       int k);
void __wrap_gemm_layer(float *Y, const float *X, const float *W, const float *b, int m, int n,
                       int k);
void __real_gemm_layer_relu(float *Y, const float *X, const float *W, const float *b, int m, int n,
                            int k, float *scratch);
void __wrap_gemm_layer_relu(float *Y, const float *X, const float *W, const float *b, int m, int n,
                            int k, float *scratch);

static void keep(struct call call) {
  if (recording) {
    CHECK(ncall < MAX_CALLS);
    record[ncall++] = call;
  }
}

void __wrap_gemm_nt(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  keep((struct call){__real_gemm_nt, C, A, B, m, n, k, accumulate});
  __real_gemm_nt(C, A, B, m, n, k, accumulate);
}

void __wrap_gemm_nn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  keep((struct call){__real_gemm_nn, C, A, B, m, n, k, accumulate});
  __real_gemm_nn(C, A, B, m, n, k, accumulate);
}

void __wrap_gemm_tn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  keep((struct call){__real_gemm_tn, C, A, B, m, n, k, accumulate});
  __real_gemm_tn(C, A, B, m, n, k, accumulate);
}

void __wrap_gemm_layer(float *Y, const float *X, const float *W, const float *b, int m, int n,
                       int k) {
  keep((struct call){__real_gemm_nt, Y, X, W, m, n, k, 0});
  __real_gemm_layer(Y, X, W, b, m, n, k);
}

void __wrap_gemm_layer_relu(float *Y, const float *X, const float *W, const float *b, int m, int n,
                            int k, float *scratch) {
  keep((struct call){__real_gemm_nt, Y, X, W, m, n, k, 0});
  __real_gemm_layer_relu(Y, X, W, b, m, n, k, scratch);
}

static void replay_calls(void) {
  for (const struct call *q = record; q < record + ncall; q++) {
    q->product(q->C, q->A, q->B, q->m, q->n, q->k, q->accumulate);
  }
}

static double flop_of_calls(void) {
  double flop = 0;
  for (const struct call *q = record; q < record + ncall; q++) {
    flop += 2.0 * q->m * q->n * q->k;
  }
  return flop;
}

// ---- measuring ----

static struct batch *random_batch(const struct dims *d, int B) {
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  struct batch *b = batch_new(d, B);
  const size_t rows = (size_t)B;
  rng_fill_normal(&rng, b->obs, rows * (size_t)d->obs);
  rng_fill_normal(&rng, b->next_obs, rows * (size_t)d->obs);
  rng_fill_uniform(&rng, b->act, rows * (size_t)d->act, -1, 1);
  rng_fill_normal(&rng, b->achieved, rows * (size_t)d->goal);
  rng_fill_normal(&rng, b->next_achieved, rows * (size_t)d->goal);
  rng_fill_normal(&rng, b->goal, rows * (size_t)d->goal);
  return b;
}

static const struct batch *same_batch(void *ctx, enum rng_stream stream, uint64_t index) {
  (void)stream;
  (void)index;
  return ctx;
}

static void update(struct updater *u, const struct batch *b, uint64_t index) {
  CHECK(updater_update(u, b, index) == ERR_OK);
}

static void print_variants(const char *task, int width, double time[NVARIANT][2][ROUNDS]) {
  double first = 0;
  for (int v = 0; v < NVARIANT; v++) {
    const double us = 1e6 * bench_median(time[v][0], ROUNDS);
    const double limit = 1e6 * bench_median(time[v][1], ROUNDS);
    first = v == 0 ? us : first;
    if (us > 0) {
      printf(
          "%-6s 2 x %-4d %-13s %7.0f us %6.0f updates/s, x %.2f   products alone %7.0f us (%d "
          "calls, %5.1f GFLOP/s)   ratio %.3f\n",
          task, width, variants[v].name, us, 1e6 / us, first / us, limit, ncall,
          1e-3 * flop_of_calls() / limit, limit / us);
    }
  }
}

static void measure(const struct rule *rule, const char *task, const struct dims *dims, int width) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.net_hidden = (struct widths){.n = 2, .v = {width, width}};
  cfg.train_batch = 256;
  cfg.outcome_prefit = 0;  // not what is measured
  struct updater *u = updater_new(rule, &cfg, dims, NULL);
  struct batch *b = random_batch(dims, (int)cfg.train_batch);
  CHECK(updater_prepare(u, &(struct draws){.draw = same_batch, .ctx = b}) == ERR_OK);
  uint64_t index = 0;
  for (int i = 0; i < 20; i++) {
    update(u, b, index++);
  }
  ncall = 0;
  recording = true;
  update(u, b, index++);
  recording = false;

  // updates and products of all backends take turns, so that whatever else the machine does meets
  // all; a round is about a tenth of a second of each
  const int repeat = 1 + (int)(5e9 / flop_of_calls());
  double time[NVARIANT][2][ROUNDS] = {0};
  for (int round = -1; round < ROUNDS; round++) {
    for (int v = 0; v < NVARIANT; v++) {
      if (choose(v)) {
        double *const at[] = {&time[v][0][round < 0 ? 0 : round],
                              &time[v][1][round < 0 ? 0 : round]};
        *at[0] = *at[1] = 0;
        for (int i = 0; i < repeat; i++) {
          const double start = now_cpu_s();
          update(u, b, index++);
          const double between = now_cpu_s();
          replay_calls();
          *at[0] += (between - start) / repeat;
          *at[1] += (now_cpu_s() - between) / repeat;
        }
      }
    }
  }
  print_variants(task, width, time);
  batch_free(b);
  updater_free(u);
}

int main(void) {
  const struct dims box = {.obs = 2, .act = 2, .goal = 2, .horizon = 100, .hindsight = 4};
  const struct dims fetch = {.obs = 25, .act = 4, .goal = 3, .horizon = 50, .hindsight = 4};
  const struct dims ant = {.obs = 29, .act = 8, .goal = 15, .horizon = 100, .hindsight = 4};
  CHECK(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32) == ERR_OK);
  printf("batch 256, one thread, %s; target at 2 x 256: ratio 0.80\n", gemm_kernel());
  static const int widths[] = {256, 128, 64};
  const struct rule *rule;
  for (int r = 0; (rule = rules_at(r)) != NULL; r++) {
    printf("%s\n", rule->name);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
      measure(rule, "box2d", &box, widths[i]);
      measure(rule, "fetch", &fetch, widths[i]);
      measure(rule, "ant", &ant, widths[i]);
    }
  }
  return 0;
}
