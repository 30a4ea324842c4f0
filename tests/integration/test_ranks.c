// test_ranks.c - mpirun -n K telos-learner: the policy file is that of one process, byte for byte,
// with 2 and 4 ranks, and when a rank is killed and the run goes on with another number of them;
// what is wrong is said once, and mpirun passes the learner's exit code on. Real processes on this
// machine, without ssh, by loopback.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"

// Few updates by ranks: where processes outnumber cores, each waits for several turns of a core.
#define FEW                                                                  \
  "train.warmup_steps=2000", "train.batch=64", "train.updates_per_step=0.5", \
      "checkpoint.every=100", "outcome.prefit=20", "eval.every=0", "learner.threads=1"
static const char *const few[] = {"run.steps=2500", FEW, NULL};

// so many that something is killed long before the end; one process does most of them
static const char *const longer[] = {"run.steps=12000", FEW, NULL};

// mpirun refuses root unless told twice, and the leaks at exit that sanitizers see are its own
static const char *const environment[] = {"OMPI_ALLOW_RUN_AS_ROOT=1",
                                          "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
                                          "ASAN_OPTIONS=detect_leaks=0", NULL};

// clang-format off
static const char *const mpirun[] = {
    "mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "plm", "isolated",
    "--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", "lo",
    "--mca", "oob_tcp_if_include", "lo", "-n"};
// clang-format on

// the learner of f as so many ranks
static void start_ranks(struct fleet *f, const char *ranks) {
  const size_t n = sizeof mpirun / sizeof *mpirun;
  const char *argv[sizeof mpirun / sizeof *mpirun + FLEET_SETTINGS + 8];
  memcpy(argv, mpirun, sizeof mpirun);
  argv[n] = ranks;
  argv[n + 1] = harness_program("telos-learner");
  argv[n + 2] = "--task";
  argv[n + 3] = f->task;
  argv[n + 4] = "--run";
  argv[n + 5] = f->run;
  argv[n + 6] = "wire.port=0";
  for (int i = 0; i <= f->nsettings; i++) {
    argv[n + 7 + (size_t)i] = f->settings[i];
  }
  f->learner = proc_start_argv(environment, argv);
}

static void start_actor(struct fleet *f) {
  fleet_wait_listening(f);
  fleet_start_actor(f, 0, "telos-actor", 1);
}

Test(ranks, any_number_gives_the_same_policy) {
  const char *reference = fleet_train("one", few, 1, 1);
  static const char *const number[] = {"2", "4"};
  for (int i = 0; i < 2; i++) {
    struct fleet *f = fleet_new(harness_text("ranks-%s", number[i]), few);
    start_ranks(f, number[i]);
    start_actor(f);
    fleet_end(f);
    cr_assert_not_null(strstr(proc_stderr(f->learner), "processes share each update"));
    harness_assert_same(reference, fleet_policy(f));
    free(f);
  }
}

// the process of a rank, by what mpirun left in its environment
static pid_t rank_process(const struct fleet *f, int ranks, int rank) {
  pid_t pids[8];
  cr_assert_eq(harness_family(f->learner, "telos-learner", pids, 8), ranks);
  const char *want = harness_text("OMPI_COMM_WORLD_RANK=%d", rank);
  pid_t found = 0;
  for (int i = 0; i < ranks; i++) {
    size_t n;
    const char *at = harness_read(harness_text("/proc/%d/environ", (int)pids[i]), &n);
    for (const char *end = at + n; at < end; at += strlen(at) + 1) {
      found = strcmp(at, want) == 0 ? pids[i] : found;
    }
  }
  cr_assert_neq(found, 0, "rank %d was not found", rank);
  return found;
}

// a rank is killed beyond a checkpoint of that many steps, and mpirun ends them all
static void kill_rank(struct fleet *f, int ranks, int rank, long at_least) {
  fleet_wait_checkpoint(f->learner, f->run, at_least);
  cr_assert_eq(kill(rank_process(f, ranks, rank), SIGKILL), 0);
  cr_assert_neq(proc_wait_exit(f->learner), 0);
  harness_wait_family(NULL, "telos-learner", 0);
  proc_signal(f->actors[0], SIGKILL);
  proc_wait_exit(f->actors[0]);
}

// the run goes on with another number of ranks, then with one process
Test(ranks, a_killed_rank_costs_what_no_checkpoint_has) {
  const char *reference = fleet_train("one", longer, 1, 1);
  struct fleet *f = fleet_new("killed", longer);
  start_ranks(f, "4");
  start_actor(f);
  kill_rank(f, 4, 3, 2100);
  start_ranks(f, "2");
  start_actor(f);
  kill_rank(f, 2, 1, fleet_checkpoint(f->run) + 100);
  const long steps = fleet_checkpoint(f->run);
  cr_assert(steps >= 2200 && steps < 12000, "killed with a checkpoint of %ld steps", steps);
  start_ranks(f, "2");
  start_actor(f);
  kill_rank(f, 2, 0, steps + 100);
  f->endpoint = NULL;
  fleet_start(f, 1, 1);
  fleet_end(f);
  harness_assert_same(reference, fleet_policy(f));
  free(f);
}

static int lines_with(const char *text, const char *words) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, words)) != NULL; at++) {
    n++;
  }
  return n;
}

Test(ranks, what_is_wrong_is_said_once) {
  struct fleet *f = fleet_new("refused", few);
  start_ranks(f, "3");
  cr_assert_eq(proc_wait_exit(f->learner), 78);
  cr_assert_eq(lines_with(proc_stderr(f->learner), "E learner: "), 1);
  cr_assert_not_null(strstr(proc_stderr(f->learner), "-n may be 1, 2, 4"));
  cr_assert(!harness_exists(f->run), "a run that was refused left a folder");

  f->task = "no-such-task";
  start_ranks(f, "2");
  cr_assert_eq(proc_wait_exit(f->learner), 78);
  cr_assert_eq(lines_with(proc_stderr(f->learner), "E learner: "), 1);
  free(f);
}

// asked to stop, rank 0 saves and ends the others
Test(ranks, a_stop_is_a_stop_of_all) {
  struct fleet *f = fleet_new("stopped", longer);
  start_ranks(f, "2");
  start_actor(f);
  fleet_wait_checkpoint(f->learner, f->run, 1000);
  for (int rank = 1; rank >= 0; rank--) {
    cr_assert_eq(kill(rank_process(f, 2, rank), SIGTERM), 0);
  }
  cr_assert_eq(proc_wait_exit(f->learner), 75);
  cr_assert_not_null(strstr(proc_stderr(f->learner), "stopped; resume with:"));
  harness_wait_family(NULL, "telos-learner", 0);
  proc_signal(f->actors[0], SIGTERM);
  proc_wait_exit(f->actors[0]);
  free(f);
}
