// machine.h - for benches: rollouts of a task with nothing around them, and a real learner with a
// real actor over loopback. Wants TELOS_BIN and TELOS_SOURCE.
#ifndef TESTS_BENCH_MACHINE_H
#define TESTS_BENCH_MACHINE_H

#include <stdint.h>

struct task;

// What a run did between two of its progress lines.
struct machine_result {
  double steps_per_s, updates_per_s;
  double wait;  // share of the time in which the trainer had no episode to fold in
};

// Loads the task, by its name; its rollouts use a random policy with the default networks. One
// machine at a time. NULL (logged): no such task. Close with machine_close.
const struct task *machine_open(const char *task_name);
void machine_close(void);

// Steps a second of so many threads together, each with that many episodes.
double machine_bare(int threads, uint64_t episodes);

// `telos train` with one actor of so many threads until run.steps, which settings name; what begins
// before more than from steps are committed is not counted.
struct machine_result machine_train(int threads, double from, const char *settings);

#endif
