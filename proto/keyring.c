// keyring.c - names and paths; keyfile.c reads the files.
#include "proto/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

#define DEFAULT_ACTOR "actor"

static bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool keyring_name_is_good(const char *name) {
  size_t n = 0;
  while (is_alphanumeric(name[n]) ||
         (n > 0 && (name[n] == '.' || name[n] == '_' || name[n] == '-'))) {
    n++;
  }
  return n > 0 && n <= KEY_MAX_NAME && name[n] == '\0';
}

bool keyring_name(char out[KEY_MAX_NAME + 1], const char *path, const char *suffix) {
  const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
  const size_t n = strlen(base), end = strlen(suffix);
  char name[KEY_MAX_NAME + 1];
  if (n <= end || n - end > KEY_MAX_NAME || strcmp(base + n - end, suffix) != 0) {
    return false;
  }
  snprintf(name, sizeof name, "%.*s", (int)(n - end), base);
  if (!keyring_name_is_good(name)) {
    return false;
  }
  memcpy(out, name, sizeof name);
  return true;
}

enum err keyring_path(char out[PATH_MAX], const char *folder, const char *name,
                      const char *suffix) {
  if (snprintf(out, PATH_MAX, "%s/%s%s", folder, name, suffix) >= PATH_MAX) {
    log_error("the folder of keys %.100s..: a path of more than %d bytes", folder, PATH_MAX - 1);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

enum err keyring_read_learner(struct keyfile *out, const char *folder) {
  char path[PATH_MAX];
  const enum err err = keyring_path(path, folder, KEYRING_LEARNER, KEYRING_SECRET);
  return err == ERR_OK ? keyfile_read_secret(out, path) : err;
}

// The name of the key that the folder is for. ERR_CONFIG (logged): it cannot be told.
static enum err choose(char name[KEY_MAX_NAME + 1], const char *folder) {
  DIR *dir = opendir(folder);
  if (dir == NULL) {
    log_error("cannot read the folder of keys %s: %s; --keys FOLDER names another one", folder,
              strerror(errno));
    return ERR_CONFIG;
  }
  int n = 0;
  bool has_default = false;
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    char found[KEY_MAX_NAME + 1];
    if (keyring_name(found, e->d_name, KEYRING_SECRET) && strcmp(found, KEYRING_LEARNER) != 0) {
      memcpy(name, found, sizeof found);
      has_default = has_default || strcmp(found, DEFAULT_ACTOR) == 0;
      n++;
    }
  }
  closedir(dir);
  if (n == 1) {
    return ERR_OK;
  }
  if (has_default) {
    snprintf(name, KEY_MAX_NAME + 1, "%s", DEFAULT_ACTOR);
    return ERR_OK;
  }
  if (n == 0) {
    log_error("%s has no key of an actor; `telos keys new %s` makes one", folder, DEFAULT_ACTOR);
  } else {
    log_error("%s has keys of %d actors; --key NAME says which is ours", folder, n);
  }
  return ERR_CONFIG;
}

enum err keyring_read_actor(struct curve_actor *out, const char *folder, const char *name) {
  char path[PATH_MAX];
  struct curve_actor actor = {.name = ""};
  enum err err = ERR_OK;
  if (name == NULL) {
    err = choose(actor.name, folder);
  } else if (keyring_name_is_good(name)) {
    snprintf(actor.name, sizeof actor.name, "%s", name);
  } else {
    log_error("--key %.60s: expected a name of `telos keys list`", name);
    err = ERR_CONFIG;
  }
  if (err == ERR_OK) {
    err = keyring_path(path, folder, actor.name, KEYRING_SECRET);
  }
  if (err == ERR_OK) {
    err = keyfile_read_secret(&actor.own, path);
  }
  if (err == ERR_OK) {
    err = keyring_path(path, folder, KEYRING_LEARNER, KEYRING_SUFFIX);
  }
  if (err == ERR_OK) {
    err = keyfile_read_public(&actor.learner, path);
  }
  if (err == ERR_OK) {
    *out = actor;
  }
  keyfile_wipe(&actor.own);
  return err;
}
