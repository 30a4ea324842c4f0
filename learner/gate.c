// gate.c - a REP socket for ZAP, a monitor for each guarded link, a timer for the allow-list.
#include "learner/gate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "learner/allowed.h"
#include "proto/curve.h"
#include "proto/keyring.h"
#include "proto/watch.h"
#include "proto/zap.h"
#include "proto/zcall.h"

enum {
  SELF_TEST_S = 10,         // until a key must have been refused
  SELF_TEST_POLL_MS = 100,  // between two looks
  SELF_TEST_BYTES = 4096,   // of a message, and so of the handshake
  MAX_LINES = 20,           // about refused peers ..
  LINES_MS = 10000,         // .. in this time
};

struct guarded {
  struct gate *gate;
  const char *what;
  struct watch watch;
  bool said[WATCH_OTHER + 1];  // since lines_ms
  uint64_t cuts_ms;            // nothing is said of cut handshakes before ..
  uint64_t cuts_pause_ms;      // .. and then for twice as long
};

struct gate {
  void *zmq;
  void *zap;  // NULL: no keys
  struct zpoll poll;
  uv_timer_t look;
  uv_loop_t *loop;
  char folder[PATH_MAX];  // of the allow-list
  struct keyfile own;
  struct allowed allowed;
  bool testing;
  struct guarded links[GATE_LINKS];
  int nlinks;
  void (*revoked)(void *ctx);
  void *ctx;
  // lines about refused peers
  int lines;
  uint64_t lines_ms;  // since then
  uint64_t unsaid;    // peers without a line
};

// ---- what is said ----

// begins to count anew when the time is over
static void refresh_lines(struct gate *g) {
  const uint64_t now = uv_now(g->loop);
  if (now - g->lines_ms < LINES_MS) {
    return;
  }
  if (g->unsaid > 0) {
    log_warn("%" PRIu64 " more connections were refused", g->unsaid);
  }
  g->lines = 0;
  g->unsaid = 0;
  g->lines_ms = now;
  for (int i = 0; i < g->nlinks; i++) {
    memset(g->links[i].said, 0, sizeof g->links[i].said);
  }
}

// false: there were enough lines for now. Others can make us refuse them as often as they like.
static bool may_say(struct gate *g) {
  if (g->lines == MAX_LINES) {
    g->unsaid++;
    return false;
  }
  g->lines++;
  return true;
}

// What is to be said of a handshake that failed; NULL: nothing.
static const char *explain(const struct gate *g, enum watch_event event) {
  switch (event) {
    case WATCH_MECHANISM:
      return g->zap != NULL ? "an actor that does not encrypt; start it with --keys FOLDER"
                            : "an actor that encrypts, which this learner does not; start the "
                              "learner with --keys FOLDER, too, or that actor without";
    case WATCH_KEY:
      return "an actor that takes another key for the learner's; give it this learner's "
             "learner.key";
    case WATCH_OTHER:
      // without keys such peers come to nothing, as ever
      return g->zap != NULL ? "a peer that is no actor" : NULL;
    case WATCH_CUT:
      // one that does not encrypt may find that out first, and end the connection itself
      return g->zap != NULL ? "a peer that broke off: an actor that does not encrypt, a port scan "
                              "or a health check"
                            : NULL;
    case WATCH_SUCCEEDED:
    case WATCH_REFUSED:  // is_allowed has said it, and whom
      break;
  }
  return NULL;
}

// health checks come for ever, and mean nothing: less and less is said of them
static bool may_tell_cut(struct guarded *l) {
  const uint64_t now = uv_now(l->gate->loop);
  if (now < l->cuts_ms) {
    return false;
  }
  l->cuts_pause_ms = l->cuts_pause_ms > 0 ? 2 * l->cuts_pause_ms : LINES_MS;
  l->cuts_ms = now + l->cuts_pause_ms;
  return true;
}

static void on_handshake(void *ctx, enum watch_event event) {
  struct guarded *l = ctx;
  const char *text = explain(l->gate, event);
  refresh_lines(l->gate);
  if (event == WATCH_CUT && !may_tell_cut(l)) {
    return;
  }
  // such a peer tries again and again
  if (text != NULL && !l->said[event] && may_say(l->gate)) {
    l->said[event] = true;
    log_warn("refused at the port for %s: %s", l->what, text);
  }
}

// ---- ZAP ----

static bool is_allowed(void *ctx, const struct zap_request *request) {
  struct gate *g = ctx;
  const char *name = allowed_find(&g->allowed, request->key);
  if (!g->testing) {
    refresh_lines(g);
  }
  if (name == NULL && !g->testing && may_say(g)) {
    log_warn("refused: an actor at %s with the unknown key %s; `telos keys allow NAME` lets it in",
             request->address, request->key);
  }
  return name != NULL;
}

static void on_question(void *ctx) {
  struct gate *g = ctx;
  zap_answer(g->zap, is_allowed, g);
}

const char *gate_find(const struct gate *g, const char *key) {
  if (g->zap == NULL) {
    return "";
  }
  return key != NULL ? allowed_find(&g->allowed, key) : NULL;
}

bool gate_has_keys(const struct gate *g) {
  return g->zap != NULL;
}

// ---- the self-test ----

// Waits until the stranger's handshake has ended.
static bool is_refused(struct gate *g, struct watch *stranger) {
  const double start = now_s();
  while (now_s() - start < SELF_TEST_S) {
    zmq_pollitem_t items[] = {{g->zap, 0, ZMQ_POLLIN, 0}, {stranger->socket, 0, ZMQ_POLLIN, 0}};
    enum watch_event event;
    zmq_poll(items, 2, SELF_TEST_POLL_MS);
    if ((items[0].revents & ZMQ_POLLIN) != 0) {
      on_question(g);
    }
    if ((items[1].revents & ZMQ_POLLIN) != 0 && watch_next(stranger, &event)) {
      return event == WATCH_REFUSED;
    }
  }
  return false;
}

// A socket with the very options of the others, and a key that nobody has allowed. Over a name that
// no other machine can reach.
static enum err self_test(struct gate *g) {
  struct link server = {.socket = NULL}, client = {.socket = NULL};
  struct watch stranger = {.socket = NULL};
  struct curve_actor keys = {.learner = g->own};
  char endpoint[64];
  snprintf(endpoint, sizeof endpoint, "ipc://@telos-self-test-%ld-%p", (long)getpid(), (void *)g);
  keyfile_generate(&keys.own);
  g->testing = true;
  link_open(&server, g->zmq, LINK_ROUTER, SELF_TEST_BYTES);
  curve_serve(&server, &g->own);
  link_open(&client, g->zmq, LINK_DEALER, SELF_TEST_BYTES);
  curve_connect(&client, &keys);
  watch_open(&stranger, g->zmq, client.socket);
  const bool refused = link_bind(&server, endpoint) == 0 && link_connect(&client, endpoint) == 0 &&
                       is_refused(g, &stranger);
  watch_close(&stranger);
  link_close(&client);
  link_close(&server);
  keyfile_wipe(&keys.own);
  keyfile_wipe(&keys.learner);
  g->testing = false;
  if (!refused) {
    log_error(
        "a throw-away key was not refused in the self-test, so this learner does not listen; "
        "install libzmq 4.3 (Debian's libzmq5)");
    return ERR_REFUSED;
  }
  return ERR_OK;
}

// ---- life ----

static enum err open_keys(struct gate *g, const char *keys) {
  const int none = 0;
  enum err err = keyring_read_learner(&g->own, keys);
  if (err == ERR_OK) {
    err = keyring_path(g->folder, keys, KEYRING_ALLOWED, "");
  }
  if (err != ERR_OK) {
    return err;
  }
  if (zmq_has("curve") != 1) {
    log_error("this libzmq was built without CURVE; install one that has it (Debian's libzmq5)");
    return ERR_CONFIG;
  }
  bool revoked;
  allowed_read(&g->allowed, &revoked, g->folder);
  g->zap = zmq_socket(g->zmq, ZMQ_REP);
  CHECK(g->zap != NULL);
  CHECK(zmq_setsockopt(g->zap, ZMQ_LINGER, &none, sizeof none) == 0);
  CHECK(zcall_bind(g->zap, ZAP_ENDPOINT) == 0);
  if ((err = self_test(g)) == ERR_OK) {
    log_info("encrypted with the keys in %s; allowed keys of actors: %d%s", keys, g->allowed.n,
             g->allowed.n == 0 ? "; `telos keys allow NAME` lets one in" : "");
  }
  return err;
}

enum err gate_open(struct gate **out, void *zmq, const char *keys) {
  struct gate *g = must_alloc(1, sizeof *g);
  g->zmq = zmq;
  const enum err err = keys != NULL ? open_keys(g, keys) : ERR_OK;
  if (err != ERR_OK) {
    gate_free(g);
    return err;
  }
  *out = g;
  return ERR_OK;
}

void gate_guard(struct gate *g, struct link *l, const char *what) {
  CHECK(g->nlinks < GATE_LINKS);
  struct guarded *guarded = &g->links[g->nlinks++];
  *guarded = (struct guarded){.gate = g, .what = what};
  if (g->zap != NULL) {
    curve_serve(l, &g->own);
  }
  watch_open(&guarded->watch, g->zmq, l->socket);
}

static void on_look(uv_timer_t *timer) {
  struct gate *g = timer->data;
  bool revoked;
  if (!allowed_read(&g->allowed, &revoked, g->folder)) {
    return;
  }
  log_info("the allowed keys have changed: %d now", g->allowed.n);
  if (revoked) {
    g->revoked(g->ctx);
  }
}

void gate_start(struct gate *g, uv_loop_t *loop, void (*revoked)(void *ctx), void *ctx) {
  g->loop = loop;
  g->lines_ms = uv_now(loop);
  g->revoked = revoked;
  g->ctx = ctx;
  for (int i = 0; i < g->nlinks; i++) {
    watch_start(&g->links[i].watch, loop, on_handshake, &g->links[i]);
  }
  g->look.data = g;
  CHECK(uv_timer_init(loop, &g->look) == 0);
  if (g->zap != NULL) {
    zpoll_start(&g->poll, loop, g->zap, on_question, g);
    CHECK(uv_timer_start(&g->look, on_look, GATE_LOOK_MS, GATE_LOOK_MS) == 0);
  }
}

void gate_stop(struct gate *g) {
  if (g == NULL || g->loop == NULL) {
    return;
  }
  for (int i = 0; i < g->nlinks; i++) {
    watch_stop(&g->links[i].watch);
  }
  if (g->zap != NULL) {
    zpoll_stop(&g->poll);
  }
  uv_close((uv_handle_t *)&g->look, NULL);
  g->loop = NULL;
}

void gate_free(struct gate *g) {
  if (g == NULL) {
    return;
  }
  for (int i = 0; i < g->nlinks; i++) {
    watch_close(&g->links[i].watch);
  }
  if (g->zap != NULL) {
    zmq_close(g->zap);
  }
  allowed_release(&g->allowed);
  keyfile_wipe(&g->own);
  free(g);
}
