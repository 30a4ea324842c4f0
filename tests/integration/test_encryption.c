// test_encryption.c - keys of real programs: who gets in, who is told why not, and what a run is
// worth that was encrypted.
#include <criterion/criterion.h>
#include <mujoco/mujoco.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/curve.h"
#include "proto/keyring.h"
#include "proto/link.h"
#include "proto/wire.h"
#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"
#include "tests/integration/small.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { MAX_WORDS = 12, RECEIVE_MS = 120000, MAX_FRAME = 1 << 20 };

static const char *keys_folder(void) {
  return harness_path("keys");
}

// `telos keys ..` on the test's folder; NULL-terminated words
static struct proc *keys_verb(const char *const *words) {
  const char *argv[MAX_WORDS + 5] = {harness_program("telos"), "keys", "--keys", keys_folder()};
  for (int i = 0; words[i] != NULL; i++) {
    cr_assert(i < MAX_WORDS);
    argv[4 + i] = words[i];
  }
  struct proc *p = proc_start_argv(NULL, argv);
  proc_wait_exit(p);
  return p;
}

static void do_keys(const char *const *words) {
  struct proc *p = keys_verb(words);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
}

// pairs of the learner and of two actors, both allowed, and of a stranger
static void make_keys(void) {
  do_keys(WORDS("new", "learner", "a", "b", "stranger"));
  do_keys(WORDS("allow", "a", "b"));
}

static struct proc *actor(const char *endpoint, const char *keys, const char *key) {
  const char *argv[] = {harness_program("telos-actor"),
                        "--connect",
                        endpoint,
                        "--threads",
                        "1",
                        keys != NULL ? "--keys" : NULL,
                        keys,
                        key != NULL ? "--key" : NULL,
                        key,
                        NULL};
  return proc_start_argv(NULL, argv);
}

// a learner with keys that has a lot to do
static struct proc *busy_learner(const char *endpoint[1]) {
  struct proc *p =
      small_learner(harness_path("busy"), WORDS("--keys", keys_folder(), "run.steps=1e9"));
  *endpoint = small_endpoint(p);
  return p;
}

static void end_learner(struct proc *p) {
  proc_signal(p, SIGTERM);
  cr_assert_eq(proc_wait_exit(p), 75, "%s", proc_stderr(p));
}

// ---- what comes out ----

Test(encryption, same_policy_as_without) {
  make_keys();
  const char *run = harness_path("run");
  struct proc *learner = small_learner(run, WORDS("--keys", keys_folder()));
  const char *endpoint = small_endpoint(learner);
  struct proc *a = actor(endpoint, keys_folder(), "a"), *b = actor(endpoint, keys_folder(), "b");
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  proc_signal(a, SIGTERM);
  proc_signal(b, SIGTERM);
  proc_wait_line(learner, "encrypted with the keys in");
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

Test(encryption, telos_train_with_keys) {
  do_keys(WORDS("new", "learner", "actor"));
  do_keys(WORDS("allow", "actor"));
  struct proc *p =
      proc_start(NULL, harness_program("telos"), "train", "box2d", "--runs", harness_folder(),
                 "--name", "run", "--keys", keys_folder(), "--threads", "1", SMALL_SETTINGS, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert(strstr(proc_stderr(p), "actor actor/0 joined") != NULL, "%s", proc_stderr(p));
  harness_assert_same(small_policy(harness_path("box2d/run")), small_policy(small_reference()));
}

// ---- who is refused ----

Test(encryption, each_refusal_is_named_on_both_sides) {
  make_keys();
  const char *endpoint, *other = harness_path("other");
  struct proc *learner = busy_learner(&endpoint);
  // a folder whose learner.key is another one
  cr_assert_eq(mkdir(other, 0700), 0);
  size_t n;
  const char *text = harness_read(harness_text("%s/a.key_secret", keys_folder()), &n);
  harness_write(harness_text("%s/a.key_secret", other), text, n);
  cr_assert_eq(chmod(harness_text("%s/a.key_secret", other), 0600), 0);
  text = harness_read(harness_text("%s/b.key", keys_folder()), &n);
  harness_write(harness_text("%s/learner.key", other), text, n);

  small_assert_end(actor(endpoint, keys_folder(), "stranger"), 77, "an unknown key",
                   WORDS(endpoint, "does not allow our key stranger", "telos keys allow stranger"));
  proc_wait_line(learner, "the unknown key");
  small_assert_end(actor(endpoint, other, "a"), 78, "a wrong key of the learner",
                   WORDS(endpoint, "learner.key is not its key"));
  proc_wait_line(learner, "an actor that takes another key for the learner's");
  small_assert_end(actor(endpoint, NULL, NULL), 78, "no keys",
                   WORDS(endpoint, "encrypts", "--keys FOLDER"));
  proc_wait_line(learner, "an actor that does not encrypt");
  // and meanwhile the others work
  struct proc *a = actor(endpoint, keys_folder(), "a");
  proc_wait_line(learner, "actor a/");
  proc_wait_line(a, "connected to");
  proc_signal(a, SIGTERM);
  cr_assert_eq(proc_wait_exit(a), 75, "%s", proc_stderr(a));
  end_learner(learner);
}

Test(encryption, keys_for_a_learner_that_has_none) {
  make_keys();
  struct proc *learner = small_learner(harness_path("plain"), WORDS("run.steps=1e9"));
  const char *endpoint = small_endpoint(learner);
  struct proc *a = actor(endpoint, keys_folder(), "a");
  cr_assert_eq(proc_wait_exit(a), 78, "%s", proc_stderr(a));
  cr_assert(strstr(proc_stderr(a), "does not encrypt") != NULL, "%s", proc_stderr(a));
  end_learner(learner);
}

// ---- revocation and rotation, while a run goes on ----

Test(encryption, a_key_is_revoked_and_another_takes_over) {
  make_keys();
  // enough to do that the run is not over when the first actor is stopped
  const char *const slow = "train.updates_per_step=8", *run = harness_path("run");
  small_finish(harness_path("slow"), WORDS(slow));
  struct proc *learner = small_learner(run, WORDS(slow, "--keys", keys_folder()));
  const char *endpoint = small_endpoint(learner);
  struct proc *b = actor(endpoint, keys_folder(), "b");
  proc_wait_line(b, "connected to");
  proc_signal(b, SIGSTOP);
  do_keys(WORDS("revoke", "b"));
  proc_wait_line(learner, "the allowed keys have changed: 1 now");
  proc_signal(b, SIGCONT);
  cr_assert_eq(proc_wait_exit(b), 77, "%s", proc_stderr(b));
  cr_assert(strstr(proc_stderr(b), "its key was revoked") != NULL ||
                strstr(proc_stderr(b), "does not allow our key b") != NULL,
            "%s", proc_stderr(b));
  small_assert_end(actor(endpoint, keys_folder(), "b"), 77, "a revoked key",
                   WORDS("does not allow our key b"));
  // its machine gets a new key
  do_keys(WORDS("new", "c"));
  do_keys(WORDS("allow", "c"));
  proc_wait_line(learner, "the allowed keys have changed: 2 now");
  struct proc *c = actor(endpoint, keys_folder(), "c");
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(c), 0, "%s", proc_stderr(c));
  harness_assert_same(small_policy(run), small_policy(harness_path("slow")));
}

Test(encryption, a_killed_learner_is_found_again) {
  make_keys();
  const char *const slow = "train.updates_per_step=8", *run = harness_path("run");
  small_finish(harness_path("slow"), WORDS(slow));
  struct proc *learner = small_learner(run, WORDS(slow, "--keys", keys_folder()));
  const char *endpoint = small_endpoint(learner);
  struct proc *a = actor(endpoint, keys_folder(), "a");
  fleet_wait_checkpoint(learner, run, 1000);
  proc_signal(learner, SIGKILL);
  cr_assert_eq(proc_wait_exit(learner), -SIGKILL);
  const char *port = harness_text("wire.port=%s", strrchr(endpoint, ':') + 1);
  learner = small_learner(run, WORDS(slow, "--keys", keys_folder(), port));
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(a), 0, "%s", proc_stderr(a));
  harness_assert_same(small_policy(run), small_policy(harness_path("slow")));
}

// ---- peers of ours, which do what no actor does ----

struct raw {
  void *zmq;
  struct link link;
  struct wire_encoder *encoder;
  struct wire_decoder *decoder;
};

static void raw_open(struct raw *r, enum link_kind kind, const char *endpoint, const char *key) {
  struct curve_actor keys;
  const int ms = RECEIVE_MS;
  *r = (struct raw){.zmq = zmq_ctx_new(),
                    .encoder = wire_encoder_new(),
                    .decoder = wire_decoder_new(NULL, MAX_FRAME)};
  cr_assert_eq(keyring_read_actor(&keys, keys_folder(), key), ERR_OK);
  link_open(&r->link, r->zmq, kind, MAX_FRAME);
  curve_connect(&r->link, &keys);
  cr_assert_eq(zmq_setsockopt(r->link.socket, ZMQ_RCVTIMEO, &ms, sizeof ms), 0);
  cr_assert_eq(link_connect(&r->link, endpoint), 0);
}

static void raw_close(struct raw *r) {
  zmq_close(r->link.socket);
  zmq_ctx_term(r->zmq);
  wire_encoder_free(r->encoder);
  wire_decoder_free(r->decoder);
}

// Says hello, blocking, and returns the first message that is no heartbeat.
static struct wire_msg raw_hello(struct raw *r, uint64_t number, uint64_t digest) {
  static unsigned char frame[MAX_FRAME];
  const struct wire_msg hello = {.type = WIRE_HELLO,
                                 .hello = {.build = "test",
                                           .cpu = "test",
                                           .name = "raw",
                                           .mujoco_version = (uint32_t)mj_version(),
                                           .actor = number,
                                           .slots = 1,
                                           .threads = 1,
                                           .task_digest = digest}};
  size_t n;
  const void *bytes = wire_encode(r->encoder, &n, &hello);
  cr_assert_eq(zmq_send(r->link.socket, bytes, n, 0), (int)n);
  struct wire_msg msg;
  do {
    const int size = zmq_recv(r->link.socket, frame, sizeof frame, 0);
    cr_assert_gt(size, 0, "no answer to a hello");
    cr_assert_eq(wire_decode(r->decoder, &msg, frame, (size_t)size), ERR_OK);
  } while (msg.type == WIRE_HEARTBEAT);
  return msg;
}

// what an actor says of itself is no reason to take another one for it
Test(encryption, a_number_belongs_to_a_key) {
  make_keys();
  const char *endpoint;
  struct proc *learner = busy_learner(&endpoint);
  struct raw a, b, again;
  raw_open(&a, LINK_DEALER, endpoint, "a");
  raw_open(&b, LINK_DEALER, endpoint, "b");
  raw_open(&again, LINK_DEALER, endpoint, "a");
  struct wire_msg msg = raw_hello(&a, 7, 0);
  cr_assert_eq(msg.type, WIRE_WELCOME);
  const uint64_t digest = msg.welcome.task_digest;
  cr_assert_eq(raw_hello(&a, 7, digest).type, WIRE_WELCOME);
  proc_wait_line(learner, "actor a/raw joined");
  msg = raw_hello(&b, 7, digest);
  cr_assert_eq(msg.type, WIRE_REFUSE);
  cr_assert_eq(msg.refuse.code, WIRE_REFUSE_KEY);
  proc_wait_line(learner, "a hello in its name, under the key of another actor");
  // the same key may
  cr_assert_eq(raw_hello(&again, 7, digest).type, WIRE_WELCOME);
  raw_close(&a);
  raw_close(&b);
  raw_close(&again);
  end_learner(learner);
}

// Who only listens, and does not leave when it is told to: its weights end.
Test(encryption, a_revoked_listener_gets_no_weights) {
  make_keys();
  const char *endpoint;
  struct proc *learner = busy_learner(&endpoint);
  struct raw a, ears;
  raw_open(&a, LINK_DEALER, endpoint, "b");
  const struct wire_msg msg = raw_hello(&a, 7, 0);
  cr_assert_eq(msg.type, WIRE_WELCOME);
  raw_open(&ears, LINK_SUB, harness_text("tcp://127.0.0.1:%u", msg.welcome.weights_port), "b");
  struct proc *worker = actor(endpoint, keys_folder(), "a");
  static unsigned char frame[MAX_FRAME];
  cr_assert_gt(zmq_recv(ears.link.socket, frame, sizeof frame, 0), 0, "no weights");

  // when its next handshake has been refused, it has read what was on the way, and hears no more
  void *monitor = zmq_socket(ears.zmq, ZMQ_PAIR);
  cr_assert_eq(
      zmq_socket_monitor(ears.link.socket, "inproc://ears", ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 0);
  cr_assert_eq(zmq_connect(monitor, "inproc://ears"), 0);
  do_keys(WORDS("revoke", "b"));
  zmq_pollitem_t refused = {monitor, 0, ZMQ_POLLIN, 0};
  cr_assert_eq(zmq_poll(&refused, 1, RECEIVE_MS), 1, "it was not refused");
  while (zmq_recv(ears.link.socket, frame, sizeof frame, ZMQ_DONTWAIT) > 0) {
  }
  struct metrics m;
  cr_assert(fleet_progress(learner, &m));
  fleet_wait_steps(learner, m.steps + 2000, &m);  // many versions later
  cr_assert_eq(zmq_recv(ears.link.socket, frame, sizeof frame, ZMQ_DONTWAIT), -1);
  cr_assert(proc_running(worker), "%s", proc_stderr(worker));
  zmq_socket_monitor(ears.link.socket, NULL, 0);
  zmq_close(monitor);
  raw_close(&ears);
  raw_close(&a);
  end_learner(learner);
}

// ---- beyond this machine ----

// The programs look for keys/ where they are started.
Test(encryption, addresses_beyond_this_machine) {
  cr_assert_eq(chdir(harness_folder()), 0);
  struct proc *telos =
      proc_start(NULL, harness_program("telos"), "keys", "new", "learner", "actor", NULL);
  // without keys, neither side goes beyond
  cr_assert_eq(proc_wait_exit(telos), 0);
  cr_assert_eq(rename("keys", "elsewhere"), 0);
  small_assert_end(
      small_learner(harness_path("none"), WORDS("wire.bind=0.0.0.0")), 78, "no keys",
      WORDS("wire.bind=0.0.0.0", "keys/learner.key_secret", "telos keys new", "--insecure"));
  small_assert_end(actor("tcp://0.0.0.0:1", NULL, NULL), 78, "no keys",
                   WORDS("tcp://0.0.0.0:1", "--keys FOLDER", "--insecure"));
  cr_assert_eq(rename("elsewhere", "keys"), 0);
  do_keys(WORDS("allow", "actor"));

  const char *run = harness_path("run");
  struct proc *learner = small_learner(run, WORDS("wire.bind=0.0.0.0"));
  const char *endpoint = small_endpoint(learner);
  struct proc *a = actor(endpoint, NULL, NULL);
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(a), 0, "%s", proc_stderr(a));
  proc_wait_line(learner, "encrypted with the keys in keys; allowed keys of actors: 1");
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

Test(encryption, insecure_says_what_it_means) {
  const char *run = harness_path("run");
  struct proc *learner = small_learner(run, WORDS("wire.bind=0.0.0.0", "--insecure"));
  const char *endpoint = small_endpoint(learner);
  proc_wait_line(learner, "without encryption; whoever reaches its ports can read");
  struct proc *a = proc_start(NULL, harness_program("telos-actor"), "--connect", endpoint,
                              "--threads", "1", "--insecure", NULL);
  proc_wait_line(a, "without encryption; who listens to the network reads all");
  cr_assert_eq(proc_wait_exit(learner), 0, "%s", proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(a), 0, "%s", proc_stderr(a));
}

// ---- files ----

Test(encryption, secrets_and_who_may_read_them) {
  make_keys();
  const char *secret = harness_text("%s/learner.key_secret", keys_folder());
  static const mode_t bad[] = {0644, 0604, 0660, 0602};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    cr_assert_eq(chmod(secret, bad[i]), 0);
    small_assert_end(small_learner(harness_path("mode"), WORDS("--keys", keys_folder())), 78,
                     "a mode", WORDS(secret, harness_text("%04o", (unsigned)bad[i]), "chmod 600"));
  }
  cr_assert_eq(chmod(harness_text("%s/a.key_secret", keys_folder()), 0644), 0);
  small_assert_end(actor("tcp://127.0.0.1:1", keys_folder(), "a"), 78, "an actor's",
                   WORDS("a.key_secret", "0644", "chmod 600"));
  // as Kubernetes and Docker mount them
  cr_assert_eq(chmod(secret, 0440), 0);
  const char *endpoint;
  end_learner(busy_learner(&endpoint));
}

Test(encryption, the_verb) {
  struct stat st;
  make_keys();
  cr_assert_eq(stat(harness_text("%s/a.key_secret", keys_folder()), &st), 0);
  cr_assert_eq(st.st_mode & 07777, 0600);
  struct proc *p = keys_verb(WORDS("list"));
  cr_assert_eq(proc_wait_exit(p), 0);
  const char *list = proc_stdout(p);
  cr_assert_eq(small_count(list, "a "), 1, "%s", list);
  cr_assert(strstr(list, "  allowed, secret here\n") != NULL, "%s", list);
  cr_assert(strstr(list, "  the learner, secret here\n") != NULL, "%s", list);
  cr_assert(strstr(list, "  not allowed, secret here\n") != NULL, "%s", list);
  cr_assert_null(strstr(list, "secret-key"));
  // another machine's public key, by its file
  cr_assert_eq(rename(harness_text("%s/stranger.key", keys_folder()), harness_path("far.key")), 0);
  do_keys(WORDS("allow", harness_path("far.key")));
  cr_assert(harness_exists(harness_text("%s/allowed/far.key", keys_folder())));

  const struct {
    const char *const words[4];
    int code;
    const char *says[3];
  } wrong[] = {
      {{"new", "a"}, 78, {"a.key_secret", "is there already"}},
      {{"new", "../a"}, 64, {"../a", "letters"}},
      {{"new"}, 64, {"telos keys new", "give names"}},
      {{"list", "a"}, 64, {"telos keys list", "no names"}},
      {{"allow", "nobody"}, 78, {"nobody.key", "No such file"}},
      {{"allow", "learner"}, 64, {"learner", "actors"}},
      {{"revoke", "nobody"}, 78, {"nobody is not allowed", "telos keys list"}},
      {{"alow", "a"}, 64, {"alow", "did you mean allow?"}},
      {{"fly"}, 64, {"fly", "revoke"}},
      {{"--fast"}, 64, {"--fast", "telos keys --help"}},
      {{"list", "--keys", "/nowhere"}, 78, {"/nowhere", "telos keys new"}},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    small_assert_end(keys_verb(wrong[i].words), wrong[i].code, wrong[i].words[0], wrong[i].says);
  }
}

Test(encryption, command_lines) {
  make_keys();
  small_assert_end(small_learner(harness_path("x"), WORDS("--keys", "k", "--insecure")), 64, "both",
                   WORDS("--keys and --insecure"));
  small_assert_end(proc_start(NULL, harness_program("telos-actor"), "--connect",
                              "tcp://127.0.0.1:1", "--keys", "k", "--insecure", NULL),
                   64, "both", WORDS("--keys", "--insecure"));
  small_assert_end(proc_start(NULL, harness_program("telos"), "train", "box2d", "--keys", "k",
                              "--insecure", NULL),
                   64, "both", WORDS("--keys and --insecure"));
  small_assert_end(small_learner(harness_path("x"), WORDS("--keys", "/nowhere")), 78, "no folder",
                   WORDS("/nowhere/learner.key_secret", "No such file"));
  small_assert_end(actor("tcp://127.0.0.1:1", "/nowhere", NULL), 78, "no folder",
                   WORDS("/nowhere", "No such file"));
  small_assert_end(actor("tcp://127.0.0.1:1", keys_folder(), NULL), 78, "which key",
                   WORDS("3 actors", "--key NAME"));
}
