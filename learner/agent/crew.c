// crew.c - one word says which tasks of which job are left; whoever lowers it has got one.
//
// The word holds the job's number and the count of tasks that nobody has taken. A thread that
// looks at an old job cannot take a task of a new one by mistake, since the job's number differs;
// and one that has taken a task may read the job's fields, since the owner does not touch them
// before every task is done.
//
// Sleeping: whoever goes to sleep first says so, then looks once more; whoever makes work first
// makes it, then looks who sleeps. Both in one total order (seq_cst), so that one of the two sees
// the other, and no wake-up is lost.
#include "learner/agent/crew.h"

#include <immintrin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"

// looks before a thread sleeps, some 20 ns each: longer than the owner needs between two jobs of
// one update, much shorter than a time slice
enum { LOOKS = 1000, LEFT_BITS = 16, CACHE_LINE = 64 };

static const uint64_t LEFT_MASK = (UINT64_C(1) << LEFT_BITS) - 1;

struct crew {
  // the job; written by the owner while nothing is left to take
  void (*task)(void *ctx, int i);
  void *ctx;
  int n;

  _Alignas(CACHE_LINE) _Atomic uint64_t word;  // job << LEFT_BITS | tasks left to take
  _Alignas(CACHE_LINE) atomic_int done;        // tasks of the job that are done
  _Alignas(CACHE_LINE) atomic_int sleeping;    // threads of the crew that sleep, or are about to
  atomic_bool owner_sleeps;                    // it does, or is about to
  bool stop;                                   // under the lock

  pthread_mutex_t lock;
  pthread_cond_t work, finished;

  int threads;         // with the owner
  pthread_t thread[];  // threads - 1
};

static uint64_t left(uint64_t word) {
  return word & LEFT_MASK;
}

// takes tasks and does them until none is left
static void take_tasks(struct crew *c) {
  uint64_t word = atomic_load(&c->word);
  while (left(word) > 0) {
    if (!atomic_compare_exchange_weak(&c->word, &word, word - 1)) {
      continue;
    }
    const int n = c->n;
    c->task(c->ctx, n - (int)left(word));
    // beyond this the owner may begin another job
    if (atomic_fetch_add(&c->done, 1) + 1 == n && atomic_load(&c->owner_sleeps)) {
      pthread_mutex_lock(&c->lock);
      pthread_cond_signal(&c->finished);
      pthread_mutex_unlock(&c->lock);
    }
    word = atomic_load(&c->word);
  }
}

static bool spin_for_work(struct crew *c) {
  for (int i = 0; i < LOOKS; i++) {
    if (left(atomic_load_explicit(&c->word, memory_order_relaxed)) > 0) {
      return true;
    }
    _mm_pause();
  }
  return false;
}

// false: the crew ends
static bool sleep_for_work(struct crew *c) {
  pthread_mutex_lock(&c->lock);
  atomic_fetch_add(&c->sleeping, 1);
  while (!c->stop && left(atomic_load(&c->word)) == 0) {
    pthread_cond_wait(&c->work, &c->lock);
  }
  atomic_fetch_sub(&c->sleeping, 1);
  const bool stop = c->stop;
  pthread_mutex_unlock(&c->lock);
  return !stop;
}

static void *thread_main(void *arg) {
  struct crew *c = arg;
  while (spin_for_work(c) || sleep_for_work(c)) {
    take_tasks(c);
  }
  return NULL;
}

static bool all_done(struct crew *c) {
  return atomic_load(&c->done) == c->n;
}

static void wait_until_done(struct crew *c) {
  for (int i = 0; i < LOOKS; i++) {
    if (all_done(c)) {
      return;
    }
    _mm_pause();
  }
  pthread_mutex_lock(&c->lock);
  atomic_store(&c->owner_sleeps, true);
  while (!all_done(c)) {
    pthread_cond_wait(&c->finished, &c->lock);
  }
  atomic_store(&c->owner_sleeps, false);
  pthread_mutex_unlock(&c->lock);
}

void crew_run(struct crew *c, void (*task)(void *ctx, int i), void *ctx, int n) {
  CHECK(task && n >= 0 && n <= (int)LEFT_MASK);
  if (c == NULL || c->threads == 1 || n <= 1) {
    for (int i = 0; i < n; i++) {
      task(ctx, i);
    }
    return;
  }
  c->task = task;
  c->ctx = ctx;
  c->n = n;
  atomic_store(&c->done, 0);
  const uint64_t job = (atomic_load(&c->word) >> LEFT_BITS) + 1;
  atomic_store(&c->word, job << LEFT_BITS | (uint64_t)n);
  if (atomic_load(&c->sleeping) > 0) {
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->work);
    pthread_mutex_unlock(&c->lock);
  }
  take_tasks(c);
  wait_until_done(c);
}

int crew_threads(const struct crew *c) {
  return c ? c->threads : 1;
}

struct crew *crew_new(int threads) {
  CHECK(threads >= 1);
  struct crew *c = must_alloc(1, sizeof *c + (size_t)(threads - 1) * sizeof(pthread_t));
  c->threads = 1;
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->work, NULL);
  pthread_cond_init(&c->finished, NULL);
  for (int i = 0; i < threads - 1; i++, c->threads++) {
    const int failed = pthread_create(&c->thread[i], NULL, thread_main, c);
    if (failed) {
      log_warn("learner.threads: only %d of %d threads could be started (%s); results are the same",
               c->threads, threads, strerror(failed));
      break;
    }
  }
  return c;
}

void crew_free(struct crew *c) {
  if (c == NULL) {
    return;
  }
  pthread_mutex_lock(&c->lock);
  c->stop = true;
  pthread_cond_broadcast(&c->work);
  pthread_mutex_unlock(&c->lock);
  for (int i = 0; i < c->threads - 1; i++) {
    pthread_join(c->thread[i], NULL);
  }
  pthread_cond_destroy(&c->work);
  pthread_cond_destroy(&c->finished);
  pthread_mutex_destroy(&c->lock);
  free(c);
}
