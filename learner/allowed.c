// allowed.c - a digest of names, sizes and times tells whether anything has changed.
//
// The folder is looked at, not watched: a mounted Secret changes by a link far above it, which
// inotify would not see, and a network folder by nothing at all that is told to us.
#include "learner/allowed.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "proto/keyring.h"

// What one file looks like, into a sum, since folders have no order.
static uint64_t look_at(int dir_fd, const char *name) {
  struct stat st;
  if (fstatat(dir_fd, name, &st, 0) != 0) {
    return 0;
  }
  const uint64_t facts[] = {(uint64_t)st.st_dev,          (uint64_t)st.st_ino,
                            (uint64_t)st.st_size,         (uint64_t)st.st_mtim.tv_sec,
                            (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_ctim.tv_sec,
                            (uint64_t)st.st_ctim.tv_nsec};
  return XXH3_64bits_withSeed(name, strlen(name), XXH3_64bits(facts, sizeof facts));
}

// Never 0, which stands for a folder that was not looked at.
static uint64_t look(const char *folder) {
  uint64_t sum = 1;
  DIR *dir = opendir(folder);
  if (dir == NULL) {
    return sum + (uint64_t)errno;
  }
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    if (e->d_name[0] != '.') {
      sum += look_at(dirfd(dir), e->d_name);
    }
  }
  closedir(dir);
  return sum != 0 ? sum : 1;
}

static int compare(const void *a, const void *b) {
  const struct allowed_entry *x = a, *y = b;
  const int keys = strcmp(x->key, y->key);
  return keys != 0 ? keys : strcmp(x->name, y->name);
}

// of names that have the same key, the first stays
static void drop_doubles(struct allowed *a) {
  int kept = 0;
  for (int i = 0; i < a->n; i++) {
    if (kept > 0 && strcmp(a->entries[kept - 1].key, a->entries[i].key) == 0) {
      log_warn("allowed keys %s and %s are the same one; to revoke it, revoke both",
               a->entries[kept - 1].name, a->entries[i].name);
    } else {
      a->entries[kept++] = a->entries[i];
    }
  }
  a->n = kept;
}

static void add(struct allowed *a, int *room, const char *folder, const char *file) {
  char path[PATH_MAX];
  struct allowed_entry entry;
  struct keyfile k;
  if (!keyring_name(entry.name, file, KEYRING_SUFFIX)) {
    log_warn("%s/%s is passed over: an allowed key is a file NAME%s", folder, file, KEYRING_SUFFIX);
    return;
  }
  if (keyring_path(path, folder, file, "") != ERR_OK || keyfile_read_public(&k, path) != ERR_OK) {
    return;  // logged: nobody is allowed by it
  }
  if (a->n == ALLOWED_MAX) {
    log_error("%s has more than %d keys; %s is passed over", folder, ALLOWED_MAX, file);
    return;
  }
  if (a->n == *room) {
    *room = *room > 0 ? 2 * *room : 16;
    a->entries = must_realloc(a->entries, (size_t)*room, sizeof *a->entries);
  }
  memcpy(entry.key, k.public_key, sizeof entry.key);
  a->entries[a->n++] = entry;
}

bool allowed_read(struct allowed *a, bool *revoked, const char *folder) {
  // looked at before it is read: what changes meanwhile is read the next time
  const uint64_t seen = look(folder);
  if (seen == a->seen) {
    return false;
  }
  const struct allowed before = *a;
  *a = (struct allowed){.seen = seen};
  int room = 0;
  DIR *dir = opendir(folder);
  if (dir == NULL && errno != ENOENT) {
    log_error("cannot read the allowed keys in %s: %s; nobody is allowed", folder, strerror(errno));
  }
  for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
    if (e->d_name[0] != '.') {
      add(a, &room, folder, e->d_name);
    }
  }
  if (dir != NULL) {
    closedir(dir);
  }
  if (a->n > 0) {
    qsort(a->entries, (size_t)a->n, sizeof *a->entries, compare);
    drop_doubles(a);
  }
  *revoked = false;
  for (int i = 0; i < before.n; i++) {
    *revoked = *revoked || allowed_find(a, before.entries[i].key) == NULL;
  }
  free(before.entries);
  return true;
}

void allowed_release(struct allowed *a) {
  free(a->entries);
  *a = (struct allowed){0};
}

const char *allowed_find(const struct allowed *a, const char *key) {
  int low = 0, high = a->n;
  while (low < high) {
    const int mid = low + (high - low) / 2;
    const int order = strcmp(a->entries[mid].key, key);
    if (order == 0) {
      return a->entries[mid].name;
    }
    low = order < 0 ? mid + 1 : low;
    high = order < 0 ? high : mid;
  }
  return NULL;
}
