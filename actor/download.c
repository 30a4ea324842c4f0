// download.c - see the header.
#include "actor/download.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/process.h"

void download_begin(struct download *d, uint64_t digest, size_t size) {
  if (d->digest == digest && d->size == size) {
    return;
  }
  download_release(d);
  d->digest = digest;
  d->size = size;
  d->bytes = must_alloc(size, 1);
}

void download_release(struct download *d) {
  free(d->bytes);
  *d = (struct download){0};
}

struct wire_model_request download_next(const struct download *d) {
  CHECK(d->have < d->size && d->have % WIRE_PIECE == 0);
  return (struct wire_model_request){.task_digest = d->digest,
                                     .piece = (uint32_t)(d->have / WIRE_PIECE)};
}

bool download_take(struct download *d, const struct wire_model_piece *piece) {
  const size_t left = d->size - d->have, due = left < WIRE_PIECE ? left : WIRE_PIECE;
  if (due == 0 || piece->task_digest != d->digest || piece->n != due ||
      piece->piece != d->have / WIRE_PIECE) {
    return false;
  }
  memcpy(d->bytes + d->have, piece->data, due);
  d->have += due;
  return true;
}

bool download_is_complete(const struct download *d) {
  return d->digest != 0 && d->have == d->size;
}

enum err download_task(struct download *d, struct task **out) {
  CHECK(download_is_complete(d));
  struct task *task = NULL;
  enum err err = task_from_mjb(&task, d->bytes, d->size);
  if (err == ERR_OK && task->digest != d->digest) {
    log_error("the learner's task is not the one that it announced; start this actor anew");
    task_free(task);
    err = ERR_CONFIG;
  }
  download_release(d);
  // a machine has many actors, and what the copies of the model took would stay with each
  process_return_memory();
  *out = err == ERR_OK ? task : NULL;
  return err == ERR_OK ? ERR_OK : ERR_CONFIG;
}
