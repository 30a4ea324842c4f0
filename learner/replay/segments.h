// segments.h - every committed episode, append-only on disk, so that replay survives a restart.
//
//   <run>/replay/episodes-000000000.tfrecord ..   a header record, then one record an episode
//   header   "telos-replay 1 run <16 hex digits> obs 3 act 2 goal 2 horizon 8 hindsight 4 reward 0"
//            and a newline
//   record   u64 digest, little-endian | content of the episode (common/episode.h)
//
// The number after telos-replay is the format's own: messages may change, and a log stays readable.
// An episode is logged as it was received, with the digest that its actor stated.
//
// A segment is named by the number of its first episode; episode n is the one of ticket n, so a
// segment and its records say by themselves what they hold, and where the next segment begins.
//
// The trainer appends in commit order; a checkpoint first syncs, then names the position (last
// segment and its length in bytes). Resume reads records up to that position and cuts off what
// was written after it: those episodes will be committed again, equal.
// A segment is closed at SEGMENT_BYTES. One that holds only episodes which left replay, and that
// no kept checkpoint needs, is deleted. At each checkpoint:
//
//   segments_forget(s, episodes that left replay); segments_sync(s, &c.position);
//   checkpoint_write(run, &c, keep); checkpoint_oldest_needed(run, &oldest);
//   segments_remove(s, &oldest);
//
// One owner thread. Errors are logged once, here, with the file's name, but for what segments_read
// finds.
#ifndef LEARNER_REPLAY_SEGMENTS_H
#define LEARNER_REPLAY_SEGMENTS_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/fault.h"
#include "common/episode.h"

enum { SEGMENT_BYTES = 64 << 20 };

struct segments;

struct segment_position {
  uint64_t first;     // oldest segment that is needed: the number of its first episode
  uint64_t last;      // segment being written, likewise
  uint64_t bytes;     // length of the last one
  uint64_t episodes;  // records in segments first..last up to there
};

// Opens <run>/replay for appending after *at (all zero: a fresh, empty run): the last segment is
// truncated to at->bytes, later ones are deleted; earlier ones stay, since an older checkpoint may
// need them. ERR_FORMAT when the last segment is missing or shorter than that.
NODISCARD enum err segments_open(struct segments **out, const char *run_dir, uint64_t run,
                                 const struct dims *dims, const struct segment_position *at);
void segments_close(struct segments *s);  // NULL is allowed

// Closes segments at this size instead of SEGMENT_BYTES: for tests.
void segments_set_limit(struct segments *s, uint64_t bytes);

// One record with one write; ep, which is sealed, must be the next episode (CHECKed by its ticket).
// ERR_IO: what was written of it is cut off again.
NODISCARD enum err segments_append(struct segments *s, const struct episode *ep);

// The oldest `evicted` episodes, counted since the run began, have left replay: the next
// segments_sync names the first segment that holds a later one. Deletes nothing.
void segments_forget(struct segments *s, uint64_t evicted);

// fsync; then *at is durable.
NODISCARD enum err segments_sync(struct segments *s, struct segment_position *at);

// Deletes the segments before oldest->first, the oldest that a kept checkpoint names. One that
// cannot be deleted costs disk space and a warning.
void segments_remove(struct segments *s, const struct segment_position *oldest);

// Calls visit for each episode up to *at, in commit order; visit copies what it needs. Stops at
// its first error. ERR_FORMAT: a record is damaged, or missing, or of another run; *fault names
// file and offset, and nothing is logged, since an older checkpoint may be tried next. ERR_CONFIG:
// another format of the log. Deletes and changes nothing.
NODISCARD enum err segments_read(const char *run_dir, uint64_t run, const struct dims *dims,
                                 const struct segment_position *at,
                                 enum err (*visit)(void *ctx, const struct episode *ep), void *ctx,
                                 struct fault *fault);

#endif
