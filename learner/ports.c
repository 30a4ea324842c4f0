// ports.c - an address that people write becomes one that ZeroMQ binds.
#include "learner/ports.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "common/base/log.h"
#include "proto/keyring.h"

enum err ports_choose_keys(const char **keys, const struct config *cfg, bool insecure) {
  char path[PATH_MAX];
  if (*keys != NULL || link_is_loopback(cfg->wire_bind)) {
    return ERR_OK;
  }
  if (insecure) {
    log_warn(
        "--insecure: wire.bind=%s listens without encryption; whoever reaches its ports can read "
        "the model and the policy, and send episodes",
        cfg->wire_bind);
    return ERR_OK;
  }
  const enum err err = keyring_path(path, KEYRING_FOLDER, KEYRING_LEARNER, KEYRING_SECRET);
  if (err == ERR_OK && !fsio_exists(path)) {
    log_error(
        "wire.bind=%s listens beyond this machine, and there is no key %s; make keys with `telos "
        "keys new learner actor`, say --keys FOLDER, keep 127.0.0.1, or add --insecure on a "
        "network that you trust",
        cfg->wire_bind, path);
    return ERR_CONFIG;
  }
  *keys = KEYRING_FOLDER;
  return err;
}

// Binds, and writes what was bound to endpoint (PORTS_MAX_ENDPOINT bytes).
static enum err bind_port(struct link *l, char *endpoint, const char *address, const char *setting,
                          int64_t port) {
  const bool bare_v6 = strchr(address, ':') != NULL && address[0] != '[';
  if (strcmp(address, "localhost") == 0) {
    address = "127.0.0.1";
  }
  snprintf(endpoint, PORTS_MAX_ENDPOINT, bare_v6 ? "tcp://[%s]:%" PRId64 : "tcp://%s:%" PRId64,
           address, port);
  if (link_bind(l, endpoint) == 0) {
    link_endpoint(l, endpoint, PORTS_MAX_ENDPOINT);
    return ERR_OK;
  }
  if (errno == EADDRINUSE) {
    log_error("port %" PRId64
              " is in use; stop the program that holds it, or set %s (0: the system chooses)",
              port, setting);
    return ERR_UNAVAILABLE;
  }
  log_error("cannot bind %s: %s; set wire.bind to an address of this machine", endpoint,
            zmq_strerror(errno));
  return ERR_CONFIG;
}

enum err ports_open(struct link *router, struct link *pub, char *endpoint, int *weights_port,
                    void *zmq, const struct config *cfg, struct gate *gate) {
  char weights[PORTS_MAX_ENDPOINT];
  link_open(router, zmq, LINK_ROUTER, cfg->wire_max_message);
  gate_guard(gate, router, "tickets");
  link_open(pub, zmq, LINK_PUB, cfg->wire_max_message);
  gate_guard(gate, pub, "weights");
  enum err err = bind_port(router, endpoint, cfg->wire_bind, "wire.port", cfg->wire_port);
  if (err == ERR_OK) {
    err = bind_port(pub, weights, cfg->wire_bind, "wire.weights_port", cfg->wire_weights_port);
  }
  if (err == ERR_OK) {
    *weights_port = (int)strtol(strrchr(weights, ':') + 1, NULL, 10);
  }
  return err;
}
