// bounded.c - who of the two comes last, the caller or the thread, frees the job.
#include "common/base/bounded.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"

struct job {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  void (*run)(void *ctx);
  void *ctx;
  bool done;       // run has ended
  bool abandoned;  // nobody waits
};

static void job_free(struct job *j) {
  pthread_cond_destroy(&j->ended);
  pthread_mutex_destroy(&j->lock);
  free(j);
}

static void *work(void *arg) {
  struct job *j = arg;
  j->run(j->ctx);
  pthread_mutex_lock(&j->lock);
  const bool last = j->abandoned;
  j->done = true;
  pthread_cond_signal(&j->ended);
  pthread_mutex_unlock(&j->lock);
  if (last) {
    job_free(j);
  }
  return NULL;
}

static struct timespec after(int ms) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  const long nanos = t.tv_nsec + (long)(ms % 1000) * 1000000;
  t.tv_sec += ms / 1000 + nanos / 1000000000;
  t.tv_nsec = nanos % 1000000000;
  return t;
}

bool bounded_run(void (*run)(void *ctx), void *ctx, int ms) {
  struct job *j = must_alloc(1, sizeof *j);
  j->run = run;
  j->ctx = ctx;
  pthread_condattr_t clock;
  CHECK(pthread_mutex_init(&j->lock, NULL) == 0 && pthread_condattr_init(&clock) == 0);
  CHECK(pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) == 0);
  CHECK(pthread_cond_init(&j->ended, &clock) == 0);
  pthread_condattr_destroy(&clock);

  // the new thread has the mask of this one
  sigset_t all, old;
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
  pthread_t thread;
  must_thread(&thread, work, j);
  CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK(pthread_detach(thread) == 0);

  const struct timespec end = after(ms);
  pthread_mutex_lock(&j->lock);
  while (!j->done && pthread_cond_timedwait(&j->ended, &j->lock, &end) == 0) {
  }
  const bool done = j->done;
  j->abandoned = !done;
  pthread_mutex_unlock(&j->lock);
  if (done) {
    job_free(j);
  }
  return done;
}
