// queue.h - a first-in first-out queue of pointers between two threads.
//
// Bounded at creation (the number of open tickets bounds what can be in flight), so push never
// allocates and never blocks; a mutex is fine here: it is taken once an episode, not once a step.
#ifndef COMMON_BASE_QUEUE_H
#define COMMON_BASE_QUEUE_H

#include <stddef.h>

struct queue;

struct queue *queue_new(size_t capacity);
void queue_free(struct queue *q);  // NULL is allowed; items still inside are the caller's loss

// Takes ownership of the item. CHECKs that there is room.
void queue_push(struct queue *q, void *item);

// The oldest item, or NULL: queue_pop returns at once, queue_wait sleeps until an item comes or
// the queue is closed (then NULL once it is empty).
void *queue_pop(struct queue *q);
void *queue_wait(struct queue *q);

// Wakes all waiters for good.
void queue_close(struct queue *q);

#endif
