// run_files.h - names in the folder of a run, for whoever reads one.
#ifndef COMMON_RUN_FILES_H
#define COMMON_RUN_FILES_H

#include <stdbool.h>

// Demonstrations that the run learns from, too (common/demos.h).
#define DEMOS_FILE "demos.tfrecord"

// The policy that the run started from.
#define START_FILE "start.safetensors"

// Path of a file in the folder, must_alloc'd; free with free().
char *run_files_path(const char *run, const char *name);

// True when the folder holds a run (its manifest.json and config.yaml).
bool run_files_exist(const char *run);

#endif
