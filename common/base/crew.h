// crew.h - a few long-lived threads that share the tasks of one job.
//
// A job is a function called once for each of the task numbers 0 to n - 1, in no order and on no
// thread that is known beforehand. So that a result does not depend on the crew, a task's work must
// be a function of its number alone: what it reads is written before the job, what it writes no
// other task touches, and sums over tasks are made after the job, in the order of their numbers.
//
// The owner works along, and waits only for tasks that somebody else has begun: a thread that the
// system does not run holds nothing up, unless that happens within a task. Between jobs threads
// spin for some tens of microseconds, then sleep, so that an actor on the same core is not starved.
// A task costs two atomic operations, one to take it and one to say that it is done; a lock is
// taken only to sleep and to wake.
#ifndef COMMON_BASE_CREW_H
#define COMMON_BASE_CREW_H

struct crew;

enum { CREW_TASKS = 0xffff };  // of one job, at most

// threads: with the owner's, at least 1. Free with crew_free, which ends them.
struct crew *crew_new(int threads);
void crew_free(struct crew *crew);  // NULL is allowed

// Runs task(ctx, i) for i = 0 to n - 1, 0 <= n <= CREW_TASKS; returns when all are done, and what
// they wrote is then visible to the caller. Owner's thread only; from within a task it aborts. NULL
// for crew: the caller does all of it. Allocates nothing.
void crew_run(struct crew *crew, void (*task)(void *ctx, int i), void *ctx, int n);

// 1 for NULL.
int crew_threads(const struct crew *crew);

#endif
