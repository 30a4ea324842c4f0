// bench_publish.c - how long a new version of the policy takes to reach every actor of a fleet.
//
// One process publishes, as the learner does (publisher.h, link.h); 64 others receive, decode and
// put the weights on their desk, as actors do. All sockets are real ones on 127.0.0.1, plain, with
// ports that the system chooses. A time runs from before the version is encoded until it lies on
// the desk of one subscriber; p50 and p99 are over all versions and subscribers. The limit sends
// the same number of bytes to the same processes by plain TCP, one socket after the other, and
// ends when they are read: it neither encodes nor checks. Both take turns, so that what else the
// machine does meets both. CPU is that of all processes for one version: here they share a few
// cores, while each actor of a fleet has its own.
//
//   bench_publish [SUBSCRIBERS]      default 64; exit code 1 when p99 at 350 KB is above 50 ms
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "actor/desk.h"
#include "common/base/check.h"
#include "common/base/now.h"
#include "common/base/process.h"
#include "common/base/rng.h"
#include "common/nn/rowmlp.h"
#include "learner/publisher.h"
#include "proto/link.h"
#include "proto/wire.h"
#include "proto/zcall.h"
#include "tests/bench/bench.h"

enum {
  ROUNDS = 41,
  MAX_SUBSCRIBERS = 1000,
  ENDPOINT = 64,
  WARM_MS = 300,
  WAIT_MS = 30000,
  LAYERS = 3
};

static const double goal_ms = 50;  // p99 at 350 KB

// What all processes share. A subscriber writes when it has got something, and then counts itself.
struct board {
  atomic_int got_version, got_bytes;  // subscribers that have this round's
  double version_s[MAX_SUBSCRIBERS], bytes_s[MAX_SUBSCRIBERS];
  _Atomic uint64_t version;  // of this round
  _Atomic size_t bytes;      // of this round's plain transfer
};

static struct board *board;

// ---- a subscriber ----

struct subscriber {
  int index;
  uv_loop_t loop;
  struct link feed;
  struct wire_decoder *decoder;
  struct desk *desk;
  uv_poll_t plain;
  int fd;
  size_t have;
  char *scratch;
};

enum { SCRATCH = 1 << 18, MAX_MESSAGE = 64 << 20 };

static void on_feed(void *ctx, const struct link_frame *frame) {
  struct subscriber *s = ctx;
  struct wire_msg msg;
  CHECK(wire_decode(s->decoder, &msg, frame->data, frame->n) == ERR_OK);
  CHECK(msg.type == WIRE_WEIGHTS);
  const uint64_t version = msg.weights.weights->version;
  desk_put(s->desk, msg.weights.weights);
  if (version == atomic_load(&board->version)) {
    board->version_s[s->index] = now_s();
    atomic_fetch_add(&board->got_version, 1);
  }
}

static void on_plain(uv_poll_t *handle, int status, int events) {
  struct subscriber *s = handle->data;
  CHECK(status == 0 && events == UV_READABLE);
  ssize_t n;
  while ((n = recv(s->fd, s->scratch, SCRATCH, MSG_DONTWAIT)) > 0) {
    s->have += (size_t)n;
  }
  if (n == 0) {
    _exit(0);  // the bench is over
  }
  CHECK(errno == EAGAIN);
  if (s->have == atomic_load(&board->bytes)) {
    s->have = 0;
    board->bytes_s[s->index] = now_s();
    atomic_fetch_add(&board->got_bytes, 1);
  }
}

// The first bytes of the plain connection name the publisher.
static int connect_plain(char endpoint[ENDPOINT], const struct sockaddr_in *to) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) == 0);
  CHECK(recv(fd, endpoint, ENDPOINT, MSG_WAITALL) == ENDPOINT);
  return fd;
}

static _Noreturn void subscribe(int index, const struct sockaddr_in *to) {
  CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  char endpoint[ENDPOINT];
  struct subscriber s = {.index = index, .fd = connect_plain(endpoint, to)};
  s.decoder = wire_decoder_new(NULL, MAX_MESSAGE);
  s.desk = desk_new();
  s.scratch = must_alloc(SCRATCH, 1);
  CHECK(uv_loop_init(&s.loop) == 0 && uv_poll_init(&s.loop, &s.plain, s.fd) == 0);
  s.plain.data = &s;
  CHECK(uv_poll_start(&s.plain, UV_READABLE, on_plain) == 0);
  link_open(&s.feed, zmq_ctx_new(), LINK_SUB, MAX_MESSAGE);
  CHECK(link_connect(&s.feed, endpoint) == 0);
  link_start(&s.feed, &s.loop, on_feed, &s);
  uv_run(&s.loop, UV_RUN_DEFAULT);
  _exit(1);
}

// ---- the publisher ----

struct fleet {
  int n;
  pid_t pid[MAX_SUBSCRIBERS];
  int fd[MAX_SUBSCRIBERS];
  struct link pub;
  struct publisher *publisher;
  struct task task;  // has no model
  uint64_t version;
};

// Waits until as many as there are subscribers have got something; false: not within ms.
static bool all_got(const struct fleet *f, atomic_int *got, double ms) {
  const double end = now_s() + 1e-3 * ms;
  while (atomic_load(got) < f->n) {
    if (now_s() > end) {
      return false;
    }
    usleep(500);
  }
  return true;
}

static struct weights *make_weights(uint64_t version, const int *width) {
  const size_t n = mlp_nparam(width, LAYERS);
  float *data = must_alloc(n, sizeof *data);
  struct rng rng;
  rng_init(&rng, version, RNG_TEST, 0);
  rng_fill_uniform(&rng, data, n, -1, 1);
  struct weights *w = weights_new(version, width, LAYERS, data);
  free(data);
  return w;
}

// As the learner does it; the moment before.
static double publish(struct fleet *f, const int *width, size_t *bytes) {
  struct weights *w = make_weights(++f->version, width);
  publisher_forget(f->publisher, f->version);
  atomic_store(&board->got_version, 0);
  atomic_store(&board->version, f->version);
  const double start = now_s();
  zmq_msg_t *frame = publisher_add(f->publisher, w);
  CHECK(link_share(&f->pub, NULL, 0, frame));
  *bytes = zmq_msg_size(frame);
  weights_unref(w);
  return start;
}

static double send_plain(struct fleet *f, size_t bytes, const char *data) {
  atomic_store(&board->got_bytes, 0);
  atomic_store(&board->bytes, bytes);
  const double start = now_s();
  for (int i = 0; i < f->n; i++) {
    for (size_t sent = 0; sent < bytes;) {
      const ssize_t n = write(f->fd[i], data + sent, bytes - sent);
      CHECK(n > 0);
      sent += (size_t)n;
    }
  }
  return start;
}

// All processes start before there is a thread in this one.
static struct fleet *fleet_start(int n) {
  struct fleet *f = must_alloc(1, sizeof *f);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof at;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(listener >= 0 && bind(listener, (const struct sockaddr *)&at, sizeof at) == 0);
  CHECK(getsockname(listener, (struct sockaddr *)&at, &size) == 0 && listen(listener, n) == 0);
  f->n = n;
  for (int i = 0; i < n; i++) {
    f->pid[i] = fork();
    CHECK(f->pid[i] >= 0);
    if (f->pid[i] == 0) {
      subscribe(i, &at);
    }
    f->fd[i] = accept(listener, NULL, NULL);
    CHECK(f->fd[i] >= 0);
  }
  close(listener);
  f->task.mjb_size = 1;
  f->publisher = publisher_new(1, &f->task);
  link_open(&f->pub, zmq_ctx_new(), LINK_PUB, MAX_MESSAGE);
  CHECK(link_bind(&f->pub, "tcp://127.0.0.1:*") == 0);
  char endpoint[ENDPOINT] = "";
  link_endpoint(&f->pub, endpoint, sizeof endpoint);
  for (int i = 0; i < n; i++) {
    CHECK(write(f->fd[i], endpoint, sizeof endpoint) == sizeof endpoint);
  }
  return f;
}

static void fleet_stop(struct fleet *f) {
  for (int i = 0; i < f->n; i++) {
    shutdown(f->fd[i], SHUT_RDWR);
    int status;
    CHECK(waitpid(f->pid[i], &status, 0) == f->pid[i]);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  link_close(&f->pub);
  publisher_free(f->publisher);
  free(f);
}

// ---- figures ----

// the value that a share p of n sorted ones does not exceed [ms]
static double percentile(const double *x, int n, double p) {
  return 1e3 * x[(int)(p * (double)(n - 1) + 0.5)];
}

// CPU time of this process and all subscribers so far [ms]
static double cpu_ms(const struct fleet *f) {
  struct timespec t;
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
  double ms = 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
  for (int i = 0; i < f->n; i++) {
    clockid_t clock;
    CHECK(clock_getcpuclockid(f->pid[i], &clock) == 0 && clock_gettime(clock, &t) == 0);
    ms += 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
  }
  return ms;
}

// p99 of the product [ms]
static double measure(struct fleet *f, const int *width) {
  const int total = ROUNDS * f->n;
  double *product = must_alloc((size_t)total, sizeof *product);
  double *plain = must_alloc((size_t)total, sizeof *plain);
  size_t bytes;
  // subscriptions take a moment
  do {
    publish(f, width, &bytes);
  } while (!all_got(f, &board->got_version, WARM_MS));
  char *data = must_alloc(bytes, 1);
  double product_cpu[ROUNDS], plain_cpu[ROUNDS];
  for (int round = -1; round < ROUNDS; round++) {
    const double begin = cpu_ms(f);
    const double published = publish(f, width, &bytes);
    CHECK(all_got(f, &board->got_version, WAIT_MS));
    const double middle = cpu_ms(f);
    const double sent = send_plain(f, bytes, data);
    CHECK(all_got(f, &board->got_bytes, WAIT_MS));
    product_cpu[round < 0 ? 0 : round] = middle - begin;
    plain_cpu[round < 0 ? 0 : round] = cpu_ms(f) - middle;
    for (int i = 0; round >= 0 && i < f->n; i++) {
      product[round * f->n + i] = board->version_s[i] - published;
      plain[round * f->n + i] = board->bytes_s[i] - sent;
    }
  }
  qsort(product, (size_t)total, sizeof *product, bench_compare);
  qsort(plain, (size_t)total, sizeof *plain, bench_compare);
  const double p50 = percentile(product, total, 0.5), p99 = percentile(product, total, 0.99);
  const double q50 = percentile(plain, total, 0.5), q99 = percentile(plain, total, 0.99);
  printf(
      "%7zu bytes to %d subscribers: p50 %.1f ms, p99 %.1f ms, CPU %.0f ms   plain TCP: p50 %.1f "
      "ms, p99 %.1f ms, CPU %.0f ms   ratio of p50 %.3f, of p99 %.3f\n",
      bytes, f->n, p50, p99, bench_median(product_cpu, ROUNDS), q50, q99,
      bench_median(plain_cpu, ROUNDS), q50 / p50, q99 / p99);
  fflush(stdout);
  free(product);
  free(plain);
  free(data);
  return p99;
}

int main(int argc, char **argv) {
  static const int small[] = {72, 256, 256, 16}, large[] = {72, 456, 456, 16};
  const long n = argc > 1 ? strtol(argv[1], NULL, 10) : 64;
  CHECK(n >= 1 && n <= MAX_SUBSCRIBERS);
  process_ignore_sigpipe();
  process_raise_files();
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(board != MAP_FAILED);
  struct fleet *f = fleet_start((int)n);
  const double p99 = measure(f, small);
  measure(f, large);
  fleet_stop(f);
  if (p99 > goal_ms) {
    printf("p99 above %.0f ms: MISSED\n", goal_ms);
  }
  return p99 <= goal_ms ? 0 : 1;
}
