// fsio.h - files that are either whole or absent.
//
// fsio_write_atomic writes path.tmp, fsyncs it, renames it to path and fsyncs the folder, so a
// crash at any point leaves the old file or the new one. Every failure logs one line with the
// path and the system's reason (and for a full disk, how many bytes were wanted), returns ERR_IO
// and removes the temporary file.
#ifndef COMMON_BASE_FSIO_H
#define COMMON_BASE_FSIO_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

NODISCARD enum err fsio_write_atomic(const char *path, const void *data, size_t n);

// The whole file in *data (must_alloc'd, one extra NUL byte; free with free()) and its size in *n.
// A file over max_bytes is ERR_FORMAT; a missing or unreadable one is ERR_IO.
NODISCARD enum err fsio_read(void **data, size_t *n, const char *path, size_t max_bytes);

// mkdir -p.
NODISCARD enum err fsio_mkdirs(const char *path);

// fsync of a folder, so that renames and new names in it are durable.
NODISCARD enum err fsio_sync_dir(const char *path);

// All n bytes to fd, through short writes and EINTR. name is for the message.
NODISCARD enum err fsio_write_all(int fd, const void *data, size_t n, const char *name);

// rm -rf of one folder that we made (checkpoints); does not follow links.
NODISCARD enum err fsio_remove_tree(const char *path);

bool fsio_exists(const char *path);

// Whether a line of at most PIPE_BUF bytes can be written without waiting: false for a pipe or a
// terminal whose reader has stopped to read.
bool fsio_takes_line(int fd);

#endif
