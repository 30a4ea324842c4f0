// race_client.c - a client with four rollout threads against a learner played by this file.
//
// The learner hands out its model in pieces and grants 50 tickets of all kinds over five versions
// of the weights, half of them published and half given only on request; sends garbage; forgets the
// actor once in the middle, so that it says hello again and sends again what was not acknowledged.
// Every episode must be the one that rollout_run gives here. Runs under ThreadSanitizer, hence
// without Criterion.
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "actor/client.h"
#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "common/task/task.h"
#include "learner/nn/mlp.h"
#include "proto/wire.h"

enum { TICKETS = 50, PER_VERSION = 10, VERSIONS = TICKETS / PER_VERSION, RUN = 77 };
enum { FORGET_AT = 20, POLL_MS = 100, MAX_POLLS = 1200 };  // two minutes: it hangs

struct learner {
  void *router, *pub;
  int pub_port;
  struct task *task;
  struct dims dims;
  struct wire_settings settings;
  struct weights *weights[VERSIONS + 1];
  struct wire_encoder *encoder;
  struct wire_decoder *decoder;
  struct rollout *rollout;
  struct ticket tickets[TICKETS];
  bool held[TICKETS], settled[TICKETS];
  unsigned char id[256];
  size_t id_size;
  int slots, hellos, answers, requests, published, wrong;
  bool forgot;
};

static void send_frame(struct learner *l, const void *frame, size_t n) {
  CHECK(zmq_send(l->router, l->id, l->id_size, ZMQ_SNDMORE) >= 0);
  CHECK(zmq_send(l->router, frame, n, 0) >= 0);
}

static void send_msg(struct learner *l, const struct wire_msg *msg) {
  size_t n;
  const void *frame = wire_encode(l->encoder, &n, msg);
  send_frame(l, frame, n);
}

static void make_tickets(struct learner *l) {
  for (int i = 0; i < TICKETS; i++) {
    enum ticket_kind kind = i < PER_VERSION ? TICKET_WARMUP : TICKET_TRAIN;
    l->tickets[i] = (struct ticket){.id = (uint64_t)i,
                                    .seed = (uint64_t)i * 7919 + 1,
                                    .version = (uint64_t)(1 + i / PER_VERSION),
                                    .kind = i % 7 == 6 ? TICKET_EVAL : kind};
  }
}

static void make_weights(struct learner *l) {
  const int width[3] = {l->dims.obs + l->dims.goal, 16, 2 * l->dims.act};
  struct mlp *net = mlp_new(width, 2);
  for (int v = 1; v <= VERSIONS; v++) {
    struct rng rng;
    rng_init(&rng, (uint64_t)v, RNG_TEST, 0);
    mlp_init_weights(net, &rng);
    l->weights[v] = weights_new((uint64_t)v, width, 2, net->theta);
  }
  mlp_free(net);
}

// Odd versions go out on the second channel when their first ticket is due; the others are waited
// for until somebody asks.
static void publish(struct learner *l, int version) {
  for (; l->published < version; l->published++) {
    int v = l->published + 1;
    if (v % 2 == 1) {
      const struct wire_msg msg = {.type = WIRE_WEIGHTS, .weights = {RUN, l->weights[v]}};
      size_t n;
      const void *frame = wire_encode(l->encoder, &n, &msg);
      CHECK(zmq_send(l->pub, frame, n, 0) >= 0);
      CHECK(zmq_send(l->pub, "garbage", 7, 0) >= 0);
    }
  }
}

static void grant(struct learner *l) {
  int out = 0;
  for (int i = 0; i < TICKETS; i++) {
    out += l->held[i];
  }
  for (int i = 0; i < TICKETS && out < l->slots; i++) {
    if (!l->held[i] && !l->settled[i]) {
      publish(l, (int)l->tickets[i].version);
      const struct wire_msg msg = {.type = WIRE_GRANT, .grant = {RUN, &l->tickets[i], 1}};
      send_msg(l, &msg);
      l->held[i] = true;
      out++;
    }
  }
}

static void on_hello(struct learner *l, const struct wire_hello *h) {
  CHECK(h->slots == 8 && h->threads == 4);
  const struct wire_msg msg = {.type = WIRE_WELCOME,
                               .welcome = {.run = RUN,
                                           .task_digest = l->task->digest,
                                           .model_bytes = l->task->mjb_size,
                                           .weights_port = (uint32_t)l->pub_port,
                                           .settings = l->settings}};
  send_msg(l, &msg);
  if (h->task_digest == 0) {
    CHECK(l->hellos == 0);
    return;
  }
  CHECK(h->task_digest == l->task->digest);
  l->hellos++;
  l->slots = (int)h->slots;
  memset(l->held, 0, sizeof l->held);
}

static void on_model_request(struct learner *l, const struct wire_model_request *r) {
  const size_t at = (size_t)r->piece * WIRE_PIECE;
  CHECK(r->task_digest == l->task->digest && at < l->task->mjb_size);
  const size_t left = l->task->mjb_size - at;
  const struct wire_msg msg = {
      .type = WIRE_MODEL_PIECE,
      .model_piece = {r->task_digest, r->piece, (const char *)l->task->mjb + at,
                      left < WIRE_PIECE ? left : WIRE_PIECE}};
  send_msg(l, &msg);
}

static void on_episode(struct learner *l, const struct wire_episode *e) {
  const int i = (int)e->episode->ticket.id;
  CHECK(i >= 0 && i < TICKETS && e->run == RUN);
  struct episode *expected = episode_new(&l->dims);
  const enum err err =
      rollout_run(l->rollout, expected, &l->tickets[i], l->weights[l->tickets[i].version], NULL);
  CHECK(err == ERR_OK);
  if (episode_seal(expected) != e->episode->digest) {
    fprintf(stderr, "ticket %d: another episode than the direct one\n", i);
    l->wrong++;
  }
  episode_free(expected);
  l->answers += !l->settled[i];
  if (l->answers == FORGET_AT && !l->forgot) {
    // what it answers from now on is not acknowledged until it has said hello again
    l->forgot = true;
    const struct wire_msg msg = {.type = WIRE_REFUSE,
                                 .refuse = {.code = WIRE_REFUSE_HELLO_FIRST, .reason = "who"}};
    send_msg(l, &msg);
  }
  if (!l->forgot || l->hellos > 1) {
    l->settled[i] = true;
    l->held[i] = false;
    const struct wire_msg msg = {.type = WIRE_ACK, .ack = {(uint64_t)i, l->tickets[i].kind}};
    send_msg(l, &msg);
  } else {
    l->answers -= !l->settled[i];
  }
}

static void on_message(struct learner *l, struct wire_msg *msg) {
  switch (msg->type) {
    case WIRE_HELLO:
      on_hello(l, &msg->hello);
      break;
    case WIRE_EPISODE:
      on_episode(l, &msg->episode);
      episode_free(msg->episode.episode);
      break;
    case WIRE_MODEL_REQUEST:
      on_model_request(l, &msg->model_request);
      break;
    case WIRE_WEIGHTS_REQUEST: {
      CHECK(msg->weights_request >= 1 && msg->weights_request <= VERSIONS);
      l->requests++;
      const struct wire_msg answer = {.type = WIRE_WEIGHTS,
                                      .weights = {RUN, l->weights[msg->weights_request]}};
      send_msg(l, &answer);
      break;
    }
    default:
      CHECK(msg->type == WIRE_HEARTBEAT);
  }
}

static void receive(struct learner *l) {
  static unsigned char frame[1 << 20];
  unsigned char id[sizeof l->id];
  const int id_size = zmq_recv(l->router, id, sizeof id, 0);
  const int n = zmq_recv(l->router, frame, sizeof frame, 0);
  CHECK(id_size > 0 && n > 0 && (size_t)n <= sizeof frame);
  struct wire_msg msg;
  if (wire_decode(l->decoder, &msg, frame, (size_t)n) != ERR_OK) {
    fprintf(stderr, "bad message from the client: %s\n", wire_fault(l->decoder));
    l->wrong++;
    return;
  }
  if (msg.type == WIRE_HELLO) {
    memcpy(l->id, id, (size_t)id_size);
    l->id_size = (size_t)id_size;
  }
  // what an earlier connection still says comes again
  if ((size_t)id_size == l->id_size && memcmp(id, l->id, l->id_size) == 0) {
    on_message(l, &msg);
  } else {
    wire_drop(&msg);
  }
}

// True when all tickets are settled.
static bool serve(struct learner *l) {
  const struct wire_msg beat = {.type = WIRE_HEARTBEAT, .heartbeat = {RUN, 1, 0}};
  for (int polls = 0; polls < MAX_POLLS && l->answers < TICKETS; polls++) {
    zmq_pollitem_t item = {.socket = l->router, .events = ZMQ_POLLIN};
    CHECK(zmq_poll(&item, 1, POLL_MS) >= 0);
    while (item.revents & ZMQ_POLLIN) {
      receive(l);
      if (!l->forgot || l->hellos > 1) {
        grant(l);
      }
      CHECK(zmq_poll(&item, 1, 0) >= 0);
    }
    if (l->id_size > 0) {
      send_msg(l, &beat);
      send_frame(l, "\x08\x02garbage", 9);
    }
  }
  return l->answers == TICKETS;
}

static int bind_any(void *socket, char *endpoint, size_t n) {
  CHECK(zmq_bind(socket, "tcp://127.0.0.1:*") == 0);
  CHECK(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &n) == 0);
  return (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
}

static struct client_options options;
static enum err client_result;

static void *run_client(void *arg) {
  (void)arg;
  client_result = client_run(&options);
  return NULL;
}

static void open_learner(struct learner *l, const char *task) {
  struct config cfg;
  config_defaults(&cfg);
  CHECK(task_load(&l->task, task) == ERR_OK);
  l->settings = (struct wire_settings){.none = cfg.explore_none,
                                       .least = cfg.explore_least,
                                       .random = cfg.explore_random,
                                       .repeat = cfg.explore_repeat,
                                       .hindsight = (uint32_t)cfg.replay_hindsight_k,
                                       .heartbeat = (uint32_t)cfg.wire_heartbeat,
                                       .patience = (uint32_t)cfg.wire_patience,
                                       .max_message = (uint32_t)cfg.wire_max_message};
  l->dims = task_dims(l->task, (int)cfg.replay_hindsight_k);
  const struct rollout_options opt = {.none = cfg.explore_none,
                                      .least = cfg.explore_least,
                                      .random = cfg.explore_random,
                                      .repeat = cfg.explore_repeat,
                                      .hindsight = (int)cfg.replay_hindsight_k};
  l->rollout = rollout_new(l->task, &opt);
  l->encoder = wire_encoder_new();
  l->decoder = wire_decoder_new(&l->dims, 1 << 20);
  make_tickets(l);
  make_weights(l);
}

static void close_learner(struct learner *l) {
  for (int v = 1; v <= VERSIONS; v++) {
    weights_unref(l->weights[v]);
  }
  rollout_free(l->rollout);
  wire_encoder_free(l->encoder);
  wire_decoder_free(l->decoder);
  task_free(l->task);
}

int main(void) {
  static struct learner l;
  char task[4096], endpoint[128], unused[128];
  const char *source = getenv("TELOS_SOURCE");
  snprintf(task, sizeof task, "%s/actor/tasks/box2d.xml", source ? source : ".");
  open_learner(&l, task);

  void *zmq = zmq_ctx_new();
  l.router = zmq_socket(zmq, ZMQ_ROUTER);
  l.pub = zmq_socket(zmq, ZMQ_PUB);
  bind_any(l.router, endpoint, sizeof endpoint);
  l.pub_port = bind_any(l.pub, unused, sizeof unused);

  pthread_t thread;
  options = (struct client_options){.endpoint = endpoint, .name = "race", .threads = 4};
  CHECK(pthread_create(&thread, NULL, run_client, NULL) == 0);
  const bool complete = serve(&l);
  if (l.id_size > 0) {
    const struct wire_msg bye = {.type = WIRE_BYE, .bye = {WIRE_BYE_DONE, "complete"}};
    send_msg(&l, &bye);
  }
  if (!complete) {
    // the client may never return
    fprintf(stderr, "%d of %d tickets answered\n", l.answers, TICKETS);
    return 1;
  }
  CHECK(pthread_join(thread, NULL) == 0);
  zmq_close(l.router);
  zmq_close(l.pub);
  zmq_ctx_term(zmq);
  close_learner(&l);
  printf("%d tickets, %d hellos, %d requests for weights, %d wrong\n", TICKETS, l.hellos,
         l.requests, l.wrong);
  return client_result == ERR_OK && l.wrong == 0 && l.hellos == 2 && l.requests >= 2 ? 0 : 1;
}
