// run_files.c - a folder counts as a run when its manifest, which is written last, is there.
#include "common/run_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"

char *run_files_path(const char *run, const char *name) {
  const size_t n = strlen(run) + strlen(name) + 2;
  char *out = must_alloc(n, 1);
  snprintf(out, n, "%s/%s", run, name);
  return out;
}

bool run_files_exist(const char *run) {
  char *manifest = run_files_path(run, "manifest.json");
  char *config = run_files_path(run, "config.yaml");
  const bool yes = fsio_exists(manifest) && fsio_exists(config);
  free(manifest);
  free(config);
  return yes;
}
