// bench_ranks.c - updates that several ranks share: what they say to each other, and what they
// gain.
//
//   mpirun -n K bench_ranks       K = 2, 4 or 8; one thread each; fetch-push's sizes, 8 parts
//
// Measured: an update of one process in CPU time, and how much of it is the step, which each rank
// makes; the bytes of each kind of message of one update, by wrapping the calls of
// learner/ranks/ranks.h; and, when each rank has a core, what K ranks gain on this machine: wall
// clock, in turns, medians.
//
// Predicted from these, and marked as such: what K machines of one such rank gain on a network of
// so many bits a second and 20 us latency,
//   T(K) = L / K + S + 2 (h + 1) C + lat + (K - 1) O + h (lat + U) + h (lat + D),  h = log2 K   (1)
// S the step, L the rest of an update, C a copy of the gradient (packed, added, unpacked at each
// hop), O, U, D the time that an order, a sum and a gradient take on the wire.
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/config/config.h"
#include "learner/nn/gemm.h"
#include "learner/ranks/ranks.h"
#include "learner/rules/rules.h"
#include "learner/team.h"
#include "tests/bench/bench.h"
#include "tests/unit/minibatch.h"

enum { ROUNDS = 7, SHARDS = 8, SIZES = 4 };

static const struct dims FETCH = {.obs = 22, .act = 4, .goal = 3, .horizon = 50, .hindsight = 4};
static const struct {
  int width, batch;
} SIZE[SIZES] = {{256, 256}, {256, 2048}, {128, 256}, {128, 2048}};
static const double LATENCY = 20e-6;

// ---- what rank 0 says and hears ----

static struct {
  size_t sent, received, broadcast;  // bytes
  int nsent;
} wire;

void __real_ranks_send(int to, const void *data, size_t bytes);
void __wrap_ranks_send(int to, const void *data, size_t bytes);
void __real_ranks_receive(int from, void *data, size_t bytes);
void __wrap_ranks_receive(int from, void *data, size_t bytes);
void __real_ranks_broadcast(void *data, size_t bytes);
void __wrap_ranks_broadcast(void *data, size_t bytes);

void __wrap_ranks_send(int to, const void *data, size_t bytes) {
  wire.sent += bytes;
  wire.nsent++;
  __real_ranks_send(to, data, bytes);
}

void __wrap_ranks_receive(int from, void *data, size_t bytes) {
  wire.received += bytes;
  __real_ranks_receive(from, data, bytes);
}

void __wrap_ranks_broadcast(void *data, size_t bytes) {
  wire.broadcast += bytes;
  __real_ranks_broadcast(data, bytes);
}

// ---- measurements ----

struct cost {
  double update, step, copy;    // CPU seconds of one process
  double order, sum, gradient;  // bytes of one message, of the ranks of this run
  double ratio;                 // updates a second of this run's ranks to those of one
};

static double update_s(struct updater *u, const struct batch *b, uint64_t *index, int n,
                       double (*clock_s)(void)) {
  const double start = clock_s();
  for (int i = 0; i < n; i++) {
    CHECK(updater_update(u, b, (*index)++) == ERR_OK);
  }
  return (clock_s() - start) / n;
}

static double step_s(struct updater *u, int n) {
  const double start = now_cpu_s();
  for (int i = 0; i < n; i++) {
    updater_step(u);
  }
  return (now_cpu_s() - start) / n;
}

static double copy_s(size_t bytes, int n) {
  char *from = must_alloc(bytes, 1), *to = must_alloc(bytes, 1);
  memset(from, 1, bytes);
  const double start = now_cpu_s();
  for (int i = 0; i < n; i++) {
    memcpy(to, from, bytes);
    from[(size_t)i % bytes] = to[(size_t)i * 7 % bytes];
  }
  const double s = (now_cpu_s() - start) / n;
  free(from);
  free(to);
  return s;
}

static void count_messages(struct cost *cost, struct updater *shared, const struct batch *b,
                           uint64_t *index) {
  const int hops = (int)lround(log2(ranks_count()));
  memset(&wire, 0, sizeof wire);
  CHECK(updater_update(shared, b, (*index)++) == ERR_OK);
  cost->order = (double)wire.sent / wire.nsent;
  cost->sum = (double)wire.received / hops;
  cost->gradient = (double)wire.broadcast;
}

static bool has_cores(void) {
  return ranks_count() <= cpu_cores();
}

static struct cost measure(const struct config *cfg) {
  const struct rule *rule = rules_of(cfg);
  struct batch *b = minibatch_random(&FETCH, (int)cfg->train_batch, 1);
  struct team *team = team_new();
  CHECK(team_gather(team, cfg, &FETCH) == ERR_OK);
  struct updater *one = updater_new(rule, cfg, &FETCH, NULL);
  struct updater *shared = team_updater(team, cfg, &FETCH, NULL);
  CHECK(minibatch_prepare(one, b) == ERR_OK && minibatch_prepare(shared, b) == ERR_OK);
  uint64_t i = 0, k = 0;
  update_s(shared, b, &k, 3, now_s);
  const int n = 1 + (int)(0.1 / update_s(one, b, &i, 5, now_cpu_s));
  double update[ROUNDS], step[ROUNDS], copy[ROUNDS], ratio[ROUNDS];
  struct cost cost = {.ratio = 0};
  count_messages(&cost, shared, b, &k);
  for (int round = 0; round < ROUNDS; round++) {
    const double wall = now_s();
    update[round] = update_s(one, b, &i, n, now_cpu_s);
    const double one_s = (now_s() - wall) / n;
    // ranks that share a core would measure its scheduler
    ratio[round] = has_cores() ? one_s / update_s(shared, b, &k, n, now_s) : 0;
    step[round] = step_s(one, n);
    copy[round] = copy_s((size_t)cost.gradient, 20);
  }
  cost.update = bench_median(update, ROUNDS);
  cost.step = bench_median(step, ROUNDS);
  cost.copy = bench_median(copy, ROUNDS);
  cost.ratio = bench_median(ratio, ROUNDS);
  updater_free(one);
  updater_free(shared);
  team_dismiss(team, 0);
  batch_free(b);
  return cost;
}

// eq. (1)
static double predict(const struct cost *c, int ranks, double bits_per_s) {
  const double h = log2(ranks), byte = 8 / bits_per_s;
  const double order = c->order * ranks_count() / ranks * byte;  // about: its head stays
  return (c->update - c->step) / ranks + c->step + 2 * (h + 1) * c->copy + LATENCY +
         (ranks - 1) * order + h * (LATENCY + c->sum * byte) + h * (LATENCY + c->gradient * byte);
}

static void report(int width, int batch, const struct cost *c) {
  printf("2 x %-4d batch %-5d one process %7.0f us, of which the step %5.0f us", width, batch,
         1e6 * c->update, 1e6 * c->step);
  if (has_cores()) {
    printf("; %d ranks on this machine: ratio %.2f", ranks_count(), c->ratio);
  }
  printf("\n  messages: order %.0f bytes a rank, sum %.0f bytes up, gradient %.0f bytes down\n",
         c->order, c->sum, c->gradient);
  for (int gbit = 10; gbit <= 100; gbit *= 10) {
    printf("  prediction, %3d Gbit/s, 20 us:", gbit);
    for (int ranks = 2; ranks <= SHARDS; ranks *= 2) {
      printf("   %d ranks: ratio %.2f", ranks, c->update / predict(c, ranks, 1e9 * gbit));
    }
    printf("\n");
  }
  fflush(stdout);
}

int main(int argc, char **argv) {
  CHECK(ranks_start(&argc, &argv) == ERR_OK);
  CHECK(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32) == ERR_OK);
  log_set_level(LOG_WARN);
  if (ranks_count() == 1 || ranks_count() > SHARDS) {
    fprintf(stderr, "usage: mpirun -n 2|4|8 bench_ranks\n");
    return 64;
  }
  if (ranks_index() == 0) {
    printf("fetch-push's sizes, %s, %d cores, %d parts\n", gemm_kernel(), cpu_cores(), SHARDS);
  }
  for (int i = 0; i < SIZES; i++) {
    if (ranks_index() > 0) {
      CHECK(team_serve() == 0);
      continue;
    }
    struct config cfg;
    config_defaults(&cfg);
    cfg.net_hidden = (struct widths){.n = 2, .v = {SIZE[i].width, SIZE[i].width}};
    cfg.train_batch = SIZE[i].batch;
    cfg.train_shards = SHARDS;
    cfg.learner_threads = 1;
    cfg.outcome_prefit = 0;
    const struct cost cost = measure(&cfg);
    report(SIZE[i].width, SIZE[i].batch, &cost);
  }
  ranks_end();
  return 0;
}
