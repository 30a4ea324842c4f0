// test_base.c - errors, checks, the log, files, processor and queue: what all else stands on.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/err.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/base/process.h"
#include "common/base/queue.h"
#include "common/base/ram.h"
#include "common/base/reasons.h"
#include "tests/unit/capture.h"

// ---- helpers ----

static char folder[] = "/tmp/test_base_XXXXXX";

static void make_folder(void) {
  cr_assert(mkdtemp(folder) != NULL);
}

static void remove_folder(void) {
  cr_expect_eq(fsio_remove_tree(folder), ERR_OK);
}

// "<folder>/<name>" in one of four static buffers
static const char *in_folder(const char *name) {
  static char path[4][256];
  static int next;
  next = (next + 1) % 4;
  snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
  return path[next];
}

static void write_text(const char *path, const char *text) {
  cr_assert_eq(fsio_write_atomic(path, text, strlen(text)), ERR_OK);
}

// the file holds exactly this
static void expect_text(const char *path, const char *text) {
  void *data;
  size_t n;
  cr_assert_eq(fsio_read(&data, &n, path, 1 << 20), ERR_OK);
  cr_expect_eq(n, strlen(text));
  cr_expect_str_eq((char *)data, text);
  free(data);
}

// err is as wanted, and exactly one line "E telos: <begin>...<end>" was logged
static void expect_failure(enum err err, enum err wanted, const char *begin, const char *end) {
  const char *got = capture_end();
  char head[1024];
  snprintf(head, sizeof head, "E telos: %s", begin);
  cr_expect_eq(err, wanted, "%s", got);
  cr_expect_eq(strncmp(got, head, strlen(head)), 0, "got: %s want: %s", got, head);
  size_t n = strlen(got), m = strlen(end);
  cr_expect(n > m && got[n - 1] == '\n' && strncmp(got + n - 1 - m, end, m) == 0,
            "got: %s want its end: %s", got, end);
  cr_expect_eq(strchr(got, '\n'), got + n - 1, "more than one line: %s", got);
}

// ---- err ----

Test(err, exit_codes_and_names) {
  const struct {
    enum err err;
    int code;
    const char *name;
  } table[] = {{ERR_OK, 0, "ok"},
               {ERR_USAGE, 64, "usage"},
               {ERR_CONFIG, 78, "config"},
               {ERR_FORMAT, 65, "format"},
               {ERR_IO, 74, "io"},
               {ERR_UNAVAILABLE, 69, "unavailable"},
               {ERR_REFUSED, 77, "refused"},
               {ERR_NUMERIC, 65, "numeric"},
               {ERR_INTERRUPTED, 75, "interrupted"}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    cr_expect_eq(err_exit_code(table[i].err), table[i].code, "%s", table[i].name);
    cr_expect_str_eq(err_name(table[i].err), table[i].name);
  }
}

Test(err, a_code_outside_the_list_is_a_bug, .signal = SIGABRT) {
  (void)err_exit_code((enum err)9);
}

// ---- check ----

Test(check, true_conditions_pass_and_are_evaluated_once) {
  int n = 0;
  CHECK(++n == 1);
  cr_expect_eq(n, 1);
}

Test(check, a_false_condition_aborts, .signal = SIGABRT) {
  CHECK(1 + 1 == 3);
}

Test(check, memory_is_zeroed_and_aligned) {
  const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 100003};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    // dirty what a second allocation of this size is likely to get
    char *dirty = must_alloc(sizes[i], 1);
    memset(dirty, 0xa5, sizes[i]);
    free(dirty);
    char *p = must_alloc(sizes[i], 1);
    cr_expect_eq((uintptr_t)p % 64, 0, "%zu", sizes[i]);
    for (size_t k = 0; k < sizes[i]; k++) {
      cr_assert_eq(p[k], 0, "%zu of %zu", k, sizes[i]);
    }
    free(p);
  }
}

Test(check, sizes_that_overflow_abort, .signal = SIGABRT) {
  free(must_alloc(SIZE_MAX / 4 + 1, 8));
}

Test(check, sizes_that_overflow_when_rounded_up_abort, .signal = SIGABRT) {
  free(must_alloc(SIZE_MAX, 1));
}

// what AddressSanitizer reserves is beyond any limit
#if defined(__SANITIZE_ADDRESS__)
enum { LIMITS_WORK = 0 };
#else
enum { LIMITS_WORK = 1 };
#endif

// From now on this process gets no more than so many bytes, as under `ulimit -v`. Where that cannot
// be tried it ends as if it had been.
static void limit_memory(size_t more) {
  if (!LIMITS_WORK) {
    _exit(err_exit_code(ERR_CONFIG));
  }
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  cr_assert(file != NULL && fscanf(file, "%lu", &pages) == 1);
  fclose(file);
  const rlim_t now = pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
  cr_assert_eq(setrlimit(RLIMIT_AS, &(struct rlimit){now, now}), 0);
}

Test(check, no_memory_ends_with_an_exit_code, .exit_code = 78) {
  limit_memory(1 << 20);
  free(must_alloc(1 << 10, 1 << 20));
}

Test(check, no_memory_to_grow_ends_with_an_exit_code, .exit_code = 78) {
  char *p = must_realloc(NULL, 3, 1);
  memcpy(p, "ab", 3);
  p = must_realloc(p, 3 << 10, 1);
  cr_assert_str_eq(p, "ab");
  limit_memory(1 << 20);
  free(must_realloc(p, 1 << 10, 1 << 20));
}

static void *do_nothing(void *arg) {
  return arg;
}

Test(check, no_memory_for_a_thread_ends_with_an_exit_code, .exit_code = 78) {
  pthread_t id;
  limit_memory(1 << 10);  // less than any stack
  must_thread(&id, do_nothing, NULL);
}

Test(check, strdup_copies) {
  const char *texts[] = {"", "a",
                         "a text of more than sixty-four bytes, so that it takes two cache lines"};
  for (size_t i = 0; i < 3; i++) {
    char *copy = must_strdup(texts[i]);
    cr_expect_str_eq(copy, texts[i]);
    cr_expect_neq(copy, texts[i]);
    free(copy);
  }
}

// ---- log ----

Test(log, levels_names_and_order) {
  capture_begin();
  log_info("listening on %s:%d", "127.0.0.1", 5555);
  log_set_name("actor 3");
  log_debug("not shown");
  log_error("e");
  log_set_level(LOG_DEBUG);
  log_debug("shown");
  log_set_level(LOG_ERROR);
  log_warn("not shown");
  cr_expect_str_eq(capture_end(),
                   "I telos: listening on 127.0.0.1:5555\nE actor 3: e\nD actor 3: shown\n");
}

static enum log_level sink_level;
static char sink_text[256];

static void keep_line(enum log_level level, const char *text) {
  sink_level = level;
  snprintf(sink_text, sizeof sink_text, "%s", text);
}

Test(log, a_sink_takes_the_lines) {
  capture_begin();
  log_set_sink(keep_line);
  log_warn("a: %d\n", 1);
  cr_expect(sink_level == LOG_WARN);
  cr_expect_str_eq(sink_text, "a: 1?");
  log_set_sink(NULL);
  log_error("b");
  cr_expect_str_eq(capture_end(), "E telos: b\n");
}

// whoever keeps the lines has no time left to show them
Test(log, a_sink_does_not_get_the_last_words) {
  capture_begin();
  const pid_t child = fork();
  if (child == 0) {
    log_set_sink(keep_line);
    check_failed("x", "y.c", 1);
  }
  int status;
  cr_assert(child > 0 && waitpid(child, &status, 0) == child);
  cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  cr_expect_str_eq(capture_end(),
                   "E telos: y.c:1: check failed: x; this is a bug, please report it with this "
                   "line\n");
}

Test(log, one_event_is_one_line) {
  capture_begin();
  log_warn("a\nE telos: forged\r\x1b[2J\x7f");
  cr_expect_str_eq(capture_end(), "W telos: a?E telos: forged??[2J?\n");
}

Test(log, long_lines_end_in_dots) {
  char text[5000];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  capture_begin();
  log_info("%s", text);
  const char *got = capture_end();
  size_t n = strlen(got);
  cr_expect_eq(n, 2047);
  cr_expect_str_eq(got + n - 5, "x...\n");

  // the longest that fits is whole, one more is not
  text[2047 - 1 - strlen("I telos: ")] = '\0';
  capture_begin();
  log_info("%s", text);
  got = capture_end();
  cr_expect_eq(strlen(got), 2047);
  cr_expect_str_eq(got + 2047 - 3, "xx\n");
}

Test(log, names_are_cut) {
  log_set_name("a name of more than thirty-one bytes is cut");
  capture_begin();
  log_info("x");
  cr_expect_str_eq(capture_end(), "I a name of more than thirty-one : x\n");
}

Test(log, the_file_gets_the_line_with_a_time) {
  int fd = memfd_create("file", MFD_CLOEXEC);
  log_set_file(fd);
  capture_begin();
  errno = EDOM;
  log_info("one");
  cr_expect_eq(errno, EDOM);
  cr_expect_str_eq(capture_end(), "I telos: one\n");
  log_set_file(-1);
  log_info("two");

  // a descriptor that refuses is ignored, and errno is still the caller's
  int closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
  log_set_file(closed);
  errno = EDOM;
  log_info("three");
  cr_expect_eq(errno, EDOM);
  log_set_file(-1);
  close(closed);

  char text[256] = "";
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  cr_expect_eq(n, 25 + 13, "%s", text);
  cr_expect_str_eq(text + 25, "I telos: one\n");
  // 2026-01-31T23:59:59.999Z
  const char *form = "dddd-dd-ddTdd:dd:dd.dddZ ";
  for (int i = 0; i < 25; i++) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    cr_expect(form[i] == 'd' ? digit : text[i] == form[i], "%d of %s", i, text);
  }
  close(fd);
}

enum { LOG_THREADS = 4, LOG_LINES = 200 };

static void *log_many(void *arg) {
  for (int i = 0; i < LOG_LINES; i++) {
    log_info("thread %d line %03d end", *(int *)arg, i);
  }
  return NULL;
}

Test(log, lines_of_threads_do_not_mix) {
  pthread_t thread[LOG_THREADS];
  int id[LOG_THREADS];
  capture_begin();
  for (int i = 0; i < LOG_THREADS; i++) {
    id[i] = i;
    pthread_create(&thread[i], NULL, log_many, &id[i]);
  }
  for (int i = 0; i < LOG_THREADS; i++) {
    pthread_join(thread[i], NULL);
  }
  int next[LOG_THREADS] = {0};
  char *text = must_strdup(capture_end());
  for (char *rest, *line = strtok_r(text, "\n", &rest); line != NULL;
       line = strtok_r(NULL, "\n", &rest)) {
    int who, which, length = 0;
    cr_assert(sscanf(line, "I telos: thread %d line %d end%n", &who, &which, &length) == 2, "%s",
              line);
    cr_assert_eq((size_t)length, strlen(line), "%s", line);
    cr_expect_eq(which, next[who]++);
  }
  for (int i = 0; i < LOG_THREADS; i++) {
    cr_expect_eq(next[i], LOG_LINES);
  }
  free(text);
}

// ---- fsio ----

TestSuite(fsio, .init = make_folder, .fini = remove_folder);

Test(fsio, write_and_read) {
  const char *path = in_folder("a");
  write_text(path, "first");
  expect_text(path, "first");
  write_text(path, "");
  expect_text(path, "");
  write_text(path, "second");
  expect_text(path, "second");
  cr_expect(fsio_exists(path));
  cr_expect_not(fsio_exists(in_folder("a.tmp")));
  cr_expect_not(fsio_exists(in_folder("b")));

  // a temporary file that a crash left behind is in nobody's way
  write_text(in_folder("a.tmp"), "left behind by a crash, and longer");
  write_text(path, "third");
  expect_text(path, "third");
  cr_expect_not(fsio_exists(in_folder("a.tmp")));
}

Test(fsio, write_atomic_takes_bare_names) {
  cr_assert_eq(chdir(folder), 0);
  write_text("bare", "x");
  expect_text("bare", "x");
  cr_assert_eq(chdir("/"), 0);
}

Test(fsio, read_is_bounded) {
  const char *path = in_folder("a");
  void *data = NULL;
  size_t n = 7;
  write_text(path, "12345");
  cr_assert_eq(fsio_read(&data, &n, path, 5), ERR_OK);
  cr_expect_eq(n, 5);
  free(data);
  data = NULL;
  n = 7;
  capture_begin();
  enum err err = fsio_read(&data, &n, path, 4);
  expect_failure(err, ERR_FORMAT, path,
                 "is larger than the 4 bytes allowed; is it the right file?");
  cr_expect(data == NULL && n == 7);
}

// more than a pipe holds, so that the reader's buffer has to grow
enum { PIPE_BYTES = 300000 };

static void *fill_pipe(void *arg) {
  int fd = open(arg, O_WRONLY);
  char *text = must_alloc(PIPE_BYTES, 1);
  memset(text, 'p', PIPE_BYTES);
  enum err err = fsio_write_all(fd, text, PIPE_BYTES, arg);
  cr_expect_eq(err, ERR_OK);
  free(text);
  close(fd);
  return NULL;
}

Test(fsio, read_takes_pipes) {
  char path[256];
  snprintf(path, sizeof path, "%s", in_folder("pipe"));
  cr_assert_eq(mkfifo(path, 0600), 0);
  const size_t limits[] = {PIPE_BYTES, PIPE_BYTES + 1, 1 << 20};
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, fill_pipe, path);
    void *data;
    size_t n;
    cr_assert_eq(fsio_read(&data, &n, path, limits[i]), ERR_OK);
    pthread_join(thread, NULL);
    cr_expect_eq(n, PIPE_BYTES);
    cr_expect_eq(strlen(data), PIPE_BYTES);
    cr_expect_eq(strspn(data, "p"), PIPE_BYTES);
    free(data);
  }
}

Test(fsio, read_bounds_what_has_no_size) {
  void *data;
  size_t n;
  capture_begin();
  enum err err = fsio_read(&data, &n, "/dev/zero", 200000);
  expect_failure(err, ERR_FORMAT, "/dev/zero is larger than the 200000 bytes allowed",
                 "is it the right file?");
}

Test(fsio, the_bound_of_a_growing_read_is_exact) {
  // the first buffer holds 65536 bytes, twice that is over the limit
  int fd[2];
  cr_assert_eq(pipe(fd), 0);
  cr_assert(fcntl(fd[1], F_SETPIPE_SZ, 1 << 18) >= 1 << 18);
  char *text = must_alloc(100000, 1);
  cr_assert_eq(fsio_write_all(fd[1], text, 100000, "pipe"), ERR_OK);
  close(fd[1]);
  free(text);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd[0]);
  void *data;
  size_t n;
  capture_begin();
  enum err err = fsio_read(&data, &n, path, 99999);
  expect_failure(err, ERR_FORMAT, path, "allowed; is it the right file?");
  close(fd[0]);
}

Test(fsio, read_failures) {
  void *data;
  size_t n;
  capture_begin();
  enum err err = fsio_read(&data, &n, "/nonexistent/file", 10);
  expect_failure(err, ERR_IO,
                 "cannot open /nonexistent/file: ", "No such file or directory; check the path");
  capture_begin();
  err = fsio_read(&data, &n, folder, 1 << 20);
  expect_failure(err, ERR_IO, "cannot read /tmp/test_base_", "Is a directory; check the path");
}

Test(fsio, a_full_disk_is_named_with_what_was_wanted) {
  int fd = open("/dev/full", O_WRONLY);
  cr_assert(fd >= 0);
  capture_begin();
  enum err err = fsio_write_all(fd, "123", 3, "some/name");
  expect_failure(err, ERR_IO, "cannot write some/name: No space left on device (3 bytes wanted)",
                 "free some space");
  close(fd);
}

Test(fsio, a_write_that_fails_half_way_leaves_the_old_file) {
  const char *path = in_folder("a");
  write_text(path, "old");
  // files may not grow beyond 4096 bytes: the first part is written, the rest is refused
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit before, limit;
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = before;
  limit.rlim_cur = 4096;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  char *text = must_alloc(10000, 1);
  capture_begin();
  enum err err = fsio_write_atomic(path, text, 10000);
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  expect_failure(err, ERR_IO, "cannot write /tmp/test_base_",
                 "(10000 bytes wanted); free some space");
  free(text);
  expect_text(path, "old");
  cr_expect_not(fsio_exists(in_folder("a.tmp")));
}

Test(fsio, write_failures_leave_nothing) {
  write_text(in_folder("file"), "x");
  capture_begin();
  enum err err = fsio_write_atomic(in_folder("file/below"), "y", 1);
  expect_failure(err, ERR_IO, "cannot create /tmp/test_base_",
                 "file/below.tmp: Not a directory; check the path");

  // a folder stands where the file should: the temporary file goes again
  cr_assert_eq(fsio_mkdirs(in_folder("sub/inner")), ERR_OK);
  capture_begin();
  err = fsio_write_atomic(in_folder("sub"), "y", 1);
  expect_failure(err, ERR_IO, "cannot replace /tmp/test_base_",
                 "sub: Is a directory; check the path");
  cr_expect_not(fsio_exists(in_folder("sub.tmp")));

  // a link planted at the temporary name is not followed
  cr_assert_eq(symlink(in_folder("file"), in_folder("b.tmp")), 0);
  capture_begin();
  err = fsio_write_atomic(in_folder("b"), "y", 1);
  expect_failure(err, ERR_IO, "cannot create /tmp/test_base_", "Too many levels of symbolic links");
  expect_text(in_folder("file"), "x");

  char *endless = must_alloc(5000, 1);
  memset(endless, 'a', 4999);
  capture_begin();
  err = fsio_write_atomic(endless, "y", 1);
  const char *got = capture_end();
  cr_expect_eq(err, ERR_IO);
  cr_expect_eq(strncmp(got, "E telos: cannot use aaaa", 24), 0, "%s", got);
  free(endless);
}

Test(fsio, mkdirs) {
  cr_assert_eq(fsio_mkdirs(in_folder("a/b/c")), ERR_OK);
  cr_expect(fsio_exists(in_folder("a/b/c")));
  cr_expect_eq(fsio_mkdirs(in_folder("a/b/c")), ERR_OK);
  cr_expect_eq(fsio_mkdirs(in_folder("a//d/")), ERR_OK);
  cr_expect(fsio_exists(in_folder("a/d")));
  cr_expect_eq(fsio_mkdirs("/"), ERR_OK);
  cr_assert_eq(chdir(folder), 0);
  cr_expect_eq(fsio_mkdirs("e/f"), ERR_OK);
  cr_expect(fsio_exists(in_folder("e/f")));
  cr_expect_eq(fsio_mkdirs("."), ERR_OK);
  cr_assert_eq(chdir("/"), 0);

  write_text(in_folder("file"), "x");
  capture_begin();
  enum err err = fsio_mkdirs(in_folder("file"));
  expect_failure(err, ERR_IO, "cannot create folder /tmp/test_base_",
                 "file: Not a directory; check the path");
  capture_begin();
  err = fsio_mkdirs(in_folder("file/g/h"));
  expect_failure(err, ERR_IO, "cannot create folder /tmp/test_base_",
                 ": Not a directory; check the path");
}

Test(fsio, sync_dir) {
  cr_expect_eq(fsio_sync_dir(folder), ERR_OK);
  capture_begin();
  enum err err = fsio_sync_dir(in_folder("none"));
  expect_failure(err, ERR_IO, "cannot open folder /tmp/test_base_",
                 "No such file or directory; check the path");
}

Test(fsio, remove_tree_stays_inside) {
  cr_assert_eq(fsio_mkdirs(in_folder("tree/deep/er")), ERR_OK);
  cr_assert_eq(fsio_mkdirs(in_folder("other")), ERR_OK);
  write_text(in_folder("tree/deep/file"), "x");
  write_text(in_folder("other/kept"), "kept");
  // links to a folder and a file outside, and one to nowhere
  cr_assert_eq(symlink(in_folder("other"), in_folder("tree/link")), 0);
  cr_assert_eq(symlink(in_folder("other/kept"), in_folder("tree/deep/link")), 0);
  cr_assert_eq(symlink("nowhere", in_folder("tree/dangling")), 0);
  cr_expect_eq(fsio_remove_tree(in_folder("tree")), ERR_OK);
  cr_expect_not(fsio_exists(in_folder("tree")));
  expect_text(in_folder("other/kept"), "kept");

  // none is fine, a link or a file is not what we made
  cr_expect_eq(fsio_remove_tree(in_folder("tree")), ERR_OK);
  cr_assert_eq(symlink(in_folder("other"), in_folder("link")), 0);
  capture_begin();
  enum err err = fsio_remove_tree(in_folder("link"));
  expect_failure(err, ERR_IO, "cannot remove /tmp/test_base_",
                 "link: Not a directory; check the path");
  expect_text(in_folder("other/kept"), "kept");
}

// ---- cpu ----

TestSuite(cpu, .init = make_folder, .fini = remove_folder);

static void write_group(const char *group, const char *file, const char *text) {
  char path[128];
  cr_assert_eq(fsio_mkdirs(in_folder(group)), ERR_OK);
  snprintf(path, sizeof path, "%s/%s", group, file);
  write_text(in_folder(path), text);
}

Test(cpu, this_machine) {
  cpu_set_t set;
  cr_assert_eq(sched_getaffinity(0, sizeof set, &set), 0);
  cr_expect(cpu_cores() >= 1 && cpu_cores() <= CPU_COUNT(&set));
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  cr_assert_eq(sched_setaffinity(0, sizeof set, &set), 0);
  cr_expect_eq(cpu_cores(), 1);
  cr_expect_eq(cpu_require(), ERR_OK);
  cr_expect(strlen(cpu_model()) > 0 && strchr(cpu_model(), '\n') == NULL);
}

Test(cpu, quota_of_cgroup_v2) {
  const char *self = "0::/kube/pod/box\n";
  cr_expect_eq(cpu_quota_cores(self, folder), 0);
  write_group("kube/pod/box", "cpu.max", "max 100000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 0);
  // rounded up
  write_group("kube/pod/box", "cpu.max", "350000 100000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 4);
  write_group("kube/pod/box", "cpu.max", "400000 100000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 4);
  write_group("kube/pod/box", "cpu.max", "1000 100000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 1);
  // the smallest on the way up counts, wherever it stands
  write_group("kube/pod/box", "cpu.max", "800000 100000\n");
  write_group("kube", "cpu.max", "250000 100000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 3);
  write_group(".", "cpu.max", "100000 50000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 2);
  // a neighbour's does not
  write_group("kube/pod2", "cpu.max", "1 100000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 2);
}

Test(cpu, quota_of_cgroup_v1) {
  const char *self = "11:cpuset:/set\n4:cpu,cpuacct:/docker/box\n1:name=systemd:/\n0::/\n";
  write_group("cpu/docker/box", "cpu.cfs_quota_us", "-1\n");
  write_group("cpu/docker/box", "cpu.cfs_period_us", "100000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 0);
  write_group("cpu/docker/box", "cpu.cfs_quota_us", "150000\n");
  cr_expect_eq(cpu_quota_cores(self, folder), 2);
  // a group that the container cannot see counts as none; its mount's own still does
  write_group("cpu", "cpu.cfs_quota_us", "50000\n");
  write_group("cpu", "cpu.cfs_period_us", "100000\n");
  cr_expect_eq(cpu_quota_cores("4:cpuacct,cpu:/host/path\n", folder), 1);
  // cpuset and cpuacct are other controllers
  cr_expect_eq(cpu_quota_cores("4:cpuset,cpuacct:/docker/box\n", folder), 0);
}

Test(cpu, quota_of_nonsense) {
  write_group("a", "cpu.max", "many\n");
  const char *texts[] = {
      "", "\n", ":", "::", "0", "0:", "0::", "0::/a", "0::/a\n", "0::a/../a\n\n\n", "x:cpu"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    cr_expect_eq(cpu_quota_cores(texts[i], folder), 0, "%s", texts[i]);
  }
  write_group("a", "cpu.max", "100000 0\n");
  cr_expect_eq(cpu_quota_cores("0::/a", folder), 0);
  write_group("a", "cpu.max", "9000000000000000000 1\n");
  cr_expect(cpu_quota_cores("0::/a", folder) > 1000);
}

// ---- memory ----

TestSuite(ram, .init = make_folder, .fini = remove_folder);

Test(ram, limit_of_cgroups) {
  const char *v2 = "0::/kube/pod/box\n";
  cr_expect_eq(ram_group_limit(v2, folder), 0);
  write_group("kube/pod/box", "memory.max", "max\n");
  cr_expect_eq(ram_group_limit(v2, folder), 0);
  write_group("kube/pod/box", "memory.max", "3000000000\n");
  cr_expect_eq(ram_group_limit(v2, folder), 3000000000u);
  write_group("kube", "memory.max", "1073741824\n");
  cr_expect_eq(ram_group_limit(v2, folder), 1073741824u);

  // v1: a controller has a tree of its own
  const char *v1 = "5:cpu,cpuacct:/docker/box\n4:memory:/docker/box\n0::/\n";
  write_group("memory/docker/box", "memory.limit_in_bytes", "500000000\n");
  cr_expect_eq(ram_group_limit(v1, folder), 500000000u);
  write_group("cpu/docker/box", "memory.limit_in_bytes", "1\n");
  cr_expect_eq(ram_group_limit(v1, folder), 500000000u, "another controller's file");
  write_group("memory/docker/box", "memory.limit_in_bytes", "much\n");
  cr_expect_eq(ram_group_limit(v1, folder), 0);
}

Test(ram, a_process_may_use_some) {
  const uint64_t limit = ram_limit();
  cr_expect(limit > 16u << 20 && limit < UINT64_MAX / 4, "%llu", (unsigned long long)limit);
}

Test(ram, in_words) {
  static const struct {
    uint64_t bytes;
    const char *text;
  } cases[] = {{0, "0 B"},
               {999, "999 B"},
               {1234, "1.23 kB"},
               {999499, "999 kB"},
               {999500, "1 MB"},
               {24500000000u, "24.5 GB"},
               {UINT64_MAX, "18.4 EB"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[RAM_TEXT];
    ram_format(text, cases[i].bytes);
    cr_expect_str_eq(text, cases[i].text);
  }
}

// ---- queue ----

Test(queue, first_in_first_out_around_the_ring) {
  int item[7];
  struct queue *q = queue_new(4);
  cr_expect_eq(queue_pop(q), NULL);
  int in = 0, out = 0;
  // 1, 2 and 3 inside in turn, in a ring of 4: every place is first and last, and it wraps within
  for (int round = 0; round < 20; round++) {
    int batch = 1 + round % 3;
    for (int i = 0; i < batch; i++) {
      queue_push(q, &item[in++ % 7]);
    }
    for (int i = 0; i < batch; i++) {
      cr_expect_eq(queue_pop(q), &item[out++ % 7]);
    }
    cr_expect_eq(queue_pop(q), NULL);
  }
  queue_free(q);
  queue_free(NULL);
}

Test(reasons, more_than_there_is_room_for_are_passed_over) {
  static char text[REASONS_MAX + 1][8];
  struct reasons r = {0};
  uint64_t bits = 0, others = 0;
  for (int i = 0; i <= REASONS_MAX; i++) {
    snprintf(text[i], sizeof text[i], "%d", i);
    cr_expect_eq(reasons_first(&r, &bits, text[i]), i < REASONS_MAX, "%d", i);
  }
  cr_expect_not(reasons_first(&r, &bits, "63"), "the same text, not the same pointer");
  cr_expect(reasons_first(&r, &others, "63"));
}

Test(now, goes_forward) {
  const double wall = now_s(), cpu = now_cpu_s();
  while (now_cpu_s() < cpu + 1e-3) {
  }
  // what this thread has worked has passed for all
  cr_expect_geq(now_s() - wall, 0.9e-3);
}

Test(queue, a_full_queue_is_a_bug, .signal = SIGABRT) {
  int item;
  struct queue *q = queue_new(2);
  queue_push(q, &item);
  queue_push(q, &item);
  queue_push(q, &item);
}

Test(queue, a_null_item_is_a_bug, .signal = SIGABRT) {
  struct queue *q = queue_new(2);
  queue_push(q, NULL);
}

Test(queue, a_closed_queue_is_drained) {
  int item[2];
  struct queue *q = queue_new(2);
  queue_push(q, &item[0]);
  queue_close(q);
  queue_push(q, &item[1]);
  cr_expect_eq(queue_wait(q), &item[0]);
  cr_expect_eq(queue_wait(q), &item[1]);
  cr_expect_eq(queue_wait(q), NULL);
  cr_expect_eq(queue_pop(q), NULL);
  queue_free(q);
}

enum { PASSED = 20000, ROOM = 8 };

struct relay {
  struct queue *there, *back;
  long sum;
};

// takes items in order until the queue is closed; what was taken makes room for another
static void *take_all(void *arg) {
  struct relay *relay = arg;
  const int *item;
  while ((item = queue_wait(relay->there)) != NULL) {
    relay->sum = relay->sum * 31 % 1000003 + *item;
    queue_push(relay->back, (void *)item);
  }
  return NULL;
}

Test(queue, between_two_threads) {
  int number[ROOM];
  struct relay relay = {queue_new(ROOM), queue_new(ROOM), 0};
  pthread_t thread;
  for (int i = 0; i < ROOM; i++) {
    queue_push(relay.back, &number[i]);
  }
  pthread_create(&thread, NULL, take_all, &relay);
  long sum = 0;
  for (int i = 0; i < PASSED; i++) {
    int *item = queue_wait(relay.back);
    *item = i;
    sum = sum * 31 % 1000003 + i;
    queue_push(relay.there, item);
  }
  queue_close(relay.there);
  pthread_join(thread, NULL);
  cr_expect_eq(relay.sum, sum);
  queue_free(relay.there);
  queue_free(relay.back);
}

static void *wait_once(void *arg) {
  return queue_wait(arg);
}

Test(queue, close_wakes_all_who_wait) {
  struct queue *q = queue_new(1);
  pthread_t thread[3];
  for (int i = 0; i < 3; i++) {
    pthread_create(&thread[i], NULL, wait_once, q);
  }
  // most likely all wait by now; a thread that comes later must not wait at all
  usleep(5000);
  queue_close(q);
  for (int i = 0; i < 3; i++) {
    void *item = q;
    pthread_join(thread[i], &item);
    cr_expect_eq(item, NULL);
  }
  queue_free(q);
}

Test(process, open_files_are_raised_to_the_hard_limit) {
  struct rlimit before, limit;
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
  limit = before;
  limit.rlim_cur = before.rlim_max / 2;
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
  process_raise_files();
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  cr_assert_eq(limit.rlim_cur, before.rlim_max);
  cr_assert_eq(limit.rlim_max, before.rlim_max);
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
