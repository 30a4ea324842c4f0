// demos.h - demonstrations: episodes of a script or a policy, in a file of their own.
//
//   header   "telos-demos 1 task <16 hex digits> obs 3 act 2 goal 2 horizon 8 reward 0\n"
//   record   u64 digest, little-endian | content of the episode (common/episode.h)
//
// Records are framed as in the replay's log (common/tfrecord.h), and hold the same bytes but for
// the hindsight indices, of which a record has at most one a step: a reader draws as many as its
// run has, from the seeds of the tickets. So a file serves every run of a task with these sizes.
#ifndef COMMON_DEMOS_H
#define COMMON_DEMOS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/episode.h"

enum { DEMOS_DIGEST = 17 };  // bytes of one: 16 hex digits

struct demos {
  struct episode **ep;  // (n)
  int n;
  int64_t steps;              // of all of them
  char digest[DEMOS_DIGEST];  // of the file
  void *bytes;                // of the file (nbytes), for a copy
  size_t nbytes;
};

// Replaces the file as a whole. Episodes have one hindsight index a step, or none where there is no
// goal, and are sealed here. task: the digest of the task that they are of.
NODISCARD enum err demos_write(const char *path, struct episode *const *eps, int n, uint64_t task);

// Of the file alone, whatever it holds. ERR_IO: not readable.
NODISCARD enum err demos_digest(char out[DEMOS_DIGEST], const char *path);

// ERR_IO: not readable. ERR_FORMAT: damaged, or no such file; the line names it and the byte.
// ERR_CONFIG: of other sizes. One of another task is told and taken. Free with demos_free.
NODISCARD enum err demos_read(struct demos **out, const char *path, const struct dims *dims,
                              uint64_t task);
void demos_free(struct demos *d);  // NULL is allowed

#endif
