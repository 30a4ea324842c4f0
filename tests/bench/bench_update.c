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
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "learner/nn/gemm.h"
#include "learner/replay/batch.h"
#include "learner/rules/rule.h"
#include "learner/rules/rules.h"
#include "learner/rules/updater.h"
#include "tests/bench/bench.h"
#include "tests/variants.h"

enum { ROUNDS = 9, MAX_CALLS = 4096 };

// ---- recording ----

typedef void product_fn(float *C, const float *A, const float *B, int m, int n, int k,
                        int accumulate);

struct call {
  product_fn *product;  // NULL: a layer, forward (b) or back
  float *C;
  const float *A, *B;
  int m, n, k, accumulate;
  struct gemm_weights W;
  const float *b;
};

// a variant at work, and the products of one of its updates
static struct measured {
  struct updater *u;
  uint64_t index;
  struct call record[MAX_CALLS];
  int ncall;
} sides[NVARIANT];
static struct measured *recording;  // NULL: nobody

product_fn __real_gemm_nt, __wrap_gemm_nt, __real_gemm_nn, __wrap_gemm_nn, __real_gemm_tn,
    __wrap_gemm_tn;
void __real_gemm_layer_back(float *dX, const float *dY, struct gemm_weights W, int m, int n, int k);
void __wrap_gemm_layer_back(float *dX, const float *dY, struct gemm_weights W, int m, int n, int k);
void __real_gemm_layer(float *Y, const float *X, struct gemm_weights W, const float *b, int m,
                       int n, int k);
void __wrap_gemm_layer(float *Y, const float *X, struct gemm_weights W, const float *b, int m,
                       int n, int k);
void __real_gemm_layer_relu(float *Y, const float *X, struct gemm_weights W, const float *b, int m,
                            int n, int k, float *scratch);
void __wrap_gemm_layer_relu(float *Y, const float *X, struct gemm_weights W, const float *b, int m,
                            int n, int k, float *scratch);

static void keep(struct call call) {
  if (recording) {
    CHECK(recording->ncall < MAX_CALLS);
    recording->record[recording->ncall++] = call;
  }
}

// with weights that are rounded already a bare product cannot be asked for: its bias comes along
static void keep_layer(float *Y, const float *X, struct gemm_weights W, const float *b, int m,
                       int n, int k) {
  product_fn *bare = W.bf16 ? NULL : __real_gemm_nt;
  keep((struct call){bare, Y, X, W.f32, m, n, k, 0, W, b});
}

void __wrap_gemm_nt(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  keep((struct call){__real_gemm_nt, C, A, B, m, n, k, accumulate, {NULL, NULL}, NULL});
  __real_gemm_nt(C, A, B, m, n, k, accumulate);
}

void __wrap_gemm_nn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  keep((struct call){__real_gemm_nn, C, A, B, m, n, k, accumulate, {NULL, NULL}, NULL});
  __real_gemm_nn(C, A, B, m, n, k, accumulate);
}

void __wrap_gemm_tn(float *C, const float *A, const float *B, int m, int n, int k, int accumulate) {
  keep((struct call){__real_gemm_tn, C, A, B, m, n, k, accumulate, {NULL, NULL}, NULL});
  __real_gemm_tn(C, A, B, m, n, k, accumulate);
}

void __wrap_gemm_layer(float *Y, const float *X, struct gemm_weights W, const float *b, int m,
                       int n, int k) {
  keep_layer(Y, X, W, b, m, n, k);
  __real_gemm_layer(Y, X, W, b, m, n, k);
}

void __wrap_gemm_layer_relu(float *Y, const float *X, struct gemm_weights W, const float *b, int m,
                            int n, int k, float *scratch) {
  keep_layer(Y, X, W, b, m, n, k);
  __real_gemm_layer_relu(Y, X, W, b, m, n, k, scratch);
}

void __wrap_gemm_layer_back(float *dX, const float *dY, struct gemm_weights W, int m, int n,
                            int k) {
  keep((struct call){NULL, dX, dY, NULL, m, n, k, 0, W, NULL});
  __real_gemm_layer_back(dX, dY, W, m, n, k);
}

static void replay_calls(const struct measured *side) {
  for (const struct call *q = side->record; q < side->record + side->ncall; q++) {
    if (q->product) {
      q->product(q->C, q->A, q->B, q->m, q->n, q->k, q->accumulate);
    } else if (q->b) {
      __real_gemm_layer(q->C, q->A, q->W, q->b, q->m, q->n, q->k);
    } else {
      __real_gemm_layer_back(q->C, q->A, q->W, q->m, q->n, q->k);
    }
  }
}

static double flop_of_calls(const struct measured *side) {
  double flop = 0;
  for (const struct call *q = side->record; q < side->record + side->ncall; q++) {
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
  for (int i = 0; i < B; i++) {
    b->demo[i] = 1;
  }
  return b;
}

static const struct batch *same_batch(void *ctx, enum rng_stream stream, uint64_t index) {
  (void)stream;
  (void)index;
  return ctx;
}

static void update(struct measured *side, const struct batch *b) {
  CHECK(updater_update(side->u, b, side->index++) == ERR_OK);
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
          task, width, variants[v].name, us, 1e6 / us, first / us, limit, sides[v].ncall,
          1e-3 * flop_of_calls(&sides[v]) / limit, limit / us);
    }
  }
}

// the variant that is chosen: some updates, of which the last is recorded
static void begin(struct measured *side, const struct rule *rule, const struct config *cfg,
                  const struct dims *dims, struct batch *b) {
  side->u = updater_new(rule, cfg, dims, NULL);
  CHECK(updater_prepare(side->u, &(struct draws){.draw = same_batch, .ctx = b}) == ERR_OK);
  for (int i = 0; i < 20; i++) {
    update(side, b);
  }
  recording = side;
  update(side, b);
  recording = NULL;
}

static void measure(const char *name, const char *task, const struct dims *dims, int width) {
  struct config cfg;
  config_defaults(&cfg);
  CHECK(config_rule(&cfg, name) == ERR_OK);
  const struct rule *rule = rules_of(&cfg);
  cfg.worth_reward = WORTH_REWARD_DISTANCE;
  // demonstrations, for the one that learns from nothing else
  if (rule->needs & RULE_DEMOS) {
    CHECK(config_set(&cfg, "demos.digest=given") == ERR_OK);
  }
  cfg.net_hidden = (struct widths){.n = 2, .v = {width, width}};
  cfg.train_batch = 256;
  cfg.outcome_prefit = 0;  // not what is measured
  struct batch *b = random_batch(dims, (int)cfg.train_batch);
  for (int v = 0; v < NVARIANT; v++) {
    if (variant_choose(v)) {
      begin(&sides[v], rule, &cfg, dims, b);
    }
  }

  // updates and products of all backends take turns, so that whatever else the machine does meets
  // all; a round is about a tenth of a second of each
  const int repeat = 1 + (int)(5e9 / flop_of_calls(&sides[0]));
  double time[NVARIANT][2][ROUNDS] = {0};
  for (int round = -1; round < ROUNDS; round++) {
    for (int v = 0; v < NVARIANT; v++) {
      if (variant_choose(v)) {
        double *const at[] = {&time[v][0][round < 0 ? 0 : round],
                              &time[v][1][round < 0 ? 0 : round]};
        *at[0] = *at[1] = 0;
        for (int i = 0; i < repeat; i++) {
          const double start = now_cpu_s();
          update(&sides[v], b);
          const double between = now_cpu_s();
          replay_calls(&sides[v]);
          *at[0] += (between - start) / repeat;
          *at[1] += (now_cpu_s() - between) / repeat;
        }
      }
    }
  }
  print_variants(task, width, time);
  for (int v = 0; v < NVARIANT; v++) {
    updater_free(sides[v].u);
    sides[v] = (struct measured){0};
  }
  batch_free(b);
}

int main(void) {
  const struct dims box = {.obs = 2, .act = 2, .goal = 2, .horizon = 100, .hindsight = 4};
  const struct dims fetch = {.obs = 25, .act = 4, .goal = 3, .horizon = 50, .hindsight = 4};
  const struct dims ant = {.obs = 29, .act = 8, .goal = 15, .horizon = 100, .hindsight = 4};
  CHECK(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32) == ERR_OK);
  printf("batch 256, one thread, %s; target at 2 x 256: ratio 0.80\n", gemm_kernel());
  static const int widths[] = {256, 128, 64};
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
    measure("odac", "box2d", &box, widths[i]);
    measure("odac", "fetch", &fetch, widths[i]);
    measure("odac", "ant", &ant, widths[i]);
  }
  // the others at one size, one name of each code
  printf("other rules; target: ratio 0.75\n");
  for (int r = 1; rules_at(r) != NULL; r++) {
    const struct named_rule *named;
    for (int i = 0; (named = config_rule_at(i)) != NULL; i++) {
      struct config cfg;
      config_defaults(&cfg);
      CHECK(config_rule(&cfg, named->bundle.name) == ERR_OK);
      if (rules_of(&cfg) == rules_at(r)) {
        printf("%s\n", named->bundle.name);
        measure(named->bundle.name, "fetch", &fetch, 256);
        break;
      }
    }
  }
  return 0;
}
