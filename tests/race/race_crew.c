// race_crew.c - jobs that threads share: every task is done once, what it wrote is visible after
// the job; every thread takes part, also one that slept, and an owner that slept is woken; then
// updates of every rule, whose bits do not depend on the crew. Under ThreadSanitizer a plain
// program; exit code 0 when all is well.
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/crew.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "learner/rules/rules.h"
#include "tests/unit/minibatch.h"

enum { TASKS = 37, JOBS = 20000, B = 32, UPDATES = 20 };
// a job here takes milliseconds
enum { DEADLINE_S = 60, MEETINGS = 5, SHORT_US = 20, LONG_US = 5000 };

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

// ---- every thread takes part ----

// Whoever has begun a task waits for all the others, so that the job ends only when each thread has
// taken one. When all have met, the helpers take longer than the owner is willing to look.
struct meeting {
  pthread_t owner;
  int threads;
  atomic_int begun;
};

static void meet(void *ctx, int i) {
  (void)i;
  struct meeting *m = ctx;
  atomic_fetch_add(&m->begun, 1);
  while (atomic_load(&m->begun) < m->threads) {
    sched_yield();
  }
  if (!pthread_equal(pthread_self(), m->owner)) {
    usleep(LONG_US);
  }
}

static void on_deadline(int signal) {
  (void)signal;
  static const char text[] =
      "race_crew: a job did not end: a thread that slept was not woken, or never helps\n";
  const ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
  (void)ignored;
  _exit(1);
}

static void all_meet(struct crew *crew, unsigned pause_us) {
  struct meeting m = {.owner = pthread_self(), .threads = crew_threads(crew)};
  usleep(pause_us);
  alarm(DEADLINE_S);
  crew_run(crew, meet, &m, m.threads);
  alarm(0);
}

// threads that begin, that look for a job, and that sleep
static void every_thread_helps(int threads) {
  for (int i = 0; i < MEETINGS; i++) {
    struct crew *crew = crew_new(threads);
    all_meet(crew, 0);
    all_meet(crew, 0);
    all_meet(crew, SHORT_US);
    all_meet(crew, LONG_US);
    crew_free(crew);
  }
}

// ---- updates ----

// the state after some updates. Free with free()
static unsigned char *trained(const char *name, struct crew *crew, size_t *n) {
  struct config cfg;
  config_defaults(&cfg);
  CHECK(config_rule(&cfg, name) == ERR_OK);
  cfg.worth_reward = WORTH_REWARD_DISTANCE;
  cfg.train_batch = B;
  cfg.net_hidden = (struct widths){.n = 2, .v = {20, 20}};
  cfg.outcome_hidden = (struct widths){.n = 1, .v = {12}};
  cfg.outcome_prefit = 5;
  struct updater *u = updater_new(rules_of(&cfg), &cfg, &DIMS, crew);
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

static bool updates_are_equal(const char *name) {
  struct crew *crew = crew_new(4);
  size_t n, m;
  unsigned char *alone = trained(name, NULL, &n), *shared = trained(name, crew, &m);
  const bool good = n == m && memcmp(alone, shared, n) == 0;
  free(alone);
  free(shared);
  crew_free(crew);
  return good;
}

int main(void) {
  bool good = true;
  signal(SIGALRM, on_deadline);
  for (int threads = 1; threads <= 8; threads *= 2) {
    every_thread_helps(threads);
    good = jobs_are_done(threads) && good;
  }
  for (int r = 0; config_rule_at(r) != NULL; r++) {
    good = updates_are_equal(config_rule_at(r)->bundle.name) && good;
  }
  printf("race_crew: %s\n", good ? "passed" : "failed");
  return good ? 0 : 1;
}
