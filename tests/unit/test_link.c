// test_link.c - single frames between our kinds of sockets, and what no frame of ours is.
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>
#include <zmq.h>

#include "proto/link.h"
#include "proto/zcall.h"

enum { MAX_MESSAGE = 1000, WAIT_MS = 60000 };

// one side of a pair, and the last frame it was handed
struct side {
  struct link link;
  uv_loop_t *loop;
  int frames, odd;  // whole ones, and those without data
  char text[MAX_MESSAGE + 1];
  size_t n;
  uint8_t from[LINK_MAX_ID];
  size_t from_size;
};

static uv_loop_t loop;
static void *zmq;
static struct side server, client;
static char endpoint[128];

static void on_frame(void *ctx, const struct link_frame *frame) {
  struct side *s = ctx;
  if (frame->data == NULL) {
    s->odd++;
  } else {
    s->frames++;
    s->n = frame->n;
    cr_assert_leq(frame->n, (size_t)MAX_MESSAGE);
    memcpy(s->text, frame->data, frame->n);
    s->text[frame->n] = '\0';
  }
  s->from_size = frame->from_size;
  memcpy(s->from, frame->from, frame->from_size);
  uv_stop(s->loop);
}

static void on_timer(uv_timer_t *timer) {
  *(bool *)timer->data = true;
  uv_stop(timer->loop);
}

// runs the loop until *count is n, or the time is over
static bool reaches(const int *count, int n, uint64_t ms) {
  uv_timer_t timer;
  bool over = false;
  timer.data = &over;
  cr_assert(uv_timer_init(&loop, &timer) == 0 && uv_timer_start(&timer, on_timer, ms, 0) == 0);
  while (*count < n && !over) {
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&loop, UV_RUN_NOWAIT);
  return *count >= n;
}

static void open_pair(enum link_kind binds, enum link_kind connects) {
  cr_assert(uv_loop_init(&loop) == 0);
  zmq = zmq_ctx_new();
  server.loop = client.loop = &loop;
  link_open(&server.link, zmq, binds, MAX_MESSAGE);
  cr_assert(link_bind(&server.link, "tcp://127.0.0.1:*") == 0, "%s", zmq_strerror(errno));
  link_endpoint(&server.link, endpoint, sizeof endpoint);
  link_open(&client.link, zmq, connects, MAX_MESSAGE);
  cr_assert(link_connect(&client.link, endpoint) == 0, "%s", zmq_strerror(errno));
  if (binds != LINK_PUB) {
    link_start(&server.link, &loop, on_frame, &server);
  }
  link_start(&client.link, &loop, on_frame, &client);
}

static void close_pair(void) {
  link_close(&server.link);
  link_close(&client.link);
  link_close(&client.link);
  uv_run(&loop, UV_RUN_DEFAULT);
  cr_assert(uv_loop_close(&loop) == 0);
  zcall_end_context(zmq);
}

// a socket takes nothing before it is connected
static void send_when_connected(struct link *l, const char *text) {
  int sent = 0;
  for (int i = 0; i < WAIT_MS && sent == 0; i++) {
    sent = link_send(l, text, strlen(text));
    if (sent == 0) {
      const int never = 0;
      reaches(&never, 1, 1);
    }
  }
  cr_assert(sent);
}

Test(link, frames_there_and_back) {
  open_pair(LINK_ROUTER, LINK_DEALER);
  send_when_connected(&client.link, "question");
  cr_assert(reaches(&server.frames, 1, WAIT_MS));
  cr_assert_str_eq(server.text, "question");
  cr_assert_gt(server.from_size, 0);
  cr_assert(link_send_to(&server.link, server.from, server.from_size, "answer", 6));
  cr_assert(reaches(&client.frames, 1, WAIT_MS));
  cr_assert_str_eq(client.text, "answer");
  cr_assert_eq(client.from_size, 0);
  // an empty frame is a frame
  cr_assert(link_send(&client.link, "", 0));
  cr_assert(reaches(&server.frames, 2, WAIT_MS));
  cr_assert_eq(server.n, 0);
  close_pair();
}

Test(link, more_than_one_frame_is_handed_over_without_data) {
  open_pair(LINK_ROUTER, LINK_DEALER);
  send_when_connected(&client.link, "one");
  cr_assert(reaches(&server.frames, 1, WAIT_MS));
  zcall_send(client.link.socket, "a", 1, ZMQ_SNDMORE);
  zcall_send(client.link.socket, "b", 1, ZMQ_SNDMORE);
  zcall_send(client.link.socket, "c", 1, 0);
  cr_assert(link_send(&client.link, "two", 3));
  cr_assert(reaches(&server.frames, 2, WAIT_MS));
  cr_assert_str_eq(server.text, "two", "its parts are not taken for messages");
  cr_assert_eq(server.odd, 1);
  const uint8_t *id = server.from;
  zcall_send(server.link.socket, id, server.from_size, ZMQ_SNDMORE);
  zcall_send(server.link.socket, "a", 1, ZMQ_SNDMORE);
  zcall_send(server.link.socket, "b", 1, 0);
  cr_assert(reaches(&client.odd, 1, WAIT_MS));
  cr_assert_eq(client.frames, 0);
  close_pair();
}

Test(link, a_shared_frame_is_sent_many_times) {
  open_pair(LINK_ROUTER, LINK_DEALER);
  send_when_connected(&client.link, "hello");
  cr_assert(reaches(&server.frames, 1, WAIT_MS));
  zmq_msg_t frame;
  // long enough that ZeroMQ counts references rather than copying it
  cr_assert_eq(zmq_msg_init_size(&frame, 900), 0);
  memset(zmq_msg_data(&frame), 'x', 900);
  for (int i = 0; i < 3; i++) {
    cr_assert(link_share(&server.link, server.from, server.from_size, &frame));
  }
  cr_assert(reaches(&client.frames, 3, WAIT_MS));
  cr_assert_eq(client.n, 900);
  cr_assert_eq(zmq_msg_size(&frame), 900, "it stays the caller's");
  zmq_msg_close(&frame);
  close_pair();
}

Test(link, weights_go_to_a_subscriber) {
  open_pair(LINK_PUB, LINK_SUB);
  zmq_msg_t frame;
  cr_assert_eq(zmq_msg_init_size(&frame, 100), 0);
  memset(zmq_msg_data(&frame), 'w', 100);
  // what is published before the subscription arrives is lost
  for (int i = 0; i < WAIT_MS / 10 && client.frames == 0; i++) {
    cr_assert(link_share(&server.link, NULL, 0, &frame));
    reaches(&client.frames, 1, 10);
  }
  cr_assert_eq(client.n, 100);
  zmq_msg_close(&frame);
  close_pair();
}

Test(link, too_large_costs_the_connection) {
  open_pair(LINK_ROUTER, LINK_DEALER);
  send_when_connected(&client.link, "hello");
  cr_assert(reaches(&server.frames, 1, WAIT_MS));
  uint8_t id[LINK_MAX_ID];
  const size_t id_size = server.from_size;
  memcpy(id, server.from, id_size);
  char large[MAX_MESSAGE + 1] = {0};
  cr_assert(link_send(&client.link, large, sizeof large));
  // it comes back by itself, as somebody else
  send_when_connected(&client.link, "again");
  for (int i = 0; i < WAIT_MS && server.frames < 2; i++) {
    link_send(&client.link, "again", 5);
    reaches(&server.frames, 2, 10);
  }
  cr_assert_str_eq(server.text, "again");
  cr_assert(id_size != server.from_size || memcmp(id, server.from, id_size) != 0);
  cr_assert_not(link_send_to(&server.link, id, id_size, "late", 4));
  close_pair();
}

Test(link, nobody_there) {
  open_pair(LINK_ROUTER, LINK_DEALER);
  cr_assert_not(link_send_to(&server.link, "nobody", 6, "x", 1));
  link_close(&client.link);
  cr_assert_not(link_send(&client.link, "x", 1), "a closed link takes nothing");
  uv_run(&loop, UV_RUN_NOWAIT);
  // and may be opened again
  link_open(&client.link, zmq, LINK_DEALER, MAX_MESSAGE);
  cr_assert_eq(link_connect(&client.link, endpoint), 0);
  link_start(&client.link, &loop, on_frame, &client);
  send_when_connected(&client.link, "back");
  cr_assert(reaches(&server.frames, 1, WAIT_MS));
  cr_assert_str_eq(server.text, "back");
  close_pair();
}

Test(link, addresses) {
  cr_assert(uv_loop_init(&loop) == 0);
  zmq = zmq_ctx_new();
  link_open(&server.link, zmq, LINK_ROUTER, MAX_MESSAGE);
  cr_assert_eq(link_bind(&server.link, "tcp://10.255.255.1:0"), -1);
  cr_assert_eq(link_bind(&server.link, "tcp://no host:1"), -1);
  link_close(&server.link);
  cr_assert(uv_loop_close(&loop) == 0);
  zcall_end_context(zmq);
}
