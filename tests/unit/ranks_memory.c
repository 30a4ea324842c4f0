// ranks_memory.c - a list of messages for each pair of ranks, under one lock.
#include "tests/unit/ranks_memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "learner/ranks/ranks.h"
#include "learner/ranks/ranks_tree.h"

struct message {
  struct message *next;
  size_t bytes;
  char data[];
};

static int count = 1;
static _Thread_local int rank;
static int (*work)(void);
static pthread_t thread[RANKS_MEMORY_MOST];
static struct message *box[RANKS_MEMORY_MOST][RANKS_MEMORY_MOST];  // [to][from], oldest first
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;

int ranks_count(void) {
  return count;
}

int ranks_index(void) {
  return rank;
}

void ranks_send(int to, const void *data, size_t bytes) {
  CHECK(to >= 0 && to < count && to != rank);
  struct message *m = must_alloc(1, sizeof *m + bytes);
  m->bytes = bytes;
  memcpy(m->data, data, bytes);
  pthread_mutex_lock(&lock);
  struct message **last = &box[to][rank];
  while (*last) {
    last = &(*last)->next;
  }
  *last = m;
  pthread_cond_broadcast(&arrived);
  pthread_mutex_unlock(&lock);
}

void ranks_receive(int from, void *data, size_t bytes) {
  CHECK(from >= 0 && from < count && from != rank);
  pthread_mutex_lock(&lock);
  while (!box[rank][from]) {
    pthread_cond_wait(&arrived, &lock);
  }
  struct message *m = box[rank][from];
  box[rank][from] = m->next;
  pthread_mutex_unlock(&lock);
  CHECK(m->bytes == bytes);
  memcpy(data, m->data, bytes);
  free(m);
}

void ranks_broadcast(void *data, size_t bytes) {
  int step = ranks_tree_step(rank, count);
  if (rank > 0) {
    ranks_receive(rank - step, data, bytes);
  }
  for (step /= 2; step >= 1; step /= 2) {
    if (rank + step < count) {
      ranks_send(rank + step, data, bytes);
    }
  }
}

static void *thread_main(void *arg) {
  rank = (int)(intptr_t)arg;
  return (void *)(intptr_t)work();
}

void ranks_memory_start(int n, int (*work_)(void)) {
  CHECK(n >= 1 && n <= RANKS_MEMORY_MOST && count == 1);
  count = n;
  work = work_;
  for (int i = 1; i < n; i++) {
    CHECK(pthread_create(&thread[i], NULL, thread_main, (void *)(intptr_t)i) == 0);
  }
}

void ranks_memory_join(int exit_code[RANKS_MEMORY_MOST]) {
  for (int i = 1; i < count; i++) {
    void *result;
    CHECK(pthread_join(thread[i], &result) == 0);
    exit_code[i] = (int)(intptr_t)result;
  }
  for (int to = 0; to < count; to++) {
    for (int from = 0; from < count; from++) {
      CHECK(!box[to][from]);
    }
  }
  count = 1;
}
