// session.c - one state, the two links that it needs, and the times of its deadlines.
//
// What is to be sent is state, not a queue of frames: in CONNECTING a hello is due. One tick tries
// again, watches all deadlines, and reopens links.
#include "actor/session.h"

#include <inttypes.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/backoff.h"
#include "actor/download.h"
#include "actor/handshake.h"
#include "actor/lookup.h"
#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/log.h"
#include "common/base/reasons.h"
#include "proto/link.h"
#include "proto/version.h"
#include "proto/watch.h"
#include "proto/zcall.h"

enum {
  LATE_MS = 5 * SESSION_TICK_MS,  // a later tick tells of this machine, not of the learner
  MISSED_BEATS = 3,               // intervals of silence after which the learner is lost ..
  GREETING_MS = 5000,             // .. but one that does not serve us yet has at least this long
  FIRST_HEARTBEAT_MS = 1000,      // before the first welcome
  MAX_ENDPOINT = 300,
};

enum state {
  AWAY,        // no links; the learner is looked for at reopen_ms
  FINDING,     // its name becomes an address: another one, perhaps, than last time
  CONNECTING,  // the hello could not be sent yet
  GREETING,    // the welcome is awaited
  FETCHING,    // welcomed; the model comes piece by piece
  SERVING,     // welcomed
  OVER,        // given up, or ended
};

struct session {
  const struct session_options *opt;
  const struct session_events *events;
  void *ctx;

  uv_loop_t *loop;
  void *zmq;
  struct link control, feed;  // first channel, weights
  struct watch control_watch, feed_watch;
  struct handshake handshake;
  struct lookup *lookup;         // in FINDING
  int lookups;                   // so far
  char address[LOOKUP_ADDRESS];  // of this connection
  const char *unknown;           // why the last look-up found none; NULL: it did
  size_t max_message;            // that the links take
  struct wire_encoder *encoder;
  struct wire_decoder *decoder;

  enum state state;
  struct backoff backoff;  // its losses are those since the last welcome
  int64_t reopen_ms;       // when to leave AWAY
  int64_t heard_ms;        // last word of a learner
  int64_t silent_ms;       // the silence of this connection counts from here
  int64_t beat_ms;         // when the next heartbeat is due
  int64_t ticked_ms;       // last tick
  int64_t patience_ms;

  // from the last welcome
  uint64_t run;
  int weights_port;
  struct wire_settings settings;
  uint64_t served_run;  // whose tickets we had last
  struct download model;
  struct task *task;  // NULL until the model is here

  struct reasons reasons;  // faults met ..
  uint64_t logged;         // .. and logged
};

static int64_t now_ms(const struct session *s) {
  return (int64_t)uv_now(s->loop);
}

// ---- links ----

static void close_links(struct session *s) {
  watch_close(&s->control_watch);
  watch_close(&s->feed_watch);
  link_close(&s->control);
  link_close(&s->feed);
}

static void reopen_at(struct session *s, int64_t at_ms) {
  close_links(s);
  s->state = AWAY;
  s->reopen_ms = at_ms;
}

static void on_control(void *ctx, const struct link_frame *frame);
static void on_feed(void *ctx, const struct link_frame *frame);
static void on_handshake(void *ctx, enum watch_event event);

// between link_open and link_connect
static void guard(struct session *s, struct link *l, struct watch *w) {
  if (s->opt->keys != NULL) {
    curve_connect(l, s->opt->keys);
  }
  watch_open(w, s->zmq, l->socket);
  watch_start(w, s->loop, on_handshake, s);
}

static enum err open_control(struct session *s) {
  s->max_message = s->task != NULL ? s->settings.max_message : WIRE_FIRST_MESSAGE;
  wire_decoder_free(s->decoder);
  s->decoder = wire_decoder_new(NULL, s->max_message);
  link_open(&s->control, s->zmq, LINK_DEALER, (int64_t)s->max_message);
  guard(s, &s->control, &s->control_watch);
  char endpoint[MAX_ENDPOINT];
  snprintf(endpoint, sizeof endpoint, "tcp://%s%s", s->address, strrchr(s->opt->endpoint, ':'));
  if (link_connect(&s->control, endpoint) != 0) {
    log_error("--connect %s: %s; expected tcp://HOST:PORT", s->opt->endpoint,
              zmq_strerror(zmq_errno()));
    close_links(s);
    return ERR_USAGE;
  }
  link_start(&s->control, s->loop, on_control, s);
  s->state = CONNECTING;
  s->silent_ms = now_ms(s);
  return ERR_OK;
}

static void open_feed(struct session *s) {
  char endpoint[MAX_ENDPOINT];
  snprintf(endpoint, sizeof endpoint, "tcp://%s:%d", s->address, s->weights_port);
  link_open(&s->feed, s->zmq, LINK_SUB, (int64_t)s->max_message);
  guard(s, &s->feed, &s->feed_watch);
  CHECK(link_connect(&s->feed, endpoint) == 0);
  link_start(&s->feed, s->loop, on_feed, s);
}

// ---- where the learner is ----

static void find(struct session *s) {
  s->lookup = lookup_start(s->opt->host, s->lookups++);
  s->state = FINDING;
}

static void stop_finding(struct session *s) {
  lookup_drop(s->lookup);
  s->lookup = NULL;
}

// FINDING goes on to CONNECTING, or back to AWAY
static enum err go_on_finding(struct session *s) {
  const char *why = NULL;
  const enum lookup_state found = lookup_poll(s->lookup, s->address, &why);
  if (found == LOOKUP_PENDING) {
    return ERR_OK;
  }
  stop_finding(s);
  s->unknown = why;
  if (found == LOOKUP_FOUND) {
    return open_control(s);
  }
  if (s->backoff.losses == 0) {
    log_warn("--connect %s: no address of %s: %s; asking again", s->opt->endpoint, s->opt->host,
             why);
  }
  reopen_at(s, now_ms(s) + backoff_next_ms(&s->backoff));
  return ERR_OK;
}

// ---- sending ----

static bool send_msg(struct session *s, const struct wire_msg *msg) {
  size_t n;
  const void *frame = wire_encode(s->encoder, &n, msg);
  return link_send(&s->control, frame, n);
}

bool session_send(struct session *s, const struct wire_msg *msg) {
  return s->state == SERVING && send_msg(s, msg);
}

bool session_send_frame(struct session *s, const void *frame, size_t n) {
  return s->state == SERVING && link_send(&s->control, frame, n);
}

static bool send_hello(struct session *s) {
  const struct wire_msg msg = {.type = WIRE_HELLO,
                               .hello = {.build = version_build(),
                                         .cpu = cpu_model(),
                                         .name = s->opt->name,
                                         .mujoco_version = (uint32_t)mj_version(),
                                         .actor = s->opt->actor,
                                         .slots = (uint32_t)s->opt->slots,
                                         .threads = (uint32_t)s->opt->threads,
                                         .task_digest = s->task != NULL ? s->task->digest : 0}};
  return send_msg(s, &msg);
}

static void send_bye(struct session *s, enum wire_farewell code, const char *reason) {
  const struct wire_msg msg = {.type = WIRE_BYE, .bye = {.code = code, .reason = reason}};
  const bool greeted = s->state == GREETING || s->state == SERVING;
  if (greeted && !send_msg(s, &msg)) {
    log_debug("the learner was not told that we leave");
  }
}

// ---- the end ----

void session_end(struct session *s, const char *reason) {
  send_bye(s, WIRE_BYE_LEAVING, reason);
  s->state = OVER;
}

static void give_up(struct session *s, enum err result) {
  s->state = OVER;
  s->events->gave_up(s->ctx, result);
}

static void on_handshake(void *ctx, enum watch_event event) {
  struct session *s = ctx;
  if (s->state == OVER) {
    return;
  }
  const enum err err = handshake_judge(&s->handshake, event, s->opt->endpoint, s->opt->keys);
  if (err != ERR_OK) {
    give_up(s, err);
  }
}

// ---- messages ----

void session_fault(struct session *s, const char *reason) {
  if (reasons_first(&s->reasons, &s->logged, reason)) {
    log_warn("bad message from the learner dropped: %s (logged once)", reason);
  }
}

static void ask_for_piece(struct session *s) {
  const struct wire_msg msg = {.type = WIRE_MODEL_REQUEST,
                               .model_request = download_next(&s->model)};
  if (!send_msg(s, &msg)) {
    log_debug("a piece of the model could not be asked for");
  }
}

static void serve(struct session *s) {
  const struct dims dims = task_dims(s->task, (int)s->settings.hindsight);
  wire_decoder_set_dims(s->decoder, &dims);
  open_feed(s);
  s->state = SERVING;
  s->beat_ms = now_ms(s);
  s->events->welcomed(s->ctx);
  log_info("%s %s: run %016" PRIx64 ", task %s, %d rollout thread%s",
           s->served_run == s->run ? "back at" : "connected to", s->opt->endpoint, s->run,
           s->task->name, s->opt->threads, s->opt->threads == 1 ? "" : "s");
  s->served_run = s->run;
}

static void on_welcome(struct session *s, const struct wire_welcome *w) {
  if (s->state != GREETING) {
    return;
  }
  s->run = w->run;
  s->weights_port = (int)w->weights_port;
  s->settings = w->settings;
  s->patience_ms = w->settings.patience;
  backoff_succeeded(&s->backoff);
  if (s->task == NULL) {
    download_begin(&s->model, w->task_digest, w->model_bytes);
    if (w->model_bytes > WIRE_PIECE && s->model.have == 0) {
      log_info("fetching the model of %s: %.0f MB", s->opt->endpoint,
               1e-6 * (double)w->model_bytes);
    }
    s->state = FETCHING;
    ask_for_piece(s);
  } else if (s->task->digest != w->task_digest) {
    log_error("the learner's task is not the one that it announced; start this actor anew");
    send_bye(s, WIRE_BYE_LEAVING, "the welcome cannot be used");
    give_up(s, ERR_CONFIG);
  } else if (s->settings.max_message != s->max_message) {
    reopen_at(s, now_ms(s));
  } else {
    serve(s);
  }
}

static void on_model_piece(struct session *s, const struct wire_model_piece *piece) {
  if (s->state != FETCHING || !download_take(&s->model, piece)) {
    session_fault(s, "a piece of the model that was not asked for");
  } else if (!download_is_complete(&s->model)) {
    ask_for_piece(s);
  } else if (download_task(&s->model, &s->task) == ERR_OK) {
    // the next hello names the task, over a connection that takes the learner's largest message
    reopen_at(s, now_ms(s));
  } else {
    give_up(s, ERR_CONFIG);
  }
}

static void on_refuse(struct session *s, const struct wire_text *t) {
  enum err err = ERR_CONFIG;
  switch ((enum wire_refusal)t->code) {
    case WIRE_REFUSE_HELLO_FIRST:
      // a new learner, or one that had given us up
      if (s->state == SERVING || s->state == FETCHING) {
        reopen_at(s, now_ms(s));
      }
      return;
    case WIRE_REFUSE_AUDIT:
    case WIRE_REFUSE_KEY:
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
  give_up(s, err);
}

static void on_bye(struct session *s, const struct wire_text *t) {
  switch ((enum wire_farewell)t->code) {
    case WIRE_BYE_DONE:
      log_info("the learner is done: %s", t->reason);
      // tells a learner that waits that its farewell arrived
      send_bye(s, WIRE_BYE_DONE, "finished");
      give_up(s, ERR_OK);
      break;
    case WIRE_BYE_DRAINING:
      log_info("the learner leaves: %s; waiting %" PRId64 " ms for the next one", t->reason,
               s->patience_ms);
      send_bye(s, WIRE_BYE_LEAVING, "until the next learner");
      reopen_at(s, now_ms(s) + backoff_next_ms(&s->backoff));
      break;
    case WIRE_BYE_LEAVING:
      session_fault(s, "a message that only an actor sends");
      break;
  }
}

static void on_message(struct session *s, const struct wire_msg *msg) {
  s->heard_ms = s->silent_ms = now_ms(s);
  switch (msg->type) {
    case WIRE_WELCOME:
      on_welcome(s, &msg->welcome);
      break;
    case WIRE_REFUSE:
      on_refuse(s, &msg->refuse);
      break;
    case WIRE_BYE:
      on_bye(s, &msg->bye);
      break;
    case WIRE_HEARTBEAT:
      break;
    case WIRE_MODEL_PIECE:
      on_model_piece(s, &msg->model_piece);
      break;
    case WIRE_GRANT:
      if (s->state == SERVING && msg->grant.run == s->run) {
        s->events->message(s->ctx, msg);
      } else {
        session_fault(s, "tickets of another run");
      }
      break;
    case WIRE_ACK:
      s->events->message(s->ctx, msg);
      break;
    case WIRE_WEIGHTS:
      if (s->state == SERVING && msg->weights.run == s->run) {
        s->events->message(s->ctx, msg);
      } else {
        wire_drop(msg);
      }
      break;
    case WIRE_EPISODE:
    case WIRE_HELLO:
    case WIRE_WEIGHTS_REQUEST:
    case WIRE_MODEL_REQUEST:
      wire_drop(msg);
      session_fault(s, "a message that only an actor sends");
      break;
  }
}

// A frame of either link as a message; false when it is none (the fault is counted).
static bool decode(struct session *s, struct wire_msg *msg, const struct link_frame *frame) {
  if (s->state == OVER) {
    return false;
  }
  if (frame->data == NULL) {
    session_fault(s, "a message of more than one frame");
    return false;
  }
  const enum err err = wire_decode(s->decoder, msg, frame->data, frame->n);
  if (err == ERR_REFUSED && s->state != SERVING) {
    log_error("the learner speaks protocol %" PRIu32
              ", this actor %d; install the same telos on both sides",
              wire_peer_protocol(s->decoder), WIRE_PROTOCOL);
    give_up(s, ERR_CONFIG);
  } else if (err != ERR_OK) {
    session_fault(s, wire_fault(s->decoder));
  }
  return err == ERR_OK;
}

static void on_control(void *ctx, const struct link_frame *frame) {
  struct session *s = ctx;
  struct wire_msg msg;
  if (decode(s, &msg, frame)) {
    on_message(s, &msg);
  }
}

static void on_feed(void *ctx, const struct link_frame *frame) {
  struct session *s = ctx;
  struct wire_msg msg;
  if (!decode(s, &msg, frame)) {
    return;
  }
  if (msg.type == WIRE_WEIGHTS && msg.weights.run == s->run) {
    s->events->message(s->ctx, &msg);
    return;
  }
  wire_drop(&msg);
  if (msg.type != WIRE_WEIGHTS) {
    session_fault(s, "a message that is no weights on their socket");
  }
}

// ---- the tick ----

// how long the learner may be silent
static int64_t silence_limit_ms(const struct session *s) {
  const int64_t beats = MISSED_BEATS * session_heartbeat_ms(s);
  return s->state != SERVING && beats < GREETING_MS ? GREETING_MS : beats;
}

static void watch_silence(struct session *s) {
  const int64_t now = now_ms(s), silence = now - s->silent_ms;
  if (silence <= silence_limit_ms(s)) {
    return;
  }
  if (s->backoff.losses == 0) {
    log_warn("no word from the learner at %s for %" PRId64 " ms; connecting again",
             s->opt->endpoint, silence);
  }
  reopen_at(s, now + backoff_next_ms(&s->backoff));
}

static void beat(struct session *s, uint64_t steps, uint64_t busy_ms) {
  if (now_ms(s) >= s->beat_ms) {
    s->beat_ms = now_ms(s) + session_heartbeat_ms(s);
    const struct wire_msg msg = {.type = WIRE_HEARTBEAT, .heartbeat = {s->run, steps, busy_ms}};
    if (!send_msg(s, &msg)) {
      log_debug("a heartbeat could not be sent");
    }
  }
}

static void tell_no_learner(const struct session *s) {
  const char *why = s->lookup != NULL ? "its look-up gets no answer" : s->unknown;
  if (why == NULL) {
    log_error("no learner at %s for %" PRId64 " ms; start one, or check --connect",
              s->opt->endpoint, s->patience_ms);
  } else {
    log_error("no learner at %s for %" PRId64
              " ms: no address of %s: %s; check --connect, or give an address",
              s->opt->endpoint, s->patience_ms, s->opt->host, why);
  }
}

void session_tick(struct session *s, bool sound, uint64_t steps, uint64_t busy_ms) {
  const int64_t now = now_ms(s);
  const bool late = now - s->ticked_ms > LATE_MS;
  s->ticked_ms = now;
  if (!sound) {
    s->heard_ms = s->silent_ms = now;
    return;
  }
  if (late) {
    // what came while this loop could not run is read first
    s->silent_ms = now;
  } else if (now - s->heard_ms >= s->patience_ms) {
    tell_no_learner(s);
    give_up(s, ERR_UNAVAILABLE);
    return;
  }
  switch (s->state) {
    case AWAY:
      if (now >= s->reopen_ms) {
        find(s);
      }
      break;
    case FINDING:
      if (go_on_finding(s) != ERR_OK) {
        give_up(s, ERR_USAGE);
      }
      break;
    case CONNECTING:
      if (send_hello(s)) {
        s->state = GREETING;
      }
      watch_silence(s);
      break;
    case GREETING:
    case FETCHING:
      watch_silence(s);
      break;
    case SERVING:
      beat(s, steps, busy_ms);
      watch_silence(s);
      break;
    case OVER:
      break;
  }
}

// ---- life ----

struct session *session_new(const struct session_options *opt, uv_loop_t *loop,
                            const struct session_events *events, void *ctx) {
  struct session *s = must_alloc(1, sizeof *s);
  s->opt = opt;
  backoff_init(&s->backoff, opt->actor);
  s->loop = loop;
  s->events = events;
  s->ctx = ctx;
  s->settings.heartbeat = FIRST_HEARTBEAT_MS;
  s->patience_ms = opt->patience_ms;
  s->encoder = wire_encoder_new();
  s->zmq = zmq_ctx_new();
  CHECK(s->zmq != NULL);
  return s;
}

enum err session_start(struct session *s) {
  s->heard_ms = s->ticked_ms = now_ms(s);
  find(s);
  return go_on_finding(s);
}

void session_disconnect(struct session *s) {
  stop_finding(s);
  close_links(s);
  zcall_end_context(s->zmq);
}

void session_free(struct session *s) {
  wire_encoder_free(s->encoder);
  wire_decoder_free(s->decoder);
  download_release(&s->model);
  task_free(s->task);
  free(s);
}

bool session_is_serving(const struct session *s) {
  return s->state == SERVING;
}

int64_t session_heartbeat_ms(const struct session *s) {
  return s->settings.heartbeat;
}

uint64_t session_run(const struct session *s) {
  return s->run;
}

const struct task *session_task(const struct session *s) {
  return s->task;
}

const struct wire_settings *session_settings(const struct session *s) {
  return &s->settings;
}
