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
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "common/config/metrics.h"
#include "learner/nn/mlp.h"
#include "tests/bench/bench.h"

enum { MAX_ACTING_STEPS = 200000, TRAINING_STEPS = 6000, LOOK_EPISODES = 5 };

static const double bare_s = 1, acting_s = 4;  // of one thread's rollouts

// ---- the limit: rollouts alone ----

static const char *task_name = "box2d";
static const struct task *task;
static struct weights *weights;
static uint64_t episodes;  // of one thread

static void *bare_rollouts(void *arg) {
  (void)arg;
  struct rollout *r = rollout_new(
      task, &(struct rollout_options){.least = 1, .random = 0.3, .repeat = 0.5, .hindsight = 4});
  const struct dims dims = task_dims(task, 4);
  struct episode *ep = episode_new(&dims);
  for (uint64_t i = 0; i < episodes; i++) {
    const struct ticket t = {.id = i, .seed = i, .version = 1, .kind = TICKET_TRAIN};
    CHECK(rollout_run(r, ep, &t, weights, NULL) == ERR_OK);
  }
  episode_free(ep);
  rollout_free(r);
  return NULL;
}

static double bare_rate(int threads) {
  pthread_t thread[16];
  const double start = now_s();
  for (int i = 0; i < threads; i++) {
    CHECK(pthread_create(&thread[i], NULL, bare_rollouts, NULL) == 0);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], NULL);
  }
  return (double)threads * (double)episodes * task->horizon / (now_s() - start);
}

// ---- the fleet ----

struct result {
  double steps_per_s, wait;
};

// `telos train` with one actor, read through its progress lines
static struct result run_fleet(const char *folder, int threads, const char *settings) {
  static int runs;
  char command[4096];
  snprintf(command, sizeof command,
           "%s/telos train %s --actors 1 --threads %d --runs %s --name n%d_%d status.every=0.1 "
           "%s 2>%s/err",
           getenv("TELOS_BIN"), task_name, threads, folder, threads, ++runs, settings, folder);
  FILE *f = popen(command, "r");
  CHECK(f != NULL);
  char line[4096];
  double first_steps = NAN, first_s = 0, last_steps = 0, last_s = 0, waited = 0;
  while (fgets(line, sizeof line, f) != NULL) {
    struct metrics m;
    metrics_clear(&m);
    if (!metrics_parse(&m, line) || !(m.steps > 0)) {
      continue;
    }
    // the first line also counts start-up
    if (isnan(first_steps)) {
      first_steps = m.steps;
      first_s = m.seconds;
    } else {
      waited += m.learner_wait * (m.seconds - last_s);
    }
    last_steps = m.steps;
    last_s = m.seconds;
    if (m.steps >= m.total_steps) {
      break;
    }
  }
  while (fgets(line, sizeof line, f) != NULL) {
  }
  CHECK(pclose(f) == 0);
  const double dt = last_s - first_s;
  return (struct result){(last_steps - first_steps) / dt, waited / dt};
}

int main(int argc, char **argv) {
  CHECK(getenv("TELOS_BIN") != NULL && getenv("TELOS_SOURCE") != NULL);
  char path[4096], folder[] = "/tmp/bench_fleet_XXXXXX";
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/actor/tasks", getenv("TELOS_SOURCE"));
  setenv("TELOS_TASK_PATH", path, 1);
  task_name = argc > 1 ? argv[1] : task_name;
  struct task *loaded;
  if (task_load(&loaded, task_name) != ERR_OK) {
    return 1;
  }
  task = loaded;
  struct config cfg;
  config_defaults(&cfg);
  const int width[] = {loaded->obs + loaded->goal, cfg.net_hidden.v[0], cfg.net_hidden.v[1],
                       2 * loaded->act};
  struct mlp *net = mlp_new(width, 3);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  mlp_init_weights(net, &rng);
  weights = weights_new(1, width, 3, net->theta);

  printf("%s, default networks, %d cores, learner included\n", task_name, cpu_cores());
  episodes = LOOK_EPISODES;
  const double look = bare_rate(1);
  episodes = 1 + (uint64_t)(bare_s * look / task->horizon);
  const int steps = (int)fmin(MAX_ACTING_STEPS, acting_s * look);
  char acting[256], training[256];
  snprintf(acting, sizeof acting,
           "run.steps=%d train.updates_per_step=0 eval.every=0 ledger.window=6400 "
           "checkpoint.every=1e9",
           steps);
  snprintf(training, sizeof training, "run.steps=%d eval.every=0", TRAINING_STEPS);
  for (int threads = 1; threads <= 4; threads *= 2) {
    bare_rate(threads);
    const double limit = bare_rate(threads);
    const struct result act = run_fleet(folder, threads, acting);
    const struct result train = run_fleet(folder, threads, training);
    printf(
        "%d rollout threads   acting %7.0f steps/s, rollouts alone %7.0f, ratio %.3f   "
        "training %5.0f steps/s, learner waits %4.1f %%\n",
        threads, act.steps_per_s, limit, act.steps_per_s / limit, train.steps_per_s,
        100 * train.wait);
  }
  CHECK(fsio_remove_tree(folder) == ERR_OK);
  weights_unref(weights);
  mlp_free(net);
  task_free(loaded);
  return 0;
}
