// bench_fleet.c - env steps per second of the whole machine: real learner, real actor, loopback.
//
// With 1, 2 and 4 rollout threads, twice each: acting only (no updates: what tickets, wire, checks,
// replay and segments cost) and training with the default settings. The limit of the first is the
// same number of threads that run the same rollouts with nothing around them, measured in the same
// run. "learner waits" is the share of time in which the trainer had no episode to fold in. How
// many steps each does follows from a short look at the speed of the task's rollouts.
//
//   bench_fleet [TASK]      default box2d; a task with a goal, since the learner needs one
#include <math.h>
#include <stdio.h>

#include "common/base/cpu.h"
#include "common/task/task.h"
#include "tests/bench/machine.h"

enum { MAX_ACTING_STEPS = 200000, TRAINING_STEPS = 6000, LOOK_EPISODES = 5 };

static const double bare_s = 1, acting_s = 4;  // of one thread's rollouts

int main(int argc, char **argv) {
  const struct task *task = machine_open(argc > 1 ? argv[1] : "box2d");
  if (task == NULL) {
    return 1;
  }
  printf("%s, default networks, %d cores, learner included\n", task->name, cpu_cores());
  const double look = machine_bare(1, LOOK_EPISODES);
  const uint64_t episodes = 1 + (uint64_t)(bare_s * look / task->horizon);
  const int steps = (int)fmin(MAX_ACTING_STEPS, acting_s * look);
  char acting[256], training[256];
  snprintf(acting, sizeof acting,
           "run.steps=%d train.updates_per_step=0 eval.every=0 ledger.window=6400 "
           "checkpoint.every=1e9",
           steps);
  snprintf(training, sizeof training, "run.steps=%d eval.every=0", TRAINING_STEPS);
  for (int threads = 1; threads <= 4; threads *= 2) {
    machine_bare(threads, episodes);
    const double limit = machine_bare(threads, episodes);
    const struct machine_result act = machine_train(threads, 0, acting);
    const struct machine_result train = machine_train(threads, 0, training);
    printf(
        "%d rollout threads   acting %7.0f steps/s, rollouts alone %7.0f, ratio %.3f   "
        "training %5.0f steps/s, learner waits %4.1f %%\n",
        threads, act.steps_per_s, limit, act.steps_per_s / limit, train.steps_per_s,
        100 * train.wait);
  }
  machine_close();
  return 0;
}
