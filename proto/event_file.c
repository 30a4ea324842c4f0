// event_file.c - a message is packed where its record keeps it, framed there and written.
#include "proto/event_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "common/tfrecord.h"
#include "proto/tensorboard.pb-c.h"

static const char PREFIX[] = "events.out.tfevents.";

struct event_file {
  char *path;
  int fd;  // -1: given up
  unsigned char *record;
  size_t room;  // bytes of record
};

static double unix_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void give_up(struct event_file *f) {
  log_warn("%s: %s; TensorBoard is told no more of this run until it is resumed", f->path,
           strerror(errno));
  if (f->fd >= 0) {
    close(f->fd);
  }
  f->fd = -1;
}

// ---- records ----

static void write_event(struct event_file *f, const Telos__Tb__Event *event) {
  if (f->fd < 0) {
    return;
  }
  const size_t n = telos__tb__event__get_packed_size(event), bytes = n + TFRECORD_OVERHEAD;
  if (bytes > f->room) {
    f->record = must_realloc(f->record, bytes, 1);
    f->room = bytes;
  }
  telos__tb__event__pack(event, f->record + TFRECORD_HEADER);
  tfrecord_frame(f->record, f->record + TFRECORD_HEADER, n);
  // what a short write leaves is no record, and nothing behind it would be read
  errno = ENOSPC;
  if (write(f->fd, f->record, bytes) != (ssize_t)bytes) {
    give_up(f);
  }
}

static Telos__Tb__Event event_of(uint64_t step, double age_s) {
  Telos__Tb__Event event = TELOS__TB__EVENT__INIT;
  event.has_wall_time = event.has_step = 1;
  event.wall_time = unix_s() - age_s;
  event.step = (int64_t)step;
  return event;
}

static char *borrow(const char *text) {
  return (char *)(uintptr_t)text;  // messages that are packed are only read
}

// a value that a plugin shows, as an event of its own
static void write_value(struct event_file *f, uint64_t step, const char *tag, const char *plugin,
                        ProtobufCBinaryData content, Telos__Tb__Tensor *tensor) {
  Telos__Tb__Metadata__Plugin data = TELOS__TB__METADATA__PLUGIN__INIT;
  data.plugin_name = borrow(plugin);
  data.has_content = content.len > 0;
  data.content = content;
  Telos__Tb__Metadata metadata = TELOS__TB__METADATA__INIT;
  metadata.plugin_data = &data;
  Telos__Tb__Summary__Value value = TELOS__TB__SUMMARY__VALUE__INIT, *values[] = {&value};
  value.tag = borrow(tag);
  value.metadata = &metadata;
  value.tensor = tensor;
  Telos__Tb__Summary summary = TELOS__TB__SUMMARY__INIT;
  summary.n_value = 1;
  summary.value = values;
  Telos__Tb__Event event = event_of(step, 0.0);
  event.summary = &summary;
  write_event(f, &event);
}

// a tensor of one dimension
static void with_tensor(struct event_file *f, uint64_t step, const char *tag, const char *plugin,
                        ProtobufCBinaryData content, const char *text) {
  ProtobufCBinaryData string = {.len = strlen(text), .data = (uint8_t *)borrow(text)};
  Telos__Tb__Shape__Dim dim = TELOS__TB__SHAPE__DIM__INIT, *dims[] = {&dim};
  dim.has_size = 1;
  dim.size = string.len > 0;
  Telos__Tb__Shape shape = TELOS__TB__SHAPE__INIT;
  shape.n_dim = 1;
  shape.dim = dims;
  Telos__Tb__Tensor tensor = TELOS__TB__TENSOR__INIT;
  tensor.has_dtype = 1;
  tensor.dtype = string.len > 0 ? TELOS__TB__TENSOR__TYPE__STRING : TELOS__TB__TENSOR__TYPE__FLOAT;
  tensor.tensor_shape = &shape;
  tensor.n_string_val = string.len > 0;
  tensor.string_val = &string;
  write_value(f, step, tag, plugin, content, &tensor);
}

// ---- life ----

// The seconds in the name of the last file; 0: there is none.
static uint64_t last_seconds(const char *folder) {
  uint64_t last = 0;
  DIR *dir = opendir(folder);
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
    if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) == 0) {
      const uint64_t seconds = strtoull(entry->d_name + sizeof PREFIX - 1, NULL, 10);
      last = seconds > last ? seconds : last;
    }
  }
  if (dir != NULL) {
    closedir(dir);
  }
  return last;
}

struct event_file *event_file_open(const char *folder, bool *others) {
  char host[HOST_NAME_MAX + 1] = "host", name[HOST_NAME_MAX + 128];
  gethostname(host, sizeof host - 1);
  const uint64_t last = last_seconds(folder), now = (uint64_t)unix_s();
  snprintf(name, sizeof name, "%s%010" PRIu64 ".%s.%d.0", PREFIX, now > last ? now : last + 1, host,
           (int)getpid());
  *others = last > 0;
  struct event_file *f = must_alloc(1, sizeof *f);
  f->path = run_files_path(folder, name);
  f->fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (f->fd < 0) {
    give_up(f);
  }
  Telos__Tb__SourceMetadata source = TELOS__TB__SOURCE_METADATA__INIT;
  source.writer = borrow("telos");
  Telos__Tb__Event event = event_of(0, 0.0);
  event.file_version = borrow("brain.Event:2");
  event.source_metadata = &source;
  write_event(f, &event);
  return f;
}

void event_file_close(struct event_file *f) {
  if (f == NULL) {
    return;
  }
  if (f->fd >= 0) {
    close(f->fd);
  }
  free(f->record);
  free(f->path);
  free(f);
}

void event_file_sync(struct event_file *f) {
  if (f->fd >= 0 && fdatasync(f->fd) != 0) {
    give_up(f);
  }
}

// ---- what is told ----

void event_file_start(struct event_file *f, uint64_t step) {
  Telos__Tb__SessionLog session = TELOS__TB__SESSION_LOG__INIT;
  session.has_status = 1;
  session.status = TELOS__TB__SESSION_LOG__STATUS__START;
  Telos__Tb__Event event = event_of(step, 0.0);
  event.session_log = &session;
  write_event(f, &event);
}

void event_file_scalars(struct event_file *f, uint64_t step, double age_s,
                        const struct event_scalar *scalar, int n) {
  if (n == 0) {
    return;
  }
  Telos__Tb__Summary__Value *value = must_alloc((size_t)n, sizeof *value);
  Telos__Tb__Summary__Value **values = must_alloc((size_t)n, sizeof(void *));
  for (int i = 0; i < n; i++) {
    telos__tb__summary__value__init(&value[i]);
    value[i].tag = borrow(scalar[i].tag);
    value[i].has_simple_value = 1;
    value[i].simple_value = (float)scalar[i].value;
    values[i] = &value[i];
  }
  Telos__Tb__Summary summary = TELOS__TB__SUMMARY__INIT;
  summary.n_value = (size_t)n;
  summary.value = values;
  Telos__Tb__Event event = event_of(step, age_s);
  event.summary = &summary;
  write_event(f, &event);
  free(values);
  free(value);
}

void event_file_text(struct event_file *f, uint64_t step, const char *tag, const char *markdown) {
  with_tensor(f, step, tag, "text", (ProtobufCBinaryData){0}, markdown);
}

void event_file_image(struct event_file *f, uint64_t step, const char *tag,
                      const struct event_image *image) {
  Telos__Tb__Image message = TELOS__TB__IMAGE__INIT;
  message.has_width = message.has_height = message.has_colorspace = 1;
  message.width = image->width;
  message.height = image->height;
  message.colorspace = 3;
  message.has_encoded_image_string = 1;
  message.encoded_image_string = (ProtobufCBinaryData){.len = image->n, .data = image->bytes};
  Telos__Tb__Summary__Value value = TELOS__TB__SUMMARY__VALUE__INIT, *values[] = {&value};
  value.tag = borrow(tag);
  value.image = &message;
  Telos__Tb__Summary summary = TELOS__TB__SUMMARY__INIT;
  summary.n_value = 1;
  summary.value = values;
  Telos__Tb__Event event = event_of(step, 0.0);
  event.summary = &summary;
  write_event(f, &event);
}

// ---- the table of runs ----

static void write_hparams(struct event_file *f, const char *tag, const Telos__Tb__Hparams *h) {
  const size_t n = telos__tb__hparams__get_packed_size(h);
  uint8_t *bytes = must_alloc(n, 1);
  telos__tb__hparams__pack(h, bytes);
  with_tensor(f, 0, tag, "hparams", (ProtobufCBinaryData){.len = n, .data = bytes}, "");
  free(bytes);
}

void event_file_settings(struct event_file *f, const struct event_setting *setting, int n,
                         const char *group) {
  struct entry {
    Telos__Tb__SessionStart__Setting setting;
    Telos__Tb__SettingValue value;
  } *entry = must_alloc((size_t)n, sizeof *entry);
  Telos__Tb__SessionStart__Setting **entries = must_alloc((size_t)n, sizeof(void *));
  for (int i = 0; i < n; i++) {
    Telos__Tb__SettingValue *value = &entry[i].value;
    telos__tb__session_start__setting__init(&entry[i].setting);
    telos__tb__setting_value__init(value);
    value->has_number_value = setting[i].type == EVENT_NUMBER;
    value->number_value = setting[i].number;
    value->has_bool_value = setting[i].type == EVENT_TRUTH;
    value->bool_value = strcmp(setting[i].text, "true") == 0;
    value->string_value = setting[i].type == EVENT_TEXT ? borrow(setting[i].text) : NULL;
    entry[i].setting.key = borrow(setting[i].name);
    entry[i].setting.value = value;
    entries[i] = &entry[i].setting;
  }
  Telos__Tb__SessionStart start = TELOS__TB__SESSION_START__INIT;
  start.n_hparams = (size_t)n;
  start.hparams = entries;
  start.group_name = borrow(group);
  start.has_start_time_secs = 1;
  start.start_time_secs = unix_s();
  Telos__Tb__Hparams h = TELOS__TB__HPARAMS__INIT;
  h.session_start_info = &start;
  write_hparams(f, "_hparams_/session_start_info", &h);
  free(entries);
  free(entry);
}

void event_file_complete(struct event_file *f) {
  Telos__Tb__SessionEnd end = TELOS__TB__SESSION_END__INIT;
  end.has_status = end.has_end_time_secs = 1;
  end.status = TELOS__TB__SESSION_END__STATUS__SUCCESS;
  end.end_time_secs = unix_s();
  Telos__Tb__Hparams h = TELOS__TB__HPARAMS__INIT;
  h.session_end_info = &end;
  write_hparams(f, "_hparams_/session_end_info", &h);
}
