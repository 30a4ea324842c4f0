// test_disk.c - full and read-only disks, and folders in use, under a real learner.
//
// The disk is a tmpfs of a few hundred kilobytes, mounted in a mount namespace of the test's own,
// so it disappears with the test whatever happens; a file beside the run takes the space that is to
// be missing. Where mounting is not permitted these tests say so and are skipped; the last ones,
// which need no mount, run everywhere.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/integration/small.h"

enum { DISK_BYTES = 1 << 20 };

static void end_mount(void) {
  umount2(harness_path("disk"), MNT_DETACH);
}

// A small file system of its own at the returned path; skips the test where that is not permitted.
static const char *mount_disk(void) {
  const char *disk = harness_path("disk");
  cr_assert_eq(mkdir(disk, 0755), 0);
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("telos", disk, "tmpfs", 0, harness_text("size=%d", DISK_BYTES)) != 0) {
    fprintf(stderr, "skipped: mounting a file system is not permitted here\n");
    cr_skip_test("mounting a file system is not permitted here (%s)", strerror(errno));
  }
  // before the harness removes the folder: handlers run in reverse order
  atexit(end_mount);
  return disk;
}

static size_t free_bytes(const char *disk) {
  struct statvfs st;
  cr_assert_eq(statvfs(disk, &st), 0);
  return st.f_bavail * st.f_frsize;
}

// Leaves this many free bytes, rounded down to pages.
static void fill_disk(const char *disk, size_t left) {
  const int fd = open(harness_text("%s/ballast", disk), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const size_t have = free_bytes(disk);
  if (have > left) {
    cr_assert_eq(posix_fallocate(fd, 0, (off_t)(have - left)), 0);
  }
  close(fd);
}

static void make_space(const char *disk) {
  cr_assert_eq(remove(harness_text("%s/ballast", disk)), 0);
}

// The newest whole checkpoint's digest is what a failed run must leave; 0: none yet.
static uint64_t checkpoints(const char *run) {
  const char *path = harness_text("%s/checkpoints", run);
  return harness_exists(path) ? small_tree(path) : 0;
}

// A run meets a disk with this many bytes left once it listens: it ends with 74 and one line that
// names a file on the disk; with space made it goes on to the reference's policy file. Returns the
// error line.
static const char *meet_full_disk(const char *disk, const char *run, size_t left) {
  static const char *const more[] = {"checkpoint.keep=1", NULL};
  struct proc *learner = small_learner(run, more);
  const char *endpoint = small_endpoint(learner);
  fill_disk(disk, left);
  struct proc *actor = small_actor(endpoint);
  const char *what = harness_text("%zu bytes left", left);
  small_assert_end(learner, 74, what,
                   (const char *const[]){disk, "No space left", "free some space", NULL});
  const char *line = proc_wait_line(learner, "No space left");
  const uint64_t before = checkpoints(run);
  make_space(disk);
  proc_signal(actor, SIGTERM);
  proc_wait_exit(actor);

  // the last checkpoint is sound: nothing is called damaged, and the end is the same
  learner = small_learner(run, more);
  endpoint = small_endpoint(learner);
  cr_assert(before == 0 || strstr(proc_stderr(learner), "resuming at ") != NULL);
  cr_assert(strstr(proc_stderr(learner), "damaged") == NULL, "%s", proc_stderr(learner));
  actor = small_actor(endpoint);
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0);
  harness_assert_same(small_policy(run), small_policy(small_reference()));
  return line;
}

// the space that is left decides which write is the first without any
Test(disk, full_at_every_moment) {
  const char *disk = mount_disk();
  bool segment = false, checkpoint = false, later = false;
  for (size_t pages = 0; pages <= 44; pages += pages < 16 ? 2 : 7) {
    const char *run = harness_text("%s/run-%zu", disk, pages);
    const char *line = meet_full_disk(disk, run, pages * 4096);
    segment = segment || strstr(line, "/replay/episodes-") != NULL;
    checkpoint = checkpoint || strstr(line, "/checkpoints/") != NULL;
    later = later || harness_exists(small_policy(run));
    cr_assert_eq(system(harness_text("rm -rf '%s'", run)), 0);
  }
  cr_assert(segment && checkpoint && later, "the moments of the failures were too much alike");
}

// no space for the run's first files: one line, and the folder is as good as new
Test(disk, full_at_the_start) {
  const char *disk = mount_disk();
  const char *run = harness_text("%s/run", disk);
  for (size_t pages = 0; pages < 2; pages++) {
    fill_disk(disk, pages * 4096);
    small_assert_end(small_learner(run, NULL), 74, harness_text("%zu pages", pages),
                     (const char *const[]){run, "No space left", "free some space", NULL});
    make_space(disk);
  }
  small_finish(run, NULL);
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

// a log that cannot be written costs only itself
Test(disk, log_that_cannot_be_written) {
  if (access("/dev/full", W_OK) != 0) {
    fprintf(stderr, "skipped: there is no /dev/full here\n");
    cr_skip_test("there is no /dev/full here");
  }
  const char *run = harness_path("run");
  cr_assert_eq(mkdir(run, 0755), 0);
  cr_assert_eq(symlink("/dev/full", harness_text("%s/log.txt", run)), 0);
  small_finish(run, NULL);
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

// a finished run on a file system that turned read-only: refused with one line, and nothing changes
Test(disk, read_only) {
  const char *disk = mount_disk();
  const char *run = harness_text("%s/run", disk);
  small_finish(run, NULL);
  const uint64_t tree = small_tree(run);
  cr_assert_eq(mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
  static const char *const longer[] = {"run.steps=5000", NULL};
  small_assert_end(small_learner(run, longer), 74, "a read-only run",
                   (const char *const[]){run, "Read-only", "can be written", NULL});
  const char *fresh = harness_text("%s/fresh", disk);
  small_assert_end(small_learner(fresh, NULL), 74, "a read-only place",
                   (const char *const[]){fresh, "Read-only", NULL});
  cr_assert_eq(small_tree(run), tree);

  // its policy can still be evaluated, and the run goes on when it can be written again
  struct proc *p = proc_start(NULL, harness_program("telos"), "eval", run, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert_eq(mount(NULL, disk, NULL, MS_REMOUNT, NULL), 0);
  small_finish(run, longer);
}

// turned read-only in the middle
Test(disk, read_only_while_training) {
  const char *disk = mount_disk();
  // a remount with files open for writing is refused, so the folders are made read-only instead:
  // a bind mount over checkpoints/
  const char *run = harness_text("%s/run", disk), *parent = harness_text("%s/checkpoints", run);
  struct proc *learner = small_learner(run, NULL);
  const char *endpoint = small_endpoint(learner);
  cr_assert_eq(mkdir(parent, 0755), 0);
  cr_assert_eq(mount(parent, parent, NULL, MS_BIND, NULL), 0);
  cr_assert_eq(mount(NULL, parent, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
  struct proc *actor = small_actor(endpoint);
  small_assert_end(learner, 74, "read-only checkpoints",
                   (const char *const[]){parent, "Read-only", NULL});
  proc_signal(actor, SIGTERM);
  proc_wait_exit(actor);
  cr_assert_eq(umount(parent), 0);
  small_finish(run, NULL);
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

// ---- without mounts ----

// a limit on the size of files, as `ulimit -f` sets it, in a run that has begun without it: first
// the checkpoint is too large for it, then the segment
Test(disk, file_size_limit) {
  static const size_t limits[] = {4096, 10000, 60000};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    const char *run = harness_path("run-%zu", limits[i]);
    struct proc *begun = small_learner(run, NULL);
    small_endpoint(begun);
    proc_signal(begun, SIGTERM);
    cr_assert_eq(proc_wait_exit(begun), 75);
    struct rlimit old, limit = {limits[i], RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    limit.rlim_max = old.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct proc *learner = small_learner(run, NULL);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    struct proc *actor = small_actor(small_endpoint(learner));
    small_assert_end(learner, 74, harness_text("files of at most %zu bytes", limits[i]),
                     (const char *const[]){run, "File too large", NULL});
    proc_signal(actor, SIGTERM);
    proc_wait_exit(actor);
    small_finish(run, NULL);
    harness_assert_same(small_policy(run), small_policy(small_reference()));
  }
}

// a policy file that cannot be put in its place, at the first checkpoint
Test(disk, policy_that_cannot_be_written) {
  const char *run = harness_path("run");
  struct proc *learner = small_learner(run, NULL);
  const char *endpoint = small_endpoint(learner);
  cr_assert_eq(mkdir(small_policy(run), 0755), 0);
  struct proc *actor = small_actor(endpoint);
  small_assert_end(learner, 74, "policy", (const char *const[]){small_policy(run), NULL});
  proc_signal(actor, SIGTERM);
  proc_wait_exit(actor);
  cr_assert_eq(rmdir(small_policy(run)), 0);
  small_finish(run, NULL);
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

// ---- lines that two programs print ----

// every option in the error line is one that this program has
static void assert_own_options(struct proc *p, const char *help) {
  const char *text = proc_stderr(p);
  const char *line = strncmp(text, "E ", 2) == 0 ? text : strstr(text, "\nE ") + 1;
  const char *end = line + strcspn(line, "\n");
  for (const char *at = line; (at = strstr(at, " --")) != NULL && at < end;) {
    at++;
    const size_t n = 2 + strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
    const char *option = harness_text("%.*s", (int)n, at);
    cr_expect(strstr(help, harness_text("  %s ", option)) != NULL, "no option %s:\n%s", option,
              text);
  }
}

static const char *help_of(struct proc *p) {
  cr_assert_eq(proc_wait_exit(p), 0);
  return proc_stdout(p);
}

// The learner speaks for itself and below `telos train`, which has other options.
Test(disk, remedies_are_options_of_the_program) {
  const char *const learner = harness_program("telos-learner"), *telos = harness_program("telos");
  const char *helps[] = {help_of(proc_start(NULL, learner, "--help", NULL)),
                         help_of(proc_start(NULL, telos, "train", "--help", NULL))};
  const char *used = harness_path("box2d/used"), *odd = harness_path("box2d/odd");
  cr_assert_eq(mkdir(harness_path("box2d"), 0755), 0);
  cr_assert_eq(mkdir(used, 0755), 0);
  cr_assert_eq(mkdir(odd, 0755), 0);
  cr_assert_eq(mkdir(harness_text("%s/run.lock", odd), 0755), 0);
  const int lock = open(harness_text("%s/run.lock", used), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  cr_assert(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0);
  static const struct {
    const char *name, *resume, *setting;
    int code;
    const char *words[4];
  } cases[] = {
      {"odd", "auto", "run.seed=1", 74, {"box2d/odd/run.lock", "can be written"}},
      {"used", "auto", "run.seed=1", 69, {"box2d/used", "in use", "another run name"}},
      {"none", "must", "run.seed=1", 78, {"--resume must", "box2d/none", "--resume auto"}},
      {"open", "auto", "wire.bind=0.0.0.0", 78, {"wire.bind=0.0.0.0", "--insecure"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct proc *p[] = {
        proc_start(NULL, learner, "--task", "box2d", "--run",
                   harness_path("box2d/%s", cases[i].name), "--resume", cases[i].resume,
                   SMALL_SETTINGS, cases[i].setting, NULL),
        NULL,
    };
    small_assert_end(p[0], cases[i].code, cases[i].name, cases[i].words);
    p[1] = proc_start(NULL, telos, "train", "box2d", "--runs", harness_folder(), "--name",
                      cases[i].name, "--resume", cases[i].resume, SMALL_SETTINGS, cases[i].setting,
                      NULL);
    small_assert_end(p[1], cases[i].code, cases[i].name, cases[i].words);
    for (int k = 0; k < 2; k++) {
      assert_own_options(p[k], helps[k]);
    }
  }
  close(lock);
}
