// event_file.h - an event file, as TensorBoard reads them from a folder.
//
//   <folder>/events.out.tfevents.<seconds since 1970>.<host>.<process>.0
//
// A file is a row of records (common/tfrecord.h), each an Event (proto/tensorboard.proto), written
// with one write. Each life of a program has a file of its own, whose name sorts behind all that
// are there, even when the clock went back: TensorBoard follows the last one. So a record that was
// torn ends its file, and nothing else.
//
// Event files tell people what happened. One that cannot be written is warned of, once, and given
// up; nothing here fails. One thread at a time.
#ifndef PROTO_EVENT_FILE_H
#define PROTO_EVENT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_file;

struct event_scalar {
  const char *tag;
  double value;
};

// A setting, for the table of runs: a number, a truth (text "true" or "false"), or else a text.
struct event_setting {
  const char *name, *text;
  enum { EVENT_NUMBER, EVENT_TRUTH, EVENT_TEXT } type;
  double number;
};

// Begins a file; *others: the folder has earlier ones. Free with event_file_close.
struct event_file *event_file_open(const char *folder, bool *others);
void event_file_close(struct event_file *f);  // NULL is allowed

// What earlier files have of this step, and of later ones, is void: it comes again. Before all
// else.
void event_file_start(struct event_file *f, uint64_t step);

// n scalars of one step, which was age_s seconds ago, as one record.
void event_file_scalars(struct event_file *f, uint64_t step, double age_s,
                        const struct event_scalar *scalar, int n);

// A text in Markdown.
void event_file_text(struct event_file *f, uint64_t step, const char *tag, const char *markdown);

// An encoded picture of three colours; TensorBoard shows PNG, animated PNG, GIF and JPEG.
struct event_image {
  int width, height;
  uint8_t *bytes;  // (n)
  size_t n;
};
void event_file_image(struct event_file *f, uint64_t step, const char *tag,
                      const struct event_image *image);

// What the table of runs (HPARAMS) shows: n settings, and which runs are repetitions of each other:
// those of one group. Then that the run came to its end.
void event_file_settings(struct event_file *f, const struct event_setting *setting, int n,
                         const char *group);
void event_file_complete(struct event_file *f);

// What was written is on disk.
void event_file_sync(struct event_file *f);

#endif
