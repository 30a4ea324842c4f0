// test_health.c - what learner and actor answer over HTTP, and what `telos health` makes of it.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/harness.h"
#include "tests/integration/small.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { STRANGERS = 100 };

// http://127.0.0.1:PORT of a learner
static const char *learner_url(struct proc *learner) {
  char url[96];
  const char *line = strstr(proc_wait_line(learner, "listening endpoint="), " http=");
  cr_assert_not_null(line);
  cr_assert_eq(sscanf(line, " http=%95s", url), 1);
  return harness_text("%s", url);
}

static const char *actor_url(struct proc *actor) {
  char url[96];
  const char *line = strstr(proc_wait_line(actor, "HTTP on "), "HTTP on ");
  cr_assert_eq(sscanf(line, "HTTP on %95s", url), 1);
  return harness_text("%s", url);
}

static struct proc *http_actor(const char *endpoint, const char *http) {
  return proc_start(NULL, harness_program("telos-actor"), "--connect", endpoint, "--threads", "1",
                    "--http", http, NULL);
}

// what it says, and its exit code
static const char *health(const char *url, const char *option, int expected) {
  struct proc *p =
      proc_start(NULL, harness_program("telos"), "health", "--timeout", "60", url, option, NULL);
  cr_assert_eq(proc_wait_exit(p), expected, "%s%s", proc_stdout(p), proc_stderr(p));
  return proc_stdout(p);
}

static void assert_says(const char *text, const char *words) {
  cr_assert_not_null(strstr(text, words), "no \"%s\" in: %s", words, text);
}

// asks until the answer begins with start: programs take their time
static void wait_answer(const char *url, const char *option, const char *start) {
  for (;;) {
    struct proc *p = proc_start(NULL, harness_program("telos"), "health", url, option, NULL);
    proc_wait_exit(p);
    if (strncmp(proc_stdout(p), start, strlen(start)) == 0) {
      return;
    }
    usleep(20000);
  }
}

Test(health, a_learner_that_waits_is_alive_and_says_for_what) {
  struct proc *learner = small_learner(harness_path("run"), WORDS("run.steps=1e9"));
  const char *endpoint = small_endpoint(learner), *url = learner_url(learner);
  const char *waits = harness_text("waits for actors: telos-actor --connect %s", endpoint);
  assert_says(health(url, NULL, 0), harness_text("alive: %s", waits));
  assert_says(health(url, "--ready", 0), harness_text("ready: %s", waits));

  struct proc *actor = small_actor(endpoint);
  wait_answer(url, NULL, "alive: 1 actor; ");
  proc_signal(actor, SIGTERM);
  cr_assert_eq(proc_wait_exit(actor), 75);
  wait_answer(url, NULL, "alive: waits for actors");
  proc_signal(learner, SIGTERM);
  cr_assert_eq(proc_wait_exit(learner), 75);
  health(url, NULL, 69);
}

Test(health, an_actor_is_alive_without_a_learner_and_ready_with_one) {
  // a port that is taken, and then free: nobody listens there yet
  struct proc *learner = small_learner(harness_path("first"), WORDS("run.steps=1e9"));
  const char *endpoint = small_endpoint(learner);
  proc_signal(learner, SIGTERM);
  proc_wait_exit(learner);

  struct proc *actor = http_actor(endpoint, "0");
  const char *url = actor_url(actor);
  assert_says(health(url, NULL, 0), harness_text("alive: waits for a learner at %s", endpoint));
  assert_says(health(url, "--ready", 1), harness_text("not ready: no learner at %s", endpoint));

  learner = small_learner(
      harness_path("second"),
      WORDS("run.steps=1e9", harness_text("wire.port=%s", strrchr(endpoint, ':') + 1)));
  small_endpoint(learner);
  wait_answer(url, "--ready", "ready: serves");
  assert_says(health(url, NULL, 0), harness_text("alive: serves %s", endpoint));
  proc_signal(learner, SIGTERM);
  cr_assert_eq(proc_wait_exit(learner), 75);
  wait_answer(url, "--ready", "not ready");
  proc_signal(actor, SIGTERM);
  cr_assert_eq(proc_wait_exit(actor), 75);
}

Test(health, who_does_not_answer_is_not_alive) {
  struct proc *learner = small_learner(harness_path("run"), WORDS("run.steps=1e9"));
  const char *url = learner_url(learner);
  proc_signal(learner, SIGSTOP);
  struct proc *p =
      proc_start(NULL, harness_program("telos"), "health", "--timeout", "1", url, NULL);
  small_assert_end(p, 69, "a stopped learner", WORDS(url, "timed out"));
  proc_signal(learner, SIGCONT);
  health(url, NULL, 0);
  proc_signal(learner, SIGTERM);
  cr_assert_eq(proc_wait_exit(learner), 75);
}

Test(health, ports_and_addresses_that_cannot_be) {
  struct proc *learner = small_learner(harness_path("run"), WORDS("run.steps=1e9"));
  const char *endpoint = small_endpoint(learner), *url = learner_url(learner);
  const char *port = strrchr(url, ':') + 1;
  struct proc *other =
      small_learner(harness_path("other"), WORDS(harness_text("http.port=%s", port)));
  small_assert_end(other, 69, "a port in use", WORDS(port, "in use", "http.port"));
  small_assert_end(http_actor(endpoint, port), 69, "a port in use", WORDS(port, "--http"));
  other = small_learner(harness_path("third"), WORDS("http.bind=example"));
  small_assert_end(other, 78, "no address", WORDS("http.bind", "example"));
  small_assert_end(http_actor(endpoint, "example:0"), 78, "no address", WORDS("--http", "example"));
  const char *const far = harness_text("%080d:0", 0);
  small_assert_end(http_actor(endpoint, far), 64, "too long", WORDS("--http", "[ADDRESS:]PORT"));
  small_assert_end(http_actor(endpoint, "65536"), 64, "no port", WORDS("--http", "65535"));
  struct proc *p = proc_start(NULL, harness_program("telos"), "health", "http://nowhere", NULL);
  small_assert_end(p, 64, "no port", WORDS("http://nowhere", "HOST:PORT"));
  proc_signal(learner, SIGTERM);
  cr_assert_eq(proc_wait_exit(learner), 75);

  // none when none is wanted
  learner = small_learner(harness_path("fourth"), WORDS("run.steps=1e9", "http.port=-1"));
  assert_says(proc_wait_line(learner, "listening endpoint="), " http=none ");
  proc_signal(learner, SIGTERM);
  cr_assert_eq(proc_wait_exit(learner), 75);
}

// ---- figures ----

// the body of what a path gives; the status has to be this one
static const char *get(const char *url, const char *path, int status) {
  const char *request = harness_text("GET %s HTTP/1.0\r\n\r\n", path);
  static char text[1 << 20];
  const int fd = small_dial(url);
  cr_assert(fd >= 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
  size_t n = 0;
  for (ssize_t got;
       n < sizeof text - 1 && (got = recv(fd, text + n, sizeof text - 1 - n, 0)) > 0;) {
    n += (size_t)got;
  }
  text[n] = '\0';
  close(fd);
  int said;
  cr_assert_eq(sscanf(text, "HTTP/1.%*c %d", &said), 1);
  cr_assert_eq(said, status, "%s: %s", path, text);
  const char *body = strstr(text, "\r\n\r\n");
  cr_assert_not_null(body);
  return harness_text("%s", body + 4);
}

// the number of a series, -1: there is none
static double series(const char *text, const char *name) {
  const char *line = strstr(text, harness_text("\n%s ", name));
  return line != NULL ? strtod(line + strlen(name) + 2, NULL) : -1.0;
}

Test(health, figures_are_those_of_the_run) {
  struct proc *learner = small_learner(harness_path("run"), WORDS("run.steps=1e9"));
  const char *endpoint = small_endpoint(learner), *url = learner_url(learner);
  cr_assert_eq(series(get(url, "/metrics", 200), "telos_actors"), 0.0);
  get(url, "/video", 404);
  struct proc *actor = proc_start(NULL, harness_program("telos-actor"), "--connect", endpoint,
                                  "--threads", "1", "--name", "a\"\\", NULL);
  proc_wait_line(learner, "evaluation of version");
  // the actor's figures come with its heartbeats
  const char *const steps = "telos_actor_env_steps_total{index=\"0\",actor=\"a\\\"\\\\\"}", *text;
  for (int i = 0; !(series(text = get(url, "/metrics", 200), steps) > 0.0); i++) {
    cr_assert_lt(i, 5000, "%s", text);
    usleep(20000);
  }
  cr_assert_eq(series(text, "telos_actors"), 1.0);
  cr_assert_geq(series(text, "telos_env_steps_total"), 2000.0);
  cr_assert_eq(series(text, "telos_env_steps_wanted"), 1e9);
  // sixteen tickets of a hundred steps are open, each commit publishes: so that is the lag
  const double commits = series(text, "telos_policy_lag_versions_count");
  cr_assert_leq(commits, series(text, "telos_episode_length_steps_count"));
  cr_assert_gt(series(text, "telos_policy_lag_versions_sum"), commits);
  cr_assert_eq(series(text, "telos_policy_lag_versions_bucket{le=\"16\"}"), commits);
  cr_assert_eq(series(text, "telos_policy_lag_versions_bucket{le=\"+Inf\"}"), commits);
  cr_assert_gt(series(text, "process_resident_memory_bytes"), 1e6);

  text = get(url, "/api/status", 200);
  cr_assert(strstr(text, "\"task\":\"box2d\"") && strstr(text, "\"name\":\"a\\\"\\\\\""), "%s",
            text);
  assert_says(get(url, "/", 200), "<!doctype html>");
  assert_says(get(url, "/eval.csv", 200), "steps,version,episodes,score");
  assert_says(get(url, "/progress.csv", 200), "steps,");
  get(url, "/../eval.csv", 404);

  // who has left has no series
  proc_signal(actor, SIGTERM);
  proc_wait_exit(actor);
  wait_answer(url, NULL, "alive: waits for actors");
  cr_assert_null(strstr(get(url, "/metrics", 200), "telos_actor_env_steps_total{"));
  proc_signal(learner, SIGTERM);
  cr_assert_eq(proc_wait_exit(learner), 75);
}

// Strangers who say nothing, half of something, or nonsense keep neither the loop nor each other's
// turn, and the policy is that of a run that nobody asked.
Test(health, strangers_change_nothing) {
  const char *reference = small_reference();
  const char *run = harness_path("asked");
  struct proc *learner = small_learner(run, NULL);
  const char *url = learner_url(learner);
  static const char *const words[] = {"", "GET /healthz HT", "\r\n\r\n\xff\xfe",
                                      "POST / HTTP/1.1\r\n"};
  int fd[STRANGERS];
  for (int i = 0; i < STRANGERS; i++) {
    fd[i] = small_dial(url);
    cr_assert(fd[i] >= 0);
    const char *text = words[i % 4];
    (void)send(fd[i], text, strlen(text), MSG_NOSIGNAL);
  }
  struct proc *actor = small_actor(small_endpoint(learner));
  for (int i = 0; i < STRANGERS; i++) {
    close(fd[i]);
  }
  static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
  for (int one; (one = small_dial(url)) >= 0;) {  // until it has left
    (void)send(one, request, sizeof request - 1, MSG_NOSIGNAL);
    close(one);
  }
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0);
  harness_assert_same(small_policy(reference), small_policy(run));
}
