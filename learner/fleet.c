// fleet.c - one small index goes through all: peers, ledger and messages name an actor by it.
//
// An actor that cannot be reached is lost at once, so no call here can fail.
#include "learner/fleet.h"

#include <inttypes.h>
#include <limits.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "learner/along.h"

enum { GRANT_MAX = 64 };  // tickets of one grant message

// One kind of message against wire.max_message. what: it takes; remedy: what makes it smaller.
static enum err check_size(const struct config *cfg, size_t bytes, const char *what,
                           const char *remedy) {
  const size_t limit = (size_t)cfg->wire_max_message;
  if (bytes <= limit) {
    return ERR_OK;
  }
  char set[64] = "";
  if (bytes <= wire_largest_message()) {
    snprintf(set, sizeof set, "set wire.max_message=%zu, or ", bytes);
  }
  log_error("%s up to %zu bytes as a message, more than wire.max_message=%zu; %s%s", what, bytes,
            limit, set, remedy);
  return ERR_CONFIG;
}

enum err fleet_check_sizes(const struct config *cfg, const struct task *task) {
  char what[128];
  const struct dims dims = task_dims(task, (int)cfg->replay_hindsight_k);
  snprintf(what, sizeof what, "task %s: an episode takes", task->name);
  enum err err =
      check_size(cfg, wire_episode_bytes(&dims), what, "give the task a smaller telos.horizon");
  int width[CONFIG_WIDTHS + 2];
  const int n = config_layers(width, task->obs + task->goal, &cfg->net_hidden, 2 * task->act);
  const enum err weights =
      check_size(cfg, wire_weights_bytes(width, n, along_size(cfg, &dims)),
                 "net.hidden: the policy's weights take", "make the layers smaller");
  return err == ERR_OK ? weights : err;
}

void fleet_init(struct fleet *f) {
  f->encoder = wire_encoder_new();
}

void fleet_release(struct fleet *f) {
  wire_encoder_free(f->encoder);
}

int fleet_size(const struct fleet *f) {
  return f->peers.used;
}

int fleet_threads(const struct fleet *f) {
  int threads = 0;
  for (int i = 0; i < f->peers.highest; i++) {
    threads += f->peers.peer[i].used ? f->peers.peer[i].threads : 0;
  }
  return threads;
}

int fleet_find(const struct fleet *f, const void *id, size_t id_size) {
  return peers_find(&f->peers, id, id_size);
}

// ---- sending ----

static bool send_to(struct fleet *f, const void *id, size_t id_size, const struct wire_msg *msg) {
  size_t n;
  const void *frame = wire_encode(f->encoder, &n, msg);
  return link_send_to(f->router, id, id_size, frame, n);
}

void fleet_send(struct fleet *f, int i, const struct wire_msg *msg) {
  const struct peer *p = &f->peers.peer[i];
  if (p->used && !send_to(f, p->id, p->id_size, msg)) {
    fleet_lose(f, i, "cannot be reached");
  }
}

static void send_frame(struct fleet *f, int i, zmq_msg_t *frame) {
  const struct peer *p = &f->peers.peer[i];
  if (p->used && !link_share(f->router, p->id, p->id_size, frame)) {
    fleet_lose(f, i, "cannot be reached");
  }
}

void fleet_send_weights(struct fleet *f, int i, uint64_t version) {
  zmq_msg_t *frame = publisher_find(f->publisher, version);
  if (frame != NULL) {
    send_frame(f, i, frame);
  } else {
    log_debug("%s asks for version %" PRIu64 ", which no open ticket names", f->peers.peer[i].name,
              version);
  }
}

void fleet_say_bye(struct fleet *f, enum wire_farewell code, const char *reason) {
  const struct wire_msg msg = {.type = WIRE_BYE, .bye = {.code = code, .reason = reason}};
  for (int i = 0; i < f->peers.highest; i++) {
    fleet_send(f, i, &msg);
  }
}

// ---- coming and going ----

void fleet_refuse(struct fleet *f, const void *id, size_t id_size, enum wire_refusal code,
                  const char *reason) {
  const struct wire_msg msg = {.type = WIRE_REFUSE, .refuse = {.code = code, .reason = reason}};
  if (!send_to(f, id, id_size, &msg)) {
    log_debug("a refusal could not be sent: %s", reason);
  }
}

// Refuses a hello that does not fit us.
static bool hello_fits(struct fleet *f, const void *id, size_t id_size,
                       const struct wire_hello *h) {
  char reason[256];
  if (h->mujoco_version != (uint32_t)mj_version()) {
    snprintf(reason, sizeof reason, "MuJoCo version %" PRIu32 " is not the learner's %d",
             h->mujoco_version, mj_version());
    log_warn("actor %s refused: %s; install the same MuJoCo on both", h->name, reason);
    fleet_refuse(f, id, id_size, WIRE_REFUSE_MUJOCO, reason);
    return false;
  }
  if (h->task_digest != 0 && h->task_digest != f->task->digest) {
    snprintf(reason, sizeof reason,
             "task digest %016" PRIx64 " is not the learner's %016" PRIx64 " (%s)", h->task_digest,
             f->task->digest, f->task->name);
    log_warn("actor %s refused: %s; start it anew", h->name, reason);
    fleet_refuse(f, id, id_size, WIRE_REFUSE_TASK, reason);
    return false;
  }
  if (peers_banned(&f->peers, h->actor)) {
    fleet_refuse(f, id, id_size, WIRE_REFUSE_AUDIT,
                 "refused before: its episodes were contradicted");
    return false;
  }
  return true;
}

// ---- keys ----

bool fleet_admit(struct fleet *f, int i, const struct link_frame *frame) {
  if (f->gate == NULL || !gate_has_keys(f->gate)) {
    return true;
  }
  if (gate_find(f->gate, frame->key) == NULL) {
    fleet_fault(f, i, "its key is not allowed any more");
    fleet_refuse(f, frame->from, frame->from_size, WIRE_REFUSE_KEY, "its key was revoked");
    return false;
  }
  if (i >= 0 && strcmp(f->peers.peer[i].key, frame->key) != 0) {
    fleet_fault(f, i, "it came under the key of another actor");
    return false;
  }
  return true;
}

void fleet_revoke(struct fleet *f) {
  for (int i = 0; i < f->peers.highest; i++) {
    const struct peer p = f->peers.peer[i];
    if (p.used && f->gate != NULL && gate_find(f->gate, p.key) == NULL) {
      fleet_lose(f, i, "is refused: its key was revoked");
      fleet_refuse(f, p.id, p.id_size, WIRE_REFUSE_KEY, "its key was revoked");
    }
  }
}

// Under which name an actor goes: behind that of its key, when there are keys.
static void name_peer(const struct fleet *f, char out[PEER_MAX_NAME + 1], const char *key,
                      const char *name) {
  const char *owner = f->gate != NULL ? gate_find(f->gate, key) : "";
  const bool owned = owner != NULL && owner[0] != '\0';
  snprintf(out, PEER_MAX_NAME + 1, "%s%s%s", owned ? owner : "", owned ? "/" : "", name);
}

static struct wire_msg welcome_of(const struct fleet *f) {
  const struct config *cfg = f->cfg;
  const struct wire_settings settings = {.none = cfg->explore_none,
                                         .least = cfg->explore_least,
                                         .random = cfg->explore_random,
                                         .repeat = cfg->explore_repeat,
                                         .hindsight = (uint32_t)cfg->replay_hindsight_k,
                                         .members = (uint32_t)cfg->context_members,
                                         .heartbeat = (uint32_t)cfg->wire_heartbeat,
                                         .patience = (uint32_t)cfg->wire_patience,
                                         .max_message = (uint32_t)cfg->wire_max_message};
  return (struct wire_msg){.type = WIRE_WELCOME,
                           .welcome = {.run = f->run,
                                       .task_digest = f->task->digest,
                                       .model_bytes = f->task->mjb_size,
                                       .weights_port = (uint32_t)f->weights_port,
                                       .settings = settings}};
}

void fleet_hello(struct fleet *f, const void *id, size_t id_size, const char *key,
                 const struct wire_hello *h, int64_t now_ms) {
  if (!hello_fits(f, id, id_size, h)) {
    return;
  }
  const struct wire_msg welcome = welcome_of(f);
  if (h->task_digest == 0) {
    // it asks for the model now, and then says hello again
    if (!send_to(f, id, id_size, &welcome)) {
      log_debug("actor %s could not be welcomed", h->name);
    }
    return;
  }
  // the same process on a new connection: what it held is issued again, a late answer still counts
  const int old = peers_find_actor(&f->peers, h->actor);
  const char *owner = key != NULL ? key : "";
  if (old >= 0 && strcmp(f->peers.peer[old].key, owner) != 0) {
    fleet_fault(f, old, "a hello in its name, under the key of another actor");
    fleet_refuse(f, id, id_size, WIRE_REFUSE_KEY, "an actor with another key has its number");
    return;
  }
  if (old >= 0) {
    peers_remove(&f->peers, old);
    ledger_leave(f->ledger, old);
  }
  char name[PEER_MAX_NAME + 1];
  name_peer(f, name, key, h->name);
  const int i = peers_add(&f->peers, id, id_size, h->actor, name, now_ms);
  if (i < 0) {
    log_warn("actor %s refused: %d actors are connected already", h->name, LEDGER_MAX_ACTORS);
    fleet_refuse(f, id, id_size, WIRE_REFUSE_FULL,
                 "the learner has as many actors as it can serve");
    return;
  }
  f->peers.peer[i].threads = (int)h->threads;
  snprintf(f->peers.peer[i].key, sizeof f->peers.peer[i].key, "%s", owner);
  ledger_join(f->ledger, i, h->actor, (int)h->slots);
  log_info("actor %s joined: %d rollout thread%s, %d tickets at a time (%s, %s); %d connected",
           f->peers.peer[i].name, (int)h->threads, h->threads == 1 ? "" : "s", (int)h->slots,
           h->build, h->cpu, f->peers.used);
  fleet_send(f, i, &welcome);
  zmq_msg_t *newest = publisher_newest(f->publisher);
  if (newest != NULL) {
    send_frame(f, i, newest);
  }
}

void fleet_send_piece(struct fleet *f, const void *id, size_t id_size,
                      const struct wire_model_request *request) {
  zmq_msg_t *frame = publisher_piece(f->publisher, request);
  if (frame == NULL) {
    fleet_refuse(f, id, id_size, WIRE_REFUSE_HELLO_FIRST, "that is not the model; say hello");
  } else if (!link_share(f->router, id, id_size, frame)) {
    log_debug("a piece of the model could not be sent");
  }
}

void fleet_lose(struct fleet *f, int i, const char *why) {
  log_info("actor %s %s; %d left", f->peers.peer[i].name, why, f->peers.used - 1);
  peers_remove(&f->peers, i);
  ledger_leave(f->ledger, i);
}

void fleet_refuse_faulty(struct fleet *f) {
  for (int i; (i = ledger_faulty(f->ledger)) >= 0;) {
    const struct peer p = f->peers.peer[i];
    f->audit_failures++;
    log_error(
        "actor %s gave an episode that two others contradict; it is refused; check its "
        "machine's memory, CPU and build",
        p.name);
    fleet_lose(f, i, "is refused");
    peers_ban(&f->peers, p.actor);
    fleet_refuse(f, p.id, p.id_size, WIRE_REFUSE_AUDIT,
                 "an episode of yours is contradicted by two other actors; check this machine's "
                 "memory, CPU and build");
  }
}

void fleet_fault(struct fleet *f, int i, const char *reason) {
  f->rejected++;
  if (peers_first_fault(&f->peers, i, reason)) {
    log_warn("bad message from %s dropped: %s (logged once)",
             i >= 0 ? f->peers.peer[i].name : "a stranger", reason);
  }
}

// ---- tickets and heartbeats ----

// One message of what actor i may have until it holds so many; how many tickets that were.
static int grant_some(struct fleet *f, int i, int most, int64_t now_ms) {
  struct ticket tickets[GRANT_MAX];
  int n = 0;
  while (n < GRANT_MAX && ledger_held(f->ledger, i) < most &&
         ledger_assign(f->ledger, &tickets[n], i, now_ms)) {
    n++;
  }
  if (n > 0) {
    const struct wire_msg msg = {.type = WIRE_GRANT, .grant = {f->run, tickets, n}};
    fleet_send(f, i, &msg);
  }
  return n;
}

// All of it. An actor that is lost on the way gets no more
static void grant_to(struct fleet *f, int i, int most, int64_t now_ms) {
  while (f->peers.peer[i].used && grant_some(f, i, most, now_ms) == GRANT_MAX) {
  }
}

void fleet_grant(struct fleet *f, int64_t now_ms) {
  // mostly there is nothing, or one ticket, and thousands of actors
  for (int spare = 0; spare < 2; spare++) {
    for (int i = 0; i < f->peers.highest && ledger_wants(f->ledger); i++) {
      if (f->peers.peer[i].used) {
        grant_to(f, i, spare ? INT_MAX : f->peers.peer[i].threads, now_ms);
      }
    }
  }
}

void fleet_heard(struct fleet *f, int i, const struct wire_heartbeat *beat, int64_t now_ms) {
  struct peer *p = &f->peers.peer[i];
  // the first one since it joined says what was before
  if (p->beaten) {
    f->busy_ms += beat->busy > p->busy_ms ? beat->busy - p->busy_ms : 0;
    f->thread_ms += (uint64_t)(now_ms - p->beat_ms) * (uint64_t)p->threads;
  }
  p->beaten = true;
  p->beat_ms = now_ms;
  p->busy_ms = beat->busy;
  p->steps = beat->progress;
}

void fleet_beat(struct fleet *f, const struct wire_msg *beat, int64_t now_ms, int64_t limit_ms) {
  for (int i = 0; i < f->peers.highest; i++) {
    if (!f->peers.peer[i].used) {
      continue;
    }
    if (now_ms - f->peers.peer[i].last_seen_ms > limit_ms) {
      fleet_lose(f, i, "is silent");
    } else if (beat != NULL) {
      fleet_send(f, i, beat);
    }
  }
}
