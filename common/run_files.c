// run_files.c - a folder counts as a run when its manifest, which is written last, is there.
#include "common/run_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"

char *run_files_path(const char *path, const char *name) {
  const size_t n = strlen(path) + strlen(name) + 2;
  char *out = must_alloc(n, 1);
  snprintf(out, n, "%s/%s", path, name);
  return out;
}

bool run_files_exist(const char *path) {
  char *manifest = run_files_path(path, "manifest.json");
  char *config = run_files_path(path, "config.yaml");
  const bool yes = fsio_exists(manifest) && fsio_exists(config);
  free(manifest);
  free(config);
  return yes;
}
