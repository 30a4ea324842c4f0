// test_crew.c - what crew.h promises to a caller; what threads do together is race_crew.c's.
#include <criterion/criterion.h>
#include <signal.h>

#include "common/base/crew.h"

static struct crew *crew;

static void count(void *ctx, int i) {
  (void)i;
  ++*(int *)ctx;
}

static void count_within(void *ctx, int i) {
  (void)i;
  crew_run(crew, count, ctx, 1);
}

Test(crew, nobody_and_one_thread_do_all) {
  int n = 0;
  crew_run(NULL, count, &n, 3);
  cr_expect_eq(n, 3);
  cr_expect_eq(crew_threads(NULL), 1);
  crew = crew_new(1);
  crew_run(crew, count, &n, 4);
  crew_run(crew, count, &n, 0);
  cr_expect_eq(n, 7);
  crew_free(crew);
}

Test(crew, a_job_within_a_job_is_a_bug, .signal = SIGABRT, .timeout = 60) {
  int n = 0;
  crew = crew_new(4);
  crew_run(crew, count_within, &n, 4);
}

// also where it would do no harm: with one task, or one thread
Test(crew, a_job_within_a_single_task_is_a_bug, .signal = SIGABRT) {
  int n = 0;
  crew = crew_new(4);
  crew_run(crew, count_within, &n, 1);
}

Test(crew, a_job_within_a_job_of_one_thread_is_a_bug, .signal = SIGABRT) {
  int n = 0;
  crew = crew_new(1);
  crew_run(crew, count_within, &n, 2);
}

Test(crew, too_many_tasks_are_a_bug, .signal = SIGABRT) {
  int n = 0;
  crew_run(NULL, count, &n, CREW_TASKS + 1);
}
