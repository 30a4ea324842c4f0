// race_crew.c - jobs that threads share: every task is done once, what it wrote is visible after
// the job, and threads that slept in between are woken; then updates of every rule, whose bits do
// not depend on the crew. Under ThreadSanitizer a plain program; exit code 0 when all is well.
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/config.h"
#include "learner/agent/crew.h"
#include "learner/rules/rules.h"
#include "tests/unit/minibatch.h"

enum { TASKS = 37, JOBS = 20000, B = 32, UPDATES = 20 };

static const struct dims DIMS = {.obs = 3, .act = 2, .goal = 2, .horizon = 10, .hindsight = 1};

// plain numbers: each belongs to one task, and to the owner between jobs
struct sheet {
  int times[TASKS];
  int job;
};

static void mark(void *ctx, int i) {
  struct sheet *sheet = ctx;
  sheet->times[i] += sheet->job % 3 + 1;
}

static bool jobs_are_done(int threads) {
  struct crew *crew = crew_new(threads);
  struct sheet sheet = {0};
  int want[TASKS] = {0};
  bool good = crew_threads(crew) == threads;
  for (sheet.job = 0; sheet.job < JOBS; sheet.job++) {
    const int n = sheet.job % (TASKS + 1);
    crew_run(crew, mark, &sheet, n);
    for (int i = 0; i < n; i++) {
      want[i] += sheet.job % 3 + 1;
    }
    good = good && memcmp(want, sheet.times, sizeof want) == 0;
    if (sheet.job % 1000 == 0) {
      usleep(2000);  // by now all of them sleep, or are about to
    }
  }
  crew_free(crew);
  return good;
}

// the state after some updates. Free with free()
static unsigned char *trained(const struct rule *rule, struct crew *crew, size_t *n) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.train_batch = B;
  cfg.net_hidden = (struct widths){.n = 2, .v = {20, 20}};
  cfg.outcome_hidden = (struct widths){.n = 1, .v = {12}};
  cfg.outcome_prefit = 5;
  struct updater *u = updater_new(rule, &cfg, &DIMS, crew);
  for (uint64_t index = 0; index < UPDATES; index++) {
    struct batch *b = minibatch_random(&DIMS, B, index);
    CHECK(index > 0 || minibatch_prepare(u, b) == ERR_OK);
    CHECK(updater_update(u, b, index) == ERR_OK);
    batch_free(b);
  }
  unsigned char *state = minibatch_state(u, n);
  updater_free(u);
  return state;
}

static bool updates_are_equal(const struct rule *rule) {
  struct crew *crew = crew_new(4);
  size_t n, m;
  unsigned char *alone = trained(rule, NULL, &n), *shared = trained(rule, crew, &m);
  const bool good = n == m && memcmp(alone, shared, n) == 0;
  free(alone);
  free(shared);
  crew_free(crew);
  return good;
}

int main(void) {
  bool good = true;
  for (int threads = 1; threads <= 8; threads *= 2) {
    good = jobs_are_done(threads) && good;
  }
  for (int r = 0; rules_at(r) != NULL; r++) {
    good = updates_are_equal(rules_at(r)) && good;
  }
  printf("race_crew: %s\n", good ? "passed" : "failed");
  return good ? 0 : 1;
}
