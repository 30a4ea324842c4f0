// manifest.h - manifest.json: what a folder is a run of, and facts about its start for people.
//
// It is its own check (learner/checked.h). Its format is that of the whole folder: what writes
// another config.yaml, checkpoint or replay log than before counts it up, so that an older folder
// is refused in one line, before anything in it is read.
//
// saved turns true when the first checkpoint is on the disk. From then on a folder without one has
// lost it; before, the run was only stopped too early, and begins again.
#ifndef LEARNER_MANIFEST_H
#define LEARNER_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/task/task.h"

enum { MANIFEST_PRODUCTS = 128 };

struct manifest {
  uint64_t run;  // run id
  uint64_t task_digest;
  char task[TASK_MAX_NAME + 1];
  char products[MANIFEST_PRODUCTS];  // gemm_kernel() of its start
  bool saved;
};

// A new one, with run and command; task's name and digest, versions, gemm_kernel(), CPU and time
// are added.
NODISCARD enum err manifest_write(const char *run_dir, uint64_t run, const struct task *task,
                                  const char *command);

// ERR_CONFIG: a folder of another format. ERR_FORMAT: damaged.
NODISCARD enum err manifest_read(struct manifest *m, const char *run_dir);

NODISCARD enum err manifest_set_saved(const char *run_dir);

// A run that begins again: gemm_kernel() and the CPU are those of now.
NODISCARD enum err manifest_set_products(const char *run_dir);

#endif
