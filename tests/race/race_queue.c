// race_queue.c - what crosses threads: queues, shared snapshots of weights, log lines. Under
// ThreadSanitizer a plain program (Criterion cannot start there); exit code 0 when all arrived.
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/queue.h"
#include "common/nn/weights.h"

enum { PRODUCERS = 2, CONSUMERS = 2, EACH = 5000, ROOM = 64 };

static struct queue *items, *room;  // room holds a token for every free place of items
static _Atomic long received, sum;

// every item is one reference to a snapshot that all share
static struct weights *shared;

static void *produce(void *arg) {
  (void)arg;
  for (int i = 0; i < EACH; i++) {
    CHECK(queue_wait(room) != NULL);
    queue_push(items, weights_ref(shared));
    if (i % 1000 == 0) {
      log_info("%d pushed", i);
    }
  }
  return NULL;
}

static void *consume(void *arg) {
  (void)arg;
  static char token;
  for (struct weights *w; (w = queue_wait(items)) != NULL;) {
    atomic_fetch_add(&sum, (long)w->data[1]);
    atomic_fetch_add(&received, 1);
    weights_unref(w);
    queue_push(room, &token);
  }
  return NULL;
}

int main(void) {
  static char token;
  const int width[] = {1, 1};
  const float data[] = {0.0f, 3.0f};
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  log_set_file(null);
  shared = weights_new(7, width, 1, data);
  items = queue_new(ROOM);
  room = queue_new(ROOM);
  for (int i = 0; i < ROOM; i++) {
    queue_push(room, &token);
  }
  pthread_t producers[PRODUCERS], consumers[CONSUMERS];
  for (int i = 0; i < CONSUMERS; i++) {
    CHECK(pthread_create(&consumers[i], NULL, consume, NULL) == 0);
  }
  for (int i = 0; i < PRODUCERS; i++) {
    CHECK(pthread_create(&producers[i], NULL, produce, NULL) == 0);
  }
  for (int i = 0; i < PRODUCERS; i++) {
    pthread_join(producers[i], NULL);
  }
  // what is inside when it closes still comes out
  queue_close(items);
  for (int i = 0; i < CONSUMERS; i++) {
    pthread_join(consumers[i], NULL);
  }
  const bool good = received == PRODUCERS * EACH && sum == 3L * PRODUCERS * EACH;
  queue_free(items);
  queue_free(room);
  weights_unref(shared);
  log_set_file(-1);
  close(null);
  printf("race_queue: %s\n", good ? "passed" : "failed");
  return good ? 0 : 1;
}
