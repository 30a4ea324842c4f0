// rundir.h - the folder of a run: who may write it, and what it is a run of.
//
//   <run>/run.lock       held (flock) by the one learner that writes the folder
//         config.yaml    resolved configuration; its own check (learner/checked.h)
//         task.mjb       the compiled task, for whoever runs the policy
//         manifest.json  what it is a run of (learner/manifest.h)
//         log.txt        every log line of the learner, with UTC times
//         progress.csv   one row an interval of env steps (learner/progress.h)
//         events.out.tfevents.*   the same for TensorBoard (learner/tensorboard.h)
//         eval.csv best/   what evaluations leave (learner/results.h)
//         checkpoints/ replay/ policy.safetensors videos/   what training leaves
//
// A folder is fresh, or a whole run, or neither: one that holds anything of a run and lacks
// manifest.json or config.yaml is refused, with what it has and what it lacks, and nothing in it is
// touched. The same holds for one that has lost its checkpoints.
//
// The run id is random and names this run on the wire and in its replay log; it is not part of any
// result.
#ifndef LEARNER_RUNDIR_H
#define LEARNER_RUNDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/task/task.h"

enum resume { RESUME_AUTO, RESUME_MUST, RESUME_NEVER };

struct rundir {
  char *path;   // owned
  int lock_fd;  // held until rundir_close
  int log_fd;
  uint64_t run;  // run id
  bool fresh;    // made now: there was no run here
  bool saved;    // it has been: without a checkpoint it is not whole
};

// The settings of the run in this folder into *cfg, which stays as it is when there is none.
// ERR_CONFIG, ERR_FORMAT: as rundir_open.
NODISCARD enum err rundir_settings(struct config *cfg, const char *path);

// Takes the lock; makes the folder and its first files, or checks an existing run against cfg and
// task. ERR_CONFIG: resume rule broken, another task, a setting changed that may not change (each
// named in one line), a part of a run, or a run of another format. ERR_FORMAT: its files are
// damaged. ERR_UNAVAILABLE: another learner holds the lock. ERR_IO: not writable.
NODISCARD enum err rundir_open(struct rundir *r, const char *path, enum resume resume,
                               const struct config *cfg, const struct task *task,
                               const char *command);
void rundir_close(struct rundir *r);

// Writes config.yaml: at the start, and when a resumed run is seen to be whole.
NODISCARD enum err rundir_keep_settings(const struct rundir *r, const struct config *cfg);

// Logs that the folder lacks this, and what it has; returns ERR_CONFIG.
NODISCARD enum err rundir_refuse(const char *path, const char *missing);

#endif
