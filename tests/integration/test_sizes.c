// test_sizes.c - what is large: a model beyond any message, and messages beyond wire.max_message,
// which are refused at the start by a line that names the size, the limit and the remedy; and what
// a limit of memory does not allow.
#include <signal.h>
#include <sys/resource.h>

#include "common/config/metrics.h"
#include "tests/integration/small.h"

// A slide with a goal. %s: assets; the horizon; frame skip 5.
static const char slide[] =
    "<mujoco model='big'><custom><numeric name='telos.horizon' data='%d'/>"
    "<numeric name='telos.frame_skip' data='5'/><numeric name='telos.goal_low' data='0.5'/>"
    "<numeric name='telos.goal_high' data='1'/></custom><asset>%s</asset>"
    "<worldbody><body><joint name='x' type='slide' axis='1 0 0' damping='1'/>"
    "<geom type='box' size='0.1 0.1 0.1' mass='1'/></body></worldbody>"
    "<actuator><motor name='m' joint='x' ctrllimited='true' ctrlrange='-5 5'/></actuator>"
    "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
    "</mujoco>";

// Writes the task and returns its file.
static const char *task_file(const char *name, int horizon, const char *assets) {
  const char *path = harness_path("%s.xml", name);
  const char *text = harness_text(slide, horizon, assets);
  harness_write(path, text, strlen(text));
  return path;
}

static struct proc *learner_of(const char *run, const char *task, const char *setting) {
  return proc_start(NULL, harness_program("telos-learner"), "--task", task, "--run", run,
                    SMALL_SETTINGS, "run.steps=1500", "eval.episodes=2", setting, NULL);
}

// 75 MB, which is more than the learner takes for a message, by a texture that nobody sees
Test(sizes, a_model_larger_than_any_message) {
  const char *task = task_file(
      "big", 20,
      "<texture name='t' type='2d' builtin='flat' rgb1='1 0 0' width='5000' height='5000'/>");
  struct proc *learner = learner_of(harness_path("run"), task, "wire.max_message=65536");
  struct proc *actor = small_actor(small_endpoint(learner));
  proc_wait_line(actor, "fetching the model of ");
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0, "%s", proc_stderr(actor));
  cr_assert_eq(small_count(proc_stderr(learner), "W "), 0, "%s", proc_stderr(learner));
  cr_assert_eq(small_count(proc_stderr(actor), "W "), 0, "%s", proc_stderr(actor));
}

// What an actor holds beside its libraries, which all actors of a machine share. Without giving
// back what loading the model took it is 4.2 MB for Fetch Push with one rollout thread.
Test(sizes, an_actor_is_small) {
#ifndef TELOS_SANITIZED  // sanitizers keep memory of their own
  static const char *const endless[] = {"--task",       "fetch-push",           "run.steps=1e9",
                                        "eval.every=0", "checkpoint.every=1e9", NULL};
  struct proc *learner = small_learner(harness_path("run"), endless);
  struct proc *actor = small_actor(small_endpoint(learner));
  // versions have come and gone
  for (struct metrics m = {.version = 0}; !(m.version >= 30.0);) {
    proc_mark(learner);
    cr_assert(metrics_parse(&m, proc_wait_line(learner, "progress ")));
  }
  FILE *status = fopen(harness_text("/proc/%ld/status", (long)proc_pid(actor)), "r");
  cr_assert_not_null(status);
  long kb = -1;
  for (char line[256]; kb < 0 && fgets(line, sizeof line, status) != NULL;) {
    (void)sscanf(line, "RssAnon: %ld kB", &kb);
  }
  fclose(status);
  cr_assert(kb > 0 && kb <= 3600, "%ld kB", kb);
  proc_signal(learner, SIGKILL);
  proc_signal(actor, SIGKILL);
  proc_wait_exit(learner);
  proc_wait_exit(actor);
#endif
}

// the actor loses its learner while it fetches: it goes on with the next one where it was
Test(sizes, the_learner_restarts_while_its_model_is_fetched) {
  const char *task = task_file(
      "big", 20,
      "<texture name='t' type='2d' builtin='flat' rgb1='1 0 0' width='5000' height='5000'/>");
  struct proc *learner = learner_of(harness_path("run"), task, "wire.patience=100000");
  const char *endpoint = small_endpoint(learner);
  struct proc *actor = small_actor(endpoint);
  proc_wait_line(actor, "fetching the model of ");
  proc_signal(learner, SIGKILL);
  proc_wait_exit(learner);
  learner = learner_of(harness_path("run"), task,
                       harness_text("wire.port=%s", strrchr(endpoint, ':') + 1));
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0, "%s", proc_stderr(actor));
}

// The program ended with 78 and one line that holds the limit and a setting that is larger; returns
// that setting.
static const char *refused(struct proc *p, const char *limit, const char *const *words) {
  small_assert_end(p, 78, "too large", words);
  const char *text = proc_stderr(p);
  const char *set = strstr(text, "set wire.max_message=");
  cr_assert(strstr(text, limit) != NULL && set != NULL, "%s", text);
  set += strlen("set ");
  return harness_text("%.*s", (int)strcspn(set, ","), set);
}

Test(sizes, episodes_that_no_message_can_carry) {
  // 5000 states and steps of a few numbers each
  const char *task = task_file("long", 5000, "");
  const char *run = harness_path("run");
  static const char *const words[] = {"task big", "an episode", "telos.horizon", NULL};
  const char *enough =
      refused(learner_of(run, task, "wire.max_message=65536"), "wire.max_message=65536", words);
  cr_assert(!harness_exists(run), "it left a run");
  // through `telos train` it is the same line and code
  struct proc *telos =
      proc_start(NULL, harness_program("telos"), "train", task, "--runs", harness_path("runs"),
                 "--actors", "1", SMALL_SETTINGS, "wire.max_message=65536", NULL);
  refused(telos, "wire.max_message=65536", words);
  // what the line says helps, and no byte less
  const size_t bytes = strtoul(strchr(enough, '=') + 1, NULL, 10);
  refused(learner_of(run, task, harness_text("wire.max_message=%zu", bytes - 1)), "", words);
  struct proc *learner = learner_of(run, task, enough);
  struct proc *actor = small_actor(small_endpoint(learner));
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0, "%s", proc_stderr(actor));
}

Test(sizes, weights_that_no_message_can_carry) {
  const char *run = harness_path("run");
  const char *more[] = {"net.hidden=[256,256]", "wire.max_message=65536", "run.steps=1500", NULL,
                        NULL};
  const char *enough = refused(small_learner(run, more), "wire.max_message=65536",
                               (const char *const[]){"net.hidden", "weights", "smaller", NULL});
  cr_assert(!harness_exists(run), "it left a run");
  more[1] = enough;
  small_finish(run, more);
}

// Address space for the program and not for its replay, whose size follows from replay.capacity.
Test(sizes, a_replay_beyond_the_memory_limit) {
#if defined(__SANITIZE_ADDRESS__)
  cr_skip_test("what AddressSanitizer reserves is beyond any limit");
#endif
  const char *run = harness_path("box2d/a");
  const char *const more[] = {"replay.capacity=1e8", NULL};
  static const char *const words[] = {"out of memory: ", " GB more wanted for replay",
                                      "raise the memory limit", "lower replay.capacity", NULL};
  struct rlimit old;
  cr_assert_eq(getrlimit(RLIMIT_AS, &old), 0);
  const struct rlimit limit = {(rlim_t)2 << 30, old.rlim_max};
  cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
  struct proc *learner = small_learner(run, more);
  small_assert_end(learner, 78, "2 GB", words);
  // through `telos train` it is the same line and code, and no learner is started again
  struct proc *telos = proc_start(NULL, harness_program("telos"), "train", "box2d", "--runs",
                                  harness_folder(), "--name", "a", "--actors", "1", NULL);
  small_assert_end(telos, 78, "2 GB", words);
  cr_assert_eq(setrlimit(RLIMIT_AS, &old), 0);
  // the run is as good as new
  small_finish(run, more);
}

// Each thread for updates reserves addresses, and OpenBLAS waits for ever where it finds none: too
// many are refused, and where the number is ours to choose it is one that fits.
Test(sizes, threads_beyond_the_limit_of_addresses) {
#if defined(__SANITIZE_ADDRESS__)
  cr_skip_test("what AddressSanitizer reserves is beyond any limit");
#endif
  const char *run = harness_path("run");
  const char *more[] = {"train.shards=16", "learner.threads=16", "run.steps=1500", NULL};
  static const char *const words[] = {"with 16 threads", "ulimit -v", "lower learner.threads",
                                      NULL};
  struct rlimit old;
  cr_assert_eq(getrlimit(RLIMIT_AS, &old), 0);
  const struct rlimit limit = {700000000, old.rlim_max};
  cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
  small_assert_end(small_learner(run, more), 78, "16 threads", words);
  cr_assert(!harness_exists(run), "it left a run");
  more[1] = "learner.threads=0";
  struct proc *learner = small_learner(run, more);
  cr_assert_eq(setrlimit(RLIMIT_AS, &old), 0);
  struct proc *actor = small_actor(small_endpoint(learner));
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0, "%s", proc_stderr(actor));
  const char *text = proc_stderr(learner);
  cr_assert(strstr(text, "updates by 1 thread (train.shards=16, ") != NULL, "%s", text);
  cr_assert(strstr(text, ", 1 cores)") != NULL ||
                strstr(text, "`ulimit -v` leaves no room for more than 1") != NULL,
            "%s", text);
}
