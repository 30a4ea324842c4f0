// queue.c - a ring of pointers under one mutex and one condition variable.
//
// The ring is allocated once. Closing only ends the waiting: items that are inside, or still
// come, can be taken out, so that a consumer drains the queue before it leaves.
#include "common/base/queue.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/base/check.h"

struct queue {
  pthread_mutex_t mutex;
  pthread_cond_t changed;  // an item came, or the queue was closed
  void **item;             // (capacity), a ring
  size_t capacity;
  size_t head;   // index of the oldest item
  size_t count;  // items inside
  bool closed;
};

struct queue *queue_new(size_t capacity) {
  CHECK(capacity > 0);
  struct queue *q = must_alloc(1, sizeof *q);
  q->item = must_alloc(capacity, sizeof *q->item);
  q->capacity = capacity;
  CHECK(pthread_mutex_init(&q->mutex, NULL) == 0);
  CHECK(pthread_cond_init(&q->changed, NULL) == 0);
  return q;
}

void queue_free(struct queue *q) {
  if (q == NULL) {
    return;
  }
  pthread_cond_destroy(&q->changed);
  pthread_mutex_destroy(&q->mutex);
  free(q->item);
  free(q);
}

void queue_push(struct queue *q, void *item) {
  CHECK(item != NULL);  // NULL is what an empty queue answers
  pthread_mutex_lock(&q->mutex);
  CHECK(q->count < q->capacity);
  size_t tail = q->head + q->count;
  q->item[tail < q->capacity ? tail : tail - q->capacity] = item;
  q->count++;
  pthread_cond_signal(&q->changed);
  pthread_mutex_unlock(&q->mutex);
}

// the oldest item or NULL; the caller holds the mutex
static void *take(struct queue *q) {
  if (q->count == 0) {
    return NULL;
  }
  void *item = q->item[q->head];
  q->head = q->head + 1 < q->capacity ? q->head + 1 : 0;
  q->count--;
  return item;
}

void *queue_pop(struct queue *q) {
  pthread_mutex_lock(&q->mutex);
  void *item = take(q);
  pthread_mutex_unlock(&q->mutex);
  return item;
}

void *queue_wait(struct queue *q) {
  pthread_mutex_lock(&q->mutex);
  while (q->count == 0 && !q->closed) {
    pthread_cond_wait(&q->changed, &q->mutex);
  }
  void *item = take(q);
  pthread_mutex_unlock(&q->mutex);
  return item;
}

void queue_close(struct queue *q) {
  pthread_mutex_lock(&q->mutex);
  q->closed = true;
  pthread_cond_broadcast(&q->changed);
  pthread_mutex_unlock(&q->mutex);
}
