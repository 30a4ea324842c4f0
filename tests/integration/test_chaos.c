// test_chaos.c - a network that delays, stalls, resets and corrupts, on both channels: the policy
// file equals that of a run over a sound one.
#include <signal.h>

#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"
#include "tests/integration/proxy.h"

enum { ACTORS = 3, PORT_TRIES = 20, CONTROL_BYTES = 30000, WEIGHTS_BYTES = 10000 };

static const char *const settings[] = {"run.steps=10000", "ledger.timeout=1000", NULL};

// A learner whose port for weights is the one that the proxy has on the other loopback address.
static struct fleet *start_learner(const char *name, const char *keys, struct proxy **weights,
                                   uint64_t seed) {
  for (int i = 0; i < PORT_TRIES; i++) {
    struct fleet *f = fleet_new(harness_text("%s-%d", name, i), settings);
    f->keys = keys;
    *weights = proxy_new(seed, WEIGHTS_BYTES);
    fleet_set(f, harness_text("wire.weights_port=%d", proxy_port(*weights)));
    fleet_start_learner(f);
    while (proc_running(f->learner) && strstr(proc_stdout(f->learner), "listening ") == NULL) {
      fleet_pause();
    }
    if (proc_running(f->learner)) {
      return f;
    }
    // somebody else has that port on 127.0.0.1
    cr_assert_eq(proc_wait_exit(f->learner), 69);
    proxy_free(*weights);
    free(f);
  }
  cr_assert_fail("no free port");
  abort();
}

static void run_through_chaos(const char *reference, const char *keys, uint64_t seed) {
  struct proxy *weights;
  struct fleet *f = start_learner(harness_text("chaos-%d", (int)seed), keys, &weights, seed);
  fleet_wait_listening(f);
  const int port = (int)strtol(strrchr(f->endpoint, ':') + 1, NULL, 10);
  struct proxy *control = proxy_new(seed + 1000, CONTROL_BYTES);
  proxy_start(control, port);
  proxy_start(weights, proxy_port(weights));
  f->endpoint = harness_text("tcp://127.0.0.2:%d", proxy_port(control));
  for (int i = 0; i < ACTORS; i++) {
    fleet_start_actor(f, i, "telos-actor", 1);
  }
  fleet_end(f);
  int seen[PROXY_KINDS];
  for (int kind = 0; kind < PROXY_KINDS; kind++) {
    seen[kind] =
        proxy_count(control, (enum disturbance)kind) + proxy_count(weights, (enum disturbance)kind);
  }
  fprintf(stderr, "seed %d: %d delays, %d stalls, %d resets, %d changed bits\n", (int)seed,
          seen[PROXY_DELAY], seen[PROXY_STALL], seen[PROXY_RESET], seen[PROXY_CORRUPT]);
  cr_assert_gt(seen[PROXY_STALL] + seen[PROXY_RESET] + seen[PROXY_CORRUPT], 3);
  cr_assert_gt(proxy_count(weights, PROXY_DELAY) + proxy_count(weights, PROXY_RESET) +
                   proxy_count(weights, PROXY_STALL) + proxy_count(weights, PROXY_CORRUPT),
               0, "the weights went another way");
  harness_assert_same(reference, fleet_policy(f));
  proxy_free(control);
  proxy_free(weights);
  free(f);
}

Test(chaos, two_seeds) {
  const char *reference = fleet_train("reference", settings, 1, 1);
  run_through_chaos(reference, NULL, 1);
  run_through_chaos(reference, NULL, 2);
}

// a changed bit ends an encrypted connection, and nothing of it is believed
Test(chaos, two_seeds_encrypted) {
  const char *reference = fleet_train("reference", settings, 1, 1), *keys = fleet_keys("keys");
  run_through_chaos(reference, keys, 3);
  run_through_chaos(reference, keys, 4);
}
