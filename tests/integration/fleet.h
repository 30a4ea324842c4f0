// fleet.h - a learner and its actors as processes of a test, and what tells how far they are.
//
// The programs are started one by one, not by `telos train`, so that a test sees every exit code
// and decides itself who is started again. The configuration is small: a run takes about a second.
// Phases are recognised by events (progress lines, checkpoints on disk), never by waiting a while.
#ifndef TESTS_INTEGRATION_FLEET_H
#define TESTS_INTEGRATION_FLEET_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/config/metrics.h"
#include "tests/integration/harness.h"

enum {
  FLEET_ACTORS = 4,
  FLEET_SETTINGS = 40,
  FLEET_POLL_MS = 10,
  FLEET_POLLS = 12000,  // at least two minutes: only a hang takes as long
};

struct fleet {
  const char *task;                      // box2d
  const char *run;                       // folder
  const char *keys;                      // folder of keys of learner and actors; NULL: plain
  const char *settings[FLEET_SETTINGS];  // NULL-terminated
  int nsettings;
  struct proc *learner;
  const char *endpoint;
  struct proc *actors[FLEET_ACTORS];
};

// what every test trains with, before its own settings
static const char *const fleet_small[] = {
    "run.steps=6000",           "net.hidden=16",
    "outcome.hidden=16",        "train.batch=32",
    "eval.every=2000",          "eval.episodes=5",
    "checkpoint.every=500",     "wire.heartbeat=200",
    "wire.weights_port=0",      "train.warmup_steps=1000",
    "train.updates_per_step=1", "status.every=0.05",
};

static inline void fleet_set(struct fleet *f, const char *setting) {
  cr_assert(f->nsettings < FLEET_SETTINGS - 1);
  f->settings[f->nsettings++] = setting;
  f->settings[f->nsettings] = NULL;
}

// settings: NULL-terminated, or NULL
static inline struct fleet *fleet_new(const char *name, const char *const *settings) {
  struct fleet *f = calloc(1, sizeof *f);
  cr_assert_not_null(f);
  f->task = "box2d";
  f->run = harness_path("%s", name);
  for (size_t i = 0; i < sizeof fleet_small / sizeof *fleet_small; i++) {
    fleet_set(f, fleet_small[i]);
  }
  for (int i = 0; settings != NULL && settings[i] != NULL; i++) {
    fleet_set(f, settings[i]);
  }
  return f;
}

// a life of the learner; a later one takes the port of the one before. Does not wait for it.
static inline void fleet_start_learner(struct fleet *f) {
  const char *port = f->endpoint != NULL ? strrchr(f->endpoint, ':') + 1 : "0";
  const char *argv[FLEET_SETTINGS + 10] = {
      harness_program("telos-learner"),  "--task", f->task, "--run", f->run,
      harness_text("wire.port=%s", port)};
  for (int i = 0; i < f->nsettings; i++) {
    argv[6 + i] = f->settings[i];
  }
  if (f->keys != NULL) {
    argv[6 + f->nsettings] = "--keys";
    argv[7 + f->nsettings] = f->keys;
  }
  f->learner = proc_start_argv(NULL, argv);
}

static inline void fleet_wait_listening(struct fleet *f) {
  char endpoint[128];
  const char *line = proc_wait_line(f->learner, "listening endpoint=");
  cr_assert_eq(sscanf(line, "listening endpoint=%127s", endpoint), 1, "%s", line);
  f->endpoint = harness_text("%s", endpoint);
}

static inline void fleet_start_actor(struct fleet *f, int i, const char *program, int threads) {
  f->actors[i] = proc_start(NULL, harness_program(program), "--connect", f->endpoint, "--threads",
                            harness_text("%d", threads), "--name", harness_text("a%d", i),
                            f->keys != NULL ? "--keys" : NULL, f->keys, NULL);
}

// keys of a learner and an actor, allowed, in a folder of this name; the folder
static inline const char *fleet_keys(const char *name) {
  const char *keys = harness_path("%s", name);
  static const char *const words[][3] = {{"new", "learner", "actor"}, {"allow", "actor", NULL}};
  for (int i = 0; i < 2; i++) {
    struct proc *p = proc_start(NULL, harness_program("telos"), "keys", "--keys", keys, words[i][0],
                                words[i][1], words[i][2], NULL);
    cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  }
  return keys;
}

static inline void fleet_start(struct fleet *f, int actors, int threads) {
  fleet_start_learner(f);
  fleet_wait_listening(f);
  for (int i = 0; i < actors; i++) {
    fleet_start_actor(f, i, "telos-actor", threads);
  }
}

// "<run>/policy.safetensors"
static inline const char *fleet_policy(const struct fleet *f) {
  return harness_text("%s/policy.safetensors", f->run);
}

// the learner ends well. Actors are told that it is done; one that was away at that moment waits
// for a next learner, and is asked to leave.
static inline void fleet_end(struct fleet *f) {
  cr_assert_eq(proc_wait_exit(f->learner), 0);
  for (int i = 0; i < FLEET_ACTORS; i++) {
    if (f->actors[i] != NULL) {
      proc_signal(f->actors[i], SIGTERM);
      // as an actor that is still starting has no handler yet
      const int code = proc_wait_exit(f->actors[i]);
      cr_assert(code == 0 || code == 75 || code == -SIGTERM, "actor %d ended with %d, saying: %s",
                i, code, proc_stderr(f->actors[i]));
    }
  }
}

// a whole run of a task; its policy file
static inline const char *fleet_train_task(const char *task, const char *name,
                                           const char *const *settings, int actors, int threads) {
  struct fleet *f = fleet_new(name, settings);
  f->task = task;
  fleet_start(f, actors, threads);
  fleet_end(f);
  const char *policy = fleet_policy(f);
  free(f);
  return policy;
}

static inline const char *fleet_train(const char *name, const char *const *settings, int actors,
                                      int threads) {
  return fleet_train_task("box2d", name, settings, actors, threads);
}

static inline void fleet_pause(void) {
  nanosleep(&(struct timespec){.tv_nsec = FLEET_POLL_MS * 1000000L}, NULL);
}

// the newest progress line of a program; false when there is none yet
static inline bool fleet_progress(struct proc *p, struct metrics *m) {
  const char *text = proc_stdout(p), *last = NULL;
  metrics_clear(m);
  for (const char *at = text; (at = strstr(at, "progress steps=")) != NULL; at++) {
    if (strchr(at, '\n') != NULL) {
      last = at;
    }
  }
  if (last == NULL) {
    return false;
  }
  const char *line = harness_text("%.*s", (int)strcspn(last, "\n"), last);
  cr_assert(metrics_parse(m, line), "not a progress line: %s", line);
  return true;
}

// waits until the program has reported that many committed steps, or has ended
static inline void fleet_wait_steps(struct proc *p, double steps, struct metrics *m) {
  for (int i = 0; i < FLEET_POLLS; i++) {
    const bool running = proc_running(p);
    if ((fleet_progress(p, m) && m->steps >= steps) || !running) {
      return;
    }
    fleet_pause();
  }
  cr_assert_fail("%.0f steps were not reached", steps);
}

// steps of the newest complete checkpoint on disk, 0 when there is none
static inline long fleet_checkpoint(const char *run) {
  DIR *dir = opendir(harness_text("%s/checkpoints", run));
  long newest = 0;
  for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
    char *end;
    if (strncmp(e->d_name, "step_", 5) == 0) {
      const long steps = strtol(e->d_name + 5, &end, 10);
      newest = *end == '\0' && steps > newest ? steps : newest;
    }
  }
  if (dir != NULL) {
    closedir(dir);
  }
  return newest;
}

// waits until a checkpoint of at least so many steps is there, or the program has ended
static inline void fleet_wait_checkpoint(struct proc *p, const char *run, long steps) {
  for (int i = 0; i < 10 * FLEET_POLLS; i++) {
    const bool running = proc_running(p);
    if (fleet_checkpoint(run) >= steps || !running) {
      return;
    }
    nanosleep(&(struct timespec){.tv_nsec = 1000000L}, NULL);
  }
  cr_assert_fail("no checkpoint of %ld steps", steps);
}

// The learner is killed when its last checkpoint has so many steps, and started again.
static inline void fleet_kill_learner(struct fleet *f, long at_least, long at_most) {
  proc_signal(f->learner, SIGKILL);
  cr_assert_eq(proc_wait_exit(f->learner), -SIGKILL);
  const long steps = fleet_checkpoint(f->run);
  cr_assert(steps >= at_least && steps <= at_most,
            "killed with a checkpoint of %ld steps, not within %ld .. %ld", steps, at_least,
            at_most);
  fleet_start_learner(f);
}

#endif
