// download.h - the learner's compiled model, piece by piece.
//
// A model may be larger than any message, so an actor asks for one piece after the other. What is
// here stays when the connection is lost: the next one goes on. Loop thread only.
#ifndef ACTOR_DOWNLOAD_H
#define ACTOR_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/task/task.h"
#include "proto/wire.h"

struct download {
  uint64_t digest;  // of the task; 0: none
  size_t size;      // bytes in all
  size_t have;      // bytes that are here
  uint8_t *bytes;   // (size)
};

// The model that is wanted: 1 <= size <= MJ_MAX_MJB. Goes on when it is the one of before.
void download_begin(struct download *d, uint64_t digest, size_t size);
void download_release(struct download *d);

// What to ask for next. Not when it is complete.
struct wire_model_request download_next(const struct download *d);

// False: it is not the piece that was asked for.
bool download_take(struct download *d, const struct wire_model_piece *piece);
bool download_is_complete(const struct download *d);

// The task of a complete download, which is released. ERR_CONFIG: the bytes are no model of this
// MuJoCo version, or not the task that they were announced to be (logged).
NODISCARD enum err download_task(struct download *d, struct task **out);

#endif
