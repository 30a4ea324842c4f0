// harness.c - processes, their output and their files, for integration tests.
//
// Waiting is polling (POLL_MS): the events are lines in files, exits and entries of /proc, which
// share no descriptor to wait on, and a poll cannot miss one. What is allocated lives until the
// process ends: Criterion runs every test in a process of its own. The end is an atexit handler,
// so it also runs after a failed assertion; a test that crashes leaves its folder, while
// PR_SET_PDEATHSIG still takes its children along.
#include "tests/integration/harness.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/base/now.h"

enum { POLL_MS = 5, DEADLINE_S = 120, PROCS_MAX = 256, ARGS_MAX = 63, FAMILY_MAX = 4096 };

enum stream { STREAM_OUT, STREAM_ERR, STREAMS };

struct proc {
  pid_t pid;
  bool ended;
  int status;  // of waitpid, once ended
  const char *name;
  const char *path[STREAMS];  // files that take stdout and stderr
  size_t mark[STREAMS];       // bytes of each that proc_wait_line passes over
};

// what harness_text and its like returned: reachable, so that no leak is reported
struct kept {
  struct kept *next;
  void *memory;
};

static struct {
  char *folder;  // NULL until the first need
  struct proc *procs[PROCS_MAX];
  int n;
  struct kept *kept;
} harness;

static void end_of_test(void);

// ---- small parts ----

static _Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void die(const char *fmt, ...) {
  char why[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, sizeof why, fmt, args);
  va_end(args);
  cr_assert_fail("%s", why);
  abort();
}

// memory that lives until the test ends
static void *keep(void *memory) {
  struct kept *kept = malloc(sizeof *kept);
  if (memory == NULL || kept == NULL) {
    die("out of memory");
  }
  *kept = (struct kept){.next = harness.kept, .memory = memory};
  harness.kept = kept;
  return memory;
}

const char *harness_text(const char *fmt, ...) {
  va_list args;
  char *text = NULL;
  va_start(args, fmt);
  if (vasprintf(&text, fmt, args) < 0) {
    text = NULL;
  }
  va_end(args);
  return keep(text);
}

static double deadline_s(void) {
  const char *text = getenv("TELOS_TEST_DEADLINE_S");
  double seconds = text != NULL ? strtod(text, NULL) : 0.0;
  return now_s() + (seconds > 0.0 ? seconds : DEADLINE_S);
}

static void poll_pause(void) {
  nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

// ---- the test's folder and files ----

const char *harness_folder(void) {
  if (harness.folder != NULL) {
    return harness.folder;
  }
  const char *base = getenv("TELOS_TEST_TMP");
  if (base != NULL) {
    // several tests may want it at once
    (void)mkdir(base, 0777);
  } else {
    base = getenv("TMPDIR");
  }
  char *folder = (char *)harness_text("%s/telos-XXXXXX", base != NULL ? base : "/tmp");
  if (mkdtemp(folder) == NULL) {
    die("%s: %s", folder, strerror(errno));
  }
  harness.folder = folder;

  // registered once, with the first thing there is to clean up
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  atexit(end_of_test);
  return folder;
}

const char *harness_path(const char *fmt, ...) {
  va_list args;
  char *name = NULL;
  va_start(args, fmt);
  if (vasprintf(&name, fmt, args) < 0) {
    name = NULL;
  }
  va_end(args);
  return harness_text("%s/%s", harness_folder(), (char *)keep(name));
}

// the file's bytes and a NUL, or NULL with errno
static char *read_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (f == NULL) {
    return NULL;
  }
  size_t size = 0;
  size_t room = 65536;
  char *data = malloc(room);
  // until the end, not to a size asked before: the file may be growing
  while (data != NULL) {
    size_t got = fread(data + size, 1, room - size - 1, f);
    size += got;
    if (got == 0) {
      break;
    }
    if (room - size < 2) {
      room *= 2;
      char *more = realloc(data, room);
      if (more == NULL) {
        free(data);
      }
      data = more;
    }
  }
  fclose(f);
  if (data == NULL) {
    die("%s: out of memory", path);
  }
  data[size] = '\0';
  if (n != NULL) {
    *n = size;
  }
  return data;
}

// the same, or a failure; the caller frees
static char *read_whole(const char *path, size_t *n) {
  char *data = read_file(path, n);
  if (data == NULL) {
    die("%s: %s", path, strerror(errno));
  }
  return data;
}

char *harness_read(const char *path, size_t *n) {
  return keep(read_whole(path, n));
}

void harness_write(const char *path, const void *data, size_t n) {
  FILE *f = fopen(path, "wb");
  if (f == NULL || fwrite(data, 1, n, f) != n || fclose(f) != 0) {
    die("%s: %s", path, strerror(errno));
  }
}

bool harness_exists(const char *path) {
  return access(path, F_OK) == 0;
}

uint64_t harness_digest(const char *path) {
  size_t n;
  char *data = read_whole(path, &n);
  uint64_t digest = XXH3_64bits(data, n);
  free(data);
  return digest;
}

void harness_assert_same(const char *a, const char *b) {
  size_t n_a;
  size_t n_b;
  char *bytes_a = read_whole(a, &n_a);
  char *bytes_b = read_whole(b, &n_b);
  size_t shorter = n_a < n_b ? n_a : n_b;
  size_t at = 0;
  while (at < shorter && bytes_a[at] == bytes_b[at]) {
    at++;
  }
  free(bytes_a);
  free(bytes_b);
  cr_assert(at == n_a && at == n_b, "%s (%zu bytes) and %s (%zu bytes) differ from byte %zu on", a,
            n_a, b, n_b, at);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st;
  (void)type;
  (void)ftw;
  return remove(path);
}

// ---- programs ----

const char *harness_program(const char *name) {
  const char *bin = getenv("TELOS_BIN");
  if (bin == NULL) {
    die("TELOS_BIN is not set; it names the folder of the built programs (ctest sets it)");
  }
  const char *path = harness_text("%s/%s", bin, name);
  if (access(path, X_OK) != 0) {
    die("%s: %s", path, strerror(errno));
  }
  return path;
}

// between fork and exec: only async-signal-safe calls
static _Noreturn void become(const struct proc *p, pid_t parent, const char *const *argv,
                             char **environment) {
  // whoever is killed first, no child stays; the parent may be gone before the call
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(127);
  }
  setpgid(0, 0);

  // Criterion and ctest may have changed what a program starts with
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);

  int in = open("/dev/null", O_RDONLY);
  int out = open(p->path[STREAM_OUT], O_WRONLY | O_CREAT | O_APPEND, 0666);
  int err = open(p->path[STREAM_ERR], O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) {
    _exit(127);
  }
  // the test runner's own sockets are nobody's business
  for (int fd = 3; fd < 256; fd++) {
    close(fd);
  }
  execvpe(argv[0], (char *const *)argv, environment);
  dprintf(2, "%s: %s\n", argv[0], strerror(errno));
  _exit(127);
}

// additions first: getenv and programs take the first of two equal names
static char **environment_with(const char *const *env) {
  size_t n_new = 0;
  size_t n_old = 0;
  while (env != NULL && env[n_new] != NULL) {
    n_new++;
  }
  while (environ[n_old] != NULL) {
    n_old++;
  }
  char **all = calloc(n_new + n_old + 1, sizeof *all);
  if (all == NULL) {
    die("out of memory");
  }
  for (size_t i = 0; i < n_new; i++) {
    all[i] = (char *)env[i];
  }
  size_t n = n_new;
  for (size_t i = 0; i < n_old; i++) {
    bool replaced = false;
    size_t name = strcspn(environ[i], "=") + 1;
    for (size_t k = 0; k < n_new && !replaced; k++) {
      replaced = strncmp(environ[i], env[k], name) == 0;
    }
    if (!replaced) {
      all[n++] = environ[i];
    }
  }
  return all;
}

struct proc *proc_start_argv(const char *const *env, const char *const *argv) {
  cr_assert(harness.n < PROCS_MAX, "more than %d programs in one test", PROCS_MAX);
  struct proc *p = calloc(1, sizeof *p);
  if (p == NULL) {
    die("out of memory");
  }
  const char *slash = strrchr(argv[0], '/');
  p->name = harness_text("%s", slash != NULL ? slash + 1 : argv[0]);
  p->path[STREAM_OUT] = harness_path("%02d-%s.out", harness.n, p->name);
  p->path[STREAM_ERR] = harness_path("%02d-%s.err", harness.n, p->name);
  harness_write(p->path[STREAM_OUT], "", 0);
  harness_write(p->path[STREAM_ERR], "", 0);

  char **environment = environment_with(env);
  pid_t parent = getpid();
  fflush(NULL);
  p->pid = fork();
  if (p->pid < 0) {
    die("fork: %s", strerror(errno));
  }
  if (p->pid == 0) {
    become(p, parent, argv, environment);
  }
  // in both processes, so that the group exists for whoever comes first
  setpgid(p->pid, p->pid);
  free(environment);
  harness.procs[harness.n++] = p;
  return p;
}

struct proc *proc_start(const char *const *env, const char *program, ...) {
  const char *argv[ARGS_MAX + 1] = {program};
  va_list args;
  va_start(args, program);
  int n = 1;
  const char *arg;
  while ((arg = va_arg(args, const char *)) != NULL) {
    cr_assert(n < ARGS_MAX, "more than %d arguments", ARGS_MAX - 1);
    argv[n++] = arg;
  }
  va_end(args);
  argv[n] = NULL;
  return proc_start_argv(env, argv);
}

pid_t proc_pid(const struct proc *p) {
  return p->pid;
}

bool proc_running(struct proc *p) {
  if (!p->ended && waitpid(p->pid, &p->status, WNOHANG) == p->pid) {
    p->ended = true;
  }
  return !p->ended;
}

const char *proc_stdout(struct proc *p) {
  return harness_read(p->path[STREAM_OUT], NULL);
}

const char *proc_stderr(struct proc *p) {
  return harness_read(p->path[STREAM_ERR], NULL);
}

// the end of a stream, enough to see what went wrong
static void print_tail(const struct proc *p, enum stream stream) {
  size_t n = 0;
  char *text = read_file(p->path[stream], &n);
  if (text == NULL) {
    return;
  }
  size_t from = n > 8000 ? n - 8000 : 0;
  fprintf(stderr, "---- %s (%d) %s, %zu bytes%s\n%s%s", p->name, (int)p->pid,
          stream == STREAM_OUT ? "stdout" : "stderr", n, from > 0 ? ", the last 8000" : "",
          text + from, n > 0 && text[n - 1] != '\n' ? "\n" : "");
  free(text);
}

// A program's failure can lie in another's output: all are shown, the concerned one last.
static void fail_with_output(const struct proc *p, const char *why) {
  for (int i = 0; i < harness.n; i++) {
    if (harness.procs[i] != p) {
      print_tail(harness.procs[i], STREAM_ERR);
    }
  }
  print_tail(p, STREAM_OUT);
  print_tail(p, STREAM_ERR);
  fflush(stderr);
  die("%s (%d): %s", p->name, (int)p->pid, why);
}

static bool has_sanitizer_report(const struct proc *p) {
  static const char *const marks[] = {"Sanitizer:", "runtime error:"};
  size_t n = 0;
  char *text = read_file(p->path[STREAM_ERR], &n);
  bool found = false;
  for (size_t i = 0; text != NULL && i < sizeof marks / sizeof marks[0]; i++) {
    found = found || memmem(text, n, marks[i], strlen(marks[i])) != NULL;
  }
  free(text);
  return found;
}

// the first complete line behind the mark that contains text, or NULL; the caller frees
static char *find_line(const struct proc *p, enum stream stream, const char *text) {
  size_t n = 0;
  char *all = read_whole(p->path[stream], &n);
  char *found = NULL;
  char *line = all + (p->mark[stream] < n ? p->mark[stream] : n);
  for (char *end; found == NULL && (end = memchr(line, '\n', n - (size_t)(line - all))) != NULL;
       line = end + 1) {
    size_t length = (size_t)(end - line);
    if (memmem(line, length, text, strlen(text)) != NULL) {
      found = strndup(line, length);
    }
  }
  free(all);
  return found;
}

const char *proc_wait_line(struct proc *p, const char *text) {
  double deadline = deadline_s();
  for (;;) {
    // in this order: what a program wrote before it ended is seen
    bool running = proc_running(p);
    for (enum stream s = STREAM_OUT; s < STREAMS; s++) {
      char *line = find_line(p, s, text);
      if (line != NULL) {
        return keep(line);
      }
    }
    if (!running) {
      fail_with_output(p, harness_text("ended (wait status 0x%x) without the line \"%s\"",
                                       (unsigned)p->status, text));
    }
    if (now_s() > deadline) {
      fail_with_output(p, harness_text("no line \"%s\" before the deadline", text));
    }
    poll_pause();
  }
}

void proc_mark(struct proc *p) {
  for (enum stream s = STREAM_OUT; s < STREAMS; s++) {
    size_t n = 0;
    char *text = read_whole(p->path[s], &n);
    // a half line still counts as coming
    while (n > 0 && text[n - 1] != '\n') {
      n--;
    }
    p->mark[s] = n;
    free(text);
  }
}

int proc_wait_exit(struct proc *p) {
  double deadline = deadline_s();
  while (proc_running(p)) {
    if (now_s() > deadline) {
      fail_with_output(p, "still running at the deadline");
    }
    poll_pause();
  }
  if (has_sanitizer_report(p)) {
    fail_with_output(p, "a sanitizer report");
  }
  return WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -WTERMSIG(p->status);
}

void proc_signal(struct proc *p, int sig) {
  // once reaped, the id may be another's
  if (proc_running(p) && kill(p->pid, sig) != 0) {
    die("kill(%d, %d): %s", (int)p->pid, sig, strerror(errno));
  }
}

void proc_signal_group(struct proc *p, int sig) {
  // the group's id stays taken as long as it has a member
  if (kill(-p->pid, sig) != 0 && errno != ESRCH) {
    die("kill(-%d, %d): %s", (int)p->pid, sig, strerror(errno));
  }
}

// ---- descendants ----

struct entry {
  pid_t pid, parent;
  bool zombie;
  char name[16];  // the kernel keeps 15 characters
};

// one process of /proc; false when it has gone meanwhile
static bool read_entry(struct entry *e, const char *pid) {
  char path[64];
  char text[512];
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) {
    close(fd);
  }
  if (n <= 0) {
    return false;
  }
  text[n] = '\0';

  // "12 (a name) S 1 ..": the name may itself hold spaces and parentheses
  char *open_paren = strchr(text, '(');
  char *close_paren = strrchr(text, ')');
  char state;
  int parent;
  if (open_paren == NULL || close_paren == NULL ||
      sscanf(close_paren + 1, " %c %d", &state, &parent) != 2) {
    return false;
  }
  *close_paren = '\0';
  snprintf(e->name, sizeof e->name, "%.15s", open_paren + 1);
  e->pid = (pid_t)strtol(pid, NULL, 10);
  e->parent = (pid_t)parent;
  e->zombie = state == 'Z' || state == 'X';
  return true;
}

static int read_entries(struct entry *entries) {
  DIR *dir = opendir("/proc");
  if (dir == NULL) {
    die("/proc: %s", strerror(errno));
  }
  int n = 0;
  struct dirent *d;
  while ((d = readdir(dir)) != NULL && n < FAMILY_MAX) {
    if (d->d_name[0] >= '1' && d->d_name[0] <= '9' && read_entry(&entries[n], d->d_name)) {
      n++;
    }
  }
  closedir(dir);
  return n;
}

static bool descends(const struct entry *entries, int n, pid_t pid, pid_t root) {
  // a chain is at most n long; a torn reading of /proc could show a ring
  for (int step = 0; step < n && pid > 1; step++) {
    int i = 0;
    while (i < n && entries[i].pid != pid) {
      i++;
    }
    if (i == n) {
      return false;
    }
    if (entries[i].parent == root) {
      return true;
    }
    pid = entries[i].parent;
  }
  return false;
}

int harness_family(const struct proc *root, const char *name, pid_t *pids, int max) {
  struct entry *entries = calloc(FAMILY_MAX, sizeof *entries);
  if (entries == NULL) {
    die("out of memory");
  }
  pid_t top = root != NULL ? root->pid : getpid();
  int n = read_entries(entries);
  int count = 0;
  for (int i = 0; i < n; i++) {
    const struct entry *e = &entries[i];
    bool named = name == NULL || strncmp(e->name, name, sizeof e->name - 1) == 0;
    if (!e->zombie && named && descends(entries, n, e->pid, top)) {
      if (count < max) {
        pids[count] = e->pid;
      }
      count++;
    }
  }
  free(entries);
  return count;
}

void harness_wait_family(const struct proc *root, const char *name, int n) {
  double deadline = deadline_s();
  int have;
  while ((have = harness_family(root, name, NULL, 0)) != n) {
    if (now_s() > deadline) {
      for (int i = 0; i < harness.n; i++) {
        print_tail(harness.procs[i], STREAM_ERR);
      }
      die("%d processes %s at the deadline instead of %d", have, name != NULL ? name : "", n);
    }
    poll_pause();
  }
}

// ---- the end ----

// Kills until nothing is left: killing a parent hands its children to us.
static void kill_family(void) {
  pid_t pids[64];
  int n;
  while ((n = harness_family(NULL, NULL, pids, 64)) > 0) {
    for (int i = 0; i < n && i < 64; i++) {
      kill(pids[i], SIGKILL);
    }
    poll_pause();
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
  }
}

static void end_of_test(void) {
  kill_family();
  for (int i = 0; i < harness.n; i++) {
    if (has_sanitizer_report(harness.procs[i])) {
      print_tail(harness.procs[i], STREAM_ERR);
    }
  }
  if (getenv("TELOS_TEST_KEEP") == NULL) {
    nftw(harness.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  } else {
    fprintf(stderr, "kept %s\n", harness.folder);
  }
}
