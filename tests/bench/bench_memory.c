// bench_memory.c - bytes per stored transition of Fetch Push, and per actor.
//
// A transition: what the process grows by while replay takes a million of them, against the least
// that they can take: each observation, achieved goal, action and hindsight index once, each
// desired goal once an episode. Then the same of a ring that is full and has turned over.
//
// An actor: a real one with one rollout thread, after 200 episodes and as many versions, from
// /proc. "resident" counts all its pages, "own" those that no other process has: libraries are
// shared by all actors of a machine.
//
//   bench_memory          exit code 1 when an actor's resident set is above 12 MB
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/config/metrics.h"
#include "common/episode.h"
#include "learner/replay/replay.h"

enum { STORED = 1000000, EPISODES = 200 };

static const double limit_mb = 12;

// A figure [kB] of a file in /proc, whose line begins with name; 0: no such line.
static double proc_kb(pid_t pid, const char *file, const char *name) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
  FILE *f = fopen(path, "r");
  CHECK(f != NULL);
  double kb = 0;
  while (fgets(line, sizeof line, f) != NULL) {
    if (strncmp(line, name, strlen(name)) == 0) {
      kb += strtod(line + strlen(name), NULL);
    }
  }
  fclose(f);
  return kb;
}

// ---- transitions ----

static const struct dims push = {.obs = 25, .act = 4, .goal = 3, .horizon = 50, .hindsight = 4};

static double least_bytes(void) {
  const double T = push.horizon;
  const double floats = (T + 1) * (push.obs + push.goal) + T * push.act + push.goal;
  return (sizeof(float) * floats + sizeof(uint16_t) * T * push.hindsight) / T;
}

// bytes a transition that is in replay in the end, when so many were added
static double replay_growth(int64_t capacity, int64_t added) {
  struct episode *ep = episode_new(&push);
  ep->T = push.horizon;
  for (int t = 0; t < ep->T * push.hindsight; t++) {
    ep->hindsight[t] = (uint16_t)push.horizon;
  }
  const double before = proc_kb(getpid(), "smaps_rollup", "Private_Dirty:");
  struct replay *r = replay_new(&push, capacity, 0.8);
  for (int64_t n = 0; n < added; n += push.horizon) {
    replay_add(r, ep);
  }
  const double after = proc_kb(getpid(), "smaps_rollup", "Private_Dirty:");
  const double each = 1024 * (after - before) / (double)replay_size(r);
  replay_free(r);
  episode_free(ep);
  return each;
}

static void measure_replay(const char *what, int64_t capacity, int64_t added) {
  const double bytes = replay_growth(capacity, added), least = least_bytes();
  printf("replay %-32s %6.1f bytes a transition, least %.1f: ratio %.3f\n", what, bytes, least,
         least / bytes);
}

// ---- an actor ----

// A program of ours; *out reads its standard output.
static pid_t start(FILE **out, const char *const *argv) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(ends[1], STDOUT_FILENO) >= 0);
    CHECK(freopen("/dev/null", "w", stderr) != NULL);
    close(ends[0]);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  close(ends[1]);
  *out = fdopen(ends[0], "r");
  CHECK(*out != NULL);
  return pid;
}

static void stop(pid_t pid, FILE *out) {
  kill(pid, SIGKILL);
  CHECK(waitpid(pid, NULL, 0) == pid);
  fclose(out);
}

// true when the limit is held
static bool measure_actor(const char *bin) {
  char folder[] = "/tmp/bench_memory_XXXXXX", learner_path[4096], actor_path[4096], run[64];
  char endpoint[128] = "", line[4096];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(learner_path, sizeof learner_path, "%s/telos-learner", bin);
  snprintf(actor_path, sizeof actor_path, "%s/telos-actor", bin);
  snprintf(run, sizeof run, "%s/run", folder);
  const char *const learner_argv[] = {learner_path,
                                      "--task",
                                      "fetch-push",
                                      "--run",
                                      run,
                                      "wire.port=0",
                                      "run.steps=1e9",
                                      "wire.weights_port=0",
                                      "eval.every=0",
                                      "train.updates_per_step=0.1",
                                      "status.every=0.2",
                                      NULL};
  FILE *said, *silent;
  const pid_t learner = start(&said, learner_argv);
  while (endpoint[0] == '\0' && fgets(line, sizeof line, said) != NULL) {
    (void)sscanf(line, "listening endpoint=%127s", endpoint);
  }
  CHECK(endpoint[0] != '\0');
  const char *const actor_argv[] = {actor_path, "--connect", endpoint, "--threads", "1", NULL};
  const pid_t actor = start(&silent, actor_argv);
  struct metrics m = {.episodes = 0};
  while (!(m.episodes >= EPISODES) && fgets(line, sizeof line, said) != NULL) {
    metrics_parse(&m, line);
  }
  CHECK(m.episodes >= EPISODES);
  const double rss = 1.024e-3 * proc_kb(actor, "status", "VmRSS:");
  const double own = 1.024e-3 * (proc_kb(actor, "smaps_rollup", "Private_Dirty:") +
                                 proc_kb(actor, "smaps_rollup", "Private_Clean:"));
  const double peak = 1.024e-3 * proc_kb(actor, "status", "VmHWM:");
  printf(
      "actor, fetch-push, one rollout thread: resident %.1f MB (limit %.0f: ratio %.2f)%s, its own "
      "%.1f MB, peak while the model is loaded %.1f MB\n",
      rss, limit_mb, rss / limit_mb, rss <= limit_mb ? "" : " MISSED", own, peak);
  stop(actor, silent);
  stop(learner, said);
  CHECK(fsio_remove_tree(folder) == ERR_OK);
  return rss <= limit_mb;
}

int main(void) {
  CHECK(getenv("TELOS_BIN") != NULL);
  measure_replay("never full", 2 * STORED, STORED);
  measure_replay("full, turned over", STORED, 3 * STORED);
  fflush(stdout);
  return measure_actor(getenv("TELOS_BIN")) ? 0 : 1;
}
