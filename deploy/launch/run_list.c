// run_list.c - folders are walked, links are not followed.
#include "deploy/launch/run_list.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/run_files.h"

enum { MAX_DEPTH = 6 };

static void add_run(struct run_list *list, const char *path) {
  struct run_info r;
  if (run_info_read(&r, path) == ERR_OK) {  // else it is logged
    list->v = must_realloc(list->v, (size_t)list->n + 1, sizeof *list->v);
    list->v[list->n++] = r;
  }
}

static int is_visible(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

// A folder that holds a run is one; others are looked into.
static enum err walk(struct run_list *list, const char *folder, int depth) {
  if (run_files_exist(folder)) {
    add_run(list, folder);
    return ERR_OK;
  }
  struct dirent **entries;
  const int n = scandir(folder, &entries, is_visible, alphasort);
  if (n < 0) {
    log_error("cannot read %s: %m; give the folder that has the runs", folder);
    return ERR_IO;
  }
  enum err err = ERR_OK;
  for (int i = 0; i < n; i++) {
    char *path = run_files_path(folder, entries[i]->d_name);
    struct stat st;
    // links are not followed: they may lead back
    if (err == ERR_OK && depth < MAX_DEPTH && lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
      err = walk(list, path, depth + 1);
    }
    free(path);
    free(entries[i]);
  }
  free(entries);
  return err;
}

static int by_time(const void *a, const void *b) {
  const struct run_info *x = a, *y = b;
  const int order = strcmp(x->began, y->began);
  return order != 0 ? order : strcmp(x->path, y->path);
}

enum err run_list_read(struct run_list *list, char *const *folders, int n) {
  enum err err = ERR_OK;
  for (int i = 0; i < n && err == ERR_OK; i++) {
    err = walk(list, folders[i], 0);
  }
  if (list->n > 0) {
    qsort(list->v, (size_t)list->n, sizeof *list->v, by_time);
  }
  return err;
}

void run_list_release(struct run_list *list) {
  for (int i = 0; i < list->n; i++) {
    run_info_release(&list->v[i]);
  }
  free(list->v);
}
