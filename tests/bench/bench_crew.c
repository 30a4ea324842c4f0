// bench_crew.c - updates per second by the number of threads, in one run: wall-clock time, threads
// in turns within each round, medians of the rounds' ratios to one thread.
//
//   bench_crew [group.name=value ..]    up to learner.threads, or the cores of the process
//
// The limit beside each ratio is what the machine itself grants: the same threads, each running the
// products of one part of an update again and again with nothing to wait for.
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/crew.h"
#include "common/base/now.h"
#include "common/config/config.h"
#include "learner/nn/gemm.h"
#include "learner/rules/rules.h"
#include "tests/bench/bench.h"
#include "tests/unit/minibatch.h"

enum { ROUNDS = 11, MOST = 16 };

// ---- what the machine grants ----

enum { M = 64, N = 256, SPIN = 40 };

static float *operand[MOST][3];

static void products(void *ctx, int i) {
  (void)ctx;
  for (int k = 0; k < SPIN; k++) {
    gemm_nn(operand[i][0], operand[i][1], operand[i][2], M, N, N, 0);
  }
}

// products of all threads together a second, by the wall clock
static double granted(struct crew *crew, int threads) {
  enum { REPEAT = 20 };
  const double start = now_s();
  for (int i = 0; i < REPEAT; i++) {
    crew_run(crew, products, NULL, threads);
  }
  return threads * (double)REPEAT * SPIN / (now_s() - start);
}

// ---- updates ----

static double updates_per_s(struct updater *u, const struct batch *b, uint64_t *index, int n) {
  const double start = now_s();
  for (int i = 0; i < n; i++) {
    CHECK(updater_update(u, b, (*index)++) == ERR_OK);
  }
  return n / (now_s() - start);
}

static void measure(const struct config *base, int width, int batch, int most) {
  const struct rule *rule = rules_of(base);
  CHECK(most >= 1);
  const struct dims fetch = {.obs = 25, .act = 4, .goal = 3, .horizon = 50, .hindsight = 4};
  struct config cfg = *base;
  cfg.net_hidden = (struct widths){.n = 2, .v = {width, width}};
  cfg.train_batch = batch;
  cfg.outcome_prefit = 0;
  struct batch *b = minibatch_random(&fetch, batch, 1);
  struct crew *crew[MOST];
  struct updater *u[MOST];
  uint64_t index[MOST] = {0};
  for (int t = 0; t < most; t++) {
    crew[t] = crew_new(t + 1);
    u[t] = updater_new(rule, &cfg, &fetch, crew[t]);
    CHECK(minibatch_prepare(u[t], b) == ERR_OK);
  }
  // a round is about a tenth of a second for each
  const int n = 1 + (int)(0.1 * updates_per_s(u[0], b, &index[0], 20));
  double rate[MOST][ROUNDS], ratio[MOST][ROUNDS], limit[MOST][ROUNDS];
  for (int round = 0; round < ROUNDS; round++) {
    const double one = granted(crew[0], 1);
    for (int t = 0; t < most; t++) {
      rate[t][round] = updates_per_s(u[t], b, &index[t], n);
      ratio[t][round] = rate[t][round] / rate[0][round];
      limit[t][round] = granted(crew[t], t + 1) / one;
    }
  }
  for (int t = 0; t < most; t++) {
    printf("%-5s 2 x %-4d batch %-5d %2d threads %8.1f updates/s   ratio %.2f   limit %.2f\n",
           rule->name, width, batch, t + 1, bench_median(rate[t], ROUNDS),
           bench_median(ratio[t], ROUNDS), bench_median(limit[t], ROUNDS));
    updater_free(u[t]);
    crew_free(crew[t]);
  }
  batch_free(b);
}

int main(int argc, char **argv) {
  struct config cfg;
  config_defaults(&cfg);
  char *none[] = {NULL};
  enum err err = config_read_overrides(&cfg, none, argv + 1, argc - 1);
  err = err == ERR_OK ? gemm_init(cfg.net_backend, cfg.net_precision) : err;
  if (err != ERR_OK) {
    return err_exit_code(err);
  }
  const int cores = cfg.learner_threads > 0 ? (int)cfg.learner_threads : cpu_cores();
  const int most = cores > MOST ? MOST : cores;
  for (int i = 0; i < MOST; i++) {
    const size_t n[] = {(size_t)M * N, (size_t)M * N, (size_t)N * N};
    for (int k = 0; k < 3; k++) {
      operand[i][k] = must_alloc(n[k], sizeof(float));
    }
  }
  printf("fetch-push's sizes, %s, %d cores\n", gemm_kernel(), cpu_cores());
  for (int r = 0; rules_at(r) != NULL; r++) {
    cfg.train_rule = (enum train_rule)r;
    cfg.worth_reward = WORTH_REWARD_DISTANCE;
    measure(&cfg, 256, 256, most);
    measure(&cfg, 128, 256, most);
    measure(&cfg, 128, 2048, most);
  }
  for (int i = 0; i < MOST; i++) {
    for (int k = 0; k < 3; k++) {
      free(operand[i][k]);
    }
  }
  return 0;
}
