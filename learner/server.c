// server.c - one libuv loop around the ledger.
//
// Every handler does the same three things: tell the ledger what happened, hand what became final
// to the trainer (pump), and grant what became assignable (grant_all). Nothing here decides the
// result of training: the ledger fixes the order, the trainer folds.
#include "learner/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/config/metrics.h"
#include "common/evaluation.h"
#include "learner/fold.h"
#include "learner/ledger.h"
#include "learner/peers.h"
#include "learner/rundir.h"
#include "learner/trainer.h"
#include "proto/wire.h"
#include "proto/zcall.h"
#include "proto/zpoll.h"

enum {
  MISSED_BEATS = 3,      // heartbeats without which a peer is lost
  STUCK_BEATS = 10,      // heartbeats without progress after which a busy trainer is stuck
  STUCK_MIN_MS = 10000,  // but never sooner than this
  FAREWELL_MS = 3000,    // how long sockets may take to deliver the last messages
  GRANT_MAX = 64,        // tickets of one grant message
};

struct server {
  const struct config *cfg;
  const struct task *task;
  const struct rundir *run;
  struct dims dims;

  uv_loop_t loop;
  uv_async_t wake;  // the trainer has events
  uv_timer_t beat, status, farewell;
  uv_signal_t sigint, sigterm;
  void *zmq, *router, *pub;
  struct zpoll poll;

  struct wire_encoder *encoder;
  struct wire_decoder *decoder;
  struct ledger *ledger;
  struct peers peers;
  struct trainer *trainer;
  struct weights **weights;  // to be sent: a cache of the fold's, oldest first
  int nweights, max_weights;
  struct episode **eval;  // one evaluation's episodes
  char *config_text;      // for welcomes
  int weights_port;

  uint64_t rejected;  // bad messages
  uint64_t audit_failures;
  bool audit_hint;         // the hint about waiting audits was given
  uint64_t last_progress;  // trainer's, and when it last rose
  int64_t last_progress_ms;
  double start_s, last_status_s, last_wait_s, last_steps, last_updates;
  bool stopping;
  int signals;  // received
  enum err result;
};

static int64_t now_ms(const struct server *s) {
  return (int64_t)uv_now(&s->loop);
}

// ---- sending ----

static bool send_to(struct server *s, const void *id, size_t id_size, const struct wire_msg *msg) {
  size_t n;
  const void *frame = wire_encode(s->encoder, &n, msg);
  return zcall_send(s->router, id, id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
         zcall_send(s->router, frame, n, ZMQ_DONTWAIT) >= 0;
}

static void lose_peer(struct server *s, int i, const char *why);

// a peer that cannot be reached is lost: its tickets go to others
static void send_peer(struct server *s, int i, const struct wire_msg *msg) {
  const struct peer *p = &s->peers.peer[i];
  if (p->used && !send_to(s, p->id, p->id_size, msg)) {
    lose_peer(s, i, "cannot be reached");
  }
}

static void broadcast_bye(struct server *s, enum wire_farewell code, const char *reason) {
  const struct wire_msg msg = {.type = WIRE_BYE, .bye = {.code = code, .reason = reason}};
  for (int i = 0; i < s->peers.highest; i++) {
    send_peer(s, i, &msg);
  }
}

// ---- weights ----

// what no ticket and no evaluation names any more
static void forget_weights(struct server *s, uint64_t oldest) {
  int kept = 0;
  for (int i = 0; i < s->nweights; i++) {
    if (s->weights[i]->version >= oldest) {
      s->weights[kept++] = s->weights[i];
    } else {
      weights_unref(s->weights[i]);
    }
  }
  s->nweights = kept;
}

// takes over the reference
static void cache_weights(struct server *s, struct weights *w) {
  if (s->nweights == s->max_weights) {
    s->max_weights = 2 * s->max_weights + 16;
    s->weights = realloc(s->weights, (size_t)s->max_weights * sizeof(struct weights *));
    CHECK(s->weights != NULL);
  }
  s->weights[s->nweights++] = w;
}

static void publish(struct server *s, struct weights *w) {
  cache_weights(s, w);
  const struct wire_msg msg = {.type = WIRE_WEIGHTS, .weights = {s->run->run, w}};
  size_t n;
  const void *frame = wire_encode(s->encoder, &n, &msg);
  // who misses it asks on the first channel
  zcall_send(s->pub, frame, n, ZMQ_DONTWAIT);
}

static void send_weights(struct server *s, int i, uint64_t version) {
  for (int k = 0; k < s->nweights; k++) {
    if (s->weights[k]->version == version) {
      const struct wire_msg msg = {.type = WIRE_WEIGHTS, .weights = {s->run->run, s->weights[k]}};
      send_peer(s, i, &msg);
      return;
    }
  }
  log_debug("%s asks for version %" PRIu64 ", which no open ticket names", s->peers.peer[i].name,
            version);
}

// ---- tickets ----

static void grant(struct server *s, int i) {
  struct ticket tickets[GRANT_MAX];
  int n = 0;
  while (n < GRANT_MAX && ledger_assign(s->ledger, &tickets[n], i, now_ms(s))) {
    n++;
  }
  if (n > 0) {
    const struct wire_msg msg = {.type = WIRE_GRANT, .grant = {s->run->run, tickets, n}};
    send_peer(s, i, &msg);
  }
}

static void grant_all(struct server *s) {
  for (int i = 0; i < s->peers.highest; i++) {
    if (s->peers.peer[i].used) {
      grant(s, i);
    }
  }
}

static void lose_peer(struct server *s, int i, const char *why) {
  log_info("actor %s %s; %d left", s->peers.peer[i].name, why, s->peers.used - 1);
  peers_remove(&s->peers, i);
  ledger_leave(s->ledger, i);
}

static void refuse(struct server *s, const void *id, size_t id_size, enum wire_refusal code,
                   const char *reason) {
  const struct wire_msg msg = {.type = WIRE_REFUSE, .refuse = {.code = code, .reason = reason}};
  send_to(s, id, id_size, &msg);
}

static void refuse_faulty(struct server *s) {
  for (int i; (i = ledger_faulty(s->ledger)) >= 0;) {
    struct peer p = s->peers.peer[i];
    s->audit_failures++;
    log_error(
        "actor %s gave an episode that two others contradict; it is refused; check its "
        "machine's memory, CPU and build",
        p.name);
    lose_peer(s, i, "is refused");
    peers_ban(&s->peers, p.actor);
    refuse(s, p.id, p.id_size, WIRE_REFUSE_AUDIT,
           "an episode of yours is contradicted by two other actors; check this machine's memory, "
           "CPU and build");
  }
}

// episodes that became final go to the trainer, complete evaluations too
static void pump(struct server *s) {
  for (struct episode *ep; (ep = ledger_next(s->ledger)) != NULL;) {
    trainer_push(s->trainer, &ep);
  }
  uint64_t version;
  while (ledger_evaluated(s->ledger, s->eval, &version)) {
    struct evaluation result;
    evaluation_compute(&result, s->eval, (int)s->cfg->eval_episodes, s->task->success_radius,
                       s->task->success_counts);
    result.version = version;
    for (int64_t i = 0; i < s->cfg->eval_episodes; i++) {
      episode_free(s->eval[i]);
    }
    trainer_push_evaluation(s->trainer, &result);
  }
}

// ---- messages ----

static void count_fault(struct server *s, int i, const char *reason) {
  s->rejected++;
  if (peers_first_fault(&s->peers, i, reason)) {
    log_warn("bad message from %s dropped: %s (logged once)",
             i >= 0 ? s->peers.peer[i].name : "a stranger", reason);
  }
}

static void on_hello(struct server *s, const void *id, size_t id_size, const struct wire_hello *h) {
  char reason[256];
  if (h->mujoco_version != (uint32_t)mj_version()) {
    snprintf(reason, sizeof reason, "MuJoCo version %" PRIu32 " is not the learner's %d",
             h->mujoco_version, mj_version());
    log_warn("actor %s refused: %s; install the same MuJoCo on both", h->name, reason);
    refuse(s, id, id_size, WIRE_REFUSE_MUJOCO, reason);
    return;
  }
  if (h->task_digest != 0 && h->task_digest != s->task->digest) {
    snprintf(reason, sizeof reason,
             "task digest %016" PRIx64 " is not the learner's %016" PRIx64 " (%s)", h->task_digest,
             s->task->digest, s->task->name);
    log_warn("actor %s refused: %s; start it anew", h->name, reason);
    refuse(s, id, id_size, WIRE_REFUSE_TASK, reason);
    return;
  }
  if (peers_banned(&s->peers, h->actor)) {
    refuse(s, id, id_size, WIRE_REFUSE_AUDIT, "refused before: its episodes were contradicted");
    return;
  }
  // the same process on a new connection: what it held is issued again, a late answer still counts
  const int old = peers_find_actor(&s->peers, h->actor);
  if (old >= 0) {
    peers_remove(&s->peers, old);
    ledger_leave(s->ledger, old);
  }
  const int i = peers_add(&s->peers, id, id_size, h->actor, h->name, now_ms(s));
  if (i < 0) {
    log_warn("actor %s refused: %d actors are connected already", h->name, LEDGER_MAX_ACTORS);
    refuse(s, id, id_size, WIRE_REFUSE_FULL, "the learner has as many actors as it can serve");
    return;
  }
  const int slots = h->slots < 1                  ? 1
                    : h->slots > WIRE_MAX_TICKETS ? WIRE_MAX_TICKETS
                                                  : (int)h->slots;
  ledger_join(s->ledger, i, h->actor, slots);
  log_info("actor %s joined with %d slots (%s, %s); %d connected", s->peers.peer[i].name, slots,
           h->build, h->cpu, s->peers.used);
  const bool has_task = h->task_digest == s->task->digest;
  const struct wire_msg msg = {.type = WIRE_WELCOME,
                               .welcome = {.run = s->run->run,
                                           .config = s->config_text,
                                           .model = s->task->mjb,
                                           .model_size = has_task ? 0 : s->task->mjb_size,
                                           .task_digest = s->task->digest,
                                           .weights_port = (uint32_t)s->weights_port}};
  send_peer(s, i, &msg);
  if (s->peers.peer[i].used && s->nweights > 0) {
    send_weights(s, i, s->weights[s->nweights - 1]->version);
  }
  grant_all(s);
}

static void on_episode(struct server *s, int i, struct wire_episode *e) {
  struct episode *ep = e->episode;
  if (e->run != s->run->run) {
    count_fault(s, i, "an episode of another run");
    episode_free(ep);
    return;
  }
  const struct wire_msg ack = {.type = WIRE_ACK, .ack = {ep->ticket.id, ep->ticket.kind}};
  switch (ledger_answer(s->ledger, i, &ep)) {
    case LEDGER_ACCEPTED:
    case LEDGER_DUPLICATE:
    case LEDGER_UNKNOWN:
      break;
    case LEDGER_MISMATCH:
      s->audit_failures++;
      count_fault(s, i, "an episode that differs from the committed one of its ticket");
      break;
  }
  episode_free(ep);  // NULL when the ledger took it
  send_peer(s, i, &ack);
  refuse_faulty(s);
  pump(s);
  grant_all(s);
}

// frees what a message owns and nobody takes over
static void drop_message(struct wire_msg *msg) {
  if (msg->type == WIRE_EPISODE) {
    episode_free(msg->episode.episode);
  } else if (msg->type == WIRE_WEIGHTS) {
    weights_unref(msg->weights.weights);
  }
}

// after our good-bye only theirs counts
static void farewell_message(struct server *s, int i, struct wire_msg *msg) {
  drop_message(msg);
  if (msg->type == WIRE_BYE) {
    lose_peer(s, i, "left");
    if (s->peers.used == 0) {
      uv_stop(&s->loop);
    }
  }
}

static void on_message(struct server *s, const void *id, size_t id_size, struct wire_msg *msg) {
  if (msg->type == WIRE_HELLO && !s->stopping) {
    on_hello(s, id, id_size, &msg->hello);
    return;
  }
  const int i = peers_find(&s->peers, id, id_size);
  if (i < 0) {
    drop_message(msg);
    if (msg->type != WIRE_BYE && !s->stopping) {
      refuse(s, id, id_size, WIRE_REFUSE_HELLO_FIRST, "say hello first");
    }
    return;
  }
  s->peers.peer[i].last_seen_ms = now_ms(s);
  if (s->stopping) {
    farewell_message(s, i, msg);
    return;
  }
  switch (msg->type) {
    case WIRE_EPISODE:
      on_episode(s, i, &msg->episode);
      break;
    case WIRE_HEARTBEAT:
      break;
    case WIRE_BYE:
      lose_peer(s, i, "left");
      grant_all(s);
      break;
    case WIRE_WEIGHTS_REQUEST:
      send_weights(s, i, msg->weights_request);
      break;
    default:
      drop_message(msg);
      count_fault(s, i, "a message that only the learner sends");
      break;
  }
}

// one message: routing id, then exactly one frame
static void on_receive(void *ctx) {
  struct server *s = ctx;
  uint8_t id[PEER_MAX_ID];
  const int id_size = zcall_receive(s->router, id, sizeof id, ZMQ_DONTWAIT);
  if (id_size < 0) {
    return;
  }
  zmq_msg_t frame;
  CHECK(zmq_msg_init(&frame) == 0);
  const bool have = zcall_receive_msg(s->router, &frame, ZMQ_DONTWAIT) >= 0;
  bool more = have && zmq_msg_more(&frame);
  const int known = peers_find(&s->peers, id, (size_t)id_size);
  if (more) {
    count_fault(s, known, "a message of more than one frame");
    while (more) {
      zmq_msg_t rest;
      CHECK(zmq_msg_init(&rest) == 0);
      more = zcall_receive_msg(s->router, &rest, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&rest);
      zmq_msg_close(&rest);
    }
  } else if (have) {
    struct wire_msg msg;
    const enum err err = wire_decode(s->decoder, &msg, zmq_msg_data(&frame), zmq_msg_size(&frame));
    if (err == ERR_OK) {
      on_message(s, id, (size_t)id_size, &msg);
    } else if (err == ERR_REFUSED) {
      char reason[128];
      snprintf(reason, sizeof reason, "protocol %" PRIu32 " is not the learner's %d",
               wire_peer_protocol(s->decoder), WIRE_PROTOCOL);
      count_fault(s, known, "another protocol version; install the same telos on both sides");
      refuse(s, id, (size_t)id_size, WIRE_REFUSE_PROTOCOL, reason);
    } else {
      count_fault(s, known, wire_fault(s->decoder));
    }
  }
  zmq_msg_close(&frame);
}

// ---- trainer events ----

static void on_farewell(uv_timer_t *handle) {
  struct server *s = handle->data;
  uv_stop(&s->loop);
}

// Say good-bye and listen until every actor has answered, FAREWELL_MS at most: closing a socket
// that still has unread messages would cut off the good-byes on their way.
static void leave(struct server *s, enum err result, enum wire_farewell code, const char *reason) {
  s->result = result;
  s->stopping = true;
  broadcast_bye(s, code, reason);
  CHECK(uv_timer_stop(&s->beat) == 0 && uv_timer_stop(&s->status) == 0);
  CHECK(uv_timer_start(&s->farewell, on_farewell, s->peers.used > 0 ? FAREWELL_MS : 0, 0) == 0);
}

static void on_trainer_event(struct server *s, struct trainer_event *e) {
  switch (e->kind) {
    case TRAINER_COMMITTED:
      if (e->published != NULL) {
        publish(s, e->published);
      }
      ledger_committed(s->ledger, &e->issue);
      if (e->evaluate) {
        CHECK(ledger_evaluate(s->ledger, e->issue.version));
      }
      forget_weights(s, e->oldest);
      break;
    case TRAINER_COMPLETE:
      ledger_finish(s->ledger);
      break;
    case TRAINER_FINISHED:
      leave(s, ERR_OK, WIRE_BYE_DONE, "training is complete");
      break;
    case TRAINER_STOPPED:
      leave(s, ERR_INTERRUPTED, WIRE_BYE_DRAINING, "the learner stops; its state is saved");
      break;
    case TRAINER_FAILED:
      leave(s, e->err, WIRE_BYE_DRAINING, "the learner failed");
      break;
  }
}

static void on_wake(uv_async_t *handle) {
  struct server *s = handle->data;
  for (struct trainer_event e; !s->stopping && trainer_poll(s->trainer, &e);) {
    on_trainer_event(s, &e);
  }
  if (!s->stopping) {
    pump(s);
    grant_all(s);
  }
}

static void wake_loop(void *ctx) {
  struct server *s = ctx;
  uv_async_send(&s->wake);
}

// ---- timers and signals ----

// the learner's heartbeat comes from the side that works: a stuck trainer falls silent
static bool trainer_healthy(struct server *s) {
  bool busy;
  const uint64_t progress = trainer_progress(s->trainer, &busy);
  if (!busy || progress != s->last_progress) {
    s->last_progress = progress;
    s->last_progress_ms = now_ms(s);
  }
  const int64_t limit = STUCK_BEATS * s->cfg->wire_heartbeat;
  return now_ms(s) - s->last_progress_ms <= (limit > STUCK_MIN_MS ? limit : STUCK_MIN_MS);
}

static void hint_audit(struct server *s) {
  if (!s->audit_hint && ledger_counts(s->ledger).audit_waiting > 0 && s->peers.used < 2) {
    s->audit_hint = true;
    log_warn("an audited ticket waits for a second actor; start one more, or set ledger.audit=0");
  }
}

static void on_beat(uv_timer_t *handle) {
  struct server *s = handle->data;
  const int64_t limit = MISSED_BEATS * s->cfg->wire_heartbeat;
  const bool healthy = trainer_healthy(s);
  const struct wire_msg msg = {.type = WIRE_HEARTBEAT,
                               .heartbeat = {s->run->run, s->last_progress}};
  for (int i = 0; i < s->peers.highest; i++) {
    if (!s->peers.peer[i].used) {
      continue;
    }
    if (now_ms(s) - s->peers.peer[i].last_seen_ms > limit) {
      lose_peer(s, i, "is silent");
    } else if (healthy) {
      send_peer(s, i, &msg);
    }
  }
  ledger_expire(s->ledger, now_ms(s));
  hint_audit(s);
  grant_all(s);
}

static void report(struct server *s) {
  struct metrics m;
  double wait_s;
  trainer_metrics(s->trainer, &m, &wait_s);
  const double now = (double)uv_hrtime() * 1e-9;
  const double dt = now - s->last_status_s;
  const struct ledger_counts c = ledger_counts(s->ledger);
  m.seconds = now - s->start_s;
  m.steps_per_s = (m.steps - s->last_steps) / dt;
  m.updates_per_s = (m.updates - s->last_updates) / dt;
  m.learner_wait = fmin(1.0, (wait_s - s->last_wait_s) / dt);
  m.actors = s->peers.used;
  m.window_use = c.open > 0 ? (double)(c.assigned + c.answered) / c.open : 0.0;
  m.rejected = (double)s->rejected;
  m.reissued = (double)c.reissued;
  m.audit_failures = (double)s->audit_failures;
  s->last_status_s = now;
  s->last_steps = m.steps;
  s->last_updates = m.updates;
  s->last_wait_s = wait_s;
  char line[2048];
  size_t n = metrics_line(line, sizeof line - 1, &m);
  line[n++] = '\n';
  // nobody may be listening any more: progress is for people, training goes on
  if (fwrite(line, 1, n, stdout) != n || fflush(stdout) != 0) {
    clearerr(stdout);
  }
  n = metrics_csv_row(line, sizeof line - 1, &m);
  line[n++] = '\n';
  if (write(s->run->progress_fd, line, n) != (ssize_t)n) {
    log_debug("progress.csv: %s", strerror(errno));
  }
}

static void on_status(uv_timer_t *handle) {
  report(handle->data);
}

static void on_signal(uv_signal_t *handle, int signum) {
  struct server *s = handle->data;
  if (++s->signals > 1) {
    log_warn("second signal: stopping now; the last checkpoint is intact");
    _exit(128 + signum);
  }
  // the first one asks for what may be under way already
  if (s->stopping) {
    return;
  }
  s->result = ERR_INTERRUPTED;
  log_info("%s: saving, then stopping; once more to stop now", strsignal(signum));
  trainer_stop(s->trainer);
}

// ---- life ----

static bool is_loopback(const char *address) {
  struct in_addr v4;
  return (inet_pton(AF_INET, address, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127) ||
         strcmp(address, "localhost") == 0 || strcmp(address, "::1") == 0 ||
         strcmp(address, "[::1]") == 0;
}

// binds and reports the port that was taken
static enum err bind_socket(struct server *s, void *socket, const char *setting, int64_t port,
                            int *bound) {
  const char *address = s->cfg->wire_bind;
  const bool v6 = strchr(address, ':') != NULL && address[0] != '[';
  const int on = strchr(address, ':') != NULL;
  char endpoint[128];
  if (strcmp(address, "localhost") == 0) {
    address = "127.0.0.1";
  }
  snprintf(endpoint, sizeof endpoint, v6 ? "tcp://[%s]:%" PRId64 : "tcp://%s:%" PRId64, address,
           port);
  zmq_setsockopt(socket, ZMQ_IPV6, &on, sizeof on);
  if (zcall_bind(socket, endpoint) != 0) {
    if (errno == EADDRINUSE) {
      log_error("port %" PRId64
                " is in use; stop the program that holds it, or set %s (0: the "
                "system chooses)",
                port, setting);
      return ERR_UNAVAILABLE;
    }
    log_error("cannot bind %s: %s; set wire.bind to an address of this machine", endpoint,
              zmq_strerror(errno));
    return ERR_CONFIG;
  }
  size_t n = sizeof endpoint;
  CHECK(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &n) == 0);
  *bound = (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
  return ERR_OK;
}

static enum err open_sockets(struct server *s, const struct server_options *opt) {
  if (!is_loopback(s->cfg->wire_bind) && !opt->insecure) {
    log_error(
        "wire.bind=%s would listen beyond this machine without encryption; keep 127.0.0.1, "
        "or add --insecure on a network that you trust",
        s->cfg->wire_bind);
    return ERR_CONFIG;
  }
  s->zmq = zmq_ctx_new();
  s->router = zmq_socket(s->zmq, ZMQ_ROUTER);
  s->pub = zmq_socket(s->zmq, ZMQ_PUB);
  CHECK(s->router != NULL && s->pub != NULL);
  const int on = 1, linger = FAREWELL_MS, handshake = 5000, hwm = 4096, pub_hwm = 64;
  const int64_t max_message = s->cfg->wire_max_message;
  void *both[] = {s->router, s->pub};
  for (int i = 0; i < 2; i++) {
    zmq_setsockopt(both[i], ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(both[i], ZMQ_HANDSHAKE_IVL, &handshake, sizeof handshake);
    zmq_setsockopt(both[i], ZMQ_MAXMSGSIZE, &max_message, sizeof max_message);
  }
  // an unreachable peer is an error to act on, and a restarted one takes over its routing id
  zmq_setsockopt(s->router, ZMQ_ROUTER_MANDATORY, &on, sizeof on);
  zmq_setsockopt(s->router, ZMQ_ROUTER_HANDOVER, &on, sizeof on);
  zmq_setsockopt(s->router, ZMQ_SNDHWM, &hwm, sizeof hwm);
  zmq_setsockopt(s->router, ZMQ_RCVHWM, &hwm, sizeof hwm);
  zmq_setsockopt(s->pub, ZMQ_SNDHWM, &pub_hwm, sizeof pub_hwm);
  int port;
  enum err err = bind_socket(s, s->router, "wire.port", s->cfg->wire_port, &port);
  if (err == ERR_OK) {
    err = bind_socket(s, s->pub, "wire.weights_port", s->cfg->wire_weights_port, &s->weights_port);
  }
  if (err == ERR_OK) {
    char endpoint[128];
    size_t n = sizeof endpoint;
    CHECK(zmq_getsockopt(s->router, ZMQ_LAST_ENDPOINT, endpoint, &n) == 0);
    log_info("listening on %s", endpoint);
    opt->listening(opt->ctx, endpoint);
  }
  return err;
}

static enum err make_ledger(struct server *s) {
  enum err err = trainer_new(&s->trainer, s->cfg, s->task, s->run, wake_loop, s);
  if (err != ERR_OK) {
    return err;
  }
  const struct ledger_options opt = {
      .seed = (uint64_t)s->cfg->run_seed,
      .audit = s->cfg->ledger_audit,
      .timeout_ms = s->cfg->ledger_timeout,
      .eval_episodes = (int)s->cfg->eval_episodes,
  };
  const struct fold *fold = trainer_fold(s->trainer);
  s->ledger = ledger_new(&opt, fold);
  for (int i = 0; i < fold->nweights; i++) {
    cache_weights(s, weights_ref(fold->weights[i]));
  }
  s->eval = must_alloc((size_t)opt.eval_episodes, sizeof(struct episode *));
  return ERR_OK;
}

static void start_loop(struct server *s) {
  zpoll_start(&s->poll, &s->loop, s->router, on_receive, s);
  s->farewell.data = s->beat.data = s->status.data = s->sigint.data = s->sigterm.data = s;
  CHECK(uv_timer_init(&s->loop, &s->beat) == 0);
  CHECK(uv_timer_init(&s->loop, &s->status) == 0);
  CHECK(uv_timer_init(&s->loop, &s->farewell) == 0);
  CHECK(uv_signal_init(&s->loop, &s->sigint) == 0);
  CHECK(uv_signal_init(&s->loop, &s->sigterm) == 0);
  const uint64_t beat = (uint64_t)s->cfg->wire_heartbeat;
  const uint64_t every = (uint64_t)(1000.0 * s->cfg->status_every);
  CHECK(uv_timer_start(&s->beat, on_beat, beat, beat) == 0);
  CHECK(uv_timer_start(&s->status, on_status, every, every) == 0);
  CHECK(uv_signal_start(&s->sigint, on_signal, SIGINT) == 0);
  CHECK(uv_signal_start(&s->sigterm, on_signal, SIGTERM) == 0);
  s->start_s = s->last_status_s = (double)uv_hrtime() * 1e-9;
  s->last_progress_ms = now_ms(s);
  struct metrics m;
  trainer_metrics(s->trainer, &m, &s->last_wait_s);
  s->last_steps = m.steps;
  s->last_updates = m.updates;
  trainer_start(s->trainer);
}

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

// ends threads and loop; the sockets stay open (server_free)
static void stop(struct server *s) {
  zpoll_stop(&s->poll);
  trainer_free(s->trainer);
  uv_walk(&s->loop, close_handle, NULL);
  uv_run(&s->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&s->loop) == 0);
}

void server_free(struct server *s) {
  if (s == NULL) {
    return;
  }
  if (s->zmq != NULL) {
    zmq_close(s->router);
    zmq_close(s->pub);
    zcall_end_context(s->zmq);
  }
  for (int i = 0; i < s->nweights; i++) {
    weights_unref(s->weights[i]);
  }
  free(s->weights);
  free(s->eval);
  ledger_free(s->ledger);
  wire_encoder_free(s->encoder);
  wire_decoder_free(s->decoder);
  free(s->config_text);
  free(s);
}

enum err server_run(struct server **out, const struct server_options *opt) {
  struct server *s = must_alloc(1, sizeof *s);
  s->cfg = opt->cfg;
  s->task = opt->task;
  s->run = opt->run;
  s->dims = task_dims(opt->task, (int)opt->cfg->replay_hindsight_k);
  s->encoder = wire_encoder_new();
  s->decoder = wire_decoder_new(&s->dims, (size_t)opt->cfg->wire_max_message);
  s->config_text = config_dump(opt->cfg);
  CHECK(uv_loop_init(&s->loop) == 0);
  CHECK(uv_async_init(&s->loop, &s->wake, on_wake) == 0);
  s->wake.data = s;
  enum err err = make_ledger(s);
  if (err == ERR_OK) {
    trainer_set_videos(s->trainer, opt->video_every);
  }
  if (err == ERR_OK && trainer_complete(s->trainer) && ledger_evals_pending(s->ledger) == 0) {
    log_info("%s is complete: %" PRId64 " steps; raise run.steps to go on", s->run->path,
             s->cfg->run_steps);
  } else if (err == ERR_OK && (err = open_sockets(s, opt)) == ERR_OK) {
    start_loop(s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    report(s);
    err = s->result;
  }
  stop(s);
  *out = s;
  return err;
}
