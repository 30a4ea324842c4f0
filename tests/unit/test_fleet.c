// test_fleet.c - messages too large for wire.max_message are found before anything starts; who gets
// which ticket.
#include <criterion/criterion.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "common/config/config.h"
#include "learner/fleet.h"
#include "learner/fold.h"
#include "tests/unit/capture.h"

static struct config cfg;
static struct task task;

static void set_up(void) {
  config_defaults(&cfg);
  task = (struct task){.name = "wide", .obs = 40, .act = 5, .goal = 10, .horizon = 1000};
}

TestSuite(fleet, .init = set_up);

// what is said of the sizes; "" when they fit
static const char *complaint(void) {
  capture_begin();
  const enum err err = fleet_check_sizes(&cfg, &task);
  const char *text = capture_end();
  cr_assert_eq(err, text[0] == '\0' ? ERR_OK : ERR_CONFIG);
  return text;
}

static int lines(const char *text) {
  int n = 0;
  for (; *text != '\0'; text++) {
    n += *text == '\n';
  }
  return n;
}

Test(fleet, sizes_that_fit) {
  cr_assert_str_empty(complaint());
  const struct dims dims = task_dims(&task, (int)cfg.replay_hindsight_k);
  cfg.wire_max_message = (int64_t)wire_episode_bytes(&dims);
  cr_assert_str_empty(complaint(), "to the byte");
  cfg.wire_max_message--;
  cr_assert_str_not_empty(complaint());
}

Test(fleet, an_episode_that_is_too_large) {
  cfg.wire_max_message = 100000;
  const char *text = complaint();
  char remedy[64];
  const struct dims dims = task_dims(&task, (int)cfg.replay_hindsight_k);
  snprintf(remedy, sizeof remedy, "; set wire.max_message=%zu, or ", wire_episode_bytes(&dims));
  cr_assert(strstr(text, "task wide: an episode takes up to 22") != NULL, "%s", text);
  cr_assert(strstr(text, "more than wire.max_message=100000") != NULL, "%s", text);
  cr_assert(strstr(text, remedy) != NULL && strstr(text, "telos.horizon") != NULL, "%s", text);
  cr_assert_eq(lines(text), 1);
}

Test(fleet, no_setting_is_offered_that_does_not_exist) {
  task.obs = 4096;
  task.horizon = 65535;
  const char *text = complaint();
  cr_assert(strstr(text, "an episode takes") != NULL, "%s", text);
  cr_assert_null(strstr(text, "set wire.max_message"), "%s", text);
  cr_assert_not_null(strstr(text, "; give the task a smaller telos.horizon"));
}

Test(fleet, weights_that_are_too_large) {
  cfg.net_hidden = (struct widths){4, {4096, 4096, 4096, 4096}};
  const char *text = complaint();
  cr_assert(strstr(text, "net.hidden: the policy's weights take up to 20") != NULL, "%s", text);
  cr_assert(strstr(text, "set wire.max_message=20") != NULL, "%s", text);
  cr_assert_eq(lines(text), 1);
  // both at once are two lines
  cfg.wire_max_message = 65536;
  cr_assert_eq(lines(complaint()), 2);
}

// ---- grants ----

enum { ACTORS = 2, RUN = 42 };

// A fleet on a real ROUTER, and actors that only read what they are sent.
struct bed {
  void *zmq;
  struct link router;
  struct fold fold;
  struct fleet fleet;
  void *actor[ACTORS];
  struct wire_decoder *decoder;
};

static struct dims dims_here(void) {
  return task_dims(&task, (int)cfg.replay_hindsight_k);
}

static void bed_init(struct bed *b, int open) {
  task.digest = 7;
  task.mjb_size = 1;  // nobody asks for the model ..
  *b = (struct bed){.zmq = zmq_ctx_new()};
  fold_init(&b->fold, &(struct fold_plan){.window = (uint64_t)(open * task.horizon),
                                          .horizon = (uint64_t)task.horizon,
                                          .steps = UINT64_MAX});
  cr_assert_eq(b->fold.nopen, open);
  const struct ledger_options opt = {.seed = 1, .timeout_ms = 1000, .eval_episodes = 1};
  const struct dims dims = dims_here();
  fleet_init(&b->fleet);
  b->fleet.cfg = &cfg;
  b->fleet.task = &task;
  b->fleet.ledger = ledger_new(&opt, &b->fold);
  b->fleet.publisher = publisher_new(RUN, &task);
  b->fleet.router = &b->router;
  b->fleet.run = RUN;
  b->fleet.weights_port = 1;  // .. or the weights
  b->decoder = wire_decoder_new(&dims, 1 << 20);
  link_open(&b->router, b->zmq, LINK_ROUTER, 1 << 20);
  cr_assert_eq(link_bind(&b->router, "tcp://127.0.0.1:*"), 0);
}

static void bed_release(struct bed *b) {
  const int none = 0;
  for (int i = 0; i < ACTORS; i++) {
    if (b->actor[i] != NULL) {
      zmq_close(b->actor[i]);
    }
  }
  zmq_setsockopt(b->router.socket, ZMQ_LINGER, &none, sizeof none);
  zmq_close(b->router.socket);
  ledger_free(b->fleet.ledger);
  publisher_free(b->fleet.publisher);
  fleet_release(&b->fleet);
  fold_release(&b->fold);
  wire_decoder_free(b->decoder);
  zmq_ctx_term(b->zmq);
}

// Actor i joins with so many threads, and twice as many slots, and gets what it may have.
static void join(struct bed *b, int i, int threads) {
  char endpoint[128];
  uint8_t id[LINK_MAX_ID], frame[8];
  link_endpoint(&b->router, endpoint, sizeof endpoint);
  b->actor[i] = zmq_socket(b->zmq, ZMQ_DEALER);
  cr_assert(zmq_connect(b->actor[i], endpoint) == 0 && zmq_send(b->actor[i], "x", 1, 0) == 1);
  const int n = zmq_recv(b->router.socket, id, sizeof id, 0);
  cr_assert(n > 0 && zmq_recv(b->router.socket, frame, sizeof frame, 0) == 1);
  const struct wire_hello hello = {.build = "test",
                                   .cpu = "test",
                                   .name = "test",
                                   .mujoco_version = (uint32_t)mj_version(),
                                   .actor = (uint64_t)i + 1,
                                   .slots = (uint32_t)(2 * threads),
                                   .threads = (uint32_t)threads,
                                   .task_digest = task.digest};
  fleet_hello(&b->fleet, id, (size_t)n, NULL, &hello, 0);
  cr_assert_eq(fleet_find(&b->fleet, id, (size_t)n), i);
  fleet_grant(&b->fleet, 0);
}

// How many tickets actor i was granted since the last call; *last is the last of them. A heartbeat
// sent behind them is the end.
static int granted(struct bed *b, int i, struct ticket *last) {
  static uint8_t frame[1 << 16];
  const struct wire_msg beat = {.type = WIRE_HEARTBEAT, .heartbeat = {RUN, 0, 0}};
  fleet_send(&b->fleet, i, &beat);
  int n = 0;
  for (struct wire_msg msg;;) {
    const int size = zmq_recv(b->actor[i], frame, sizeof frame, 0);
    cr_assert_gt(size, 0);
    cr_assert_eq(wire_decode(b->decoder, &msg, frame, (size_t)size), ERR_OK, "%s",
                 wire_fault(b->decoder));
    if (msg.type == WIRE_HEARTBEAT) {
      return n;
    }
    if (msg.type == WIRE_GRANT && msg.grant.n > 0) {
      n += msg.grant.n;
      *last = msg.grant.tickets[msg.grant.n - 1];
    }
    wire_drop(&msg);
  }
}

// Actor i answers a ticket; the trainer commits all that became final, each of which opens another.
static void answer(struct bed *b, int i, const struct ticket *t) {
  const struct dims dims = dims_here();
  struct episode *ep = episode_new(&dims);
  ep->ticket = *t;
  ep->digest = t->seed;
  cr_assert_eq(ledger_answer(b->fleet.ledger, i, &ep), LEDGER_ACCEPTED);
  fleet_grant(&b->fleet, 0);
  while ((ep = ledger_next(b->fleet.ledger)) != NULL) {
    episode_free(ep);
    ledger_committed(b->fleet.ledger, &(struct fold_issue){.n = 1, .version = 1});
  }
  fleet_grant(&b->fleet, 0);
}

// Few tickets are open: whoever came first holds all of them, and what opens then goes to who has
// none.
Test(fleet, nobody_goes_without_while_another_has_a_spare_ticket) {
  struct bed b;
  struct ticket t[ACTORS], next;
  bed_init(&b, 2);
  join(&b, 0, 1);
  cr_assert_eq(granted(&b, 0, &t[0]), 2, "alone it goes on with the second without a pause");
  join(&b, 1, 1);
  cr_assert_eq(granted(&b, 1, &t[1]), 0);
  // it was granted tickets 0 and 1 of one kind and version
  struct ticket oldest = t[0];
  oldest.id = 0;
  oldest.seed = ticket_seed(1, 0);
  answer(&b, 0, &oldest);
  cr_assert_eq(granted(&b, 0, &next), 0, "it still holds one");
  cr_assert_eq(granted(&b, 1, &t[1]), 1);
  // from now on they work side by side, whoever is faster
  for (int round = 0; round < 20; round++) {
    const int first = round % 3 == 0;
    answer(&b, first, &t[first]);
    answer(&b, !first, &t[!first]);
    for (int i = 0; i < ACTORS; i++) {
      cr_assert_eq(granted(&b, i, &next), 1, "actor %d, round %d", i, round);
      t[i] = next;
    }
  }
  bed_release(&b);
}

// Every thread has something to do before any has something to go on with.
Test(fleet, threads_come_before_spare_slots) {
  struct bed b;
  struct ticket t;
  bed_init(&b, 4);
  join(&b, 0, 1);
  cr_assert_eq(granted(&b, 0, &t), 2);
  join(&b, 1, 3);
  cr_assert_eq(granted(&b, 1, &t), 2);
  cr_assert_eq(ledger_held(b.fleet.ledger, 0), 2);
  // all come back at once
  ledger_expire(b.fleet.ledger, 5000);
  cr_assert_eq(ledger_held(b.fleet.ledger, 0), 0);
  fleet_grant(&b.fleet, 10000);
  cr_expect_eq(granted(&b, 0, &t), 1);
  cr_expect_eq(granted(&b, 1, &t), 3);
  bed_release(&b);
}

// An actor has more threads than a message has tickets: each of them is served before spare slots.
Test(fleet, more_threads_than_a_message_holds_tickets) {
  struct bed b;
  struct ticket t;
  bed_init(&b, 200);
  join(&b, 0, 1);
  cr_assert_eq(granted(&b, 0, &t), 2);
  join(&b, 1, 150);
  cr_assert_eq(granted(&b, 1, &t), 198);
  ledger_expire(b.fleet.ledger, 5000);
  fleet_grant(&b.fleet, 10000);
  // 151 threads; what is left goes to the spare slots in turn
  cr_expect_eq(granted(&b, 0, &t), 2);
  cr_expect_eq(granted(&b, 1, &t), 198);
  bed_release(&b);

  // no more than there are threads
  bed_init(&b, 100);
  join(&b, 0, 30);
  cr_assert_eq(granted(&b, 0, &t), 60);
  join(&b, 1, 70);
  cr_assert_eq(granted(&b, 1, &t), 40);
  ledger_expire(b.fleet.ledger, 5000);
  fleet_grant(&b.fleet, 10000);
  cr_expect_eq(granted(&b, 0, &t), 30);
  cr_expect_eq(granted(&b, 1, &t), 70);
  bed_release(&b);
}

// With many open, all slots are filled, as before.
Test(fleet, slots_are_filled_when_there_is_enough) {
  struct bed b;
  struct ticket t;
  bed_init(&b, 16);
  join(&b, 0, 1);
  join(&b, 1, 3);
  cr_expect_eq(granted(&b, 0, &t), 2);
  cr_expect_eq(granted(&b, 1, &t), 6);
  bed_release(&b);
}
