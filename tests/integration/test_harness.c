// test_harness.c - the harness itself, on /bin/sh: what it reports is what happened.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/harness.h"

static struct proc *shell(const char *script) {
  return proc_start(NULL, "sh", "-c", script, NULL);
}

Test(harness, exit_code_and_both_streams) {
  struct proc *p = shell("echo to-out; echo to-err >&2; exit 65");
  cr_assert_eq(proc_wait_exit(p), 65);
  cr_assert_str_eq(proc_stdout(p), "to-out\n");
  cr_assert_str_eq(proc_stderr(p), "to-err\n");
  cr_assert(!proc_running(p));
}

Test(harness, program_that_is_absent) {
  struct proc *p = proc_start(NULL, "/nowhere/telos", NULL);
  cr_assert_eq(proc_wait_exit(p), 127);
  cr_assert(strstr(proc_stderr(p), "/nowhere/telos") != NULL);
}

Test(harness, signals_are_negative_codes) {
  struct proc *p = shell("trap 'echo caught; exit 3' TERM; echo up; while :; do sleep 0.01; done");
  proc_wait_line(p, "up");
  proc_signal(p, SIGTERM);
  cr_assert_eq(proc_wait_exit(p), 3);
  cr_assert(strstr(proc_stdout(p), "caught") != NULL);

  struct proc *q = shell("echo up; exec sleep 1000");
  proc_wait_line(q, "up");
  proc_signal(q, SIGKILL);
  cr_assert_eq(proc_wait_exit(q), -SIGKILL);
  // after the end a signal is no failure
  proc_signal(q, SIGKILL);
}

Test(harness, lines_are_whole_and_marks_pass_over_old_ones) {
  // the second half of a line comes only when the test asks for it
  struct proc *p =
      shell("trap 'echo =2 b' USR1; printf 'step=1 a\\nstep'; while :; do sleep 0.01; done");
  cr_assert_str_eq(proc_wait_line(p, "step"), "step=1 a");
  proc_mark(p);
  proc_signal(p, SIGUSR1);
  cr_assert_str_eq(proc_wait_line(p, "step"), "step=2 b");
}

Test(harness, environment_is_added_and_replaced) {
  setenv("HARNESS_OLD", "before", 1);
  const char *const env[] = {"HARNESS_OLD=after", "HARNESS_NEW=new", NULL};
  struct proc *p = proc_start(env, "sh", "-c", "echo $HARNESS_OLD $HARNESS_NEW", NULL);
  cr_assert_eq(proc_wait_exit(p), 0);
  cr_assert_str_eq(proc_stdout(p), "after new\n");
}

Test(harness, standard_input_is_empty_and_no_descriptor_leaks) {
  struct proc *p = shell("read line || echo empty; ls /proc/self/fd | wc -l");
  cr_assert_eq(proc_wait_exit(p), 0);
  // 0, 1, 2 and the one that ls reads the folder with
  cr_assert_str_eq(proc_stdout(p), "empty\n4\n");
}

Test(harness, orphans_are_adopted_and_counted) {
  struct proc *p = shell("sleep 1000 & sleep 1000 & echo up; wait");
  proc_wait_line(p, "up");
  harness_wait_family(p, "sleep", 2);
  pid_t pids[2];
  cr_assert_eq(harness_family(p, "sleep", pids, 2), 2);
  cr_assert_eq(harness_family(p, "sh", pids, 0), 0);

  // the shell leaves both behind; they are ours now
  proc_signal(p, SIGKILL);
  cr_assert_eq(proc_wait_exit(p), -SIGKILL);
  cr_assert_eq(harness_family(p, NULL, NULL, 0), 0);
  harness_wait_family(NULL, "sleep", 2);
  kill(pids[0], SIGKILL);
  harness_wait_family(NULL, NULL, 1);
}

// TERM and not INT: a shell makes its background jobs ignore INT
Test(harness, a_group_signal_reaches_the_children) {
  struct proc *p = shell(
      "trap 'wait; exit 7' TERM\n"
      "(trap 'echo child; exit 0' TERM; echo up; while :; do sleep 0.01; done) &\n"
      "wait");
  proc_wait_line(p, "up");
  proc_signal_group(p, SIGTERM);
  cr_assert_eq(proc_wait_exit(p), 7);
  cr_assert_str_eq(proc_stdout(p), "up\nchild\n");
}

Test(harness, files) {
  const char *a = harness_path("%s.bin", "a");
  const char *b = harness_path("b.bin");
  cr_assert(!harness_exists(a));
  harness_write(a, "x\0y", 3);
  harness_write(b, "x\0y", 3);
  size_t n;
  cr_assert_arr_eq(harness_read(a, &n), "x\0y", 4);
  cr_assert_eq(n, 3);
  harness_assert_same(a, b);
  cr_assert_eq(harness_digest(a), harness_digest(b));
  harness_write(b, "x\0z", 3);
  cr_assert_neq(harness_digest(a), harness_digest(b));
  cr_assert_eq(strncmp(a, harness_folder(), strlen(harness_folder())), 0);
}

// The end of a test, seen from outside: this program again, with one test that fails on purpose
// and has a child then.
Test(harness, fails_with_a_child) {
  const char *note = getenv("HARNESS_NOTE");
  if (note == NULL) {
    cr_skip("runs only inside the_end_leaves_nothing");
  }
  struct proc *p = shell("echo up; exec sleep 1000");
  proc_wait_line(p, "up");
  const char *text = harness_text("%s\n%d\n", harness_folder(), (int)proc_pid(p));
  harness_write(note, text, strlen(text));
  cr_assert(false, "on purpose");
}

Test(harness, the_end_leaves_nothing) {
  const char *note = harness_path("note");
  const char *const env[] = {harness_text("HARNESS_NOTE=%s", note), NULL};
  // without the variable that tells a worker of the test runner from the runner
  const char *self = harness_text("/proc/%d/exe", (int)getpid());
  struct proc *p = proc_start(env, "env", "-u", "BXFI_MAP", self, "--jobs", "1", "--filter",
                              "harness/fails_with_a_child", NULL);
  cr_assert_eq(proc_wait_exit(p), 1);
  char folder[4096];
  int child;
  cr_assert_eq(sscanf(harness_read(note, NULL), "%4095s %d", folder, &child), 2);
  cr_assert(!harness_exists(folder), "%s is still there", folder);
  cr_assert_eq(kill((pid_t)child, 0), -1, "the child %d lives", child);
}
