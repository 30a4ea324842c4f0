// server.c - one libuv loop around the ledger.
//
// Every handler does the same three things: tell the ledger what happened, hand what became final
// to the trainer (hand_over_final), and give out what became assignable (fleet_grant). Nothing here
// decides the result of training: the ledger fixes the order, the trainer folds.
#include "learner/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/evaluation.h"
#include "learner/fleet.h"
#include "learner/fold.h"
#include "learner/gate.h"
#include "learner/ledger.h"
#include "learner/ports.h"
#include "learner/publisher.h"
#include "learner/report.h"
#include "learner/rundir.h"
#include "learner/trainer.h"
#include "learner/web.h"
#include "proto/http.h"
#include "proto/link.h"
#include "proto/wire.h"
#include "proto/zcall.h"

enum {
  MISSED_BEATS = 3,      // heartbeats without which an actor is lost
  STUCK_BEATS = 10,      // heartbeats without progress after which a busy trainer is stuck ..
  STUCK_MIN_MS = 10000,  // .. but never sooner than this
  FAREWELL_MS = LINK_LEARNER_LINGER_MS,  // for actors to answer our good-bye
  ENCRYPTING_THREADS = 2,                // of ZeroMQ
};

struct server {
  const struct config *cfg;
  const struct task *task;
  const struct rundir *run;
  struct team *team;

  uv_loop_t loop;
  uv_async_t wake;  // the trainer has events
  uv_timer_t beat, status, farewell;
  uv_signal_t sigint, sigterm;
  void *zmq;
  struct gate *gate;
  struct link router, pub;
  char endpoint[PORTS_MAX_ENDPOINT];
  struct http *http;  // NULL: none

  struct wire_decoder *decoder;
  struct ledger *ledger;
  struct fleet fleet;
  struct trainer *trainer;
  struct publisher *publisher;
  struct report report;
  struct counts count;
  uint64_t acted[2 * FOLD_MAX_OPEN];  // versions of the episodes at the trainer, a ring ..
  uint64_t handed, committed;         // .. of so many ever; of those, committed
  struct episode **eval;              // one evaluation's episodes

  bool audit_hint;           // the hint about waiting audits was given
  uint64_t last_progress;    // trainer's ..
  int64_t last_progress_ms;  // .. and when it last rose
  bool stopping;
  int signals;  // received
  enum err result;
};

static int64_t now_ms(const struct server *s) {
  return (int64_t)uv_now(&s->loop);
}

// ---- from the ledger to the trainer ----

// episodes that became final go to the trainer, complete evaluations too
static void hand_over_final(struct server *s) {
  for (struct episode *ep; (ep = ledger_next(s->ledger)) != NULL;) {
    report_episode(&s->report, ep);
    s->acted[s->handed++ % (2 * FOLD_MAX_OPEN)] = ep->ticket.version;
    histogram_add(&s->count.length, (uint64_t)ep->T);
    trainer_push(s->trainer, &ep);
  }
  uint64_t version;
  while (ledger_evaluated(s->ledger, s->eval, &version)) {
    struct evaluation result;
    evaluation_compute(&result, s->eval, (int)s->cfg->eval_episodes, s->task->success_radius,
                       s->task->success_counts);
    struct evaluation_part parts[EVALUATION_MAX_PARTS];
    evaluation_parts(&result, s->eval, parts,
                     task_goal_parts(parts, EVALUATION_MAX_PARTS, s->task));
    result.version = version;
    for (int64_t i = 0; i < s->cfg->eval_episodes; i++) {
      episode_free(s->eval[i]);
    }
    trainer_push_evaluation(s->trainer, &result);
  }
}

// ---- messages ----

static void on_episode(struct server *s, int i, struct wire_episode *e) {
  struct episode *ep = e->episode;
  if (e->run != s->run->run) {
    fleet_fault(&s->fleet, i, "an episode of another run");
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
      s->fleet.audit_failures++;
      fleet_fault(&s->fleet, i, "an episode that differs from the committed one of its ticket");
      break;
  }
  episode_free(ep);  // NULL when the ledger took it
  fleet_send(&s->fleet, i, &ack);
  fleet_refuse_faulty(&s->fleet);
  hand_over_final(s);
  fleet_grant(&s->fleet, now_ms(s));
}

static void on_actor_message(struct server *s, int i, struct wire_msg *msg) {
  switch (msg->type) {
    case WIRE_EPISODE:
      on_episode(s, i, &msg->episode);
      break;
    case WIRE_HEARTBEAT:
      fleet_heard(&s->fleet, i, &msg->heartbeat, now_ms(s));
      break;
    case WIRE_BYE:
      fleet_lose(&s->fleet, i, "left");
      fleet_grant(&s->fleet, now_ms(s));
      break;
    case WIRE_WEIGHTS_REQUEST:
      fleet_send_weights(&s->fleet, i, msg->weights_request);
      break;
    default:
      wire_drop(msg);
      fleet_fault(&s->fleet, i, "a message that only the learner sends");
      break;
  }
}

// frame: who sent it; i: its index, or -1
static void on_message(struct server *s, const struct link_frame *frame, int i,
                       struct wire_msg *msg) {
  const void *id = frame->from;
  const size_t id_size = frame->from_size;
  if (msg->type == WIRE_HELLO) {
    fleet_hello(&s->fleet, id, id_size, gate_has_keys(s->gate) ? frame->key : NULL, &msg->hello,
                now_ms(s));
    fleet_grant(&s->fleet, now_ms(s));
  } else if (msg->type == WIRE_MODEL_REQUEST) {
    fleet_send_piece(&s->fleet, id, id_size, &msg->model_request);
  } else if (i >= 0) {
    s->fleet.peers.peer[i].last_seen_ms = now_ms(s);
    on_actor_message(s, i, msg);
  } else {
    wire_drop(msg);
    if (msg->type != WIRE_BYE) {
      fleet_refuse(&s->fleet, id, id_size, WIRE_REFUSE_HELLO_FIRST, "say hello first");
    }
  }
}

// After our good-bye only theirs counts.
static void on_last_message(struct server *s, int i, const struct wire_msg *msg) {
  wire_drop(msg);
  if (i >= 0 && msg->type == WIRE_BYE) {
    fleet_lose(&s->fleet, i, "left");
    if (fleet_size(&s->fleet) == 0) {
      uv_stop(&s->loop);
    }
  }
}

static void on_frame(void *ctx, const struct link_frame *frame) {
  struct server *s = ctx;
  struct wire_msg msg;
  s->count.messages++;
  s->count.bytes += frame->n;
  const int i = fleet_find(&s->fleet, frame->from, frame->from_size);
  if (!fleet_admit(&s->fleet, i, frame)) {
    return;
  }
  if (frame->data == NULL) {
    fleet_fault(&s->fleet, i, "a message of more than one frame");
    return;
  }
  const enum err err = wire_decode(s->decoder, &msg, frame->data, frame->n);
  if (err == ERR_REFUSED) {
    char reason[128];
    snprintf(reason, sizeof reason, "protocol %" PRIu32 " is not the learner's %d",
             wire_peer_protocol(s->decoder), WIRE_PROTOCOL);
    fleet_fault(&s->fleet, i, "another protocol version; install the same telos on both sides");
    fleet_refuse(&s->fleet, frame->from, frame->from_size, WIRE_REFUSE_PROTOCOL, reason);
  } else if (err != ERR_OK) {
    fleet_fault(&s->fleet, i, wire_fault(s->decoder));
  } else if (s->stopping) {
    on_last_message(s, i, &msg);
  } else {
    on_message(s, frame, i, &msg);
  }
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
  report_end(&s->report, s->trainer, &s->fleet);
  fleet_say_bye(&s->fleet, code, reason);
  CHECK(uv_timer_stop(&s->beat) == 0 && uv_timer_stop(&s->status) == 0);
  CHECK(uv_timer_start(&s->farewell, on_farewell, fleet_size(&s->fleet) > 0 ? FAREWELL_MS : 0, 0) ==
        0);
}

static void publish(struct server *s, struct weights *w) {
  s->count.published++;
  // who misses it asks on the first channel
  if (!link_share(&s->pub, NULL, 0, publisher_add(s->publisher, w))) {
    log_debug("version %" PRIu64 " could not be published", w->version);
  }
  weights_unref(w);
}

static void on_trainer_event(struct server *s, struct trainer_event *e) {
  switch (e->kind) {
    case TRAINER_COMMITTED:
      if (e->published != NULL) {
        publish(s, e->published);
      }
      histogram_add(&s->count.lag,
                    e->issue.version - s->acted[s->committed++ % (2 * FOLD_MAX_OPEN)]);
      ledger_committed(s->ledger, &e->issue);
      if (e->evaluate) {
        CHECK(ledger_evaluate(s->ledger, e->issue.version));
      }
      publisher_forget(s->publisher, e->oldest);
      report_committed(&s->report, s->trainer, &s->fleet);
      break;
    case TRAINER_COMPLETE:
      report_complete(&s->report, s->trainer, &s->fleet);
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
    hand_over_final(s);
    fleet_grant(&s->fleet, now_ms(s));
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
  if (!s->audit_hint && ledger_counts(s->ledger).audit_waiting > 0 && fleet_size(&s->fleet) < 2) {
    s->audit_hint = true;
    log_warn("an audited ticket waits for a second actor; start one more, or set ledger.audit=0");
  }
}

static void on_beat(uv_timer_t *handle) {
  struct server *s = handle->data;
  const bool healthy = trainer_healthy(s);
  const struct wire_msg beat = {.type = WIRE_HEARTBEAT,
                                .heartbeat = {s->run->run, s->last_progress, 0}};
  fleet_beat(&s->fleet, healthy ? &beat : NULL, now_ms(s), MISSED_BEATS * s->cfg->wire_heartbeat);
  ledger_expire(s->ledger, now_ms(s));
  hint_audit(s);
  fleet_grant(&s->fleet, now_ms(s));
}

static void report(struct server *s) {
  report_status(&s->report, s->trainer, s->ledger, &s->fleet);
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

static void on_keys_revoked(void *ctx) {
  struct server *s = ctx;
  if (!s->stopping) {
    fleet_revoke(&s->fleet);
    fleet_grant(&s->fleet, now_ms(s));
  }
  // who only listens to weights sends no message that could be refused
  link_cut(&s->pub);
}

static void on_request(void *ctx, struct http_answer *answer, const char *path) {
  struct server *s = ctx;
  s->count.requests++;
  const struct web web = {.cfg = s->cfg,
                          .task = s->task->name,
                          .run = s->run->path,
                          .trainer = s->trainer,
                          .ledger = s->ledger,
                          .fleet = &s->fleet,
                          .report = &s->report,
                          .count = &s->count,
                          .endpoint = s->endpoint,
                          .now_ms = now_ms(s),
                          .stuck = !trainer_healthy(s),
                          .stopping = s->stopping};
  web_answer(&web, answer, path);
}

static enum err open_http(struct server *s, char *url) {
  snprintf(url, HTTP_MAX_URL, "none");
  if (s->cfg->http_port < 0) {
    return ERR_OK;
  }
  const enum err err = http_open(&s->http, &s->loop, s->cfg->http_bind, (int)s->cfg->http_port,
                                 "http.bind and http.port", on_request, s);
  if (err == ERR_OK) {
    http_url(s->http, url);
    log_info("HTTP on %s", url);
  }
  return err;
}

static enum err open_sockets(struct server *s, const struct server_options *opt) {
  char url[HTTP_MAX_URL];
  const char *keys = opt->keys;
  enum err err = ports_choose_keys(&keys, s->cfg, opt->insecure);
  if (err != ERR_OK) {
    return err;
  }
  s->zmq = zmq_ctx_new();
  CHECK(s->zmq != NULL);
  CHECK(zmq_ctx_set(s->zmq, ZMQ_IO_THREADS, keys != NULL ? ENCRYPTING_THREADS : 1) == 0);
  if ((err = gate_open(&s->gate, s->zmq, keys)) != ERR_OK) {
    return err;
  }
  s->fleet.gate = s->gate;
  err =
      ports_open(&s->router, &s->pub, s->endpoint, &s->fleet.weights_port, s->zmq, s->cfg, s->gate);
  if (err == ERR_OK && (err = open_http(s, url)) == ERR_OK) {
    log_info("listening on %s", s->endpoint);
    opt->listening(opt->ctx, s->endpoint, url);
  }
  return err;
}

static enum err make_ledger(struct server *s, const struct given *given) {
  enum err err = trainer_new(&s->trainer, s->cfg, s->task, s->run, s->team, given, wake_loop, s);
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
  s->publisher = publisher_new(s->run->run, s->task);
  for (int i = 0; i < fold->nweights; i++) {
    publisher_add(s->publisher, fold->weights[i]);
  }
  s->fleet.cfg = s->cfg;
  s->fleet.task = s->task;
  s->fleet.ledger = s->ledger;
  s->fleet.publisher = s->publisher;
  s->fleet.router = &s->router;
  s->fleet.run = s->run->run;
  s->eval = must_alloc((size_t)opt.eval_episodes, sizeof(struct episode *));
  return ERR_OK;
}

// before anybody is told that we listen, so that who stops us then finds the state saved
static void watch_signals(struct server *s) {
  s->sigint.data = s->sigterm.data = s;
  CHECK(uv_signal_init(&s->loop, &s->sigint) == 0);
  CHECK(uv_signal_init(&s->loop, &s->sigterm) == 0);
  CHECK(uv_signal_start(&s->sigint, on_signal, SIGINT) == 0);
  CHECK(uv_signal_start(&s->sigterm, on_signal, SIGTERM) == 0);
}

static void start_loop(struct server *s) {
  gate_start(s->gate, &s->loop, on_keys_revoked, s);
  link_start(&s->router, &s->loop, on_frame, s);
  s->farewell.data = s->beat.data = s->status.data = s;
  CHECK(uv_timer_init(&s->loop, &s->beat) == 0);
  CHECK(uv_timer_init(&s->loop, &s->status) == 0);
  CHECK(uv_timer_init(&s->loop, &s->farewell) == 0);
  const uint64_t beat = (uint64_t)s->cfg->wire_heartbeat;
  const uint64_t every = (uint64_t)(1000.0 * s->cfg->status_every);
  CHECK(uv_timer_start(&s->beat, on_beat, beat, beat) == 0);
  CHECK(uv_timer_start(&s->status, on_status, every, every) == 0);
  s->last_progress_ms = now_ms(s);
  report_init(&s->report, s->cfg, s->trainer);
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
  http_close(s->http);
  link_stop(&s->router);
  gate_stop(s->gate);
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
    gate_free(s->gate);
    link_close(&s->router);
    link_close(&s->pub);
    zcall_end_context(s->zmq);
  }
  publisher_free(s->publisher);
  free(s->eval);
  ledger_free(s->ledger);
  wire_decoder_free(s->decoder);
  fleet_release(&s->fleet);
  free(s);
}

enum err server_run(struct server **out, const struct server_options *opt) {
  struct server *s = must_alloc(1, sizeof *s);
  const struct dims dims = task_dims(opt->task, (int)opt->cfg->replay_hindsight_k);
  s->cfg = opt->cfg;
  s->task = opt->task;
  s->run = opt->run;
  s->team = opt->team;
  s->decoder = wire_decoder_new(&dims, (size_t)opt->cfg->wire_max_message);
  fleet_init(&s->fleet);
  CHECK(uv_loop_init(&s->loop) == 0);
  CHECK(uv_async_init(&s->loop, &s->wake, on_wake) == 0);
  s->wake.data = s;
  enum err err = make_ledger(s, opt->given);
  if (err == ERR_OK) {
    trainer_set_videos(s->trainer, opt->video_every);
  }
  if (err == ERR_OK && trainer_complete(s->trainer) && ledger_evals_pending(s->ledger) == 0) {
    log_info("%s is complete: %" PRId64 " steps; raise run.steps to go on", s->run->path,
             s->cfg->run_steps);
  } else if (err == ERR_OK) {
    watch_signals(s);
    err = open_sockets(s, opt);
    if (err == ERR_OK) {
      start_loop(s);
      uv_run(&s->loop, UV_RUN_DEFAULT);
      report(s);
      err = s->result;
    }
  }
  stop(s);
  *out = s;
  return err;
}
