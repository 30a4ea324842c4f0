// film.c - frames are left out and halved in size until what is left is small.
#include "deploy/play/film.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "deploy/play/png_bytes.h"
#include "proto/event_file.h"

enum { MAX_MS = 65535 };

struct film {
  int width, height;  // of the frames that come ..
  int shrink;         // .. over this: of those that are kept
  double fps;
  int every;  // frame times between two frames that are kept
  int times;  // so far
  struct png_frame *frame;
  int n;
  int last_times;  // when the last one of them began
};

struct film *film_new(int width, int height, double fps, double frames) {
  struct film *f = must_alloc(1, sizeof *f);
  *f = (struct film){.width = width, .height = height, .shrink = 1, .fps = fps, .every = 1};
  while (width / f->shrink > FILM_WIDTH) {
    f->shrink++;
  }
  if (frames > FILM_FRAMES) {
    f->every = (int)ceil(frames / FILM_FRAMES);
  }
  return f;
}

void film_free(struct film *f) {
  if (f == NULL) {
    return;
  }
  for (int i = 0; i < f->n; i++) {
    free(f->frame[i].png.data);
  }
  free(f->frame);
  free(f);
}

// the means of squares of shrink x shrink pixels
static uint8_t *shrunk(const struct film *f, const uint8_t *rgb) {
  const int k = f->shrink, w = f->width / k, h = f->height / k;
  uint8_t *out = must_alloc((size_t)w * (size_t)h, 3);
  for (int i = 0; i < w * h * 3; i++) {
    const int x = i / 3 % w, y = i / 3 / w;
    int sum = 0;
    for (int j = 0; j < k * k; j++) {
      sum += rgb[((size_t)(y * k + j / k) * (size_t)f->width + (size_t)(x * k + j % k)) * 3 +
                 (size_t)(i % 3)];
    }
    out[i] = (uint8_t)((sum + k * k / 2) / (k * k));
  }
  return out;
}

// how long the last frame was shown, now that it ends
static void end_frame(struct film *f) {
  if (f->n > 0) {
    const double ms = 1000.0 * (f->times - f->last_times) / f->fps;
    f->frame[f->n - 1].ms = (int)fmin(fmax(ms, 1.0), MAX_MS);
  }
}

void film_add(struct film *f, const uint8_t *rgb, int times) {
  // the last frame of an episode stays for some time, and is always kept
  if (f->n == 0 || f->times >= f->last_times + f->every || times > 1) {
    end_frame(f);
    f->frame = must_realloc(f->frame, (size_t)f->n + 1, sizeof *f->frame);
    f->frame[f->n] = (struct png_frame){.ms = 1};
    uint8_t *small = shrunk(f, rgb);
    png_bytes_write(&f->frame[f->n++].png, small, f->width / f->shrink, f->height / f->shrink);
    free(small);
    f->last_times = f->times;
  }
  f->times += times;
}

void film_write(struct film *f, const char *folder, uint64_t step) {
  CHECK(f->n > 0);
  end_frame(f);
  const int w = f->width / f->shrink, h = f->height / f->shrink;
  struct png_bytes png = {0};
  png_bytes_animate(&png, f->frame, f->n, w, h);
  bool others;
  struct event_file *events = event_file_open(folder, &others);
  // a run that went on draws this step, and later ones, again
  event_file_start(events, step);
  event_file_image(events, step, "eval/video",
                   &(struct event_image){.width = w, .height = h, .bytes = png.data, .n = png.n});
  event_file_close(events);
  free(png.data);
}
