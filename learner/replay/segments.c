// segments.c - the replay's log: appended by one owner, read once at resume.
//
// Names carry the order: a segment is called after the number of its first episode, so the list of
// files is the index, and no index can disagree with them. The record's ticket must be the next
// number, which finds a lost, swapped or repeated record that every CRC calls sound.
//
// A segment's header is written with its first record, in the same write: an empty file is a
// segment without records, and no file has a header alone.
//
// The files are only trusted up to a checkpoint's position. What stands after it was written by a
// process that died before the next checkpoint; opening cuts it off, since the same episodes come
// again.
#include "learner/replay/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "common/tfrecord.h"

enum { MAX_NAME = 64, MAX_HEADER = 256, FORMAT = 1 };

#define NAME_FORMAT "episodes-%09" PRIu64 ".tfrecord"

struct segments {
  char *dir;   // <run>/replay
  char *path;  // of the segment being written
  char header[MAX_HEADER];
  int fd;
  uint64_t bytes;    // length of the segment being written
  uint64_t limit;    // a segment is closed at this length
  uint64_t next;     // number of the next episode
  uint64_t evicted;  // episodes below this left replay
  uint64_t *starts;  // first episodes of the segments on disk, ascending; the last is being written
  size_t nstart, room;
  unsigned char *frame;  // a header and a record; grows to the largest seen
  size_t frame_room;
};

// ---- names ----

static char *path_of(const char *dir, uint64_t start) {
  char name[MAX_NAME];
  snprintf(name, sizeof name, NAME_FORMAT, start);
  return run_files_path(dir, name);
}

static char *replay_dir(const char *run_dir) {
  return run_files_path(run_dir, "replay");
}

// Only the exact names that we write are ours: what else lies in the folder is left alone.
static bool parse_name(uint64_t *start, const char *name) {
  char again[MAX_NAME];
  if (sscanf(name, "episodes-%" SCNu64, start) != 1) {
    return false;
  }
  snprintf(again, sizeof again, NAME_FORMAT, *start);
  return strcmp(again, name) == 0;
}

static enum err fail(const char *verb, const char *path) {
  log_error("cannot %s %s: %s", verb, path, strerror(errno));
  return ERR_IO;
}

// What every segment of this run begins with.
static void header_text(char out[MAX_HEADER], uint64_t run, const struct dims *d) {
  const int n = snprintf(out, MAX_HEADER,
                         "telos-replay %d run %016" PRIx64
                         " obs %d act %d goal %d horizon %d hindsight %d reward %d\n",
                         FORMAT, run, d->obs, d->act, d->goal, d->horizon, d->hindsight, d->reward);
  CHECK(n > 0 && n < MAX_HEADER);
}

// Bytes of an episode's record, without its frame.
static size_t record_bytes(size_t content) {
  return sizeof(uint64_t) + content;
}

// ---- the list of segments ----

static void add_start(struct segments *s, uint64_t start) {
  if (s->nstart == s->room) {
    s->room = s->room > 0 ? 2 * s->room : 64;
    uint64_t *larger = must_alloc(s->room, sizeof *larger);
    if (s->nstart > 0) {
      memcpy(larger, s->starts, s->nstart * sizeof *larger);
    }
    free(s->starts);
    s->starts = larger;
  }
  s->starts[s->nstart++] = start;
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

// Lists the segments up to last, ascending; deletes later ones. Those before the position's first
// stay until segments_remove: an older checkpoint may need them.
static enum err list_segments(struct segments *s, uint64_t last) {
  DIR *dir = opendir(s->dir);
  if (!dir) {
    return fail("list", s->dir);
  }
  enum err err = ERR_OK;
  struct dirent *entry;
  while (err == ERR_OK && (entry = readdir(dir)) != NULL) {
    uint64_t start;
    if (!parse_name(&start, entry->d_name)) {
      continue;
    }
    if (start <= last) {
      add_start(s, start);
    } else if (unlinkat(dirfd(dir), entry->d_name, 0) != 0) {
      err = fail("remove", entry->d_name);
    }
  }
  closedir(dir);
  if (s->nstart > 0) {
    qsort(s->starts, s->nstart, sizeof *s->starts, by_value);
  }
  return err;
}

// ---- writing ----

// Opens the last segment and cuts off what the position does not know.
static enum err open_last(struct segments *s, const struct segment_position *at) {
  s->path = path_of(s->dir, at->last);
  s->fd = open(s->path, O_RDWR | O_APPEND | O_CLOEXEC | (at->bytes == 0 ? O_CREAT : 0), 0644);
  if (s->fd < 0 && errno == ENOENT) {
    log_error("%s is missing; restore it from a copy, or start over in another folder", s->path);
    return ERR_FORMAT;
  }
  struct stat st;
  if (s->fd < 0 || fstat(s->fd, &st) != 0) {
    return fail("open", s->path);
  }
  if ((uint64_t)st.st_size < at->bytes) {
    log_error("%s has %" PRIu64 " bytes where the checkpoint names %" PRIu64
              "; restore it from a copy, or start over in another folder",
              s->path, (uint64_t)st.st_size, at->bytes);
    return ERR_FORMAT;
  }
  if (ftruncate(s->fd, (off_t)at->bytes) != 0 || fsync(s->fd) != 0) {
    return fail("truncate", s->path);
  }
  if (s->nstart == 0 || s->starts[s->nstart - 1] != at->last) {
    add_start(s, at->last);
  }
  s->bytes = at->bytes;
  return ERR_OK;
}

enum err segments_open(struct segments **out, const char *run_dir, uint64_t run,
                       const struct dims *dims, const struct segment_position *at) {
  CHECK(at->first <= at->last && dims->horizon >= 1);
  struct segments *s = must_alloc(1, sizeof *s);
  s->dir = replay_dir(run_dir);
  header_text(s->header, run, dims);
  s->fd = -1;
  s->limit = SEGMENT_BYTES;
  s->next = at->first + at->episodes;
  s->evicted = at->first;
  enum err err = fsio_mkdirs(s->dir);
  if (err == ERR_OK) {
    err = list_segments(s, at->last);
  }
  if (err == ERR_OK) {
    err = open_last(s, at);
  }
  if (err == ERR_OK) {
    err = fsio_sync_dir(s->dir);
  }
  if (err != ERR_OK) {
    segments_close(s);
    return err;
  }
  *out = s;
  return ERR_OK;
}

void segments_close(struct segments *s) {
  if (!s) {
    return;
  }
  if (s->fd >= 0) {
    close(s->fd);
  }
  free(s->frame);
  free(s->starts);
  free(s->path);
  free(s->dir);
  free(s);
}

void segments_set_limit(struct segments *s, uint64_t bytes) {
  s->limit = bytes;
}

// The next episode begins a new segment; the full one is on the disk before it gets a successor.
static enum err roll(struct segments *s) {
  if (fsync(s->fd) != 0) {
    return fail("sync", s->path);
  }
  char *path = path_of(s->dir, s->next);
  int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    enum err err = fail("create", path);
    free(path);
    return err;
  }
  close(s->fd);
  free(s->path);
  s->fd = fd;
  s->path = path;
  s->bytes = 0;
  add_start(s, s->next);
  return fsio_sync_dir(s->dir);
}

// The bytes that append ep: the header first where the segment has none yet. Returns how many.
static size_t frame_episode(struct segments *s, const struct episode *ep) {
  const size_t header = s->bytes == 0 ? strlen(s->header) + TFRECORD_OVERHEAD : 0;
  const size_t record = record_bytes(ep->bytes), n = header + record + TFRECORD_OVERHEAD;
  if (n > s->frame_room) {
    free(s->frame);
    s->frame_room = n + n / 4;
    s->frame = must_alloc(s->frame_room, 1);
  }
  if (header > 0) {
    tfrecord_frame(s->frame, s->header, strlen(s->header));
  }
  unsigned char *frame = s->frame + header, *data = frame + TFRECORD_HEADER;
  memcpy(data, &ep->digest, sizeof ep->digest);
  memcpy(data + sizeof ep->digest, ep->content, ep->bytes);
  tfrecord_frame(frame, data, record);
  return n;
}

enum err segments_append(struct segments *s, const struct episode *ep) {
  CHECK(ep->ticket.id == s->next && ep->bytes > 0);
  const size_t record = record_bytes(ep->bytes) + TFRECORD_OVERHEAD;
  if (s->bytes > 0 && s->bytes + record > s->limit) {
    enum err err = roll(s);
    if (err != ERR_OK) {
      return err;
    }
  }
  const size_t framed = frame_episode(s, ep);
  enum err err = fsio_write_all(s->fd, s->frame, framed, s->path);
  if (err != ERR_OK) {
    if (ftruncate(s->fd, (off_t)s->bytes) != 0) {
      log_warn("%s keeps a torn record at byte %" PRIu64 " (%s); resuming cuts it off", s->path,
               s->bytes, strerror(errno));
    }
    return err;
  }
  s->bytes += framed;
  s->next++;
  return ERR_OK;
}

void segments_forget(struct segments *s, uint64_t evicted) {
  CHECK(evicted <= s->next);
  if (evicted > s->evicted) {
    s->evicted = evicted;
  }
}

enum err segments_sync(struct segments *s, struct segment_position *at) {
  if (fsync(s->fd) != 0) {
    return fail("sync", s->path);
  }
  // the segment that holds the oldest episode still in replay
  size_t i = s->nstart - 1;
  while (i > 0 && s->starts[i] > s->evicted) {
    i--;
  }
  *at = (struct segment_position){.first = s->starts[i],
                                  .last = s->starts[s->nstart - 1],
                                  .bytes = s->bytes,
                                  .episodes = s->next - s->starts[i]};
  return ERR_OK;
}

void segments_remove(struct segments *s, const struct segment_position *oldest) {
  size_t gone = 0;
  while (gone + 1 < s->nstart && s->starts[gone] < oldest->first) {
    char *path = path_of(s->dir, s->starts[gone]);
    if (unlink(path) != 0 && errno != ENOENT) {
      log_warn("cannot remove %s: %s; it is no longer needed", path, strerror(errno));
    }
    free(path);
    gone++;
  }
  s->nstart -= gone;
  memmove(s->starts, s->starts + gone, s->nstart * sizeof *s->starts);
}

// ---- reading ----

struct reader {
  const struct dims *dims;
  char header[MAX_HEADER];
  size_t max_record;  // bytes
  const char *path;   // of the segment being read ..
  uint64_t start;     // .. and its first episode
  uint64_t next;      // number of the next episode
  enum err (*visit)(void *ctx, const struct episode *ep);
  void *ctx;
  struct fault *fault;
};

#define FILE_FORMAT "replay/" NAME_FORMAT

static enum err damaged(const struct reader *r, size_t at, const char *what) {
  return fault_set(r->fault, FILE_FORMAT ": episode %" PRIu64 " at byte %zu: %s", r->start, r->next,
                   at, what);
}

static enum err read_header(const struct reader *r, const void *data, size_t n) {
  char text[MAX_HEADER] = "";
  int format;
  memcpy(text, data, n < MAX_HEADER ? n : MAX_HEADER - 1);
  if (sscanf(text, "telos-replay %d ", &format) != 1) {
    return damaged(r, 0, "no header of a replay log");
  }
  if (format != FORMAT) {
    log_error("%s has format %d, this telos reads format %d; resume with the telos that wrote it",
              r->path, format, FORMAT);
    return ERR_CONFIG;
  }
  return strcmp(text, r->header) == 0 ? ERR_OK
                                      : damaged(r, 0, "the log of another run, or of other sizes");
}

static enum err read_record(struct reader *r, size_t at, const void *data, size_t n) {
  uint64_t digest = 0;
  const char *fault = "the record is too short";
  struct episode *ep = NULL;
  if (n > sizeof digest) {
    memcpy(&digest, data, sizeof digest);
    ep = episode_read(&fault, r->dims, (const char *)data + sizeof digest, n - sizeof digest,
                      digest);
  }
  if (!ep) {
    return damaged(r, at, fault);
  }
  enum err err;
  if (ep->ticket.id != r->next) {
    err = damaged(r, at, "the record is of another ticket");
  } else {
    err = r->visit(r->ctx, ep);
    r->next++;
  }
  episode_free(ep);
  return err;
}

// The records of one file, which must end with a record at its end, or, when it is the last one,
// at byte `last_bytes`.
static enum err read_segment(struct reader *r, bool last, uint64_t last_bytes) {
  if (!fsio_exists(r->path)) {
    return fault_set(r->fault, FILE_FORMAT " is missing", r->start);
  }
  void *bytes;
  size_t n;
  enum err err = fsio_read(&bytes, &n, r->path,
                           SEGMENT_BYTES + MAX_HEADER + r->max_record + 2 * TFRECORD_OVERHEAD);
  if (err != ERR_OK) {
    fault_set(r->fault, FILE_FORMAT " cannot be read", r->start);
    return err;
  }
  if (last && n < last_bytes) {
    err = damaged(r, n, "the file is shorter than the checkpoint says");
  } else if (last) {
    n = last_bytes;
  }
  size_t at = 0;
  while (err == ERR_OK && at < n) {
    const void *data;
    size_t size, used;
    enum err got = tfrecord_next(&data, &size, &used, (char *)bytes + at, n - at, r->max_record);
    if (got != ERR_OK) {
      err = damaged(r, at, got == ERR_FORMAT ? "wrong CRC or length" : "cut short");
      break;
    }
    err = at == 0 ? read_header(r, data, size) : read_record(r, at, data, size);
    at += used;
  }
  free(bytes);
  return err;
}

enum err segments_read(const char *run_dir, uint64_t run, const struct dims *dims,
                       const struct segment_position *at,
                       enum err (*visit)(void *ctx, const struct episode *ep), void *ctx,
                       struct fault *fault) {
  if (at->episodes == 0) {
    return ERR_OK;
  }
  const size_t largest = record_bytes(episode_bytes(dims, dims->horizon));
  struct reader r = {.dims = dims,
                     .max_record = largest > MAX_HEADER ? largest : MAX_HEADER,
                     .next = at->first,
                     .visit = visit,
                     .ctx = ctx,
                     .fault = fault};
  header_text(r.header, run, dims);
  char *dir = replay_dir(run_dir);
  enum err err = ERR_OK;
  for (bool more = true; err == ERR_OK && more;) {
    r.start = r.next;
    more = r.start != at->last;
    char *path = path_of(dir, r.start);
    r.path = path;
    err = read_segment(&r, !more, at->bytes);
    // the next segment is named by what this one holds
    if (err == ERR_OK && more && (r.next == r.start || r.next > at->last)) {
      err = fault_set(fault,
                      FILE_FORMAT " ends with episode %" PRIu64
                                  ", where the next file should begin with %" PRIu64 " at most",
                      r.start, r.next - 1, at->last);
    }
    free(path);
  }
  if (err == ERR_OK && r.next != at->first + at->episodes) {
    err = fault_set(fault, "replay has %" PRIu64 " episodes where it names %" PRIu64,
                    r.next - at->first, at->episodes);
  }
  free(dir);
  return err;
}
