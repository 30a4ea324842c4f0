// task_find.c - the folders in which tasks are found by name, and what is in them.
#include "common/task/task_find.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/words.h"
#include "common/task/task.h"

enum { MAX_FOLDERS = 32 };

struct folders {
  char path[MAX_FOLDERS][TASK_MAX_PATH];
  int n;
};

static void add_folder(struct folders *f, const char *path, size_t len, const char *tail) {
  if (f->n < MAX_FOLDERS && len > 0 && len + strlen(tail) < TASK_MAX_PATH) {
    snprintf(f->path[f->n++], TASK_MAX_PATH, "%.*s%s", (int)len, path, tail);
  }
}

// The file that holds this code into path (TASK_MAX_PATH): the running program, or the shared
// library that somebody else's program has loaded. "": not known. The result says whether it is a
// library.
static bool own_file(char *path) {
  Dl_info info;
  void *map = NULL;
  if (dladdr1((void *)(uintptr_t)own_file, &info, &map, RTLD_DL_LINKMAP) != 0 && map != NULL) {
    const char *library = ((const struct link_map *)map)->l_name;  // "" for the program
    if (library[0] && strlen(library) < TASK_MAX_PATH) {
      snprintf(path, TASK_MAX_PATH, "%s", library);
      return true;
    }
  }
  const ssize_t n = readlink("/proc/self/exe", path, TASK_MAX_PATH - 1);
  path[n > 0 ? n : 0] = '\0';
  return false;
}

// $TELOS_TASK_PATH; tasks/ beside the program, or in bin/ beside the library's folder, as a build
// has it; and tasks/ in the data folder, first in that of the tree where they stand, which may have
// been installed or moved anywhere
static void list_folders(struct folders *f) {
  f->n = 0;
  const char *p = getenv("TELOS_TASK_PATH");
  while (p && *p) {
    const size_t len = strcspn(p, ":");
    add_folder(f, p, len, "");
    p += len + (p[len] == ':');
  }
  char own[TASK_MAX_PATH];
  const bool library = own_file(own);
  char *slash = strrchr(own, '/');
  const bool known = slash != NULL && slash > own;
  if (known) {
    *slash = '\0';
    add_folder(f, own, strlen(own), library ? "/../bin/tasks" : "/tasks");
  }
#ifdef TELOS_DATADIR
  static const char *const to_data[] = {TELOS_BIN_TO_DATADIR, TELOS_LIB_TO_DATADIR};
  char tree[2 * TASK_MAX_PATH], data[PATH_MAX];
  snprintf(tree, sizeof tree, "%s/%s", own, to_data[library]);
  const bool found = known && realpath(tree, data);
  if (found) {
    add_folder(f, data, strlen(data), "/tasks");
  }
  if (!found || strcmp(data, TELOS_DATADIR) != 0) {
    add_folder(f, TELOS_DATADIR, strlen(TELOS_DATADIR), "/tasks");
  }
#endif
}

struct entry {
  char name[256];  // without .xml
  int folder;
};

struct entries {
  struct entry *entry;
  int n, room;
};

static int compare_entries(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  const int order = strcmp(x->name, y->name);
  return order ? order : x->folder - y->folder;
}

static void add_entry(struct entries *e, const char *file, int folder) {
  const size_t n = strlen(file);
  if (n <= 4 || n >= sizeof e->entry->name || strcmp(file + n - 4, ".xml") != 0) {
    return;
  }
  if (e->n == e->room) {
    struct entry *more = must_alloc(2 * (size_t)e->room + 64, sizeof *more);
    if (e->n > 0) {
      memcpy(more, e->entry, (size_t)e->n * sizeof *more);
    }
    free(e->entry);
    e->entry = more;
    e->room = 2 * e->room + 64;
  }
  snprintf(e->entry[e->n].name, sizeof e->entry->name, "%.*s", (int)n - 4, file);
  e->entry[e->n++].folder = folder;
}

// The tasks in these folders by name, each from the first folder that has it.
static void collect(struct entries *e, const struct folders *f) {
  for (int i = 0; i < f->n; i++) {
    DIR *dir = opendir(f->path[i]);
    for (struct dirent *file; dir && (file = readdir(dir));) {
      add_entry(e, file->d_name, i);
    }
    if (dir) {
      closedir(dir);
    }
  }
  if (e->n > 0) {
    qsort(e->entry, (size_t)e->n, sizeof *e->entry, compare_entries);
  }
  int kept = 0;
  for (int i = 0; i < e->n; i++) {
    if (kept == 0 || strcmp(e->entry[i].name, e->entry[kept - 1].name) != 0) {
      e->entry[kept++] = e->entry[i];
    }
  }
  e->n = kept;
}

void task_list(void (*each)(void *ctx, const char *name, const char *path), void *ctx) {
  struct folders *f = must_alloc(1, sizeof *f);
  struct entries e = {0};
  char path[TASK_MAX_PATH + 300];
  list_folders(f);
  collect(&e, f);
  for (int i = 0; i < e.n; i++) {
    snprintf(path, sizeof path, "%s/%s.xml", f->path[e.entry[i].folder], e.entry[i].name);
    each(ctx, e.entry[i].name, path);
  }
  free(e.entry);
  free(f);
}

// what is said of a name that is not found
struct found {
  char list[800];  // all names, as far as there is room
  size_t len;
  struct words_nearest near;
  char best[256];  // a copy of near.best
};

static void add_name(void *ctx, const char *name, const char *path) {
  (void)path;
  struct found *f = ctx;
  if (f->len + strlen(name) + 2 < sizeof f->list) {
    f->len +=
        (size_t)snprintf(f->list + f->len, sizeof f->list - f->len, f->len ? " %s" : "%s", name);
  }
  words_offer(&f->near, name);
  if (f->near.best == name) {
    snprintf(f->best, sizeof f->best, "%s", name);
    f->near.best = f->best;
  }
}

static void tell_not_found(const char *name, const struct folders *folders) {
  char searched[600] = "";
  struct found found = {.list = "none", .near = {.word = name}};
  for (int i = 0; i < folders->n; i++) {
    const size_t used = strlen(searched);
    snprintf(searched + used, sizeof searched - used, "%s%s", i ? ", " : "", folders->path[i]);
  }
  task_list(add_name, &found);
  log_error("task %s: not found in %s; %s%s%sfound there: %s", name, searched,
            found.near.best ? "did you mean " : "", found.best, found.near.best ? "? " : "",
            found.list);
}

// A file that MuJoCo can read, and that we can read again: to compile it, and for its comment.
static enum err check_file(const char *path) {
  struct stat st;
  if (access(path, R_OK) != 0 || stat(path, &st) != 0) {
    log_error("task %s: cannot be read: %m; give an MJCF file, or a name without '/'", path);
    return ERR_CONFIG;
  }
  if (S_ISDIR(st.st_mode)) {
    log_error("task %s: is a folder; give an MJCF file, or a name without '/'", path);
    return ERR_CONFIG;
  }
  if (!S_ISREG(st.st_mode)) {
    log_error("task %s: a pipe or device can be read only once; write the model to a file first",
              path);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

enum err task_find(char path[TASK_MAX_PATH], const char *name) {
  const size_t n = strlen(name);
  if (strchr(name, '/') || (n > 4 && strcmp(name + n - 4, ".xml") == 0)) {
    if (n >= TASK_MAX_PATH) {
      log_error("task %.200s..: a path of more than %d bytes", name, TASK_MAX_PATH - 1);
      return ERR_CONFIG;
    }
    memcpy(path, name, n + 1);
    return check_file(path);
  }
  struct folders *f = must_alloc(1, sizeof *f);
  list_folders(f);
  enum err err = ERR_CONFIG;
  for (int i = 0; i < f->n && err != ERR_OK && n > 0; i++) {
    const int len = snprintf(path, TASK_MAX_PATH, "%s/%s.xml", f->path[i], name);
    if (len < TASK_MAX_PATH && access(path, R_OK) == 0) {
      err = ERR_OK;
    }
  }
  if (err != ERR_OK) {
    tell_not_found(name, f);
  }
  free(f);
  return err;
}
