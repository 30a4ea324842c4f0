// proxy.c - one poll loop over pairs of connections, in a child process.
//
// Bytes are passed on as they come, a chunk at a time. A chunk that a disturbance holds back keeps
// its direction waiting, not the others.
#include "tests/integration/proxy.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/now.h"
#include "tests/integration/harness.h"

enum { CHUNK = 4096, MAX_PAIRS = 64, DELAY_MS = 50, STALL_MS = 700, TICK_MS = 5 };

struct shared {
  int counts[PROXY_KINDS];
};

struct proxy {
  int listener, port, target_port;
  uint64_t random;
  int mean_bytes;
  long left;         // bytes until the next disturbance
  pid_t child;       // 0: not started
  const char *keep;  // NULL: nothing
  FILE *kept[2];     // in the child: up, down
  struct shared *shared;
};

// one direction of a connection
struct flow {
  int from, to;
  int direction;  // 0 up, 1 down
  unsigned char chunk[CHUNK];
  size_t at, n;      // what of the chunk is not passed on yet
  int64_t until_ms;  // held back
  bool ended;
};

struct pair {
  bool used;
  struct flow flows[2];
};

static int64_t clock_ms(void) {
  return (int64_t)(1e3 * now_s());
}

static uint64_t draw(struct proxy *p, uint64_t n) {
  p->random ^= p->random << 13;
  p->random ^= p->random >> 7;
  p->random ^= p->random << 17;
  return (p->random >> 11) % n;
}

struct proxy *proxy_new(uint64_t seed, int mean_bytes) {
  struct proxy *p = calloc(1, sizeof *p);
  cr_assert_not_null(p);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + 1)}};
  socklen_t n = sizeof at;
  p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  cr_assert(p->listener >= 0 && bind(p->listener, (struct sockaddr *)&at, n) == 0 &&
            listen(p->listener, 64) == 0 &&
            getsockname(p->listener, (struct sockaddr *)&at, &n) == 0);
  p->port = ntohs(at.sin_port);
  p->random = seed * 0x9e3779b97f4a7c15 + 1;
  p->mean_bytes = mean_bytes;
  p->left = 1 + (long)draw(p, 2 * (uint64_t)mean_bytes);
  p->shared =
      mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cr_assert(p->shared != MAP_FAILED);
  return p;
}

void proxy_free(struct proxy *p) {
  close(p->listener);
  if (p->child > 0) {
    kill(p->child, SIGKILL);
    waitpid(p->child, NULL, 0);
  }
  munmap(p->shared, sizeof *p->shared);
  free(p);
}

int proxy_port(const struct proxy *p) {
  return p->port;
}

int proxy_count(const struct proxy *p, enum disturbance kind) {
  return __atomic_load_n(&p->shared->counts[kind], __ATOMIC_RELAXED);
}

// ---- in the child ----

static void close_pair(struct pair *pair, bool reset) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};
  for (int i = 0; i < 2; i++) {
    if (reset) {
      setsockopt(pair->flows[i].from, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    close(pair->flows[i].from);
  }
  pair->used = false;
}

static void accept_pair(struct proxy *p, struct pair *pairs) {
  const int client = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) {
    return;
  }
  const struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)p->target_port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  int i = 0;
  while (i < MAX_PAIRS && pairs[i].used) {
    i++;
  }
  // to this machine a connection is made or refused at once
  if (i == MAX_PAIRS || server < 0 ||
      connect(server, (const struct sockaddr *)&at, sizeof at) != 0) {
    close(client);
    close(server);
    return;
  }
  fcntl(server, F_SETFL, O_NONBLOCK);
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  pairs[i] = (struct pair){
      .used = true,
      .flows = {{.from = client, .to = server}, {.from = server, .to = client, .direction = 1}}};
}

// What happens to the n bytes of this chunk; true: the connection is reset.
static bool disturb(struct proxy *p, struct flow *f) {
  p->left -= (long)f->n;
  if (p->left > 0) {
    return false;
  }
  p->left = 1 + (long)draw(p, 2 * (uint64_t)p->mean_bytes);
  const enum disturbance kind = (enum disturbance)draw(p, PROXY_KINDS);
  __atomic_fetch_add(&p->shared->counts[kind], 1, __ATOMIC_RELAXED);
  switch (kind) {
    case PROXY_DELAY:
      f->until_ms = clock_ms() + (int64_t)draw(p, DELAY_MS);
      break;
    case PROXY_STALL:
      f->until_ms = clock_ms() + STALL_MS;
      break;
    case PROXY_CORRUPT:
      f->chunk[draw(p, f->n)] ^= (unsigned char)(1u << draw(p, 8));
      break;
    case PROXY_RESET:
    case PROXY_KINDS:
      break;
  }
  return kind == PROXY_RESET;
}

// Moves what can be moved; false: the connection is over.
static bool move(struct proxy *p, struct flow *f) {
  if (f->at == f->n) {
    const ssize_t n = recv(f->from, f->chunk, sizeof f->chunk, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
      return false;
    }
    f->at = 0;
    f->n = n > 0 ? (size_t)n : 0;
    if (p->keep != NULL && n > 0) {
      fwrite(f->chunk, 1, f->n, p->kept[f->direction]);
      fflush(p->kept[f->direction]);
    }
    if (n > 0 && disturb(p, f)) {
      errno = ECONNRESET;
      return false;
    }
  }
  if (f->at < f->n && clock_ms() >= f->until_ms) {
    const ssize_t n = send(f->to, f->chunk + f->at, f->n - f->at, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    }
    f->at += n > 0 ? (size_t)n : 0;
  }
  return true;
}

static _Noreturn void serve(struct proxy *p) {
  static struct pair pairs[MAX_PAIRS];
  static const char *const ends[] = {".up", ".down"};
  for (int i = 0; p->keep != NULL && i < 2; i++) {
    p->kept[i] = fopen(harness_text("%s%s", p->keep, ends[i]), "wb");
    if (p->kept[i] == NULL) {
      _exit(1);
    }
  }
  for (;;) {
    struct pollfd fds[1 + 2 * MAX_PAIRS] = {{.fd = p->listener, .events = POLLIN}};
    nfds_t n = 1;
    for (int i = 0; i < MAX_PAIRS; i++) {
      for (int k = 0; pairs[i].used && k < 2; k++) {
        const struct flow *f = &pairs[i].flows[k];
        fds[n++] = (struct pollfd){.fd = f->from, .events = f->at == f->n ? POLLIN : 0};
      }
    }
    poll(fds, n, TICK_MS);
    for (int i = 0; i < MAX_PAIRS; i++) {
      for (int k = 0; pairs[i].used && k < 2; k++) {
        errno = 0;
        if (!move(p, &pairs[i].flows[k])) {
          close_pair(&pairs[i], errno != 0);
        }
      }
    }
    accept_pair(p, pairs);
  }
}

void proxy_keep(struct proxy *p, const char *path) {
  p->keep = path;
}

void proxy_start(struct proxy *p, int target_port) {
  p->target_port = target_port;
  const pid_t parent = getpid();
  harness_folder();  // whose end also ends what this process has started
  fflush(NULL);
  p->child = fork();
  cr_assert_geq(p->child, 0);
  if (p->child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
      _exit(1);
    }
    serve(p);
  }
}
