// export.c - the metadata stands beside the weights, so that a file tells by itself what it is.
#include "learner/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/nn/policy_file.h"
#include "common/run_files.h"

// score: NULL for a policy that is not told by one
static enum err write_file(const char *run_dir, const char *name, const struct weights *w,
                           const struct export_origin *from, uint64_t steps, const char *score) {
  char digest[17], seed[24], at_steps[24];
  snprintf(digest, sizeof digest, "%016" PRIx64, from->task->digest);
  snprintf(seed, sizeof seed, "%" PRId64, from->cfg->run_seed);
  snprintf(at_steps, sizeof at_steps, "%" PRIu64, steps);
  const struct st_meta meta[] = {
      {"format", "pt"},         {"algorithm", from->algorithm},
      {"telos", TELOS_VERSION}, {"task", from->task->name},
      {"task_digest", digest},  {"seed", seed},
      {"steps", at_steps},      {"score", score},
  };
  const int n = (int)(sizeof meta / sizeof *meta);
  char *path = run_files_path(run_dir, name);
  const enum err err = policy_file_write(path, w, from->task->obs, from->task->goal,
                                         from->task->act, meta, score != NULL ? n : n - 1);
  free(path);
  return err;
}

enum err export_policy(const char *run_dir, const char *name, const struct weights *w,
                       const struct export_origin *from, uint64_t steps) {
  return write_file(run_dir, name, w, from, steps, NULL);
}

enum err export_best(const char *run_dir, const struct weights *w, const struct export_origin *from,
                     uint64_t steps, double score) {
  char number[32], *folder = run_files_path(run_dir, "best");
  snprintf(number, sizeof number, "%.17g", score);
  enum err err = fsio_mkdirs(folder);
  if (err == ERR_OK) {
    err = write_file(run_dir, BEST_FILE, w, from, steps, number);
  }
  free(folder);
  return err;
}

bool export_wants_video(uint64_t steps, uint64_t before, uint64_t every) {
  return every != 0 && steps / every > before / every;
}

bool export_video(const char *run_dir, const struct weights *w, const struct export_origin *from,
                  uint64_t steps) {
  char name[64];
  snprintf(name, sizeof name, "videos/step_%09" PRIu64 ".safetensors", steps);
  char *folder = run_files_path(run_dir, "videos");
  const bool done =
      fsio_mkdirs(folder) == ERR_OK && export_policy(run_dir, name, w, from, steps) == ERR_OK;
  free(folder);
  if (!done) {
    log_warn("training goes on without videos");
  }
  return done;
}
