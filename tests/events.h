// events.h - what TensorBoard shows of a folder's event files, by the rules of its Python loader.
//
// Files are read in the order of their names, a record that is torn or damaged ends its file, and a
// START voids all earlier points of its step and later ones.
#ifndef TESTS_EVENTS_H
#define TESTS_EVENTS_H

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "common/tfrecord.h"
#include "proto/tensorboard.pb-c.h"

enum { EVENTS_MAX = 1 << 16, EVENTS_TAG = 64 };

struct events_point {
  char tag[EVENTS_TAG];
  int64_t step;
  double wall_s;
  float value;
};

struct events {
  struct events_point *point;
  int n;
  int files, torn;         // files; those that a torn record ends
  char *text;              // the last text
  uint8_t content[65536];  // of the last settings; its size
  size_t ncontent;
  int images;  // all of them; steps and bytes of the last
  int64_t image_step;
  uint8_t *image;
  size_t nimage;
};

static inline void events_add(struct events *e, const Telos__Tb__Event *event) {
  if (event->session_log && event->session_log->status == TELOS__TB__SESSION_LOG__STATUS__START) {
    int kept = 0;
    for (int i = 0; i < e->n; i++) {
      if (e->point[i].step < event->step) {
        e->point[kept++] = e->point[i];
      }
    }
    e->n = kept;
  }
  for (size_t i = 0; event->summary && i < event->summary->n_value; i++) {
    const Telos__Tb__Summary__Value *value = event->summary->value[i];
    if (value->has_simple_value) {
      cr_assert(e->n < EVENTS_MAX && strlen(value->tag) < EVENTS_TAG && !value->metadata);
      struct events_point *p = &e->point[e->n++];
      *p = (struct events_point){
          .step = event->step, .wall_s = event->wall_time, .value = value->simple_value};
      snprintf(p->tag, sizeof p->tag, "%s", value->tag);
      continue;
    }
    if (value->image) {
      const ProtobufCBinaryData bytes = value->image->encoded_image_string;
      cr_assert(value->image->width > 0 && value->image->height > 0);
      cr_assert_eq(value->image->colorspace, 3);
      free(e->image);
      e->image = malloc(bytes.len);
      memcpy(e->image, bytes.data, bytes.len);
      e->nimage = bytes.len;
      e->image_step = event->step;
      e->images++;
      continue;
    }
    const Telos__Tb__Metadata__Plugin *plugin = value->metadata->plugin_data;
    const Telos__Tb__Tensor *tensor = value->tensor;
    cr_assert(tensor->tensor_shape->n_dim == 1);
    cr_assert_eq(tensor->tensor_shape->dim[0]->size, (int64_t)tensor->n_string_val);
    if (strcmp(plugin->plugin_name, "text") == 0) {
      cr_assert_eq(tensor->dtype, TELOS__TB__TENSOR__TYPE__STRING);
      free(e->text);
      e->text = strndup((const char *)tensor->string_val[0].data, tensor->string_val[0].len);
    } else if (strcmp(value->tag, "_hparams_/session_start_info") == 0) {
      cr_assert_str_eq(plugin->plugin_name, "hparams");
      cr_assert_leq(plugin->content.len, sizeof e->content);
      memcpy(e->content, plugin->content.data, plugin->content.len);
      e->ncontent = plugin->content.len;
    }
  }
}

static inline void events_read_file(struct events *e, const char *path) {
  void *bytes;
  size_t n, used, size;
  const void *data;
  enum err err = fsio_read(&bytes, &n, path, (size_t)1 << 30);
  cr_assert_eq(err, ERR_OK);
  bool first = true;
  for (size_t at = 0; at < n; at += used) {
    err = tfrecord_next(&data, &size, &used, (char *)bytes + at, n - at, (size_t)1 << 28);
    if (err != ERR_OK) {
      e->torn++;
      break;
    }
    Telos__Tb__Event *event = telos__tb__event__unpack(NULL, size, data);
    cr_assert(event && event->has_wall_time && event->has_step);
    if (first) {
      cr_assert_str_eq(event->file_version, "brain.Event:2");
      cr_assert_str_eq(event->source_metadata->writer, "telos");
    }
    first = false;
    events_add(e, event);
    telos__tb__event__free_unpacked(event, NULL);
  }
  free(bytes);
}

// All event files of a folder. Free with events_release.
static inline struct events events_read(const char *folder) {
  struct events e = {.point = calloc(EVENTS_MAX, sizeof *e.point)};
  char pattern[4096];
  glob_t found;
  snprintf(pattern, sizeof pattern, "%s/events.out.tfevents.*", folder);
  if (glob(pattern, 0, NULL, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; i++, e.files++) {
      events_read_file(&e, found.gl_pathv[i]);
    }
    globfree(&found);
  }
  return e;
}

static inline void events_release(struct events *e) {
  free(e->point);
  free(e->text);
  free(e->image);
}

// "100=1.5 200=2.5", the points of a tag as they are shown
static inline const char *events_curve(const struct events *e, const char *tag) {
  static char text[2][1 << 16];
  static int turn;
  char *out = text[turn = !turn];
  size_t n = 0;
  out[0] = '\0';
  for (int i = 0; i < e->n; i++) {
    if (strcmp(e->point[i].tag, tag) == 0) {
      n += (size_t)snprintf(out + n, sizeof text[0] - n, "%s%lld=%g", n > 0 ? " " : "",
                            (long long)e->point[i].step, (double)e->point[i].value);
      cr_assert_lt(n, sizeof text[0]);
    }
  }
  return out;
}

#endif
