// bench_update.c - one update of every rule against its matrix products alone, one thread.
//
// The linker wraps cblas_sgemm, so the products of one update are recorded as they are called:
// shapes, transpositions, addresses; a layer that gemm.c computes by a kernel of its own is
// recorded (by wrapping gemm_layer_relu) as the product that it stands for. The limit replays the
// record by the bare functions on the same memory, with nothing in between. Both are taken in turns
// in the same run; medians of nine after a warm-up.
#include <cblas.h>
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

// ---- recording ----

struct call {
  CBLAS_TRANSPOSE trans_a, trans_b;
  int m, n, k, lda, ldb, ldc;
  float alpha, beta;
  const float *a, *b;
  float *c;
};

static struct call record[MAX_CALLS];
static int ncall;
static bool recording;

void __real_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b,
                        blasint m, blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc);
void __wrap_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b,
                        blasint m, blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc);
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

void __wrap_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b,
                        blasint m, blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc) {
  keep((struct call){trans_a, trans_b, m, n, k, lda, ldb, ldc, alpha, beta, a, b, c});
  __real_cblas_sgemm(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void __wrap_gemm_layer_relu(float *Y, const float *X, const float *W, const float *b, int m, int n,
                            int k, float *scratch) {
  const int before = ncall;
  __real_gemm_layer_relu(Y, X, W, b, m, n, k, scratch);
  if (ncall == before) {
    keep((struct call){CblasNoTrans, CblasTrans, m, n, k, k, k, n, 1.0f, 0.0f, X, W, Y});
  }
}

static void replay_calls(void) {
  for (const struct call *q = record; q < record + ncall; q++) {
    __real_cblas_sgemm(CblasRowMajor, q->trans_a, q->trans_b, q->m, q->n, q->k, q->alpha, q->a,
                       q->lda, q->b, q->ldb, q->beta, q->c, q->ldc);
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

  // update and products take turns, so that whatever else the machine does meets both; a round is
  // about a tenth of a second of each
  const int repeat = 1 + (int)(5e9 / flop_of_calls());
  double time[2][ROUNDS], ratio[ROUNDS];
  for (int round = 0; round < ROUNDS; round++) {
    time[0][round] = time[1][round] = 0;
    for (int i = 0; i < repeat; i++) {
      const double start = now_cpu_s();
      update(u, b, index++);
      const double between = now_cpu_s();
      replay_calls();
      time[0][round] += (between - start) / repeat;
      time[1][round] += (now_cpu_s() - between) / repeat;
    }
    ratio[round] = time[1][round] / time[0][round];
  }
  const double us = 1e6 * bench_median(time[0], ROUNDS);
  const double limit = 1e6 * bench_median(time[1], ROUNDS);
  printf(
      "%-7s 2 x %-4d %8.0f us  %6.0f updates/s   products alone %8.0f us (%d calls, %5.1f "
      "GFLOP/s)   ratio %.3f\n",
      task, width, us, 1e6 / us, limit, ncall, 1e-3 * flop_of_calls() / limit,
      bench_median(ratio, ROUNDS));
  batch_free(b);
  updater_free(u);
}

int main(void) {
  gemm_init();
  const struct dims box = {.obs = 2, .act = 2, .goal = 2, .horizon = 100, .hindsight = 4};
  const struct dims ant = {.obs = 29, .act = 8, .goal = 15, .horizon = 100, .hindsight = 4};
  printf("batch 256, one thread, %s; target at 2 x 256: ratio 0.80\n", gemm_kernel());
  static const int widths[] = {256, 128, 64};
  const struct rule *rule;
  for (int r = 0; (rule = rules_at(r)) != NULL; r++) {
    printf("%s\n", rule->name);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
      measure(rule, "box2d", &box, widths[i]);
      measure(rule, "ant", &ant, widths[i]);
    }
  }
  return 0;
}
