// harness.h - real processes under test: start, watch, signal, end, and the files they leave.
//
//   struct proc *learner = proc_start(NULL, harness_program("telos-learner"), "task=box2d", NULL);
//   const char *line = proc_wait_line(learner, "listening on ");
//   proc_signal(learner, SIGTERM);
//   cr_assert_eq(proc_wait_exit(learner), 0);
//
// A test has one folder of its own, made at the first need and removed at the end of the process
// (kept when TELOS_TEST_KEEP is set). Every started program writes its stdout and stderr to files
// there, so nothing can block on a full pipe.
//
// Nothing outlives a test: children die with it (PR_SET_PDEATHSIG), and the test process adopts
// whatever its children leave behind (PR_SET_CHILD_SUBREAPER) and kills it at its end. So
// harness_family(NULL) after a kill -9 of a parent shows exactly the processes that it orphaned.
//
// Waiting has a deadline: TELOS_TEST_DEADLINE_S, default 120 s. It only bounds a hang; no result
// depends on it. Every failure (deadline, early exit, system call) fails the Criterion test after
// printing the output of the program concerned. A sanitizer report in any program's output fails
// the test at proc_wait_exit and at the end.
//
// Strings and objects returned live until the test ends. One thread.
#ifndef TESTS_INTEGRATION_HARNESS_H
#define TESTS_INTEGRATION_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc;

// ---- the test's folder and files ----

// Absolute path of the test's own folder, below TELOS_TEST_TMP, else TMPDIR, else /tmp.
const char *harness_folder(void);

// "<folder>/<formatted>"; nothing is created.
const char *harness_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Formatted text.
const char *harness_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// The whole file, NUL-terminated; its length in *n unless n is NULL. A missing file fails the test.
char *harness_read(const char *path, size_t *n);

// Replaces the file's content.
void harness_write(const char *path, const void *data, size_t n);

bool harness_exists(const char *path);

// XXH3-64 of the file's bytes.
uint64_t harness_digest(const char *path);

// Fails the test, naming the first byte that differs, unless both files hold the same bytes.
void harness_assert_same(const char *a, const char *b);

// ---- programs ----

// Path of a built program: $TELOS_BIN/<name>.
const char *harness_program(const char *name);

// Starts program (found in PATH when it has no '/') with the arguments that follow, up to a NULL.
// env: "NAME=value" additions to this process's environment, NULL-terminated; NULL for none.
// stdin is /dev/null. The child leads a process group of its own, as a shell's job does.
struct proc *proc_start(const char *const *env, const char *program, ...) __attribute__((sentinel));

// The same, from an argument vector that ends in NULL; argv[0] is the program.
struct proc *proc_start_argv(const char *const *env, const char *const *argv);

pid_t proc_pid(const struct proc *p);
bool proc_running(struct proc *p);

// Waits for a complete line that contains text on stdout or stderr, and returns that line, without
// its newline. Looks at all output since the start or the last proc_mark.
const char *proc_wait_line(struct proc *p, const char *text);

// Later proc_wait_line calls see only lines that are complete after this call.
void proc_mark(struct proc *p);

// Waits for the end. Returns the exit code, or -signal when a signal ended it.
int proc_wait_exit(struct proc *p);

// What it wrote so far, whole.
const char *proc_stdout(struct proc *p);
const char *proc_stderr(struct proc *p);

// kill(2) of the program alone, and of its group, which is what Ctrl-C in a terminal does. A
// program that has ended already is no failure.
void proc_signal(struct proc *p, int sig);
void proc_signal_group(struct proc *p, int sig);

// ---- descendants ----

// Live descendants (zombies left out) of root, or of the test process when root is NULL, whose
// program name is name (NULL: any). Writes at most max ids; returns how many there are.
int harness_family(const struct proc *root, const char *name, pid_t *pids, int max);

// Waits until the family, as above, has exactly n members; fails at the deadline.
void harness_wait_family(const struct proc *root, const char *name, int n);

#endif
