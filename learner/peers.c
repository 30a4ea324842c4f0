// peers.c - a plain table. A search, once a message, is a scan over the keys of its routing ids:
// with the 4,096 actors that there can be 16 KB, a microsecond or two.
#include "learner/peers.h"

#include <string.h>

#include "common/base/check.h"

// FNV-1a
static uint32_t key_of(const void *id, size_t id_size) {
  const uint8_t *bytes = id;
  uint32_t key = UINT32_C(2166136261);
  for (size_t i = 0; i < id_size; i++) {
    key = (key ^ bytes[i]) * UINT32_C(16777619);
  }
  return key;
}

int peers_find(const struct peers *p, const void *id, size_t id_size) {
  const uint32_t key = key_of(id, id_size);
  for (int i = 0; i < p->highest; i++) {
    const struct peer *peer = &p->peer[i];
    if (p->key[i] == key && peer->used && peer->id_size == id_size &&
        memcmp(peer->id, id, id_size) == 0) {
      return i;
    }
  }
  return -1;
}

int peers_find_actor(const struct peers *p, uint64_t actor) {
  for (int i = 0; i < p->highest; i++) {
    if (p->peer[i].used && p->peer[i].actor == actor) {
      return i;
    }
  }
  return -1;
}

// names go into logs: printable characters only
static void copy_name(char *out, const char *name) {
  size_t n = 0;
  for (; name[n] != '\0' && n < PEER_MAX_NAME; n++) {
    out[n] = name[n] > ' ' && name[n] < 127 ? name[n] : '?';
  }
  out[n] = '\0';
}

int peers_add(struct peers *p, const void *id, size_t id_size, uint64_t actor, const char *name,
              int64_t now_ms) {
  CHECK(id_size <= LINK_MAX_ID);
  int i = 0;
  while (i < LEDGER_MAX_ACTORS && p->peer[i].used) {
    i++;
  }
  if (i == LEDGER_MAX_ACTORS) {
    return -1;
  }
  struct peer *peer = &p->peer[i];
  *peer = (struct peer){.used = true, .id_size = id_size, .actor = actor, .last_seen_ms = now_ms};
  memcpy(peer->id, id, id_size);
  p->key[i] = key_of(id, id_size);
  copy_name(peer->name, name);
  p->used++;
  p->highest = i >= p->highest ? i + 1 : p->highest;
  return i;
}

void peers_remove(struct peers *p, int index) {
  CHECK(p->peer[index].used);
  p->peer[index].used = false;
  p->used--;
}

void peers_ban(struct peers *p, uint64_t actor) {
  p->banned[p->nbanned++ % PEERS_MAX_BANNED] = actor;
}

bool peers_banned(const struct peers *p, uint64_t actor) {
  for (uint64_t i = 0; i < p->nbanned && i < PEERS_MAX_BANNED; i++) {
    if (p->banned[i] == actor) {
      return true;
    }
  }
  return false;
}

bool peers_first_fault(struct peers *p, int index, const char *reason) {
  struct peer *peer = index >= 0 ? &p->peer[index] : &p->stranger;
  return reasons_first(&p->reasons, &peer->logged, reason);
}
