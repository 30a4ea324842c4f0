// machine.c - one task, whose policy is random: physics does not care much.
#include "tests/bench/machine.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "common/config/metrics.h"
#include "learner/nn/mlp.h"

static struct task *task;
static struct weights *weights;
static char folder[32];  // of the runs

const struct task *machine_open(const char *task_name) {
  CHECK(getenv("TELOS_BIN") != NULL && getenv("TELOS_SOURCE") != NULL);
  char path[4096];
  snprintf(path, sizeof path, "%s/actor/tasks", getenv("TELOS_SOURCE"));
  setenv("TELOS_TASK_PATH", path, 1);
  if (task_load(&task, task_name) != ERR_OK) {
    return NULL;
  }
  struct config cfg;
  config_defaults(&cfg);
  int width[CONFIG_WIDTHS + 2];
  const int nlayer = config_layers(width, task->obs + task->goal, &cfg.net_hidden, 2 * task->act);
  struct mlp *net = mlp_new(width, nlayer);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  mlp_init_weights(net, &rng);
  weights = weights_new(1, width, nlayer, net->theta);
  mlp_free(net);
  snprintf(folder, sizeof folder, "/tmp/bench_machine_XXXXXX");
  CHECK(mkdtemp(folder) != NULL);
  return task;
}

void machine_close(void) {
  CHECK(fsio_remove_tree(folder) == ERR_OK);
  weights_unref(weights);
  task_free(task);
}

static void *bare_rollouts(void *arg) {
  const uint64_t *episodes = arg;
  struct rollout *r = rollout_new(
      task, &(struct rollout_options){.least = 1, .random = 0.3, .repeat = 0.5, .hindsight = 4});
  const struct dims dims = task_dims(task, 4);
  struct episode *ep = episode_new(&dims);
  for (uint64_t i = 0; i < *episodes; i++) {
    const struct ticket t = {.id = i, .seed = i, .version = 1, .kind = TICKET_TRAIN};
    CHECK(rollout_run(r, ep, &t, weights, NULL) == ERR_OK);
  }
  episode_free(ep);
  rollout_free(r);
  return NULL;
}

double machine_bare(int threads, uint64_t episodes) {
  enum { MOST = 64 };
  CHECK(threads >= 1 && threads <= MOST);
  pthread_t thread[MOST];
  const double start = now_s();
  for (int i = 0; i < threads; i++) {
    CHECK(pthread_create(&thread[i], NULL, bare_rollouts, &episodes) == 0);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], NULL);
  }
  return (double)threads * (double)episodes * task->horizon / (now_s() - start);
}

// read through its progress lines
struct machine_result machine_train(int threads, double from, const char *settings) {
  static int runs;
  char command[4096];
  snprintf(command, sizeof command,
           "%s/telos train %s --actors 1 --threads %d --runs %s --name n%d_%d status.every=0.1 "
           "%s 2>%s/err",
           getenv("TELOS_BIN"), task->name, threads, folder, threads, ++runs, settings, folder);
  FILE *f = popen(command, "r");
  CHECK(f != NULL);
  char line[4096];
  struct metrics first, last;
  metrics_clear(&first);
  metrics_clear(&last);
  double waited = 0;
  bool begun = false;
  while (fgets(line, sizeof line, f) != NULL) {
    struct metrics m;
    metrics_clear(&m);
    if (!metrics_parse(&m, line) || !(m.steps > from)) {
      continue;
    }
    // the first line also counts start-up
    if (begun) {
      waited += m.learner_wait * (m.seconds - last.seconds);
    } else {
      first = m;
      begun = true;
    }
    last = m;
    if (m.steps >= m.total_steps) {
      break;
    }
  }
  while (fgets(line, sizeof line, f) != NULL) {
  }
  CHECK(pclose(f) == 0 && begun);
  const double dt = last.seconds - first.seconds;
  return (struct machine_result){.steps_per_s = (last.steps - first.steps) / dt,
                                 .updates_per_s = (last.updates - first.updates) / dt,
                                 .wait = waited / dt};
}
