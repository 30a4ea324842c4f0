// client.c - one libuv loop that ties session, pool and desk together.
//
// Whatever happens - a message, a result, a tick - ends in send_answers: what the session takes of
// the pool's answers is sent, and the next tick goes on with the rest.
#include "actor/client.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <uv.h>

#include "actor/attached.h"
#include "actor/desk.h"
#include "actor/pool.h"
#include "actor/session.h"
#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "proto/http.h"
#include "proto/keyring.h"
#include "proto/link.h"

enum {
  STUCK_BEATS = 10,      // intervals without a step after which a busy thread is stuck ..
  STUCK_MIN_MS = 10000,  // .. but never sooner than this
  LEAVE_MS = 1000,       // for rollout threads to come to an end
  MAX_HOST = 255,
};

struct client {
  char host[MAX_HOST + 1];
  char name[CLIENT_MAX_NAME + 1];
  struct session_options options;
  struct curve_actor keys;
  uv_loop_t loop;
  uv_async_t wake;  // the pool has results
  uv_timer_t tick;
  uv_signal_t sigint, sigterm;
  struct session *session;
  struct pool *pool;
  struct desk *desk;
  struct http *http;  // NULL: none
  struct attached attached;
  bool sound;        // of the last tick
  int signals;       // received
  int64_t leave_ms;  // when to stop waiting for rollout threads; 0: we stay
  enum err result;
};

static int64_t now_ms(const struct client *c) {
  return (int64_t)uv_now(&c->loop);
}

// The loop goes on until the rollout threads have ended their episodes, or LEAVE_MS have passed.
static void leave(struct client *c, enum err result) {
  if (c->leave_ms == 0) {
    c->leave_ms = now_ms(c) + LEAVE_MS;
    c->result = result;
    pool_forget_all(c->pool);
  }
}

static bool send_answer(void *ctx, const void *frame, size_t n) {
  return session_send_frame(ctx, frame, n);
}

static void send_answers(struct client *c) {
  pool_send(c->pool, send_answer, c->session);
}

// ---- what the learner says ----

static void on_welcomed(void *ctx) {
  struct client *c = ctx;
  const struct wire_settings *settings = session_settings(c->session);
  const struct rollout_options opt = {.none = settings->none,
                                      .least = settings->least,
                                      .random = settings->random,
                                      .repeat = settings->repeat,
                                      .hindsight = (int)settings->hindsight,
                                      .members = (int)settings->members};
  pool_set_run(c->pool, session_run(c->session), session_task(c->session), &opt, now_ms(c));
  send_answers(c);
}

static void on_message(void *ctx, const struct wire_msg *msg) {
  struct client *c = ctx;
  switch (msg->type) {
    case WIRE_GRANT:
      for (int i = 0; i < msg->grant.n; i++) {
        if (!pool_take(c->pool, &msg->grant.tickets[i])) {
          session_fault(c->session, "more tickets than we have slots");
        }
      }
      break;
    case WIRE_ACK:
      pool_settle(c->pool, msg->ack.id, msg->ack.kind);
      break;
    case WIRE_WEIGHTS: {
      struct weights *w = weights_ref(msg->weights.weights);
      if (desk_put(c->desk, msg->weights.weights)) {
        pool_start(c->pool, w);
      }
      weights_unref(w);
      break;
    }
    default:
      CHECK(!"a message for the client");
  }
  send_answers(c);
}

static void on_gave_up(void *ctx, enum err result) {
  leave(ctx, result);
}

static const struct session_events events = {
    .welcomed = on_welcomed, .message = on_message, .gave_up = on_gave_up};

// ---- results, time and signals ----

static void wake_loop(void *ctx) {
  struct client *c = ctx;
  uv_async_send(&c->wake);
}

static void on_wake(uv_async_t *handle) {
  struct client *c = handle->data;
  const enum err err = pool_collect(c->pool);
  if (err != ERR_OK) {
    session_end(c->session, "the simulation is unstable");
    leave(c, err);
    return;
  }
  send_answers(c);
}

// Asks for weights that tickets wait for, once a heartbeat. Of a ticket that has just come they are
// mostly on their way already: a tick later is soon enough.
static void ask_for_weights(struct client *c) {
  uint64_t version;
  while (session_is_serving(c->session) &&
         (version = desk_ask(c->desk, now_ms(c), session_heartbeat_ms(c->session))) != 0) {
    const struct wire_msg msg = {.type = WIRE_WEIGHTS_REQUEST, .weights_request = version};
    if (!session_send(c->session, &msg)) {
      return;
    }
  }
}

static void on_tick(uv_timer_t *handle) {
  struct client *c = handle->data;
  if (c->leave_ms > 0) {
    if (pool_is_empty(c->pool) || now_ms(c) >= c->leave_ms) {
      uv_stop(&c->loop);
    }
    return;
  }
  const int64_t beats = STUCK_BEATS * session_heartbeat_ms(c->session);
  c->sound = pool_is_sound(c->pool, now_ms(c), beats > STUCK_MIN_MS ? beats : STUCK_MIN_MS);
  session_tick(c->session, c->sound, pool_steps(c->pool), pool_busy_ms(c->pool));
  ask_for_weights(c);
  send_answers(c);
}

// Somebody wants us to stop, which may be under way already.
static void stop(struct client *c, const char *why) {
  if (c->leave_ms == 0) {
    log_info("%s: leaving", why);
    session_end(c->session, "asked to stop");
    leave(c, ERR_INTERRUPTED);
  }
}

static void on_signal(uv_signal_t *handle, int signum) {
  struct client *c = handle->data;
  if (++c->signals > 1) {
    _exit(128 + signum);
  }
  stop(c, strsignal(signum));
}

static void on_input_ended(void *ctx) {
  stop(ctx, "who started us has gone");
}

// ---- HTTP ----

static void on_request(void *ctx, struct http_answer *a, const char *path) {
  const struct client *c = ctx;
  const bool serving = session_is_serving(c->session) && c->leave_ms == 0;
  const bool alive = strcmp(path, "/healthz") == 0 || strcmp(path, "/livez") == 0;
  if (alive && !c->sound) {
    a->status = 503;
    fputs("stuck: a rollout thread has a ticket and makes no step\n", a->body);
  } else if (alive) {
    fprintf(a->body, "alive: %s %s, %" PRIu64 " env steps\n",
            serving ? "serves" : "waits for a learner at", c->options.endpoint,
            pool_steps(c->pool));
  } else if (strcmp(path, "/readyz") == 0) {
    a->status = serving ? 200 : 503;
    fprintf(a->body, "%s %s\n", serving ? "ready: serves" : "not ready: no learner at",
            c->options.endpoint);
  } else {
    a->status = 404;
    fputs("not found; there are /healthz and /readyz\n", a->body);
  }
}

// [ADDRESS:]PORT
static enum err open_http(struct client *c, const char *text) {
  char address[HTTP_MAX_ADDRESS + 1] = "127.0.0.1", url[HTTP_MAX_URL];
  const char *colon = strrchr(text, ':'), *digits = colon != NULL ? colon + 1 : text;
  uint64_t port = 0;
  if (colon != NULL && colon - text > HTTP_MAX_ADDRESS) {
    log_error("--http %.80s..: expected [ADDRESS:]PORT, for example 127.0.0.1:9155", text);
    return ERR_USAGE;
  }
  if (colon != NULL) {
    snprintf(address, sizeof address, "%.*s", (int)(colon - text), text);
  }
  enum err err = number_option(&port, "--http", digits, 0, 65535);
  if (err == ERR_OK) {
    err = http_open(&c->http, &c->loop, address, (int)port, "--http", on_request, c);
  }
  if (err == ERR_OK) {
    http_url(c->http, url);
    log_info("HTTP on %s", url);
  }
  return err;
}

// ---- life ----

// tcp://HOST:PORT, HOST without colons or in brackets.
static enum err parse_endpoint(char host[MAX_HOST + 1], const char *endpoint) {
  const char *start = endpoint + strlen("tcp://"), *colon = strrchr(endpoint, ':');
  if (strncmp(endpoint, "tcp://", 6) == 0 && colon > start && colon - start <= MAX_HOST) {
    char *end;
    const long port = strtol(colon + 1, &end, 10);
    const size_t n = (size_t)(colon - start);
    const bool bracketed = start[0] == '[' && start[n - 1] == ']';
    if (colon[1] >= '0' && colon[1] <= '9' && *end == '\0' && port >= 1 && port <= 65535 &&
        (bracketed || memchr(start, ':', n) == NULL)) {
      memcpy(host, start, n);
      return ERR_OK;
    }
  }
  log_error("--connect %s: expected tcp://HOST:PORT, for example tcp://127.0.0.1:5555", endpoint);
  return ERR_USAGE;
}

// Encrypts where it is wanted, and where it was not refused.
static enum err read_keys(struct client *c, const struct client_options *opt) {
  if (opt->attached) {
    bool given;
    const enum err err = attached_read_keys(&c->keys, &given, STDIN_FILENO);
    c->options.keys = given ? &c->keys : NULL;
    return err;
  }
  const char *folder = opt->keys;
  const bool wanted = folder != NULL || opt->key != NULL;
  if (!wanted && link_is_loopback(c->host)) {
    return ERR_OK;
  }
  if (opt->insecure) {
    log_warn(
        "--insecure: %s without encryption; who listens to the network reads all, and who can "
        "write to it is believed",
        opt->endpoint);
    return ERR_OK;
  }
  if (folder == NULL) {
    folder = KEYRING_FOLDER;
    if (!wanted && !fsio_exists(folder)) {
      log_error(
          "--connect %s goes beyond this machine, and there is no folder %s with keys; bring it "
          "from the learner's (telos keys), say --keys FOLDER, or --insecure on a network that "
          "you trust",
          opt->endpoint, folder);
      return ERR_CONFIG;
    }
  }
  const enum err err = keyring_read_actor(&c->keys, folder, opt->key);
  if (err == ERR_OK) {
    c->options.keys = &c->keys;
  }
  return err;
}

static void name_actor(struct client *c, const char *name) {
  while (c->options.actor == 0) {
    uint64_t *actor = &c->options.actor;
    CHECK(getrandom(actor, sizeof *actor, 0) == sizeof *actor);
  }
  if (name != NULL) {
    snprintf(c->name, sizeof c->name, "%s", name);
    return;
  }
  char host[48] = "";
  gethostname(host, sizeof host - 1);
  snprintf(c->name, sizeof c->name, "%s:%ld", host, (long)getpid());
}

static struct client *client_new(const struct client_options *opt) {
  CHECK(opt->threads >= 1 && opt->threads <= CLIENT_MAX_THREADS);
  struct client *c = must_alloc(1, sizeof *c);
  CHECK(uv_loop_init(&c->loop) == 0);
  CHECK(uv_async_init(&c->loop, &c->wake, on_wake) == 0);
  CHECK(uv_timer_init(&c->loop, &c->tick) == 0);
  CHECK(uv_signal_init(&c->loop, &c->sigint) == 0);
  CHECK(uv_signal_init(&c->loop, &c->sigterm) == 0);
  c->wake.data = c->tick.data = c->sigint.data = c->sigterm.data = c;
  c->desk = desk_new();
  c->pool = pool_new(opt->threads, c->desk, wake_loop, c);
  c->options = (struct session_options){
      .endpoint = opt->endpoint,
      .host = c->host,
      .name = c->name,
      .threads = opt->threads,
      .slots = pool_slots(c->pool),
      .patience_ms = opt->patience_ms > 0 ? opt->patience_ms : CLIENT_PATIENCE_MS};
  c->sound = true;
  name_actor(c, opt->name);
  c->session = session_new(&c->options, &c->loop, &events, c);
  return c;
}

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

static void client_free(struct client *c) {
  http_close(c->http);
  session_disconnect(c->session);
  if (!pool_free(c->pool)) {
    return;
  }
  uv_walk(&c->loop, close_handle, NULL);
  uv_run(&c->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&c->loop) == 0);
  session_free(c->session);
  desk_free(c->desk);
  keyfile_wipe(&c->keys.own);
  free(c);
}

enum err client_run(const struct client_options *opt) {
  struct client *c = client_new(opt);
  enum err err = parse_endpoint(c->host, opt->endpoint);
  if (err == ERR_OK) {
    err = read_keys(c, opt);
  }
  if (err == ERR_OK && opt->http != NULL) {
    err = open_http(c, opt->http);
  }
  if (err == ERR_OK) {
    err = session_start(c->session);
  }
  if (err == ERR_OK) {
    CHECK(uv_timer_start(&c->tick, on_tick, 0, SESSION_TICK_MS) == 0);
    CHECK(uv_signal_start(&c->sigint, on_signal, SIGINT) == 0);
    CHECK(uv_signal_start(&c->sigterm, on_signal, SIGTERM) == 0);
    if (opt->attached) {
      attached_watch(&c->attached, &c->loop, STDIN_FILENO, on_input_ended, c);
    }
    uv_run(&c->loop, UV_RUN_DEFAULT);
    err = c->result;
  }
  client_free(c);
  return err;
}
