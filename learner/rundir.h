// rundir.h - the folder of a run: who may write it, and what it is a run of.
//
//   <run>/run.lock       held (flock) by the one learner that writes the folder
//         config.yaml    resolved configuration
//         manifest.json  run id, task, digest, versions, CPU, command: facts for people
//         log.txt        every log line of the learner, with UTC times
//         progress.csv   one row a status interval (columns: common/config/metrics.def)
//
// The run id is random and names this run on the wire and in its replay records; it is not part of
// any result.
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
  int progress_fd;
  uint64_t run;  // run id
  bool fresh;    // made now: there was no run here
};

// Takes the lock; makes the folder and its first files, or checks an existing run against cfg and
// task. ERR_CONFIG: resume rule broken, another task, or a setting changed that may not change
// (each named in one line). ERR_UNAVAILABLE: another learner holds the lock. ERR_IO: not writable.
NODISCARD enum err rundir_open(struct rundir *r, const char *path, enum resume resume,
                               const struct config *cfg, const struct task *task,
                               const char *command);
void rundir_close(struct rundir *r);

#endif
