// race_fleet.c - a learner and two actors as threads of one process, under ThreadSanitizer: every
// queue, snapshot and flag between loop, trainer and rollout threads is crossed, with audits on.
// A plain program (Criterion cannot start under ThreadSanitizer); exit code 0 when all ended well.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/client.h"
#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/config/config.h"
#include "common/task/task.h"
#include "learner/nn/gemm.h"
#include "learner/rundir.h"
#include "learner/server.h"

enum { ACTORS = 2, THREADS = 2 };

static char endpoint[128];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t listening = PTHREAD_COND_INITIALIZER;

static void on_listening(void *ctx, const char *at, const char *url) {
  (void)url;
  (void)ctx;
  pthread_mutex_lock(&lock);
  snprintf(endpoint, sizeof endpoint, "%s", at);
  pthread_cond_broadcast(&listening);
  pthread_mutex_unlock(&lock);
}

static void *act(void *arg) {
  enum err *err = arg;
  pthread_mutex_lock(&lock);
  while (endpoint[0] == '\0') {
    pthread_cond_wait(&listening, &lock);
  }
  pthread_mutex_unlock(&lock);
  *err = client_run(&(struct client_options){.endpoint = endpoint, .threads = THREADS});
  return NULL;
}

static enum err set_all(struct config *cfg) {
  static const char *const settings[] = {
      "run.steps=4000",         "net.hidden=16",   "outcome.hidden=16",   "train.batch=32",
      "train.warmup_steps=500", "eval.every=1000", "eval.episodes=8",     "checkpoint.every=1000",
      "ledger.audit=0.5",       "wire.port=0",     "wire.weights_port=0", "status.every=0.2",
      "wire.heartbeat=2000",
  };
  config_defaults(cfg);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < sizeof settings / sizeof *settings; i++) {
    err = config_set(cfg, settings[i]);
  }
  return err;
}

int main(void) {
  CHECK(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32) == ERR_OK);
  struct config cfg;
  struct task *task;
  struct rundir run;
  const char *tmp = getenv("TELOS_TEST_TMP");
  char folder[4096];
  snprintf(folder, sizeof folder, "%s/race_fleet_XXXXXX", tmp != NULL ? tmp : "/tmp");
  CHECK(tmp == NULL || fsio_mkdirs(tmp) == ERR_OK);
  CHECK(mkdtemp(folder) != NULL);
  CHECK(set_all(&cfg) == ERR_OK);
  char task_file[4096];
  snprintf(task_file, sizeof task_file, "%s/actor/tasks/box2d.xml", getenv("TELOS_SOURCE"));
  CHECK(task_load(&task, task_file) == ERR_OK);
  CHECK(rundir_open(&run, folder, RESUME_AUTO, &cfg, task, "race_fleet") == ERR_OK);

  pthread_t threads[ACTORS];
  enum err ends[ACTORS];
  for (int i = 0; i < ACTORS; i++) {
    CHECK(pthread_create(&threads[i], NULL, act, &ends[i]) == 0);
  }
  struct server *server;
  const enum err end = server_run(
      &server,
      &(struct server_options){.cfg = &cfg, .task = task, .run = &run, .listening = on_listening});
  server_free(server);
  int bad = end != ERR_OK;
  for (int i = 0; i < ACTORS; i++) {
    pthread_join(threads[i], NULL);
    bad += ends[i] != ERR_OK;
  }
  rundir_close(&run);
  task_free(task);
  CHECK(fsio_remove_tree(folder) == ERR_OK);
  printf("race_fleet: %s\n", bad ? "failed" : "passed");
  return bad ? 1 : 0;
}
