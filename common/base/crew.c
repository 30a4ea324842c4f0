// crew.c - each thread has a seat with its share of the tasks, and takes from others when it is
// done.
//
// Shares are the same for every job of so many tasks: what a thread wrote last time, numbers of a
// part of the rows or of the parameters, is still in its own cache. Whoever is early helps, so a
// thread that the system does not run holds up no more than the one task that it may have begun.
//
// A seat's word holds the job's number and which of its tasks nobody has taken. A thread that looks
// at an old job cannot take a task of a new one by mistake, since the number differs; and one that
// has taken a task may read the job's fields, since the owner does not touch them before every task
// is done.
//
// Sleeping: whoever goes to sleep first says so, then looks once more; whoever makes work first
// makes it, then looks who sleeps. Both in one total order (seq_cst), so that one of the two sees
// the other, and no wake-up is lost.
#include "common/base/crew.h"

#include <immintrin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base/check.h"

// looks before a thread sleeps, some 20 ns each, 40 us in all: longer than the owner needs between
// two jobs of one update, much shorter than a time slice
enum { LOOKS = 2000, CACHE_LINE = 64 };

struct seat {
  _Alignas(CACHE_LINE) _Atomic uint64_t word;  // job << 32 | first task left << 16 | end of share
};

struct crew {
  // the job; written by the owner while nothing is left to take
  void (*task)(void *ctx, int i);
  void *ctx;
  int n;
  bool running;  // a job; nobody but the owner may see it change

  _Alignas(CACHE_LINE) _Atomic uint32_t job;  // number of the newest job
  _Alignas(CACHE_LINE) atomic_int done;       // tasks of the job that are done
  _Alignas(CACHE_LINE) atomic_int sleeping;   // threads of the crew that sleep, or are about to
  atomic_bool owner_sleeps;                   // it does, or is about to
  bool stop;                                  // under the lock

  pthread_mutex_t lock;
  pthread_cond_t work, finished;

  int threads;  // with the owner, whose seat is the first
  struct seat *seat;
  struct helper *helper;  // threads - 1, for the seats from 1 on
};

struct helper {
  struct crew *crew;
  int seat;
  pthread_t id;
};

// ---- tasks ----

static bool take(struct seat *seat, int *task) {
  uint64_t word = atomic_load(&seat->word);
  do {
    *task = (int)(word >> 16 & CREW_TASKS);
    if (*task == (int)(word & CREW_TASKS)) {
      return false;
    }
  } while (!atomic_compare_exchange_weak(&seat->word, &word, word + (1 << 16)));
  return true;
}

// does the tasks of its own seat, then those that others have not begun
static void do_tasks(struct crew *c, int own) {
  for (int k = 0; k < c->threads; k++) {
    struct seat *seat = &c->seat[(own + k) % c->threads];
    for (int i; take(seat, &i);) {
      const int n = c->n;
      c->task(c->ctx, i);
      // beyond this the owner may begin another job
      if (atomic_fetch_add(&c->done, 1) + 1 == n && atomic_load(&c->owner_sleeps)) {
        pthread_mutex_lock(&c->lock);
        pthread_cond_signal(&c->finished);
        pthread_mutex_unlock(&c->lock);
      }
    }
  }
}

// ---- helpers ----

static bool spin_for_job(struct crew *c, uint32_t seen) {
  for (int i = 0; i < LOOKS; i++) {
    if (atomic_load(&c->job) != seen) {
      return true;
    }
    _mm_pause();
  }
  return false;
}

// false: the crew ends
static bool sleep_for_job(struct crew *c, uint32_t seen) {
  pthread_mutex_lock(&c->lock);
  atomic_fetch_add(&c->sleeping, 1);
  while (!c->stop && atomic_load(&c->job) == seen) {
    pthread_cond_wait(&c->work, &c->lock);
  }
  atomic_fetch_sub(&c->sleeping, 1);
  const bool stop = c->stop;
  pthread_mutex_unlock(&c->lock);
  return !stop;
}

static void *thread_main(void *arg) {
  const struct helper *helper = arg;
  struct crew *c = helper->crew;
  uint32_t seen = 0;
  while (spin_for_job(c, seen) || sleep_for_job(c, seen)) {
    seen = atomic_load(&c->job);
    do_tasks(c, helper->seat);
  }
  return NULL;
}

// ---- the owner ----

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

// gives the tasks of the next job to the seats, and tells whoever sleeps
static void begin_job(struct crew *c) {
  const uint64_t n = (uint64_t)c->n, threads = (uint64_t)c->threads;
  const uint32_t job = atomic_load(&c->job) + 1;
  atomic_store(&c->done, 0);
  for (uint64_t k = 0; k < threads; k++) {
    const uint64_t first = n * k / threads, end = n * (k + 1) / threads;
    atomic_store(&c->seat[k].word, (uint64_t)job << 32 | first << 16 | end);
  }
  atomic_store(&c->job, job);
  if (atomic_load(&c->sleeping) > 0) {
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->work);
    pthread_mutex_unlock(&c->lock);
  }
}

static void run_alone(void (*task)(void *ctx, int i), void *ctx, int n) {
  for (int i = 0; i < n; i++) {
    task(ctx, i);
  }
}

void crew_run(struct crew *c, void (*task)(void *ctx, int i), void *ctx, int n) {
  CHECK(task && n >= 0 && n <= CREW_TASKS);
  if (c == NULL) {
    run_alone(task, ctx, n);
    return;
  }
  // a job within a job would take the first one's fields away
  CHECK(!c->running);
  c->running = true;
  if (c->threads == 1 || n <= 1) {
    run_alone(task, ctx, n);
  } else {
    c->task = task;
    c->ctx = ctx;
    c->n = n;
    begin_job(c);
    do_tasks(c, 0);
    wait_until_done(c);
  }
  c->running = false;
}

int crew_threads(const struct crew *c) {
  return c ? c->threads : 1;
}

// ---- life ----

struct crew *crew_new(int threads) {
  CHECK(threads >= 1);
  struct crew *c = must_alloc(1, sizeof *c);
  c->threads = threads;
  c->seat = must_alloc((size_t)threads, sizeof *c->seat);
  c->helper = must_alloc((size_t)threads, sizeof *c->helper);
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->work, NULL);
  pthread_cond_init(&c->finished, NULL);
  for (int i = 0; i < threads - 1; i++) {
    struct helper *helper = &c->helper[i];
    helper->crew = c;
    helper->seat = i + 1;
    must_thread(&helper->id, thread_main, helper);
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
    pthread_join(c->helper[i].id, NULL);
  }
  pthread_cond_destroy(&c->work);
  pthread_cond_destroy(&c->finished);
  pthread_mutex_destroy(&c->lock);
  free(c->seat);
  free(c->helper);
  free(c);
}
