// client.c - one libuv loop between the learner and the rollout threads.
//
// Everything is owned by the loop thread, except a job between submit and result, which belongs to
// one rollout thread at a time; the two queues hand it over. What is to be sent is state, not a
// queue of frames: a hello is due, an answered job is unsent. flush() sends what it can without
// blocking, and one timer (TICK_MS) tries again, watches all deadlines, and reopens sockets.
//
// The sockets are closed and opened anew when the learner falls silent: a fresh DEALER is a fresh
// routing id, so nothing of an old connection can be mixed up with the new one.
#include "actor/client.h"

#include <inttypes.h>
#include <mujoco/mujoco.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/log.h"
#include "common/base/queue.h"
#include "common/config/config.h"
#include "common/task/task.h"
#include "proto/version.h"
#include "proto/wire.h"
#include "proto/zcall.h"
#include "proto/zpoll.h"

enum {
  TICK_MS = 20,
  LATE_MS = 5 * TICK_MS,  // a tick that comes later tells of this machine, not of the learner
  MISSED_BEATS = 3,       // intervals of silence after which the learner is lost
  GREETING_MS = 5000,     // at least this long for a welcome, which carries the model
  STUCK_BEATS = 10,       // intervals without a step after which a busy thread is stuck
  STUCK_MIN_MS = 10000,   // but never sooner than this
  FIRST_MAX_MESSAGE = 64 << 20,
  BACKOFF_MIN_MS = 200,
  BACKOFF_MAX_MS = 5000,
  LEAVE_MS = 1000,       // for rollout threads to come to an end
  LINGER_MS = 300,       // for the last messages
  SLOTS_PER_THREAD = 2,  // one to work on, one to go on with
  JOBS_PER_SLOT = 8,     // bound of what a learner can make us hold
  KEEP_VERSIONS = 2,     // newest weights, kept although no ticket names them
  MAX_REASONS = 64,
  MAX_HOST = 255,
};

enum job_state { JOB_PARKED, JOB_SUBMITTED, JOB_ANSWERED };

struct job {
  struct ticket ticket;
  // the rollout thread's, from submit to result
  struct rollout_options opt;
  struct dims dims;
  struct weights *weights;  // one reference, or NULL for a warm-up
  struct episode *ep;
  enum err err;
  atomic_bool cancelled;  // nobody waits for the result
  // the loop's
  enum job_state state;
  int64_t asked_ms;  // when its weights were asked for
  void *frame;       // the encoded episode
  size_t frame_size;
  bool sent;
};

struct worker {
  struct client *client;
  pthread_t thread;
  _Atomic uint64_t steps;  // env steps done
  _Atomic uint64_t turns;  // odd while it works on a job
  uint64_t seen;           // loop: steps + turns when they last changed
  int64_t seen_ms;
};

struct client {
  const struct client_options *opt;
  char host[MAX_HOST + 1];
  char name[CLIENT_MAX_NAME + 1];
  uint64_t actor;   // who we are: random
  uint64_t jitter;  // state of a generator for back-off alone
  int slots;

  uv_loop_t loop;
  uv_async_t wake;  // a result is in done
  uv_timer_t tick;
  uv_signal_t sigint, sigterm;
  void *zmq, *dealer, *sub;  // sockets are NULL while closed
  struct zpoll control, feed;
  struct wire_encoder *encoder;
  struct wire_decoder *decoder;

  // from the welcome
  struct task *task;  // NULL before the first
  struct config cfg;
  struct rollout_options rollout;
  struct dims dims;
  uint64_t run;
  int weights_port;

  struct worker *workers;  // started with the first welcome
  int nworkers;
  struct queue *todo, *done;
  struct job **held;  // not cancelled
  int nheld, njobs, max_jobs;
  struct weights **weights;  // cache, any order
  int nweights, max_weights;

  bool hello_due;  // to be sent as soon as there is a connection
  bool serving;    // this connection has been welcomed
  bool feed_due;   // the weights socket is to be opened
  bool lost;       // the loss of the learner has been logged
  bool stuck;      // a stuck rollout thread has been logged
  int64_t heard_ms, opened_ms, open_ms, beat_ms, deadline_ms, ticked_ms;
  int64_t heartbeat_ms, patience_ms, backoff_ms;
  const char *reason[MAX_REASONS];  // faults already logged
  int nreasons;
  uint64_t rejected;
  bool stopping;
  int signals;  // received
  enum err result;
};

static int64_t now_ms(const struct client *c) {
  return (int64_t)uv_now(&c->loop);
}

// ---- rollout threads ----

static bool same_options(const struct rollout_options *a, const struct rollout_options *b) {
  return a->random == b->random && a->repeat == b->repeat && a->hindsight == b->hindsight;
}

static void *work(void *arg) {
  struct worker *w = arg;
  struct client *c = w->client;
  struct rollout *rollout = NULL;
  struct rollout_options opt = {0};
  for (struct job *job; (job = queue_wait(c->todo)) != NULL;) {
    atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed);
    if (!atomic_load_explicit(&job->cancelled, memory_order_relaxed)) {
      // another run may explore differently
      if (rollout == NULL || !same_options(&opt, &job->opt)) {
        rollout_free(rollout);
        opt = job->opt;
        rollout = rollout_new(c->task, &opt);
      }
      job->ep = episode_new(&job->dims);
      job->err = rollout_run(rollout, job->ep, &job->ticket, job->weights, &w->steps);
      if (job->err == ERR_OK) {
        episode_seal(job->ep);
      }
    }
    atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed);
    queue_push(c->done, job);
    uv_async_send(&c->wake);
  }
  rollout_free(rollout);
  return NULL;
}

static void start_workers(struct client *c) {
  c->workers = must_alloc((size_t)c->opt->threads, sizeof *c->workers);
  for (int i = 0; i < c->opt->threads; i++) {
    c->workers[i].client = c;
    c->workers[i].seen_ms = now_ms(c);
    CHECK(pthread_create(&c->workers[i].thread, NULL, work, &c->workers[i]) == 0);
    c->nworkers++;
  }
}

// Has every busy thread made a step lately?
static bool workers_sound(struct client *c) {
  const int64_t beats = STUCK_BEATS * c->heartbeat_ms;
  const int64_t limit = beats > STUCK_MIN_MS ? beats : STUCK_MIN_MS;
  bool sound = true;
  for (int i = 0; i < c->nworkers; i++) {
    struct worker *w = &c->workers[i];
    const uint64_t turns = atomic_load_explicit(&w->turns, memory_order_relaxed);
    const uint64_t seen = turns + atomic_load_explicit(&w->steps, memory_order_relaxed);
    if (turns % 2 == 0 || seen != w->seen) {
      w->seen = seen;
      w->seen_ms = now_ms(c);
    }
    sound = sound && now_ms(c) - w->seen_ms <= limit;
  }
  if (!sound && !c->stuck) {
    log_warn("a rollout thread has made no step for %" PRId64
             " ms; heartbeats stop until it does, its tickets go to others",
             limit);
  }
  c->stuck = !sound;
  return sound;
}

static uint64_t steps_done(const struct client *c) {
  uint64_t steps = 0;
  for (int i = 0; i < c->nworkers; i++) {
    steps += atomic_load_explicit(&c->workers[i].steps, memory_order_relaxed);
  }
  return steps;
}

// ---- jobs ----

static void job_free(struct client *c, struct job *job) {
  weights_unref(job->weights);
  episode_free(job->ep);
  free(job->frame);
  free(job);
  c->njobs--;
}

// Takes held[i] off the list. One that a rollout thread has comes back through done.
static void forget(struct client *c, int i) {
  struct job *job = c->held[i];
  c->held[i] = c->held[--c->nheld];
  if (job->state == JOB_SUBMITTED) {
    atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
  } else {
    job_free(c, job);
  }
}

static int find_held(const struct client *c, uint64_t id, enum ticket_kind kind) {
  for (int i = 0; i < c->nheld; i++) {
    if (c->held[i]->ticket.id == id && c->held[i]->ticket.kind == kind) {
      return i;
    }
  }
  return -1;
}

static void forget_job(struct client *c, const struct job *job) {
  for (int i = 0; i < c->nheld; i++) {
    if (c->held[i] == job) {
      forget(c, i);
      return;
    }
  }
}

// Takes back what no rollout thread has begun: after a reconnection the learner issues it again,
// perhaps to others.
static void forget_unstarted(struct client *c) {
  for (struct job *job; (job = queue_pop(c->todo)) != NULL;) {
    if (atomic_load_explicit(&job->cancelled, memory_order_relaxed)) {
      job_free(c, job);
    } else {
      job->state = JOB_PARKED;
      forget_job(c, job);
    }
  }
  for (int i = c->nheld - 1; i >= 0; i--) {
    if (c->held[i]->state == JOB_PARKED) {
      forget(c, i);
    }
  }
}

static void forget_all(struct client *c) {
  forget_unstarted(c);
  while (c->nheld > 0) {
    forget(c, c->nheld - 1);
  }
}

// ---- weights ----

static struct weights *find_weights(const struct client *c, uint64_t version) {
  for (int i = 0; i < c->nweights; i++) {
    if (c->weights[i]->version == version) {
      return c->weights[i];
    }
  }
  return NULL;
}

static bool is_named(const struct client *c, uint64_t version) {
  for (int i = 0; i < c->nheld; i++) {
    if (c->held[i]->state != JOB_ANSWERED && c->held[i]->ticket.version == version) {
      return true;
    }
  }
  return false;
}

// Drops versions that no ticket names and that KEEP_VERSIONS newer ones follow.
static void prune_weights(struct client *c) {
  for (int i = c->nweights - 1; i >= 0; i--) {
    int newer = 0;
    for (int k = 0; k < c->nweights; k++) {
      newer += c->weights[k]->version > c->weights[i]->version;
    }
    if (newer >= KEEP_VERSIONS && !is_named(c, c->weights[i]->version)) {
      weights_unref(c->weights[i]);
      c->weights[i] = c->weights[--c->nweights];
    }
  }
}

static void drop_weights(struct client *c) {
  while (c->nweights > 0) {
    weights_unref(c->weights[--c->nweights]);
  }
}

static void submit(struct client *c, struct job *job, struct weights *w) {
  job->weights = w != NULL ? weights_ref(w) : NULL;
  job->opt = c->rollout;
  job->dims = c->dims;
  job->state = JOB_SUBMITTED;
  queue_push(c->todo, job);
}

// takes over the reference
static void keep_weights(struct client *c, struct weights *w) {
  if (find_weights(c, w->version) != NULL) {
    weights_unref(w);
    return;
  }
  if (c->nweights == c->max_weights) {
    c->max_weights = 2 * c->max_weights + 16;
    c->weights = realloc(c->weights, (size_t)c->max_weights * sizeof(struct weights *));
    CHECK(c->weights != NULL);
  }
  c->weights[c->nweights++] = w;
  for (int i = 0; i < c->nheld; i++) {
    if (c->held[i]->state == JOB_PARKED && c->held[i]->ticket.version == w->version) {
      submit(c, c->held[i], w);
    }
  }
  prune_weights(c);
}

// ---- sockets ----

// The next delay before the sockets are opened: doubles, with jitter, so that a fleet whose learner
// restarts does not come back all at once.
static int64_t next_backoff(struct client *c) {
  c->jitter ^= c->jitter << 13;
  c->jitter ^= c->jitter >> 7;
  c->jitter ^= c->jitter << 17;
  const int64_t delay = c->backoff_ms / 2 + (int64_t)(c->jitter % (uint64_t)c->backoff_ms);
  c->backoff_ms = c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
  return delay;
}

static void close_sockets(struct client *c) {
  zpoll_stop(&c->control);
  zpoll_stop(&c->feed);
  if (c->dealer != NULL) {
    zmq_close(c->dealer);
  }
  if (c->sub != NULL) {
    zmq_close(c->sub);
  }
  c->dealer = c->sub = NULL;
  c->hello_due = c->serving = c->feed_due = false;
}

static void reconnect(struct client *c) {
  close_sockets(c);
  c->open_ms = now_ms(c) + next_backoff(c);
}

static void *make_socket(struct client *c, int type) {
  void *socket = zmq_socket(c->zmq, type);
  CHECK(socket != NULL);
  const int linger = LINGER_MS, interval = BACKOFF_MIN_MS, interval_max = BACKOFF_MAX_MS;
  const int on = 1, handshake = GREETING_MS, v6 = c->host[0] == '[';
  const int64_t max_message = c->task != NULL ? c->cfg.wire_max_message : FIRST_MAX_MESSAGE;
  zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
  zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &interval, sizeof interval);
  zmq_setsockopt(socket, ZMQ_RECONNECT_IVL_MAX, &interval_max, sizeof interval_max);
  zmq_setsockopt(socket, ZMQ_HANDSHAKE_IVL, &handshake, sizeof handshake);
  zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_message, sizeof max_message);
  zmq_setsockopt(socket, ZMQ_IPV6, &v6, sizeof v6);
  if (type == ZMQ_DEALER) {
    // nothing is queued to a learner that is not there
    zmq_setsockopt(socket, ZMQ_IMMEDIATE, &on, sizeof on);
  } else {
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
  }
  return socket;
}

static void on_control(void *ctx);
static void on_feed(void *ctx);

static enum err open_control(struct client *c) {
  c->dealer = make_socket(c, ZMQ_DEALER);
  if (zcall_connect(c->dealer, c->opt->endpoint) != 0) {
    log_error("--connect %s: %s; expected tcp://HOST:PORT", c->opt->endpoint,
              zmq_strerror(zmq_errno()));
    zmq_close(c->dealer);
    c->dealer = NULL;
    return ERR_USAGE;
  }
  zpoll_start(&c->control, &c->loop, c->dealer, on_control, c);
  c->hello_due = true;
  c->opened_ms = now_ms(c);
  return ERR_OK;
}

static void open_feed(struct client *c) {
  char endpoint[MAX_HOST + 32];
  snprintf(endpoint, sizeof endpoint, "tcp://%s:%d", c->host, c->weights_port);
  c->sub = make_socket(c, ZMQ_SUB);
  CHECK(zcall_connect(c->sub, endpoint) == 0);
  zpoll_start(&c->feed, &c->loop, c->sub, on_feed, c);
  c->feed_due = false;
}

// ---- sending ----

static bool send_msg(struct client *c, const struct wire_msg *msg) {
  size_t n;
  const void *frame = wire_encode(c->encoder, &n, msg);
  return c->dealer != NULL && zcall_send(c->dealer, frame, n, ZMQ_DONTWAIT) >= 0;
}

static bool send_hello(struct client *c) {
  const struct wire_msg msg = {.type = WIRE_HELLO,
                               .hello = {.build = version_build(),
                                         .cpu = cpu_model(),
                                         .name = c->name,
                                         .mujoco_version = (uint32_t)mj_version(),
                                         .actor = c->actor,
                                         .slots = (uint32_t)c->slots,
                                         .task_digest = c->task != NULL ? c->task->digest : 0}};
  return send_msg(c, &msg);
}

// Sends what is due, as far as the socket takes it; the next tick goes on.
static void flush(struct client *c) {
  if (c->hello_due && send_hello(c)) {
    c->hello_due = false;
  }
  for (int i = 0; c->serving && i < c->nheld; i++) {
    struct job *job = c->held[i];
    if (job->state == JOB_ANSWERED && !job->sent) {
      if (zcall_send(c->dealer, job->frame, job->frame_size, ZMQ_DONTWAIT) < 0) {
        return;
      }
      job->sent = true;
    }
  }
}

static void send_bye(struct client *c, enum wire_farewell code, const char *reason) {
  const struct wire_msg msg = {.type = WIRE_BYE, .bye = {.code = code, .reason = reason}};
  if (c->serving && !send_msg(c, &msg)) {
    log_debug("the learner was not told that we leave");
  }
}

// Asks for the weights of parked tickets, once an interval and version. A ticket that has just come
// is asked for at the next tick only: its weights are mostly on their way already.
static void request_weights(struct client *c) {
  for (int i = 0; c->serving && i < c->nheld; i++) {
    struct job *job = c->held[i];
    if (job->state != JOB_PARKED || now_ms(c) - job->asked_ms < c->heartbeat_ms) {
      continue;
    }
    const struct wire_msg msg = {.type = WIRE_WEIGHTS_REQUEST,
                                 .weights_request = job->ticket.version};
    if (!send_msg(c, &msg)) {
      return;
    }
    for (int k = 0; k < c->nheld; k++) {
      if (c->held[k]->ticket.version == job->ticket.version) {
        c->held[k]->asked_ms = now_ms(c);
      }
    }
  }
}

// ---- the end ----

// The loop goes on until the rollout threads have ended their episodes, or LEAVE_MS have passed.
static void stop(struct client *c, enum err result) {
  if (c->stopping) {
    return;
  }
  c->stopping = true;
  c->result = result;
  c->deadline_ms = now_ms(c) + LEAVE_MS;
  forget_all(c);
  queue_close(c->todo);
}

// ---- messages ----

static void count_fault(struct client *c, const char *reason) {
  c->rejected++;
  for (int i = 0; i < c->nreasons; i++) {
    if (strcmp(c->reason[i], reason) == 0) {
      return;
    }
  }
  if (c->nreasons < MAX_REASONS) {
    c->reason[c->nreasons++] = reason;
  }
  log_warn("bad message from the learner dropped: %s (logged once)", reason);
}

// The task of the first welcome; later ones must be for the same.
static enum err adopt_task(struct client *c, const struct wire_welcome *w) {
  if (c->task == NULL) {
    struct task *task;
    if (w->model_size == 0) {
      log_error("the learner's welcome holds no model; restart the learner");
      return ERR_CONFIG;
    }
    if (task_from_mjb(&task, w->model, w->model_size) != ERR_OK) {
      return ERR_CONFIG;
    }
    if (task->digest == w->task_digest) {
      c->task = task;
      return ERR_OK;
    }
    task_free(task);
  } else if (c->task->digest == w->task_digest) {
    return ERR_OK;
  }
  log_error("the learner's task is not the one that it announced; start this actor anew");
  return ERR_CONFIG;
}

static enum err adopt(struct client *c, const struct wire_welcome *w) {
  struct config cfg;
  config_defaults(&cfg);
  if (config_read_yaml(&cfg, w->config, strlen(w->config), "learner's configuration") != ERR_OK ||
      adopt_task(c, w) != ERR_OK) {
    return ERR_CONFIG;
  }
  const struct rollout_options rollout = {.random = cfg.explore_random,
                                          .repeat = cfg.explore_repeat,
                                          .hindsight = (int)cfg.replay_hindsight_k};
  if (w->run == c->run && same_options(&rollout, &c->rollout)) {
    // whether the learner has got our answers is unknown
    forget_unstarted(c);
    for (int i = 0; i < c->nheld; i++) {
      c->held[i]->sent = false;
    }
  } else {
    forget_all(c);
    drop_weights(c);
  }
  c->cfg = cfg;
  c->rollout = rollout;
  c->dims = task_dims(c->task, rollout.hindsight);
  c->run = w->run;
  c->weights_port = (int)w->weights_port;
  c->heartbeat_ms = cfg.wire_heartbeat;
  c->patience_ms = cfg.wire_patience;
  return ERR_OK;
}

static void on_welcome(struct client *c, const struct wire_welcome *w) {
  const uint64_t before = c->run;
  const enum err err = adopt(c, w);
  if (err != ERR_OK) {
    send_bye(c, WIRE_BYE_LEAVING, "the welcome cannot be used");
    stop(c, err);
    return;
  }
  // w lived in the old decoder
  wire_decoder_free(c->decoder);
  c->decoder = wire_decoder_new(&c->dims, (size_t)c->cfg.wire_max_message);
  if (c->sub != NULL) {
    zpoll_stop(&c->feed);
    zmq_close(c->sub);
    c->sub = NULL;
  }
  c->feed_due = true;
  c->serving = true;
  c->lost = false;
  c->beat_ms = now_ms(c);
  c->backoff_ms = BACKOFF_MIN_MS;
  if (c->nworkers == 0) {
    start_workers(c);
  }
  log_info("%s %s: run %016" PRIx64 ", task %s, %d rollout threads",
           before == c->run ? "back at" : "connected to", c->opt->endpoint, c->run, c->task->name,
           c->nworkers);
}

static void on_refuse(struct client *c, const struct wire_text *t) {
  enum err err = ERR_CONFIG;
  switch ((enum wire_refusal)t->code) {
    case WIRE_REFUSE_HELLO_FIRST:
      // a new learner, or one that had given us up
      if (c->serving) {
        c->serving = false;
        c->hello_due = true;
        c->opened_ms = now_ms(c);
      }
      return;
    case WIRE_REFUSE_AUDIT:
      err = ERR_REFUSED;
      break;
    case WIRE_REFUSE_FULL:
      err = ERR_UNAVAILABLE;
      break;
    case WIRE_REFUSE_PROTOCOL:
    case WIRE_REFUSE_MUJOCO:
    case WIRE_REFUSE_TASK:
      break;
  }
  log_error("the learner refuses this actor: %s", t->reason);
  stop(c, err);
}

static void on_ticket(struct client *c, const struct ticket *t) {
  const int i = find_held(c, t->id, t->kind);
  if (i >= 0 && c->held[i]->ticket.seed == t->seed && c->held[i]->ticket.version == t->version) {
    // issued again: the answer, if there is one, did not arrive
    c->held[i]->sent = false;
    return;
  }
  if (i >= 0) {
    forget(c, i);
  }
  if (c->njobs >= c->max_jobs) {
    count_fault(c, "more tickets than we have slots");
    return;
  }
  struct job *job = must_alloc(1, sizeof *job);
  job->ticket = *t;
  job->state = JOB_PARKED;
  job->asked_ms = now_ms(c) - c->heartbeat_ms;
  c->held[c->nheld++] = job;
  c->njobs++;
  struct weights *w = find_weights(c, t->version);
  if (t->kind == TICKET_WARMUP) {
    submit(c, job, NULL);
  } else if (w != NULL) {
    submit(c, job, w);
  }
}

static void on_grant(struct client *c, const struct wire_grant *g) {
  if (!c->serving || g->run != c->run) {
    count_fault(c, "tickets of another run");
    return;
  }
  for (int i = 0; i < g->n; i++) {
    on_ticket(c, &g->tickets[i]);
  }
}

static void on_weights(struct client *c, const struct wire_weights *w) {
  if (c->serving && w->run == c->run) {
    keep_weights(c, w->weights);
  } else {
    weights_unref(w->weights);
  }
}

static void on_bye(struct client *c, const struct wire_text *t) {
  switch ((enum wire_farewell)t->code) {
    case WIRE_BYE_DONE:
      log_info("the learner is done: %s", t->reason);
      // tells a learner that waits that its farewell arrived
      send_bye(c, WIRE_BYE_DONE, "finished");
      stop(c, ERR_OK);
      break;
    case WIRE_BYE_DRAINING:
      log_info("the learner leaves: %s; waiting %" PRId64 " ms for the next one", t->reason,
               c->patience_ms);
      send_bye(c, WIRE_BYE_LEAVING, "until the next learner");
      c->lost = true;
      reconnect(c);
      break;
    case WIRE_BYE_LEAVING:
      count_fault(c, "a message that only an actor sends");
      break;
  }
}

static void on_message(struct client *c, const struct wire_msg *msg) {
  int i;
  c->heard_ms = now_ms(c);
  switch (msg->type) {
    case WIRE_WELCOME:
      on_welcome(c, &msg->welcome);
      break;
    case WIRE_REFUSE:
      on_refuse(c, &msg->refuse);
      break;
    case WIRE_GRANT:
      on_grant(c, &msg->grant);
      break;
    case WIRE_ACK:
      if ((i = find_held(c, msg->ack.id, msg->ack.kind)) >= 0) {
        forget(c, i);
        prune_weights(c);
      }
      break;
    case WIRE_HEARTBEAT:
      break;
    case WIRE_BYE:
      on_bye(c, &msg->bye);
      break;
    case WIRE_WEIGHTS:
      on_weights(c, &msg->weights);
      break;
    case WIRE_EPISODE:
      episode_free(msg->episode.episode);
      count_fault(c, "a message that only an actor sends");
      break;
    case WIRE_HELLO:
    case WIRE_WEIGHTS_REQUEST:
      count_fault(c, "a message that only an actor sends");
      break;
  }
}

// One whole message of the socket into *frame; false when there was none, or it was no single
// frame, which is dropped. *frame is to be closed either way.
static bool take_frame(struct client *c, void *socket, zmq_msg_t *frame) {
  CHECK(zmq_msg_init(frame) == 0);
  if (zcall_receive_msg(socket, frame, ZMQ_DONTWAIT) < 0) {
    return false;
  }
  if (!zmq_msg_more(frame)) {
    return !c->stopping;
  }
  while (zmq_msg_more(frame) && zcall_receive_msg(socket, frame, ZMQ_DONTWAIT) >= 0) {
  }
  count_fault(c, "a message of more than one frame");
  return false;
}

static void on_control(void *ctx) {
  struct client *c = ctx;
  zmq_msg_t frame;
  if (take_frame(c, c->dealer, &frame)) {
    struct wire_msg msg;
    const enum err err = wire_decode(c->decoder, &msg, zmq_msg_data(&frame), zmq_msg_size(&frame));
    if (err == ERR_OK) {
      on_message(c, &msg);
    } else if (err == ERR_REFUSED && !c->serving) {
      log_error("the learner speaks protocol %" PRIu32
                ", this actor %d; install the same telos on both sides",
                wire_peer_protocol(c->decoder), WIRE_PROTOCOL);
      stop(c, ERR_CONFIG);
    } else {
      count_fault(c, wire_fault(c->decoder));
    }
    flush(c);
  }
  zmq_msg_close(&frame);
}

static void on_feed(void *ctx) {
  struct client *c = ctx;
  zmq_msg_t frame;
  if (take_frame(c, c->sub, &frame)) {
    struct wire_msg msg;
    if (wire_decode(c->decoder, &msg, zmq_msg_data(&frame), zmq_msg_size(&frame)) != ERR_OK) {
      count_fault(c, wire_fault(c->decoder));
    } else if (msg.type == WIRE_WEIGHTS) {
      on_weights(c, &msg.weights);
    } else {
      if (msg.type == WIRE_EPISODE) {
        episode_free(msg.episode.episode);
      }
      count_fault(c, "a message that is no weights on their socket");
    }
  }
  zmq_msg_close(&frame);
}

// ---- results ----

static void on_result(struct client *c, struct job *job) {
  // back from its thread: it is ours to free again
  job->state = JOB_PARKED;
  if (job->err != ERR_OK) {
    // logged where it happened; every other actor would find the same
    send_bye(c, WIRE_BYE_LEAVING, "the simulation is unstable");
    stop(c, job->err);
    return;
  }
  const struct wire_msg msg = {.type = WIRE_EPISODE, .episode = {c->run, job->ep}};
  size_t n;
  const void *frame = wire_encode(c->encoder, &n, &msg);
  if (n > (size_t)c->cfg.wire_max_message) {
    log_error("an episode takes %zu bytes, more than wire.max_message=%" PRId64
              "; raise it at the learner",
              n, c->cfg.wire_max_message);
    send_bye(c, WIRE_BYE_LEAVING, "an episode is larger than wire.max_message");
    stop(c, ERR_CONFIG);
    return;
  }
  job->frame = must_alloc(n, 1);
  memcpy(job->frame, frame, n);
  job->frame_size = n;
  job->state = JOB_ANSWERED;
  episode_free(job->ep);
  weights_unref(job->weights);
  job->ep = NULL;
  job->weights = NULL;
}

static void on_wake(uv_async_t *handle) {
  struct client *c = handle->data;
  for (struct job *job; (job = queue_pop(c->done)) != NULL;) {
    if (atomic_load_explicit(&job->cancelled, memory_order_relaxed)) {
      job_free(c, job);
    } else {
      on_result(c, job);
    }
  }
  flush(c);
}

// ---- timer and signals ----

static void watch_learner(struct client *c) {
  const int64_t now = now_ms(c);
  int64_t limit = MISSED_BEATS * c->heartbeat_ms;
  const bool late = now - c->ticked_ms > LATE_MS;
  c->ticked_ms = now;
  if (late) {
    // what came while this loop could not run is read first
    c->opened_ms = now;
    return;
  }
  if (now - c->heard_ms >= c->patience_ms) {
    log_error("no learner at %s for %" PRId64 " ms; start one, or check --connect",
              c->opt->endpoint, c->patience_ms);
    stop(c, ERR_UNAVAILABLE);
    return;
  }
  if (c->dealer == NULL) {
    if (now >= c->open_ms && open_control(c) != ERR_OK) {
      stop(c, ERR_USAGE);
    }
    return;
  }
  if (!c->serving && limit < GREETING_MS) {
    limit = GREETING_MS;
  }
  const int64_t since = c->heard_ms > c->opened_ms ? c->heard_ms : c->opened_ms;
  if (now - since > limit) {
    if (!c->lost) {
      log_warn("no word from the learner at %s for %" PRId64 " ms; connecting again",
               c->opt->endpoint, now - since);
    }
    c->lost = true;
    reconnect(c);
  }
}

static void beat(struct client *c) {
  if (c->serving && now_ms(c) >= c->beat_ms) {
    c->beat_ms = now_ms(c) + c->heartbeat_ms;
    const struct wire_msg msg = {.type = WIRE_HEARTBEAT, .heartbeat = {c->run, steps_done(c)}};
    if (workers_sound(c) && !send_msg(c, &msg)) {
      log_debug("a heartbeat could not be sent");
    }
  }
}

static void on_tick(uv_timer_t *handle) {
  struct client *c = handle->data;
  if (c->stopping) {
    // cancelled jobs are all that is left; they return as their episodes end
    if (c->njobs == 0 || now_ms(c) >= c->deadline_ms) {
      uv_stop(&c->loop);
    }
    return;
  }
  if (c->stuck) {
    // saying hello again would only get us tickets that others can answer
    if (!workers_sound(c)) {
      return;
    }
    c->heard_ms = now_ms(c);
  }
  watch_learner(c);
  if (c->stopping || c->dealer == NULL) {
    return;
  }
  // a tick after the old one was closed, as zpoll demands
  if (c->feed_due) {
    open_feed(c);
  }
  beat(c);
  request_weights(c);
  flush(c);
}

static void on_signal(uv_signal_t *handle, int signum) {
  struct client *c = handle->data;
  if (++c->signals > 1) {
    _exit(128 + signum);
  }
  // the first one asks for what may be under way already
  if (c->stopping) {
    return;
  }
  log_info("%s: leaving", strsignal(signum));
  send_bye(c, WIRE_BYE_LEAVING, "asked to stop");
  stop(c, ERR_OK);
}

// ---- life ----

// tcp://HOST:PORT, HOST without colons or in brackets.
static enum err parse_endpoint(struct client *c, const char *endpoint) {
  const char *host = endpoint + strlen("tcp://"), *colon = strrchr(endpoint, ':');
  if (strncmp(endpoint, "tcp://", 6) == 0 && colon > host && colon - host <= MAX_HOST) {
    char *end;
    const long port = strtol(colon + 1, &end, 10);
    const size_t n = (size_t)(colon - host);
    const bool bracketed = host[0] == '[' && host[n - 1] == ']';
    if (colon[1] >= '0' && colon[1] <= '9' && *end == '\0' && port >= 1 && port <= 65535 &&
        (bracketed || memchr(host, ':', n) == NULL)) {
      memcpy(c->host, host, n);
      return ERR_OK;
    }
  }
  log_error("--connect %s: expected tcp://HOST:PORT, for example tcp://127.0.0.1:5555", endpoint);
  return ERR_USAGE;
}

static void name_actor(struct client *c) {
  while (c->actor == 0) {
    CHECK(getrandom(&c->actor, sizeof c->actor, 0) == sizeof c->actor);
  }
  c->jitter = c->actor;
  if (c->opt->name != NULL) {
    snprintf(c->name, sizeof c->name, "%s", c->opt->name);
    return;
  }
  char host[48] = "";
  gethostname(host, sizeof host - 1);
  snprintf(c->name, sizeof c->name, "%s:%ld", host, (long)getpid());
}

static struct client *client_new(const struct client_options *opt) {
  CHECK(opt->threads >= 1 && opt->threads <= CLIENT_MAX_THREADS);
  struct client *c = must_alloc(1, sizeof *c);
  c->opt = opt;
  c->slots = SLOTS_PER_THREAD * opt->threads;
  c->max_jobs = JOBS_PER_SLOT * c->slots;
  c->held = must_alloc((size_t)c->max_jobs, sizeof(struct job *));
  c->todo = queue_new((size_t)c->max_jobs);
  c->done = queue_new((size_t)c->max_jobs);
  c->encoder = wire_encoder_new();
  c->decoder = wire_decoder_new(NULL, FIRST_MAX_MESSAGE);
  c->heartbeat_ms = 1000;
  c->patience_ms = opt->patience_ms > 0 ? opt->patience_ms : CLIENT_PATIENCE_MS;
  c->backoff_ms = BACKOFF_MIN_MS;
  name_actor(c);
  c->zmq = zmq_ctx_new();
  CHECK(c->zmq != NULL);
  CHECK(uv_loop_init(&c->loop) == 0);
  CHECK(uv_async_init(&c->loop, &c->wake, on_wake) == 0);
  CHECK(uv_timer_init(&c->loop, &c->tick) == 0);
  CHECK(uv_signal_init(&c->loop, &c->sigint) == 0);
  CHECK(uv_signal_init(&c->loop, &c->sigterm) == 0);
  c->wake.data = c->tick.data = c->sigint.data = c->sigterm.data = c;
  return c;
}

static bool join_workers(struct client *c) {
  struct timespec deadline;
  CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0);
  deadline.tv_nsec += 100 * 1000 * 1000;
  if (deadline.tv_nsec >= 1000000000) {
    deadline.tv_sec++;
    deadline.tv_nsec -= 1000000000;
  }
  bool all = true;
  for (int i = 0; i < c->nworkers; i++) {
    all = pthread_timedjoin_np(c->workers[i].thread, NULL, &deadline) == 0 && all;
  }
  return all;
}

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

static void client_free(struct client *c) {
  close_sockets(c);
  zcall_end_context(c->zmq);
  queue_close(c->todo);
  if (!join_workers(c)) {
    // a thread in the middle of a long episode still uses task and queues
    log_debug("a rollout thread is left in its episode");
    return;
  }
  for (struct job *job; (job = queue_pop(c->done)) != NULL;) {
    job_free(c, job);
  }
  uv_walk(&c->loop, close_handle, NULL);
  uv_run(&c->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&c->loop) == 0);
  drop_weights(c);
  free(c->weights);
  free(c->workers);
  free(c->held);
  queue_free(c->todo);
  queue_free(c->done);
  wire_encoder_free(c->encoder);
  wire_decoder_free(c->decoder);
  task_free(c->task);
  free(c);
}

enum err client_run(const struct client_options *opt) {
  struct client *c = client_new(opt);
  enum err err = parse_endpoint(c, opt->endpoint);
  if (err == ERR_OK) {
    err = open_control(c);
  }
  if (err == ERR_OK) {
    c->heard_ms = c->ticked_ms = now_ms(c);
    CHECK(uv_timer_start(&c->tick, on_tick, 0, TICK_MS) == 0);
    CHECK(uv_signal_start(&c->sigint, on_signal, SIGINT) == 0);
    CHECK(uv_signal_start(&c->sigterm, on_signal, SIGTERM) == 0);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    err = c->result;
  }
  client_free(c);
  return err;
}
