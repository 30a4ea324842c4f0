// bench_rate.c - updates a second as in training, with any settings: a minibatch with relabelled
// goals from a replay of 100,000 transitions, then the update of the default rule.
//
//   bench_rate [--turns] [group.name=value ..]
//
// The sizes are those of fetch-push. By the wall clock, since an update may use several threads:
// learner.threads, or as many as there are cores.
// Without --turns: one line, the median of nine rounds. With it: "ready", then a round for each
// line of standard input, answered by one number; tests/bench/peers.sh takes turns that way.
#include <stdio.h>
#include <string.h>

#include "common/base/cpu.h"
#include "common/config/config.h"
#include "learner/nn/gemm.h"
#include "tests/bench/bench.h"
#include "tests/bench/training.h"

enum { ROUNDS = 9 };

static const double round_s = 0.5;

int main(int argc, char **argv) {
  struct config cfg;
  config_defaults(&cfg);
  bool turns = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--turns") == 0) {
      turns = true;
    } else if (config_set(&cfg, argv[i]) != ERR_OK) {
      return 64;
    }
  }
  if (config_check(&cfg) != ERR_OK || gemm_init(cfg.net_backend, cfg.net_precision) != ERR_OK) {
    return 64;
  }
  const struct dims d = {.obs = 25, .act = 4, .goal = 3, .horizon = 50, .hindsight = 4};
  const int threads = cfg.learner_threads > 0 ? (int)cfg.learner_threads : cpu_cores();
  struct training *training = training_new(&cfg, &d, threads);
  if (turns) {
    printf("ready\n");
    fflush(stdout);
    for (int c; (c = getchar()) != EOF;) {
      if (c == '\n') {
        printf("%.3f\n", training_rate(training, round_s));
        fflush(stdout);
      }
    }
  } else {
    double rates[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      rates[round] = training_rate(training, round_s);
    }
    printf(
        "fetch-push sizes, batch %d, %d threads: %.1f updates/s, with the draw of the minibatch\n",
        (int)cfg.train_batch, training_threads(training), bench_median(rates, ROUNDS));
  }
  training_free(training);
  return 0;
}
