// test_hosts.c - telos train --hosts, with a stand-in for ssh that runs the command here, in the
// shell and with the variable that sshd would give it. tests/cluster/hosts.sh has the real one.
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"
#include "tests/integration/small.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { MAX_WORDS = 48 };

// a program that takes ssh's options and runs what the other machine would run
static const char *stand_in(void) {
  static const char text[] =
      "#!/bin/sh\n"
      "while [ \"$1\" != -- ]; do shift; done\n"
      "export SSH_CONNECTION='127.0.0.1 40000 127.0.0.1 22'\n"
      "[ \"$2\" != away ] || { echo 'ssh: cannot reach away' >&2; exit 255; }\n"
      "exec sh -c \"$3\"\n";
  const char *path = harness_path("ssh");
  harness_write(path, text, sizeof text - 1);
  cr_assert_eq(chmod(path, 0755), 0);
  return path;
}

static struct proc *train(const char *name, const char *const *more) {
  const char *argv[MAX_WORDS] = {harness_program("telos"),
                                 "train",
                                 "box2d",
                                 "--runs",
                                 harness_folder(),
                                 "--name",
                                 name,
                                 "--ssh",
                                 stand_in(),
                                 SMALL_SETTINGS};
  int n = 0;
  while (argv[n] != NULL) {
    n++;
  }
  for (int i = 0; more[i] != NULL; i++) {
    cr_assert(n < MAX_WORDS - 1);
    argv[n++] = more[i];
  }
  return proc_start_argv(NULL, argv);
}

Test(hosts, the_policy_is_that_of_one_machine) {
  const char *keys = fleet_keys("keys");
  struct proc *p = train("far", WORDS("--hosts", "a,me@b:2", "--keys", keys));
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert_not_null(strstr(proc_stderr(p), "actor actor/a joined"), "%s", proc_stderr(p));
  cr_assert_not_null(
      strstr(proc_stderr(p), "actor actor/me@b joined: 2 rollout threads, 4 tickets"), "%s",
      proc_stderr(p));
  harness_wait_family(NULL, "telos-actor", 0);
  // the command that is offered next has what this one had
  cr_assert_not_null(strstr(proc_stdout(p), " --hosts a,me@b:2 --ssh "), "%s", proc_stdout(p));
  harness_assert_same(small_policy(small_reference()),
                      harness_path("box2d/far/policy.safetensors"));
}

Test(hosts, actors_of_both_kinds_without_encryption) {
  struct proc *p = train("open", WORDS("--hosts", "a", "--actors", "1", "--insecure"));
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert_not_null(strstr(proc_stderr(p), "actor a joined"), "%s", proc_stderr(p));
  cr_assert_not_null(strstr(proc_stderr(p), "actor 0 joined"), "%s", proc_stderr(p));
  harness_assert_same(small_policy(small_reference()),
                      harness_path("box2d/open/policy.safetensors"));
}

// even kill -9 of the launcher leaves nobody, here or there
Test(hosts, actors_die_with_the_launcher) {
  const char *keys = fleet_keys("keys");
  struct proc *p = train("killed", WORDS("--hosts", "a,b,c", "--keys", keys, "run.steps=1e9"));
  for (int i = 0; i < 3; i++) {
    proc_wait_line(p, "connected to tcp://127.0.0.1:");
  }
  proc_signal(p, SIGKILL);
  cr_assert_eq(proc_wait_exit(p), -SIGKILL);
  harness_wait_family(NULL, "telos-actor", 0);
  harness_wait_family(NULL, "telos-learner", 0);
}

Test(hosts, what_cannot_work_is_said) {
  static const char *const lists[] = {"",    "a,",        "a,,b", "a:0", "a:x", "-oProxyCommand=x",
                                      "a b", "a:9999999", "$(x)"};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    small_assert_end(train("bad", WORDS("--hosts", lists[i], "--insecure")), 64, lists[i],
                     WORDS("--hosts", "HOST:THREADS"));
  }
  small_assert_end(train("bad", WORDS("--insecure")), 64, "--ssh alone", WORDS("--hosts"));
  small_assert_end(train("bad", WORDS("--hosts", "a", "--keys", harness_path("none"))), 78,
                   "no keys", WORDS(harness_path("none")));
  // none of these machines has the program: the run is not started for nothing
  struct proc *p = train("bare", WORDS("--hosts", "a", "--insecure", "--remote-bin",
                                       harness_path("nowhere"), "run.steps=1e9"));
  cr_assert_eq(proc_wait_exit(p), 78, "%s", proc_stderr(p));
  cr_assert_not_null(strstr(proc_stderr(p), "say --remote-bin FOLDER"), "%s", proc_stderr(p));
  // a machine that cannot be reached is tried some times, and then no longer
  p = train("away", WORDS("--hosts", "away,a", "--insecure"));
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert_not_null(strstr(proc_stderr(p), "ssh: cannot reach away"), "%s", proc_stderr(p));
}

Test(hosts, an_attached_actor_wants_its_line) {
  static const char *const lines[] = {"", "none", "keys a b c\n", "hello\n"};
  for (int i = 0; i < 4; i++) {
    const char *file = harness_path("line-%d", i);
    harness_write(file, lines[i], strlen(lines[i]));
    const char *command = harness_text("exec '%s' --attached --connect tcp://127.0.0.1:1 <'%s'",
                                       harness_program("telos-actor"), file);
    struct proc *p = proc_start(NULL, "sh", "-c", command, NULL);
    small_assert_end(p, 65, lines[i], WORDS("--attached", "no line of keys"));
  }
}
