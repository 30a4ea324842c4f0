// keys.c - `telos keys`: makes pairs of keys, and says which actors a learner lets in.
//
// Everything is in files, so that another tool may do the same (CZMQ, pyzmq, a Secret of
// Kubernetes): a running learner looks at its folder, nobody talks to it.
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/base/words.h"
#include "deploy/launch/verbs.h"
#include "proto/keyring.h"

static const char help[] =
    "Examples:\n"
    "  telos keys new learner rack3           two pairs of keys, in keys/\n"
    "  telos keys allow rack3                 the learner lets rack3 in\n"
    "  telos keys list\n"
    "  telos keys revoke rack3                the learner sends rack3 away\n"
    "\n"
    "Usage: telos keys new NAME ..        make pairs; `learner` is the learner's\n"
    "       telos keys allow NAME|FILE .. add public keys to the allow-list\n"
    "       telos keys revoke NAME ..     take them off it\n"
    "       telos keys list               all keys, and who is allowed\n"
    "\n"
    "  --keys FOLDER    where they are (default: keys)\n"
    "  --help\n"
    "\n"
    "FOLDER/NAME.key is public. FOLDER/NAME.key_secret is secret: nobody but its owner\n"
    "should read it. FOLDER/allowed has the public keys of the actors that may\n"
    "connect; a learner that runs looks at it four times a second.\n"
    "\n"
    "The learner needs learner.key_secret and allowed/. An actor needs its own\n"
    ".key_secret, and learner.key. Several actors may share one key: they can then\n"
    "only be revoked together. To change a key, allow a new one, start the actors\n"
    "with it, and revoke the old one.\n"
    "\n"
    "The files are certificates of CZMQ and pyzmq.\n"
    "Exit codes: 0 done, 64 usage, 74 I/O error, 78 no such key, or there already.\n";

static enum err check_name(const char *name) {
  if (!keyring_name_is_good(name)) {
    log_error("%.60s: expected a name of 1 to %d letters, digits, '.', '_' and '-'", name,
              KEY_MAX_NAME);
    return ERR_USAGE;
  }
  return ERR_OK;
}

static enum err allowed_folder(char out[PATH_MAX], const char *folder) {
  return keyring_path(out, folder, KEYRING_ALLOWED, "");
}

// ---- new ----

static enum err make(const char *folder, const char *name) {
  char open_path[PATH_MAX], secret_path[PATH_MAX];
  struct keyfile k;
  enum err err = check_name(name);
  if (err != ERR_OK || (err = fsio_mkdirs(folder)) != ERR_OK ||
      (err = keyring_path(open_path, folder, name, KEYRING_SUFFIX)) != ERR_OK ||
      (err = keyring_path(secret_path, folder, name, KEYRING_SECRET)) != ERR_OK) {
    return err;
  }
  keyfile_generate(&k);
  err = keyfile_create(secret_path, &k, name, true);
  if (err == ERR_OK && (err = keyfile_create(open_path, &k, name, false)) != ERR_OK) {
    unlink(secret_path);
  }
  keyfile_wipe(&k);
  if (err == ERR_OK) {
    printf("%s (public) and %s (secret)\n", open_path, secret_path);
  }
  return err;
}

// ---- allow, revoke ----

// what: a name in the folder, or a file of another one
static enum err allow(const char *folder, const char *what) {
  char path[PATH_MAX], list[PATH_MAX], target[PATH_MAX], name[KEY_MAX_NAME + 1];
  struct keyfile k, old;
  enum err err = ERR_OK;
  if (keyring_name(name, what, KEYRING_SUFFIX)) {
    snprintf(path, sizeof path, "%s", what);
  } else if ((err = check_name(what)) == ERR_OK) {
    snprintf(name, sizeof name, "%s", what);
    err = keyring_path(path, folder, name, KEYRING_SUFFIX);
  }
  if (err == ERR_OK && strcmp(name, KEYRING_LEARNER) == 0) {
    log_error("%s is the learner's key; allow those of actors", name);
    err = ERR_USAGE;
  }
  if (err != ERR_OK || (err = keyfile_read_public(&k, path)) != ERR_OK ||
      (err = allowed_folder(list, folder)) != ERR_OK || (err = fsio_mkdirs(list)) != ERR_OK ||
      (err = keyring_path(target, list, name, KEYRING_SUFFIX)) != ERR_OK) {
    return err;
  }
  const bool replaces = fsio_exists(target) && keyfile_read_public(&old, target) == ERR_OK &&
                        strcmp(old.public_key, k.public_key) != 0;
  err = keyfile_replace_public(target, &k, name);
  if (err == ERR_OK) {
    printf("%s is allowed%s\n", name, replaces ? "; the key that it had before is revoked" : "");
  }
  return err;
}

static enum err withdraw(const char *folder, const char *name) {
  char list[PATH_MAX], target[PATH_MAX];
  enum err err = check_name(name);
  if (err != ERR_OK || (err = allowed_folder(list, folder)) != ERR_OK ||
      (err = keyring_path(target, list, name, KEYRING_SUFFIX)) != ERR_OK) {
    return err;
  }
  if (unlink(target) == 0) {
    printf("%s is revoked\n", name);
    return ERR_OK;
  }
  if (errno == ENOENT) {
    log_error("%s is not allowed; `telos keys list` shows who is", name);
    return ERR_CONFIG;
  }
  log_error("cannot remove %s: %s", target, strerror(errno));
  return ERR_IO;
}

// ---- list ----

struct row {
  char name[KEY_MAX_NAME + 1];
  bool here, secret, allowed;
};

struct rows {
  struct row *v;
  int n;
};

static struct row *find(struct rows *rows, const char *name) {
  for (int i = 0; i < rows->n; i++) {
    if (strcmp(rows->v[i].name, name) == 0) {
      return &rows->v[i];
    }
  }
  rows->v = must_realloc(rows->v, (size_t)rows->n + 1, sizeof *rows->v);
  struct row *row = &rows->v[rows->n++];
  *row = (struct row){.here = false};
  snprintf(row->name, sizeof row->name, "%s", name);
  return row;
}

// ERR_CONFIG: there is no such folder, which is not logged
static enum err scan(struct rows *rows, const char *folder, bool allowed) {
  DIR *dir = opendir(folder);
  char name[KEY_MAX_NAME + 1];
  if (dir == NULL) {
    return ERR_CONFIG;
  }
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    if (keyring_name(name, e->d_name, KEYRING_SUFFIX)) {
      struct row *row = find(rows, name);
      row->allowed = row->allowed || allowed;
      row->here = row->here || !allowed;
    } else if (!allowed && keyring_name(name, e->d_name, KEYRING_SECRET)) {
      find(rows, name)->secret = true;
    }
  }
  closedir(dir);
  return ERR_OK;
}

static int by_name(const void *a, const void *b) {
  const struct row *x = a, *y = b;
  return strcmp(x->name, y->name);
}

static enum err print_row(const struct row *row, const char *folder, const char *list) {
  char path[PATH_MAX];
  struct keyfile k;
  enum err err = keyring_path(path, row->allowed ? list : folder, row->name,
                              row->allowed || row->here ? KEYRING_SUFFIX : KEYRING_SECRET);
  if (err == ERR_OK) {
    err = row->allowed || row->here ? keyfile_read_public(&k, path) : keyfile_read_secret(&k, path);
  }
  if (err != ERR_OK) {
    return err;
  }
  const bool learner = strcmp(row->name, KEYRING_LEARNER) == 0;
  printf("%-20s %s  %s%s\n", row->name, k.public_key,
         learner        ? "the learner"
         : row->allowed ? "allowed"
                        : "not allowed",
         row->secret ? ", secret here" : "");
  keyfile_wipe(&k);
  return ERR_OK;
}

static enum err list_all(const char *folder) {
  char list[PATH_MAX];
  struct rows rows = {NULL, 0};
  enum err err = allowed_folder(list, folder);
  if (err != ERR_OK) {
    return err;
  }
  if (scan(&rows, folder, false) != ERR_OK) {
    log_error("cannot read the folder of keys %s: %s; `telos keys new learner` begins one", folder,
              strerror(errno));
    return ERR_CONFIG;
  }
  // nobody was ever allowed: no folder
  const enum err none = scan(&rows, list, true);
  (void)none;
  if (rows.n > 0) {
    qsort(rows.v, (size_t)rows.n, sizeof *rows.v, by_name);
  }
  for (int i = 0; i < rows.n; i++) {
    const enum err bad = print_row(&rows.v[i], folder, list);
    err = err == ERR_OK ? bad : err;
  }
  free(rows.v);
  return err;
}

// ---- the command line ----

static enum err run(const char *folder, const char *what, char *const *names, int n) {
  static const struct {
    const char *name;
    enum err (*each)(const char *folder, const char *name);
  } actions[] = {{"new", make}, {"allow", allow}, {"revoke", withdraw}, {"list", NULL}};
  struct words_nearest near = {.word = what};
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    words_offer(&near, actions[i].name);
    if (strcmp(actions[i].name, what) != 0) {
      continue;
    }
    if ((actions[i].each == NULL) != (n == 0)) {
      log_error("telos keys %s: %s (telos keys --help)", what,
                n == 0 ? "whose? give names" : "it takes no names");
      return ERR_USAGE;
    }
    enum err err = n == 0 ? list_all(folder) : ERR_OK;
    for (int k = 0; k < n && err == ERR_OK; k++) {
      err = actions[i].each(folder, names[k]);
    }
    return err;
  }
  if (near.best != NULL) {
    log_error("telos keys %.60s: unknown; did you mean %s? (telos keys --help)", what, near.best);
  } else {
    log_error("telos keys %.60s: expected new, allow, revoke or list (telos keys --help)", what);
  }
  return ERR_USAGE;
}

int verb_keys(int argc, char **argv) {
  static const struct option options[] = {
      {"keys", required_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  const char *folder = KEYRING_FOLDER;
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'k':
        folder = optarg;
        break;
      case 'h':
        fputs(help, stdout);
        return 0;
      default:
        options_complain(c, options, argv, "telos keys", NULL);
        return err_exit_code(ERR_USAGE);
    }
  }
  if (optind == argc) {
    log_error("telos keys: expected new, allow, revoke or list (telos keys --help)");
    return err_exit_code(ERR_USAGE);
  }
  return err_exit_code(run(folder, argv[optind], argv + optind + 1, argc - optind - 1));
}
