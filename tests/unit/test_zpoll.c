// test_zpoll.c - sockets inside a libuv loop, while signals arrive at every moment.
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <uv.h>
#include <zmq.h>

#include "proto/zcall.h"
#include "proto/zpoll.h"

enum { MESSAGES = 20000 };

static volatile sig_atomic_t signals;

static void count_signal(int signum) {
  (void)signum;
  signals = signals + 1;
}

// a signal every 50 us, not blocked, whose handler does not restart system calls
static void start_signals(void) {
  struct sigaction action = {.sa_handler = count_signal};
  const struct itimerval every = {{0, 50}, {0, 50}};
  cr_assert(sigaction(SIGALRM, &action, NULL) == 0);
  cr_assert(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static void stop_signals(void) {
  const struct itimerval never = {{0, 0}, {0, 0}};
  cr_assert(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

struct pair {
  uv_loop_t loop;
  void *context, *router, *dealer;
  struct zpoll server, client;
  int sent, answered, received;
};

static void send_next(struct pair *p) {
  char text[16];
  const int n = snprintf(text, sizeof text, "%d", p->sent++);
  cr_assert(zcall_send(p->dealer, text, (size_t)n, ZMQ_DONTWAIT) == n);
}

// sends back what came, in two parts: who it is for, and the text
static void on_request(void *ctx) {
  struct pair *p = ctx;
  char id[64], text[16];
  const int id_size = zcall_receive(p->router, id, sizeof id, ZMQ_DONTWAIT);
  cr_assert(id_size > 0, "%s", zmq_strerror(errno));
  const int n = zcall_receive(p->router, text, sizeof text, ZMQ_DONTWAIT);
  cr_assert(n > 0, "%s", zmq_strerror(errno));
  cr_assert(zcall_send(p->router, id, (size_t)id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) == id_size);
  cr_assert(zcall_send(p->router, text, (size_t)n, ZMQ_DONTWAIT) == n);
  p->answered++;
}

static void on_answer(void *ctx) {
  struct pair *p = ctx;
  zmq_msg_t frame;
  char expected[16];
  zmq_msg_init(&frame);
  const int n = zcall_receive_msg(p->dealer, &frame, ZMQ_DONTWAIT);
  snprintf(expected, sizeof expected, "%d", p->received);
  cr_assert(n == (int)strlen(expected) && memcmp(zmq_msg_data(&frame), expected, (size_t)n) == 0);
  zmq_msg_close(&frame);
  if (++p->received == MESSAGES) {
    zpoll_stop(&p->server);
    zpoll_stop(&p->client);
  } else {
    send_next(p);
  }
}

// A poll of no duration ends with EINTR, too, when a signal's handler runs within it: libzmq passes
// that on from calls that do not wait.
Test(zpoll, signals_lose_no_message, .timeout = 120) {
  struct pair p = {.sent = 0};
  char endpoint[64];
  size_t n = sizeof endpoint;
  start_signals();
  cr_assert(uv_loop_init(&p.loop) == 0);
  p.context = zmq_ctx_new();
  p.router = zmq_socket(p.context, ZMQ_ROUTER);
  p.dealer = zmq_socket(p.context, ZMQ_DEALER);
  cr_assert(zcall_bind(p.router, "tcp://127.0.0.1:*") == 0, "%s", zmq_strerror(errno));
  cr_assert(zmq_getsockopt(p.router, ZMQ_LAST_ENDPOINT, endpoint, &n) == 0);
  cr_assert(zcall_connect(p.dealer, endpoint) == 0, "%s", zmq_strerror(errno));
  zpoll_start(&p.server, &p.loop, p.router, on_request, &p);
  zpoll_start(&p.client, &p.loop, p.dealer, on_answer, &p);
  send_next(&p);
  cr_assert(uv_run(&p.loop, UV_RUN_DEFAULT) == 0);
  stop_signals();
  cr_assert(p.received == MESSAGES && p.answered == MESSAGES);
  cr_assert(signals > 100, "%d signals prove nothing", (int)signals);
  zmq_close(p.router);
  zmq_close(p.dealer);
  zcall_end_context(p.context);
  cr_assert(uv_loop_close(&p.loop) == 0);
}
