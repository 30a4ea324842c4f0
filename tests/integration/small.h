// small.h - the small, fast run that several integration tests damage and compare with.
//
// 4000 steps of Box 2D with tiny networks: a second of work, several checkpoints, evaluations and
// versions. small_reference gives the policy file of an undisturbed run with the same settings.
#ifndef TESTS_INTEGRATION_SMALL_H
#define TESTS_INTEGRATION_SMALL_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "tests/integration/harness.h"

#define SMALL_SETTINGS                                                                         \
  "run.steps=4000", "net.hidden=16", "outcome.hidden=16", "train.batch=32", "eval.every=2000", \
      "eval.episodes=5", "checkpoint.every=500", "wire.heartbeat=200", "wire.port=0",          \
      "wire.weights_port=0", "wire.max_message=1000000", "status.every=0.1"

enum { SMALL_ARGS = 40 };

// telos-learner on the run folder, with further arguments up to a NULL; the last one of a setting
// wins
static inline struct proc *small_learner(const char *run, const char *const *more) {
  const char *argv[SMALL_ARGS + 1] = {
      harness_program("telos-learner"), "--task", "box2d", "--run", run, SMALL_SETTINGS};
  int n = 0;
  while (argv[n] != NULL) {
    n++;
  }
  for (int i = 0; more != NULL && more[i] != NULL; i++) {
    cr_assert(n < SMALL_ARGS);
    argv[n++] = more[i];
  }
  return proc_start_argv(NULL, argv);
}

// tcp://127.0.0.1:PORT of a learner that listens
static inline const char *small_endpoint(struct proc *learner) {
  char endpoint[128];
  const char *line = proc_wait_line(learner, "listening endpoint=");
  cr_assert_eq(sscanf(line, "listening endpoint=%127s", endpoint), 1);
  return harness_text("%s", endpoint);
}

// the port at the end of tcp://127.0.0.1:PORT or http://127.0.0.1:PORT
static inline int small_port(const char *endpoint) {
  return (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
}

// A TCP connection to that port of 127.0.0.1; -1: nobody listens there.
static inline int small_dial(const char *endpoint) {
  const struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)small_port(endpoint)),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert(fd >= 0);
  if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static inline struct proc *small_actor(const char *endpoint) {
  return proc_start(NULL, harness_program("telos-actor"), "--connect", endpoint, "--threads", "1",
                    NULL);
}

static inline const char *small_policy(const char *run) {
  return harness_text("%s/policy.safetensors", run);
}

// Runs learner and actor on the folder to the end. Returns the learner, for what it said.
static inline struct proc *small_finish(const char *run, const char *const *more) {
  struct proc *learner = small_learner(run, more);
  struct proc *actor = small_actor(small_endpoint(learner));
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0, "%s", proc_stderr(actor));
  return learner;
}

// A finished undisturbed run, made once a test.
static inline const char *small_reference(void) {
  const char *run = harness_path("reference");
  if (!harness_exists(run)) {
    small_finish(run, NULL);
  }
  return run;
}

// How many lines of text begin with start.
static inline int small_count(const char *text, const char *start) {
  int n = 0;
  for (const char *line = text; line != NULL && *line != '\0';) {
    n += strncmp(line, start, strlen(start)) == 0;
    line = strchr(line, '\n');
    line = line != NULL ? line + 1 : NULL;
  }
  return n;
}

// The program ended with this code, and told why in one error line that holds all words (up to a
// NULL).
static inline void small_assert_end(struct proc *p, int code, const char *what,
                                    const char *const *words) {
  const int end = proc_wait_exit(p);
  const char *text = proc_stderr(p);
  cr_assert_eq(end, code, "%s: exit code %d, expected %d\n%s", what, end, code, text);
  cr_assert_eq(small_count(text, "E "), 1, "%s: expected one error line\n%s", what, text);
  const char *line = strncmp(text, "E ", 2) == 0 ? text : strstr(text, "\nE ") + 1;
  const size_t n = strcspn(line, "\n");
  for (int i = 0; words[i] != NULL; i++) {
    cr_assert(memmem(line, n, words[i], strlen(words[i])) != NULL, "%s: no \"%s\" in\n%.*s", what,
              words[i], (int)n, line);
  }
}

static uint64_t small_tree_sum;

static inline int small_tree_entry(const char *path, const struct stat *st, int type,
                                   struct FTW *ftw) {
  (void)st;
  const char *name = path + ftw->base;
  const bool diary = strcmp(name, "log.txt") == 0 || strcmp(name, "progress.csv") == 0 ||
                     strcmp(name, "eval.csv") == 0 || strncmp(name, "events.out.", 11) == 0;
  if (type == FTW_F && !diary) {
    const uint64_t parts[] = {XXH3_64bits(path, strlen(path)), harness_digest(path)};
    small_tree_sum ^= XXH3_64bits(parts, sizeof parts);
  }
  return 0;
}

// A digest of all files below path with their names, but for those that only tell what happened.
static inline uint64_t small_tree(const char *path) {
  small_tree_sum = 0;
  cr_assert_eq(nftw(path, small_tree_entry, 16, FTW_PHYS), 0, "%s cannot be walked", path);
  return small_tree_sum;
}

// Replaces the folder to by a copy of from.
static inline void small_copy(const char *from, const char *to) {
  const char *command = harness_text("rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
  cr_assert_eq(system(command), 0, "%s", command);
}

#endif
