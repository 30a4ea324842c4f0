// test_messages.c - wrong messages on every socket, while training goes on undisturbed.
//
// Against a real learner, raw ZeroMQ and TCP peers send what no actor would: first alone, so that
// each refusal can be awaited, then in a loop for as long as a real actor trains. The policy file
// must equal that of a run that nobody disturbed. Against a real actor, this test is the learner.
//
// Random bytes come from a seeded generator: a failure comes back.
#include <arpa/inet.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/now.h"
#include "common/config/config.h"
#include "common/task/task.h"
#include "learner/nn/mlp.h"
#include "proto/wire.h"
#include "proto/wire_scan.h"
#include "tests/integration/small.h"

enum { MAX_FRAME = 1000000, SLICE_MS = 50, DEADLINE_MS = 60000, HALF_OPEN = 16 };

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_bits(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static int64_t clock_ms(void) {
  return (int64_t)(1e3 * now_s());
}

static uint64_t task_digest;  // that hellos name

static void *make_socket(void *zmq, int type) {
  void *socket = zmq_socket(zmq, type);
  cr_assert(socket != NULL);
  const int linger = 0, unlimited = 0;
  zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
  zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
  zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
  return socket;
}

static struct task *box2d(void) {
  struct task *task;
  cr_assert_eq(task_load(&task, harness_text("%s/actor/tasks/box2d.xml", getenv("TELOS_SOURCE"))),
               0);
  task_digest = task->digest;
  return task;
}

// ---- a peer of the learner ----

struct peer {
  void *socket;
  struct wire_encoder *encoder;
  struct wire_decoder *decoder;
};

static struct peer peer_new(void *zmq, const char *endpoint, const struct dims *dims) {
  struct peer p = {make_socket(zmq, ZMQ_DEALER), wire_encoder_new(),
                   wire_decoder_new(dims, 64 << 20)};
  cr_assert_eq(zmq_connect(p.socket, endpoint), 0);
  return p;
}

static void peer_release(struct peer *p) {
  zmq_close(p->socket);
  wire_encoder_free(p->encoder);
  wire_decoder_free(p->decoder);
}

static void send_bytes(struct peer *p, const void *bytes, size_t n) {
  cr_assert_geq(zmq_send(p->socket, bytes, n, ZMQ_DONTWAIT), 0, "%s", zmq_strerror(errno));
}

static void send_msg(struct peer *p, const struct wire_msg *msg) {
  size_t n;
  const void *frame = wire_encode(p->encoder, &n, msg);
  send_bytes(p, frame, n);
}

static struct wire_msg hello_of(uint64_t actor, uint32_t slots) {
  return (struct wire_msg){.type = WIRE_HELLO,
                           .hello = {.build = "test",
                                     .cpu = "test",
                                     .name = harness_text("peer-%d", (int)actor),
                                     .mujoco_version = (uint32_t)mj_version(),
                                     .actor = actor,
                                     .slots = slots,
                                     .threads = 1,
                                     .task_digest = task_digest}};
}

// The next message of this type; others are passed over.
static void await(struct peer *p, struct wire_msg *msg, enum wire_type type) {
  static char frame[8 << 20];
  const int64_t deadline = clock_ms() + DEADLINE_MS;
  for (;;) {
    zmq_pollitem_t item = {.socket = p->socket, .events = ZMQ_POLLIN};
    cr_assert(clock_ms() < deadline, "no message of type %d", type);
    if (zmq_poll(&item, 1, SLICE_MS) < 1) {
      continue;
    }
    const int n = zmq_recv(p->socket, frame, sizeof frame, ZMQ_DONTWAIT);
    cr_assert(n >= 0 && n <= (int)sizeof frame);
    cr_assert_eq(wire_decode(p->decoder, msg, frame, (size_t)n), ERR_OK, "%s",
                 wire_fault(p->decoder));
    if (msg->type == type) {
      return;
    }
    wire_drop(msg);
  }
}

// Fetches the model as an actor does that does not have it: a welcome, and then piece by piece.
static void fetch_model(struct peer *p, const struct task *task) {
  struct wire_msg msg = hello_of(9, 4);
  msg.hello.task_digest = 0;
  send_msg(p, &msg);
  await(p, &msg, WIRE_WELCOME);
  cr_assert_eq(msg.welcome.task_digest, task->digest);
  cr_assert_eq(msg.welcome.model_bytes, task->mjb_size);
  char *model = calloc(1, task->mjb_size);
  for (uint32_t i = 0; (size_t)i * WIRE_PIECE < task->mjb_size; i++) {
    const struct wire_msg request = {.type = WIRE_MODEL_REQUEST,
                                     .model_request = {task->digest, i}};
    send_msg(p, &request);
    await(p, &msg, WIRE_MODEL_PIECE);
    cr_assert_eq(msg.model_piece.piece, i);
    memcpy(model + (size_t)i * WIRE_PIECE, msg.model_piece.data, msg.model_piece.n);
  }
  cr_assert_eq(memcmp(model, task->mjb, task->mjb_size), 0);
  free(model);
  // a piece that is not there, and one of another task
  const struct wire_model_request wrong[] = {{task->digest, UINT32_MAX}, {task->digest + 1, 0}};
  for (int i = 0; i < 2; i++) {
    send_msg(p, &(struct wire_msg){.type = WIRE_MODEL_REQUEST, .model_request = wrong[i]});
    await(p, &msg, WIRE_REFUSE);
    cr_assert_eq(msg.refuse.code, WIRE_REFUSE_HELLO_FIRST);
  }
}

// sends a hello that is to be refused
static void expect_refusal(struct peer *p, struct wire_msg hello, uint32_t code, const char *word) {
  struct wire_msg msg;
  send_msg(p, &hello);
  await(p, &msg, WIRE_REFUSE);
  cr_assert_eq(msg.refuse.code, code);
  cr_assert(strstr(msg.refuse.reason, word) != NULL, "no \"%s\" in %s", word, msg.refuse.reason);
}

// a plausible episode that answers no ticket
static struct episode *plain_episode(const struct dims *dims) {
  struct episode *ep = episode_new(dims);
  ep->ticket = (struct ticket){.id = UINT64_C(1) << 40, .seed = 1, .version = 1, TICKET_TRAIN};
  ep->T = dims->horizon;
  for (int i = 0; i < ep->T * dims->hindsight; i++) {
    ep->hindsight[i] = (uint16_t)ep->T;
  }
  return ep;
}

static void send_episode(struct peer *p, uint64_t run, struct episode *ep, uint64_t wrong) {
  episode_seal(ep);
  ep->digest ^= wrong;
  const struct wire_msg msg = {.type = WIRE_EPISODE, .episode = {run, ep}};
  send_msg(p, &msg);
}

// Sends the wrong episodes of a member; those that answer nothing are sound but unknown.
static void send_wrong_episodes(struct peer *p, uint64_t run, const struct dims *dims,
                                const struct ticket *held) {
  struct episode *ep = plain_episode(dims);
  send_episode(p, run, ep, 0);      // unknown ticket
  send_episode(p, run + 1, ep, 0);  // another run
  ep->ticket = *held;
  send_episode(p, run, ep, 1);  // wrong digest
  ep->obs[3] = NAN;
  send_episode(p, run, ep, 0);
  ep->obs[3] = 0.0f;
  ep->act[1] = INFINITY;
  send_episode(p, run, ep, 0);
  ep->act[1] = 1.5f;  // outside [-1, 1]
  send_episode(p, run, ep, 0);
  ep->act[1] = 0.0f;
  ep->hindsight[0] = 0;  // not behind its step
  send_episode(p, run, ep, 0);
  ep->hindsight[0] = (uint16_t)(ep->T + 1);
  send_episode(p, run, ep, 0);
  episode_free(ep);

  // a task of other sizes
  struct dims other = *dims;
  other.obs++;
  ep = plain_episode(&other);
  ep->ticket = *held;
  send_episode(p, run, ep, 0);
  episode_free(ep);
}

static void send_random(struct peer *p, int frames) {
  uint8_t bytes[512];
  for (int i = 0; i < frames; i++) {
    const size_t n = random_bits() % sizeof bytes;
    for (size_t k = 0; k < n; k++) {
      bytes[k] = (uint8_t)random_bits();
    }
    // half of them begin like a message of this protocol
    if (i % 2 == 0 && n > 3) {
      bytes[0] = 0x08;
      bytes[1] = WIRE_PROTOCOL;
      bytes[2] = (uint8_t)((2 + random_bits() % 11) << 3 | 2);
    }
    send_bytes(p, bytes, n);
  }
}

static void send_truncated(struct peer *p, const struct wire_msg *msg) {
  size_t n;
  const void *frame = wire_encode(p->encoder, &n, msg);
  for (size_t cut = 0; cut < n; cut++) {
    send_bytes(p, frame, cut);
  }
}

// what only a learner sends
static void send_learners_own(struct peer *p, uint64_t run) {
  const struct ticket ticket = {.id = 0, .seed = 1, .version = 1, .kind = TICKET_TRAIN};
  const struct wire_msg msgs[] = {
      {.type = WIRE_GRANT, .grant = {run, &ticket, 1}},
      {.type = WIRE_ACK, .ack = {0, TICKET_TRAIN}},
      {.type = WIRE_REFUSE, .refuse = {WIRE_REFUSE_FULL, "full"}},
  };
  for (size_t i = 0; i < sizeof msgs / sizeof *msgs; i++) {
    send_msg(p, &msgs[i]);
  }
}

static void request_versions(struct peer *p) {
  static const uint64_t versions[] = {2, 999999, UINT64_C(1) << 63, UINT64_MAX};
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    send_msg(p, &(struct wire_msg){.type = WIRE_WEIGHTS_REQUEST, .weights_request = versions[i]});
  }
}

static void send_frames(struct peer *p, int n) {
  for (int i = 0; i < n; i++) {
    zmq_send(p->socket, "part", 4, ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0));
  }
}

// a plain connection to a port; -1 when the learner has gone
static int tcp_connect(int port) {
  const struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static void send_tcp_garbage(int port) {
  const int fd = tcp_connect(port);
  uint8_t bytes[4096];
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = (uint8_t)random_bits();
  }
  // at times something that begins like ZeroMQ's greeting
  if (random_bits() % 2 == 0) {
    const uint8_t greeting[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3};
    memcpy(bytes, greeting, sizeof greeting);
  }
  if (fd >= 0) {
    (void)!send(fd, bytes, 1 + random_bits() % sizeof bytes, MSG_NOSIGNAL);
    close(fd);
  }
}

static int port_of(const char *endpoint) {
  return (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
}

// each complaint is logged once
static void assert_logged_once(const char *text) {
  static const char start[] = "W learner: bad message";
  for (const char *line = strstr(text, start); line != NULL; line = strstr(line + 1, start)) {
    const size_t n = strcspn(line, "\n") + 1;
    cr_assert(memmem(line + n, strlen(line + n), line, n) == NULL, "logged twice: %.*s", (int)n,
              line);
  }
}

static double last_rejected(struct proc *learner) {
  const char *text = proc_stdout(learner), *last = NULL;
  for (const char *at = strstr(text, "rejected="); at != NULL; at = strstr(at + 1, "rejected=")) {
    last = at;
  }
  cr_assert(last != NULL);
  return strtod(last + strlen("rejected="), NULL);
}

Test(messages, learner_goes_on) {
  const char *run_dir = harness_path("run");
  struct task *task = box2d();
  struct config cfg;
  config_defaults(&cfg);
  const struct dims dims = task_dims(task, (int)cfg.replay_hindsight_k);
  // the member's messages keep it alive: what it holds and never answers has to go to others
  static const char *const more[] = {"ledger.timeout=300", NULL};
  struct proc *learner = small_learner(run_dir, more);
  const char *endpoint = small_endpoint(learner);
  void *zmq = zmq_ctx_new();
  struct peer stranger = peer_new(zmq, endpoint, &dims), member = peer_new(zmq, endpoint, &dims);
  struct peer silent = peer_new(zmq, endpoint, &dims), large = peer_new(zmq, endpoint, &dims);
  struct wire_msg msg;

  // hellos that do not fit
  struct wire_msg hello = hello_of(1, 4);
  size_t n;
  uint8_t *frame = (uint8_t *)(uintptr_t)wire_encode(stranger.encoder, &n, &hello);
  cr_assert(frame[0] == 0x08 && frame[1] == WIRE_PROTOCOL);
  frame[1] = WIRE_PROTOCOL + 1;
  wire_seal(frame, n);
  send_bytes(&stranger, frame, n);
  await(&stranger, &msg, WIRE_REFUSE);
  cr_assert_eq(msg.refuse.code, WIRE_REFUSE_PROTOCOL);
  cr_assert(strstr(msg.refuse.reason, "protocol 3") != NULL, "%s", msg.refuse.reason);
  proc_wait_line(learner, "another protocol version; install the same telos on both sides");
  hello.hello.mujoco_version = 9999;
  expect_refusal(&stranger, hello, WIRE_REFUSE_MUJOCO, "MuJoCo version 9999");
  proc_wait_line(learner, "actor peer-1 refused: MuJoCo version 9999");
  hello = hello_of(1, 4);
  hello.hello.task_digest = 77;
  expect_refusal(&stranger, hello, WIRE_REFUSE_TASK, "task digest 000000000000004d");
  proc_wait_line(learner, "actor peer-1 refused: task digest 000000000000004d");

  // an episode before the hello
  struct episode *ep = plain_episode(&dims);
  send_episode(&stranger, 1, ep, 0);
  await(&stranger, &msg, WIRE_REFUSE);
  cr_assert_eq(msg.refuse.code, WIRE_REFUSE_HELLO_FIRST);

  // who does not have the task is no actor yet
  fetch_model(&stranger, task);
  cr_assert_null(strstr(proc_stderr(learner), "peer-9 joined"));

  // a member, which says hello twice
  hello = hello_of(2, 4);
  send_msg(&member, &hello);
  await(&member, &msg, WIRE_WELCOME);
  const uint64_t run = msg.welcome.run;
  const int weights_port = (int)msg.welcome.weights_port;
  send_msg(&member, &hello);
  await(&member, &msg, WIRE_WELCOME);
  await(&member, &msg, WIRE_GRANT);
  const struct ticket held = msg.grant.tickets[0];

  // each kind of nonsense, and what the learner says of it
  send_wrong_episodes(&member, run, &dims, &held);
  send_learners_own(&member, run);
  request_versions(&member);
  send_bytes(&member, "", 0);
  send_frames(&member, 2);
  send_frames(&stranger, 5);
  const struct wire_msg whole = {.type = WIRE_EPISODE, .episode = {run, ep}};
  send_truncated(&member, &whole);
  send_truncated(&stranger, &whole);
  send_random(&member, 2000);
  send_random(&stranger, 2000);
  static const char *const reasons[] = {
      "an episode of another run",
      "digest of the episode is wrong",
      "episode of a wrong shape",
      "a message that only the learner sends",
      "no protocol number",
      "a message of more than one frame",
      "truncated or malformed message",
      "check of the message is wrong",
  };
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
    proc_wait_line(learner, harness_text("bad message from peer-2 dropped: %s", reasons[i]));
  }
  proc_wait_line(learner, "bad message from a stranger dropped: a message of more than one frame");

  // more than wire.max_message costs that peer its connection
  char *zeros = calloc(1, MAX_FRAME + 1);
  send_msg(&large, &(struct wire_msg){.type = WIRE_HELLO, .hello = hello_of(3, 1).hello});
  await(&large, &msg, WIRE_WELCOME);
  send_bytes(&large, zeros, MAX_FRAME + 1);
  free(zeros);

  // connections that say nothing, and a peer that takes tickets and then says nothing
  int half_open[2 * HALF_OPEN];
  for (int i = 0; i < 2 * HALF_OPEN; i++) {
    half_open[i] = tcp_connect(i % 2 == 0 ? port_of(endpoint) : weights_port);
    cr_assert_geq(half_open[i], 0);
  }
  hello = hello_of(4, 8);
  send_msg(&silent, &hello);
  await(&silent, &msg, WIRE_GRANT);

  // no socket but a subscriber belongs on the weights port
  void *xsub = make_socket(zmq, ZMQ_XSUB), *push = make_socket(zmq, ZMQ_DEALER);
  const char *weights = harness_text("tcp://127.0.0.1:%d", weights_port);
  cr_assert(zmq_connect(xsub, weights) == 0 && zmq_connect(push, weights) == 0);

  // and all of it again while an actor trains
  struct proc *actor = small_actor(endpoint);
  int rounds = 0;
  const int64_t deadline = clock_ms() + DEADLINE_MS;
  while (proc_running(learner)) {
    cr_assert(clock_ms() < deadline, "training stands still\n%s", proc_stderr(learner));
    send_random(&member, 20);
    send_random(&stranger, 20);
    send_wrong_episodes(&member, run, &dims, &held);
    request_versions(&member);
    send_frames(&stranger, 3);
    send_tcp_garbage(port_of(endpoint));
    send_tcp_garbage(weights_port);
    char junk[64];
    for (size_t k = 0; k < sizeof junk; k++) {
      junk[k] = (char)random_bits();
    }
    zmq_send(xsub, junk, sizeof junk, ZMQ_DONTWAIT);
    zmq_send(push, junk, sizeof junk, ZMQ_DONTWAIT);
    poll(NULL, 0, 5);
    rounds++;
  }
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0, "%s", proc_stderr(actor));
  cr_assert_gt(rounds, 5);
  cr_assert_gt(last_rejected(learner), 4000);
  assert_logged_once(proc_stderr(learner));
  cr_assert_eq(small_count(proc_stderr(learner), "E "), 0, "%s", proc_stderr(learner));
  cr_assert_eq(small_count(proc_stderr(actor), "W "), 0, "%s", proc_stderr(actor));
  proc_wait_line(learner, "actor peer-4 is silent");
  harness_assert_same(small_policy(run_dir), small_policy(small_reference()));

  for (int i = 0; i < 2 * HALF_OPEN; i++) {
    close(half_open[i]);
  }
  episode_free(ep);
  struct peer *const peers[] = {&stranger, &member, &silent, &large};
  for (int i = 0; i < 4; i++) {
    peer_release(peers[i]);
  }
  zmq_close(xsub);
  zmq_close(push);
  zmq_ctx_term(zmq);
  task_free(task);
}

// a peer that keeps beating and never answers: its tickets go to others after ledger.timeout
Test(messages, peer_that_never_answers) {
  const char *run_dir = harness_path("run");
  static const char *const more[] = {"ledger.timeout=300", NULL};
  struct proc *learner = small_learner(run_dir, more);
  const char *endpoint = small_endpoint(learner);
  struct task *task = box2d();
  void *zmq = zmq_ctx_new();
  struct peer idle = peer_new(zmq, endpoint, NULL);
  const struct wire_msg hello = hello_of(1, 4);
  struct wire_msg msg;
  send_msg(&idle, &hello);
  await(&idle, &msg, WIRE_GRANT);
  const struct wire_msg beat = {.type = WIRE_HEARTBEAT, .heartbeat = {msg.grant.run, 1, 0}};
  struct proc *actor = small_actor(endpoint);
  const int64_t deadline = clock_ms() + DEADLINE_MS;
  while (proc_running(learner)) {
    cr_assert(clock_ms() < deadline, "training stands still\n%s", proc_stdout(learner));
    send_msg(&idle, &beat);
    poll(NULL, 0, SLICE_MS);
  }
  cr_assert_eq(proc_wait_exit(learner), 0);
  cr_assert_eq(proc_wait_exit(actor), 0);
  harness_assert_same(small_policy(run_dir), small_policy(small_reference()));
  peer_release(&idle);
  zmq_ctx_term(zmq);
  task_free(task);
}

// a real actor whose learner comes back on the same port with another task: both say why
Test(messages, another_task_on_the_same_port) {
  static const char *const endless[] = {"run.steps=1e9", NULL};
  struct proc *learner = small_learner(harness_path("first"), endless);
  const char *endpoint = small_endpoint(learner);
  struct proc *actor = small_actor(endpoint);
  proc_wait_line(actor, "connected to");
  proc_signal(learner, SIGKILL);
  proc_wait_exit(learner);
  const char *const more[] = {"--task", "box2d-random",
                              harness_text("wire.port=%d", port_of(endpoint)), NULL};
  learner = small_learner(harness_path("second"), more);
  small_assert_end(actor, 78, "another task",
                   (const char *const[]){"refuses this actor", "task digest", NULL});
  proc_wait_line(learner, "refused: task digest");
  proc_signal(learner, SIGTERM);
  cr_assert_eq(proc_wait_exit(learner), 75);
}

// ---- the learner of a real actor ----

struct fake {
  void *zmq, *router, *pub;
  struct peer codec;  // encoder and decoder; its socket is the router
  struct task *task;
  struct dims dims;
  struct wire_welcome welcome;  // that a hello is answered with ..
  const void *model;            // .. and what it announces
  uint8_t id[256];
  int id_size;
  bool welcoming;  // a hello, first or again, is answered
  struct proc *actor;
};

enum { RUN = 0x1234 };

static int bind_any(void *socket) {
  char endpoint[128];
  size_t n = sizeof endpoint;
  cr_assert_eq(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
  cr_assert_eq(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &n), 0);
  return port_of(endpoint);
}

static void fake_bytes(struct fake *f, const void *bytes, size_t n) {
  zmq_send(f->router, f->id, (size_t)f->id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT);
  zmq_send(f->router, bytes, n, ZMQ_DONTWAIT);
}

static void fake_msg(struct fake *f, const struct wire_msg *msg) {
  size_t n;
  const void *frame = wire_encode(f->codec.encoder, &n, msg);
  fake_bytes(f, frame, n);
}

static void fake_welcome(struct fake *f) {
  fake_msg(f, &(struct wire_msg){.type = WIRE_WELCOME, .welcome = f->welcome});
}

static void fake_piece(struct fake *f, const struct wire_model_request *r) {
  const size_t at = (size_t)r->piece * WIRE_PIECE, size = (size_t)f->welcome.model_bytes;
  cr_assert(r->task_digest == f->welcome.task_digest && at < size);
  const struct wire_msg msg = {
      .type = WIRE_MODEL_PIECE,
      .model_piece = {r->task_digest, r->piece, (const char *)f->model + at,
                      size - at < WIRE_PIECE ? size - at : WIRE_PIECE}};
  fake_msg(f, &msg);
}

// The next message of this type from the actor; beats meanwhile, welcomes whoever comes back, and
// hands out the model.
static void fake_await(struct fake *f, struct wire_msg *msg, enum wire_type type) {
  static char frame[1 << 20];
  const int64_t deadline = clock_ms() + DEADLINE_MS;
  for (;;) {
    zmq_pollitem_t item = {.socket = f->router, .events = ZMQ_POLLIN};
    cr_assert(clock_ms() < deadline, "no message of type %d\n%s", type, proc_stderr(f->actor));
    if (zmq_poll(&item, 1, SLICE_MS) < 1) {
      const struct wire_msg beat = {.type = WIRE_HEARTBEAT, .heartbeat = {RUN, 1, 0}};
      if (f->welcoming) {
        fake_msg(f, &beat);
      }
      continue;
    }
    uint8_t id[sizeof f->id];
    const int id_size = zmq_recv(f->router, id, sizeof id, 0);
    const int n = zmq_recv(f->router, frame, sizeof frame, 0);
    cr_assert_eq(wire_decode(f->codec.decoder, msg, frame, (size_t)n), ERR_OK, "%s",
                 wire_fault(f->codec.decoder));
    if (msg->type == WIRE_HELLO) {
      memcpy(f->id, id, (size_t)id_size);
      f->id_size = id_size;
      if (f->welcoming) {
        fake_welcome(f);
      }
    } else if (msg->type == WIRE_MODEL_REQUEST) {
      fake_piece(f, &msg->model_request);
    }
    if (msg->type == type) {
      return;
    }
    wire_drop(msg);
  }
}

// Starts an actor and takes its hello.
static struct fake *fake_new(void) {
  struct fake *f = calloc(1, sizeof *f);
  struct config cfg;
  config_defaults(&cfg);
  cr_assert_eq(config_set(&cfg, "wire.heartbeat=500"), ERR_OK);
  f->task = box2d();
  f->dims = task_dims(f->task, (int)cfg.replay_hindsight_k);
  f->zmq = zmq_ctx_new();
  f->router = make_socket(f->zmq, ZMQ_ROUTER);
  f->pub = make_socket(f->zmq, ZMQ_PUB);
  f->codec = (struct peer){f->router, wire_encoder_new(), wire_decoder_new(&f->dims, 64 << 20)};
  const int port = bind_any(f->router);
  f->model = f->task->mjb;
  f->welcome = (struct wire_welcome){.run = RUN,
                                     .task_digest = f->task->digest,
                                     .model_bytes = f->task->mjb_size,
                                     .weights_port = (uint32_t)bind_any(f->pub),
                                     .settings = {.none = cfg.explore_none,
                                                  .least = cfg.explore_least,
                                                  .random = cfg.explore_random,
                                                  .repeat = cfg.explore_repeat,
                                                  .hindsight = (uint32_t)cfg.replay_hindsight_k,
                                                  .heartbeat = (uint32_t)cfg.wire_heartbeat,
                                                  .patience = (uint32_t)cfg.wire_patience,
                                                  .max_message = (uint32_t)cfg.wire_max_message}};
  f->actor = small_actor(harness_text("tcp://127.0.0.1:%d", port));
  struct wire_msg msg;
  fake_await(f, &msg, WIRE_HELLO);
  return f;
}

static void fake_free(struct fake *f) {
  zmq_close(f->pub);
  peer_release(&f->codec);
  zmq_ctx_term(f->zmq);
  task_free(f->task);
  free(f);
}

static struct weights *policy_weights(uint64_t version, int in, int out, float value) {
  const int width[] = {in, 16, out};
  float data[4096];
  const size_t n = mlp_nparam(width, 2);
  cr_assert_leq(n, sizeof data / sizeof *data);
  for (size_t i = 0; i < n; i++) {
    data[i] = value;
  }
  return weights_new(version, width, 2, data);
}

static void send_weights(struct fake *f, uint64_t run, struct weights *w) {
  const struct wire_msg msg = {.type = WIRE_WEIGHTS, .weights = {run, w}};
  size_t n;
  const void *frame = wire_encode(f->codec.encoder, &n, &msg);
  fake_bytes(f, frame, n);
  zmq_send(f->pub, frame, n, ZMQ_DONTWAIT);
  weights_unref(w);
}

static void send_bad_weights(struct fake *f, uint64_t version) {
  const int in = f->dims.obs + f->dims.goal, out = 2 * f->dims.act;
  send_weights(f, RUN, policy_weights(version, in, out, NAN));
  send_weights(f, RUN, policy_weights(version, in, out, INFINITY));
  send_weights(f, RUN, policy_weights(version, in + 1, out, 0.1f));
  send_weights(f, RUN, policy_weights(version, in, out - 1, 0.1f));
  send_weights(f, RUN + 1, policy_weights(version, in, out, 0.1f));
  // one bit of them is another than was sent
  struct weights *w = policy_weights(version, in, out, 0.1f);
  const struct wire_msg msg = {.type = WIRE_WEIGHTS, .weights = {RUN, w}};
  size_t n;
  uint8_t *frame = (uint8_t *)(uintptr_t)wire_encode(f->codec.encoder, &n, &msg);
  frame[n / 2] ^= 1;
  fake_bytes(f, frame, n);
  zmq_send(f->pub, frame, n, ZMQ_DONTWAIT);
  weights_unref(w);
}

static void send_noise(struct fake *f, int frames) {
  uint8_t bytes[512];
  for (int i = 0; i < frames; i++) {
    const size_t n = random_bits() % sizeof bytes;
    for (size_t k = 0; k < n; k++) {
      bytes[k] = (uint8_t)random_bits();
    }
    fake_bytes(f, bytes, n);
    zmq_send(f->pub, bytes, n, ZMQ_DONTWAIT);
  }
}

// Grants until the answer comes, and settles all answers that come before it.
static void grant_until_answered(struct fake *f, const struct ticket *ticket) {
  const struct wire_msg grant = {.type = WIRE_GRANT, .grant = {RUN, ticket, 1}};
  struct wire_msg msg;
  for (bool done = false; !done;) {
    fake_msg(f, &grant);
    fake_await(f, &msg, WIRE_EPISODE);
    const struct ticket *t = &msg.episode.episode->ticket;
    done = t->id == ticket->id && t->kind == ticket->kind && t->seed == ticket->seed;
    const struct wire_msg ack = {.type = WIRE_ACK, .ack = {t->id, t->kind}};
    fake_msg(f, &ack);
    wire_drop(&msg);
  }
}

Test(messages, actor_goes_on) {
  struct fake *f = fake_new();
  struct wire_msg msg;

  // before the welcome: noise, the welcome cut off at every length, and with settings that no
  // learner has
  send_noise(f, 500);
  struct wire_msg welcome = {.type = WIRE_WELCOME, .welcome = f->welcome};
  size_t n;
  const void *frame = wire_encode(f->codec.encoder, &n, &welcome);
  for (size_t cut = 0; cut < n; cut++) {
    fake_bytes(f, frame, cut);
  }
  welcome.welcome.settings.random = 1.5;
  fake_msg(f, &welcome);
  proc_wait_line(f->actor, "dropped: settings are out of range");
  welcome.welcome = f->welcome;
  welcome.welcome.model_bytes = UINT64_C(1) << 40;
  fake_msg(f, &welcome);
  proc_wait_line(f->actor, "dropped: size of the model is out of range");
  zmq_send(f->router, f->id, (size_t)f->id_size, ZMQ_SNDMORE);
  zmq_send(f->router, "one", 3, ZMQ_SNDMORE);
  zmq_send(f->router, "two", 3, 0);
  proc_wait_line(f->actor, "a message of more than one frame");
  f->welcoming = true;
  fake_welcome(f);
  fake_await(f, &msg, WIRE_HEARTBEAT);
  // a second welcome, and a piece that nobody asked for
  fake_welcome(f);
  fake_piece(f, &(struct wire_model_request){f->task->digest, 0});
  proc_wait_line(f->actor, "a piece of the model that was not asked for");

  // a ticket whose weights come wrong in every way before they come right
  const struct ticket train = {.id = 1, .seed = 5, .version = 7, .kind = TICKET_TRAIN};
  const struct wire_msg grant = {.type = WIRE_GRANT, .grant = {RUN, &train, 1}};
  fake_msg(f, &grant);
  fake_await(f, &msg, WIRE_WEIGHTS_REQUEST);
  cr_assert_eq(msg.weights_request, 7);
  send_bad_weights(f, 7);
  static const char *const reasons[] = {"weights are not finite", "weights of a wrong shape",
                                        "check of the message is wrong"};
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
    proc_wait_line(f->actor, harness_text("dropped: %s (logged once)", reasons[i]));
  }
  // still without them
  fake_await(f, &msg, WIRE_WEIGHTS_REQUEST);
  send_weights(f, RUN, policy_weights(7, f->dims.obs + f->dims.goal, 2 * f->dims.act, 0.1f));
  grant_until_answered(f, &train);

  // far more tickets than it asked for, tickets of another run, messages that are not for it
  static struct ticket flood[WIRE_MAX_TICKETS];
  for (int i = 0; i < WIRE_MAX_TICKETS; i++) {
    flood[i] = (struct ticket){100 + (uint64_t)i, (uint64_t)i, 1, TICKET_WARMUP};
  }
  for (int i = 0; i < 3; i++) {
    fake_msg(f, &(struct wire_msg){.type = WIRE_GRANT, .grant = {RUN, flood, WIRE_MAX_TICKETS}});
  }
  proc_wait_line(f->actor, "more tickets than we have slots");
  fake_msg(f, &(struct wire_msg){.type = WIRE_GRANT, .grant = {RUN + 1, flood, 1}});
  const struct wire_msg hello = hello_of(5, 1);
  fake_msg(f, &hello);
  fake_msg(f, &(struct wire_msg){.type = WIRE_BYE, .bye = {WIRE_BYE_LEAVING, "x"}});
  fake_msg(f, &(struct wire_msg){.type = WIRE_ACK, .ack = {UINT64_MAX, TICKET_EVAL}});
  send_noise(f, 1000);
  proc_wait_line(f->actor, "tickets of another run");
  proc_wait_line(f->actor, "a message that only an actor sends");
  const struct ticket last = {.id = 900000, .seed = 9, .version = 1, .kind = TICKET_WARMUP};
  grant_until_answered(f, &last);

  fake_msg(f, &(struct wire_msg){.type = WIRE_BYE, .bye = {WIRE_BYE_DONE, "complete"}});
  cr_assert_eq(proc_wait_exit(f->actor), 0, "%s", proc_stderr(f->actor));
  cr_assert_eq(small_count(proc_stderr(f->actor), "E "), 0, "%s", proc_stderr(f->actor));
  fake_free(f);
}

// what an actor cannot go on from: a documented exit code and one line
Test(messages, actor_gives_up) {
  static const struct {
    uint32_t code;
    int exit_code;
  } refusals[] = {{WIRE_REFUSE_PROTOCOL, 78}, {WIRE_REFUSE_MUJOCO, 78}, {WIRE_REFUSE_TASK, 78},
                  {WIRE_REFUSE_AUDIT, 77},    {WIRE_REFUSE_FULL, 69},   {WIRE_REFUSE_KEY, 77}};
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    struct fake *f = fake_new();
    fake_msg(f, &(struct wire_msg){.type = WIRE_REFUSE, .refuse = {refusals[i].code, "because"}});
    small_assert_end(f->actor, refusals[i].exit_code, "refused",
                     (const char *const[]){"refuses this actor", "because", NULL});
    fake_free(f);
  }
  // a learner of another version, also of the first, whose frames had no check
  for (int protocol = 1; protocol <= 3; protocol += 2) {
    struct fake *f = fake_new();
    const struct wire_msg refuse = {.type = WIRE_REFUSE, .refuse = {WIRE_REFUSE_PROTOCOL, "x"}};
    size_t n;
    uint8_t *frame = (uint8_t *)(uintptr_t)wire_encode(f->codec.encoder, &n, &refuse);
    frame[1] = (uint8_t)protocol;
    if (protocol == 1) {
      n -= WIRE_CHECK_BYTES;
    } else {
      wire_seal(frame, n);
    }
    fake_bytes(f, frame, n);
    small_assert_end(
        f->actor, 78, "protocol",
        (const char *const[]){harness_text("protocol %d", protocol), "same telos", NULL});
    fake_free(f);
  }
  // a model that is not the announced one, and one that is none
  static const char *const words[][3] = {{"not the one that it announced", "anew"},
                                         {"compiled model", "damaged"}};
  for (int i = 0; i < 2; i++) {
    struct fake *f = fake_new();
    struct wire_msg msg;
    f->welcoming = true;
    f->welcome.task_digest ^= i == 0;
    f->welcome.model_bytes -= i == 1 ? 8 : 0;
    fake_welcome(f);
    fake_await(f, &msg, WIRE_MODEL_REQUEST);
    small_assert_end(f->actor, 78, words[i][0], words[i]);
    fake_free(f);
  }
}
