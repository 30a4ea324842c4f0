// test_gate.c - the allow-list on disk, and the gate in front of real sockets.
//
// allowed_find is wrapped (tests.cmake): a gate that lets everybody in is what its self-test is
// for.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "learner/allowed.h"
#include "learner/gate.h"
#include "proto/curve.h"
#include "proto/keyring.h"
#include "proto/watch.h"
#include "proto/zcall.h"
#include "tests/unit/capture.h"

enum { MAX_MESSAGE = 65536, WAIT_MS = 60000 };

static char folder[64], list[80];
static bool careless;

const char *__real_allowed_find(const struct allowed *a, const char *key);
const char *__wrap_allowed_find(const struct allowed *a, const char *key);

const char *__wrap_allowed_find(const struct allowed *a, const char *key) {
  return careless ? "anybody" : __real_allowed_find(a, key);
}

static void set_up(void) {
  snprintf(folder, sizeof folder, "/tmp/telos-gate-XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  snprintf(list, sizeof list, "%s/%s", folder, KEYRING_ALLOWED);
  cr_assert_eq(mkdir(list, 0755), 0);
}

static void tear_down(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  cr_assert_eq(system(command), 0);
}

TestSuite(gate, .init = set_up, .fini = tear_down);

static const char *path_of(const char *in, const char *name, const char *suffix) {
  static char path[PATH_MAX];
  cr_assert_eq(keyring_path(path, in, name, suffix), ERR_OK);
  return path;
}

static struct keyfile new_pair(const char *name) {
  struct keyfile k;
  keyfile_generate(&k);
  cr_assert_eq(keyfile_create(path_of(folder, name, KEYRING_SECRET), &k, name, true), ERR_OK);
  return k;
}

static void allow(const struct keyfile *k, const char *name) {
  cr_assert_eq(keyfile_replace_public(path_of(list, name, KEYRING_SUFFIX), k, name), ERR_OK);
}

static void disallow(const char *name) {
  cr_assert_eq(unlink(path_of(list, name, KEYRING_SUFFIX)), 0);
}

static void write_text(const char *name, const char *text) {
  FILE *f = fopen(path_of(list, name, ""), "w");
  cr_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

// ---- the list ----

Test(gate, a_list_is_read_again_when_it_changes) {
  struct allowed a = {0};
  struct keyfile one, two;
  bool revoked = true;
  keyfile_generate(&one);
  keyfile_generate(&two);
  cr_assert(allowed_read(&a, &revoked, list));
  cr_assert(a.n == 0 && !revoked);
  cr_assert(!allowed_read(&a, &revoked, list), "nothing has changed");
  allow(&one, "one");
  cr_assert(allowed_read(&a, &revoked, list) && !revoked);
  cr_assert_str_eq(allowed_find(&a, one.public_key), "one");
  cr_assert_null(allowed_find(&a, two.public_key));
  allow(&two, "two");
  cr_assert(allowed_read(&a, &revoked, list) && !revoked);
  cr_assert_str_eq(allowed_find(&a, two.public_key), "two");
  disallow("one");
  cr_assert(allowed_read(&a, &revoked, list) && revoked);
  cr_assert_null(allowed_find(&a, one.public_key));
  // another key under the same name: the old one is revoked
  allow(&one, "two");
  cr_assert(allowed_read(&a, &revoked, list) && revoked);
  cr_assert_null(allowed_find(&a, two.public_key));
  cr_assert_str_eq(allowed_find(&a, one.public_key), "two");
  // no folder, nobody
  disallow("two");
  cr_assert_eq(rmdir(list), 0);
  cr_assert(allowed_read(&a, &revoked, list) && revoked);
  cr_assert_eq(a.n, 0);
  cr_assert(!allowed_read(&a, &revoked, list));
  allowed_release(&a);
}

Test(gate, what_a_list_passes_over) {
  struct allowed a = {0};
  struct keyfile k, many;
  bool revoked;
  keyfile_generate(&k);
  allow(&k, "b");
  allow(&k, "a");
  write_text(".hidden", "x");
  write_text("..data", "x");
  write_text("README", "x");
  write_text("broken.key", "curve\n    public-key = \"x\"\n");
  capture_begin();
  const bool read = allowed_read(&a, &revoked, list);
  const char *said = capture_end();
  cr_assert(read);
  cr_assert_eq(a.n, 1);
  cr_assert_str_eq(allowed_find(&a, k.public_key), "a");
  cr_assert(strstr(said, "a and b are the same one") != NULL, "%s", said);
  cr_assert(strstr(said, "README is passed over") != NULL, "%s", said);
  cr_assert(strstr(said, "broken.key:2: ") != NULL, "%s", said);
  cr_assert_null(strstr(said, "hidden"));
  cr_assert_null(strstr(said, "data"));
  // every one of many is found
  for (int i = 0; i < 100; i++) {
    char name[16];
    keyfile_generate(&many);
    snprintf(name, sizeof name, "k%d", i);
    allow(&many, name);
  }
  capture_begin();
  cr_assert(allowed_read(&a, &revoked, list));
  capture_end();
  cr_assert_eq(a.n, 101);
  for (int i = 0; i < a.n; i++) {
    cr_assert_str_eq(allowed_find(&a, a.entries[i].key), a.entries[i].name);
  }
  allowed_release(&a);
}

// a Secret of Kubernetes: files behind links, which an update changes far above them
Test(gate, a_list_behind_links) {
  struct allowed a = {0};
  struct keyfile one, two;
  char old[PATH_MAX], new[PATH_MAX], data[PATH_MAX], next[PATH_MAX];
  bool revoked;
  keyfile_generate(&one);
  keyfile_generate(&two);
  snprintf(old, sizeof old, "%s/..1", folder);
  snprintf(new, sizeof new, "%s/..2", folder);
  snprintf(data, sizeof data, "%s/..data", folder);
  snprintf(next, sizeof next, "%s/..next", folder);
  cr_assert(rmdir(list) == 0 && mkdir(old, 0755) == 0 && mkdir(new, 0755) == 0);
  cr_assert(symlink("..1", data) == 0 && symlink("..data/allowed", list) == 0);
  snprintf(list, sizeof list, "%s/..2/allowed", folder);
  cr_assert_eq(mkdir(list, 0755), 0);
  allow(&two, "actor");
  snprintf(list, sizeof list, "%s/..1/allowed", folder);
  cr_assert_eq(mkdir(list, 0755), 0);
  allow(&one, "actor");
  snprintf(list, sizeof list, "%s/allowed", folder);
  cr_assert(allowed_read(&a, &revoked, list));
  cr_assert_str_eq(allowed_find(&a, one.public_key), "actor");
  cr_assert(symlink("..2", next) == 0 && rename(next, data) == 0);
  cr_assert(allowed_read(&a, &revoked, list) && revoked);
  cr_assert_null(allowed_find(&a, one.public_key));
  cr_assert_str_eq(allowed_find(&a, two.public_key), "actor");
  allowed_release(&a);
}

// ---- the gate ----

struct bed {
  uv_loop_t loop;
  void *zmq;
  struct gate *gate;
  struct link router, pub;
  char endpoint[128];
  int revoked;
  // what came last
  int frames;
  char key[KEY_TEXT];
};

static void on_frame(void *ctx, const struct link_frame *frame) {
  struct bed *b = ctx;
  b->frames++;
  snprintf(b->key, sizeof b->key, "%s", frame->key != NULL ? frame->key : "");
}

static void on_revoked(void *ctx) {
  struct bed *b = ctx;
  b->revoked++;
}

static void bed_init(struct bed *b, const char *keys) {
  *b = (struct bed){.zmq = zmq_ctx_new()};
  cr_assert_eq(uv_loop_init(&b->loop), 0);
  cr_assert_eq(gate_open(&b->gate, b->zmq, keys), ERR_OK);
  link_open(&b->router, b->zmq, LINK_ROUTER, MAX_MESSAGE);
  gate_guard(b->gate, &b->router, "tickets");
  cr_assert_eq(link_bind(&b->router, "tcp://127.0.0.1:*"), 0);
  link_endpoint(&b->router, b->endpoint, sizeof b->endpoint);
  gate_start(b->gate, &b->loop, on_revoked, b);
  link_start(&b->router, &b->loop, on_frame, b);
}

static void bed_release(struct bed *b) {
  gate_stop(b->gate);
  gate_free(b->gate);
  link_close(&b->router);
  uv_run(&b->loop, UV_RUN_DEFAULT);
  cr_assert_eq(uv_loop_close(&b->loop), 0);
  zcall_end_context(b->zmq);
}

struct caller {
  struct link link;
  struct watch watch;
  bool over;
  enum watch_event event;  // how its first handshake ended
};

static void on_event(void *ctx, enum watch_event event) {
  struct caller *c = ctx;
  if (!c->over) {
    c->over = true;
    c->event = event;
  }
}

static void on_wait(uv_timer_t *timer) {
  *(bool *)timer->data = true;
}

// runs the loop until *flag, and fails when it never is
static void run_until(struct bed *b, const bool *flag, const int *count, int n) {
  uv_timer_t timer;
  bool over = false;
  timer.data = &over;
  cr_assert(uv_timer_init(&b->loop, &timer) == 0 &&
            uv_timer_start(&timer, on_wait, WAIT_MS, 0) == 0);
  while (!over && !(flag != NULL && *flag) && !(count != NULL && *count >= n)) {
    uv_run(&b->loop, UV_RUN_ONCE);
  }
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&b->loop, UV_RUN_NOWAIT);
  cr_assert(!over, "nothing came of it");
}

static void call(struct bed *b, struct caller *c, const struct curve_actor *keys) {
  *c = (struct caller){.over = false};
  link_open(&c->link, b->zmq, LINK_DEALER, MAX_MESSAGE);
  if (keys != NULL) {
    curve_connect(&c->link, keys);
  }
  watch_open(&c->watch, b->zmq, c->link.socket);
  watch_start(&c->watch, &b->loop, on_event, c);
  cr_assert_eq(link_connect(&c->link, b->endpoint), 0);
  run_until(b, &c->over, NULL, 0);
}

static void hang_up(struct bed *b, struct caller *c) {
  watch_close(&c->watch);
  link_close(&c->link);
  uv_run(&b->loop, UV_RUN_NOWAIT);
}

Test(gate, only_allowed_keys_get_in) {
  struct bed b;
  struct caller c;
  struct curve_actor keys = {.learner = new_pair(KEYRING_LEARNER)};
  const struct keyfile known = new_pair("known"), unknown = new_pair("unknown");
  allow(&known, "rack3");
  bed_init(&b, folder);
  cr_assert(gate_has_keys(b.gate));
  cr_assert_str_eq(gate_find(b.gate, known.public_key), "rack3");
  cr_assert_null(gate_find(b.gate, unknown.public_key));
  cr_assert_null(gate_find(b.gate, NULL));

  keys.own = known;
  call(&b, &c, &keys);
  cr_assert_eq(c.event, WATCH_SUCCEEDED);
  // a message has its sender's key; one as large as they may be comes through
  char *most = calloc(1, MAX_MESSAGE);
  cr_assert(link_send(&c.link, most, MAX_MESSAGE));
  free(most);
  run_until(&b, NULL, &b.frames, 1);
  cr_assert_str_eq(b.key, known.public_key);
  hang_up(&b, &c);

  keys.own = unknown;
  call(&b, &c, &keys);
  cr_assert_eq(c.event, WATCH_REFUSED);
  hang_up(&b, &c);

  // the learner's public key is another one
  keys.own = known;
  const struct keyfile learner = keys.learner;
  keys.learner = unknown;
  call(&b, &c, &keys);
  cr_assert_neq(c.event, WATCH_SUCCEEDED);
  hang_up(&b, &c);
  keys.learner = learner;

  call(&b, &c, NULL);
  cr_assert_neq(c.event, WATCH_SUCCEEDED);
  hang_up(&b, &c);

  // known is revoked: its next connection is refused
  disallow("rack3");
  run_until(&b, NULL, &b.revoked, 1);
  cr_assert_null(gate_find(b.gate, known.public_key));
  call(&b, &c, &keys);
  cr_assert_eq(c.event, WATCH_REFUSED);
  hang_up(&b, &c);
  cr_assert_eq(b.frames, 1);
  bed_release(&b);
}

// what is cut has to show its key again
Test(gate, cut_connections_come_back) {
  struct bed b;
  struct caller c;
  struct curve_actor keys = {.learner = new_pair(KEYRING_LEARNER), .own = new_pair("known")};
  allow(&keys.own, "rack3");
  bed_init(&b, folder);
  call(&b, &c, &keys);
  cr_assert_eq(c.event, WATCH_SUCCEEDED);
  c.over = false;
  link_cut(&b.router);
  run_until(&b, &c.over, NULL, 0);
  cr_assert_eq(c.event, WATCH_SUCCEEDED);
  disallow("rack3");
  run_until(&b, NULL, &b.revoked, 1);
  c.over = false;
  link_cut(&b.router);
  run_until(&b, &c.over, NULL, 0);
  cr_assert_eq(c.event, WATCH_REFUSED);
  hang_up(&b, &c);
  bed_release(&b);
}

Test(gate, without_keys_everybody_gets_in) {
  struct bed b;
  struct caller c;
  bed_init(&b, NULL);
  cr_assert(!gate_has_keys(b.gate));
  cr_assert_str_empty(gate_find(b.gate, NULL));
  call(&b, &c, NULL);
  cr_assert_eq(c.event, WATCH_SUCCEEDED);
  hang_up(&b, &c);
  const struct curve_actor keys = {.learner = new_pair("x"), .own = new_pair("y")};
  call(&b, &c, &keys);
  cr_assert_neq(c.event, WATCH_SUCCEEDED);
  hang_up(&b, &c);
  bed_release(&b);
}

Test(gate, a_gate_that_lets_everybody_in_does_not_open) {
  struct gate *gate = NULL;
  void *zmq = zmq_ctx_new();
  new_pair(KEYRING_LEARNER);
  careless = true;
  capture_begin();
  const enum err err = gate_open(&gate, zmq, folder);
  const char *said = capture_end();
  cr_assert_eq(err, ERR_REFUSED);
  cr_assert_null(gate);
  cr_assert(strstr(said, "self-test") != NULL && strstr(said, "does not listen") != NULL, "%s",
            said);
  zcall_end_context(zmq);
}

// nobody answers, as when the handler is gone: nobody gets in
Test(gate, without_a_handler_nobody_gets_in) {
  struct bed b = {.zmq = zmq_ctx_new()};
  struct caller c;
  struct curve_actor keys = {.learner = new_pair(KEYRING_LEARNER), .own = new_pair("known")};
  cr_assert_eq(uv_loop_init(&b.loop), 0);
  link_open(&b.router, b.zmq, LINK_ROUTER, MAX_MESSAGE);
  curve_serve(&b.router, &keys.learner);
  cr_assert_eq(link_bind(&b.router, "tcp://127.0.0.1:*"), 0);
  link_endpoint(&b.router, b.endpoint, sizeof b.endpoint);
  call(&b, &c, &keys);
  cr_assert_neq(c.event, WATCH_SUCCEEDED);
  hang_up(&b, &c);
  link_close(&b.router);
  uv_run(&b.loop, UV_RUN_DEFAULT);
  cr_assert_eq(uv_loop_close(&b.loop), 0);
  zcall_end_context(b.zmq);
}
