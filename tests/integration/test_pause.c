// test_pause.c - who stops for a while, the machine or a reader of its output, changes nothing.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/harness.h"
#include "tests/integration/small.h"

static char state_of(pid_t pid) {
  const char *stat = harness_read(harness_text("/proc/%ld/stat", (long)pid), NULL);
  return strrchr(stat, ')')[2];
}

static void wait_state(pid_t pid, char state) {
  while (state_of(pid) != state) {
    usleep(5000);
  }
}

// Ctrl-Z stops all of it, fg lets it go on, and the policy is that of a run without a pause.
Test(pause, a_pause_pauses_all_and_changes_nothing) {
  struct proc *p = proc_start(NULL, harness_program("telos"), "train", "box2d", "--runs",
                              harness_folder(), "--name", "paused", "--threads", "1",
                              SMALL_SETTINGS, "train.updates_per_step=8", NULL);
  proc_wait_line(p, "connected to");
  proc_signal(p, SIGTSTP);
  wait_state(proc_pid(p), 'T');
  pid_t family[8];
  const int n = harness_family(p, NULL, family, 8);
  cr_assert_eq(n, 3);
  for (int i = 0; i < n; i++) {
    wait_state(family[i], 'T');
  }
  proc_signal(p, SIGCONT);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert_not_null(strstr(proc_stderr(p), "paused, with all that it has started"));
  small_finish(harness_path("straight"), (const char *const[]){"train.updates_per_step=8", NULL});
  harness_assert_same(small_policy(harness_path("straight")),
                      harness_path("box2d/paused/policy.safetensors"));
}

// A reader that has stopped to read stalls nothing: what it does not take is left out.
Test(pause, a_stalled_reader_stalls_nothing) {
  int out[2], log[2];
  cr_assert(pipe(out) == 0 && pipe(log) == 0);
  cr_assert(fcntl(out[1], F_SETPIPE_SZ, 4096) > 0 && fcntl(log[1], F_SETPIPE_SZ, 4096) > 0);
  const char *run = harness_path("stalled"), *program = harness_program("telos-learner");
  const pid_t pid = fork();
  cr_assert_geq(pid, 0);
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(log[1], STDERR_FILENO);
    execl(program, program, "--task", "box2d", "--run", run, SMALL_SETTINGS, "status.every=0.05",
          "train.updates_per_step=8", "eval.every=100", "eval.episodes=2", (char *)NULL);
    _exit(127);
  }
  // the first line, and then no more
  char line[512] = "", endpoint[128];
  for (size_t n = 0; n < sizeof line - 1 && (n == 0 || line[n - 1] != '\n'); n++) {
    cr_assert_eq(read(out[0], line + n, 1), 1);
  }
  cr_assert_eq(sscanf(line, "listening endpoint=%127s", endpoint), 1, "%s", line);
  struct proc *actor = small_actor(endpoint);
  int status;
  cr_assert_eq(waitpid(pid, &status, 0), pid);
  cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  cr_assert_eq(proc_wait_exit(actor), 0);
}
