// run_files.h - names in the folder of a run, for whoever reads one.
#ifndef COMMON_RUN_FILES_H
#define COMMON_RUN_FILES_H

#include <inttypes.h>
#include <stdbool.h>

// Demonstrations that the run learns from, too (common/demos.h).
#define DEMOS_FILE "demos.tfrecord"

// The policy that the run started from.
#define START_FILE "start.safetensors"

// The policy of the newest version; that of the best evaluation.
#define POLICY_FILE "policy.safetensors"
#define BEST_FILE "best/policy.safetensors"

// One row an evaluation; one an interval of env steps.
#define EVAL_FILE "eval.csv"
#define PROGRESS_FILE "progress.csv"

// The task that it is a run of, compiled: what its digest is of.
#define TASK_FILE "task.mjb"

// The folder of a checkpoint, below checkpoints/; of uint64_t steps.
#define STEP_FORMAT "step_%09" PRIu64

// Path of a file in the folder, must_alloc'd; free with free().
char *run_files_path(const char *run, const char *name);

// True when the folder holds a run (its manifest.json and config.yaml).
bool run_files_exist(const char *run);

#endif
