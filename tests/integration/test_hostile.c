// test_hostile.c - an encrypted learner among strangers: what they can read, what they can repeat,
// and what crowds of them can do. TELOS_TEST_HANDSHAKES: how many there have to be at least while a
// run trains (200); the run is as long as it takes for that here.
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/rng.h"
#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"
#include "tests/integration/proxy.h"
#include "tests/integration/small.h"

#define ACTOR "an-actor-by-name"
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { HANDSHAKES = 200, GREETING = 64, HELLO = 202, FLOATS = 4, REPLAY_MS = 1000 };

// ---- crowds ----

// ZMTP's greeting with this mechanism, and what would follow it, of random bytes
static size_t write_handshake(unsigned char *out, struct rng *rng, const char *mechanism) {
  memset(out, 0, GREETING);
  out[0] = 0xff;
  out[9] = 0x7f;
  out[10] = 3;
  memcpy(out + 12, mechanism, strlen(mechanism));
  for (int i = GREETING; i < GREETING + HELLO; i++) {
    out[i] = (unsigned char)rng_below(rng, 256);
  }
  // a command frame of the length of CURVE's HELLO
  static const unsigned char hello[] = {0x04, 200, 5, 'H', 'E', 'L', 'L', 'O', 1, 0};
  memcpy(out + GREETING, hello, sizeof hello);
  return GREETING + HELLO;
}

// false: the learner does not listen any more
static bool shake(const char *endpoint, struct rng *rng) {
  unsigned char bytes[GREETING + HELLO];
  const int fd = small_dial(endpoint);
  if (fd < 0) {
    return false;
  }
  size_t n = 0;
  switch (rng_below(rng, 4)) {
    case 0:
      break;
    case 1:
      n = 1 + (size_t)rng_below(rng, sizeof bytes);
      for (size_t i = 0; i < n; i++) {
        bytes[i] = (unsigned char)rng_below(rng, 256);
      }
      break;
    case 2:
      n = write_handshake(bytes, rng, "NULL");
      break;
    default:
      n = write_handshake(bytes, rng, "CURVE");
      break;
  }
  (void)send(fd, bytes, n, MSG_NOSIGNAL);
  close(fd);
  return true;
}

Test(hostile, crowds_of_handshakes_change_nothing) {
  const char *wanted = getenv("TELOS_TEST_HANDSHAKES");
  const long handshakes = wanted != NULL ? strtol(wanted, NULL, 10) : HANDSHAKES;
  const char *const steps = harness_text("run.steps=%ld", 4000 + 12 * handshakes);
  small_finish(harness_path("quiet"),
               WORDS(steps, "train.updates_per_step=16", "learner.threads=1", "eval.every=0"));
  const char *keys = fleet_keys("keys"), *run = harness_path("run");
  struct proc *learner =
      small_learner(run, WORDS(steps, "train.updates_per_step=16", "learner.threads=1",
                               "eval.every=0", "--keys", keys));
  const char *endpoint = small_endpoint(learner);
  struct proc *actor = proc_start(NULL, harness_program("telos-actor"), "--connect", endpoint,
                                  "--threads", "1", "--keys", keys, NULL);
  proc_wait_line(actor, "connected to");
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  long n = 0;
  while (shake(endpoint, &rng)) {
    n++;
  }
  cr_assert_geq(n, handshakes, "%ld handshakes", n);
  fprintf(stderr, "%ld handshakes of strangers\n", n);
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0, "%s", proc_stderr(actor));
  harness_assert_same(small_policy(run), small_policy(harness_path("quiet")));
  // they are told of, but do not fill the log
  cr_assert_lt(small_count(proc_stderr(learner), "W "), 100, "%s", proc_stderr(learner));
}

// ---- what is seen ----

// A run through a proxy that keeps what passes; its learner's endpoint. keys: NULL for none.
static const char *run_and_keep(const char *name, const char *keys, struct proc **learner) {
  *learner = small_learner(harness_path("%s", name), keys != NULL ? WORDS("--keys", keys) : NULL);
  const char *endpoint = small_endpoint(*learner);
  struct proxy *control = proxy_new(1, 1 << 30);
  proxy_keep(control, harness_path("%s", name));
  proxy_start(control, small_port(endpoint));
  const char *seen = harness_text("tcp://127.0.0.2:%d", proxy_port(control));
  struct proc *actor =
      proc_start(NULL, harness_program("telos-actor"), "--connect", seen, "--threads", "1",
                 "--name", ACTOR, keys != NULL ? "--keys" : NULL, keys, NULL);
  cr_assert_eq(proc_wait_exit(*learner), 0, "%s", proc_stderr(*learner));
  proc_signal(actor, SIGTERM);
  proc_wait_exit(actor);
  proxy_free(control);
  return endpoint;
}

// How many places of a capture have FLOATS numbers in a row that an observation could be: in the
// range of Box 2D, and none of them tiny, as random bits as floats mostly are.
static int count_floats(const char *bytes, size_t n) {
  int found = 0;
  for (size_t at = 0; at + FLOATS * sizeof(float) <= n; at++) {
    bool plausible = true;
    for (int i = 0; plausible && i < FLOATS; i++) {
      float x;
      memcpy(&x, bytes + at + (size_t)i * sizeof x, sizeof x);
      plausible = (x > 1e-3f && x < 10.0f) || (x < -1e-3f && x > -10.0f);
    }
    found += plausible;
  }
  return found;
}

// How many times what is expected among random bytes: that range is 13.3 exponents of 256, so that
// four numbers of it in a row stand at one place in 137,000.
static double floats_per_chance(const char *bytes, size_t n) {
  return 137000.0 * count_floats(bytes, n) / (double)n;
}

Test(hostile, a_stranger_reads_nothing) {
  const char *keys = fleet_keys("keys");
  struct proc *learner;
  run_and_keep("plain", NULL, &learner);
  run_and_keep("secret", keys, &learner);
  static const char *const ends[] = {"up", "down"};
  // words of the protocol, the task, its model, and ours; long enough that they do not stand among
  // so many random bytes by chance
  static const char *const words[] = {"box2d", "mujoco", ACTOR, "telos", "0.2.0"};
  for (int i = 0; i < 2; i++) {
    size_t n, m;
    const char *plain = harness_read(harness_path("plain.%s", ends[i]), &n);
    const char *secret = harness_read(harness_path("secret.%s", ends[i]), &m);
    cr_assert_gt(m, n / 2, "the encrypted run was not seen");
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
      cr_assert_null(memmem(secret, m, words[w], strlen(words[w])), "%s in %s", words[w], ends[i]);
    }
    // the check can fail: the same of a plain run is full of them
    cr_assert_gt(floats_per_chance(plain, n), 160.0, "%g", floats_per_chance(plain, n));
    cr_assert_lt(floats_per_chance(secret, m), 16.0, "%g", floats_per_chance(secret, m));
  }
  size_t n;
  const char *up = harness_read(harness_path("plain.up"), &n);
  cr_assert_not_null(memmem(up, n, ACTOR, strlen(ACTOR)),
                     "the actor's name is not told in the plain run");
  const char *down = harness_read(harness_path("plain.down"), &n);
  cr_assert_not_null(memmem(down, n, "box2d", 5), "the task's name is not told in the plain run");
}

// What an actor once said, said again by a stranger, gets no further than the handshake.
Test(hostile, a_capture_cannot_be_replayed) {
  const char *keys = fleet_keys("keys");
  struct proc *learner;
  run_and_keep("first", keys, &learner);
  size_t n;
  const char *said = harness_read(harness_path("first.up"), &n);
  const char *run = harness_path("second");
  learner = small_learner(run, WORDS("--keys", keys));
  const char *endpoint = small_endpoint(learner);
  const int fd = small_dial(endpoint);
  cr_assert(fd >= 0);
  size_t at = 0, answers = 0;
  char answer[4096];
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
  bool open = true;
  while (open && poll(&p, 1, REPLAY_MS) == 1) {
    if (at < n && (p.revents & POLLOUT) != 0) {
      const ssize_t sent = send(fd, said + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
      open = sent >= 0 || errno == EAGAIN;
      at += sent > 0 ? (size_t)sent : 0;
    }
    if (at == n) {
      p.events = POLLIN;
    }
    if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      const ssize_t got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
      open = open && (got > 0 || (got < 0 && errno == EAGAIN));
      answers += got > 0 ? (size_t)got : 0;
    }
  }
  close(fd);
  // greeting and WELCOME, no more: and nobody has joined
  cr_assert_leq(answers, 64 + 170 + 64, "%zu bytes of answers", answers);
  cr_assert_null(strstr(proc_stderr(learner), "joined"), "%s", proc_stderr(learner));
  struct proc *actor = proc_start(NULL, harness_program("telos-actor"), "--connect", endpoint,
                                  "--threads", "1", "--keys", keys, NULL);
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0);
  harness_assert_same(small_policy(run), small_policy(harness_path("first")));
}
