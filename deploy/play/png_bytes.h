// png_bytes.h - PNGs in memory: a picture, and an animation of several.
//
// Pixels are rgb (height x width x 3), top row first. An animation is what browsers call APNG: a
// program that knows nothing of it shows the first frame.
#ifndef PLAY_PNG_BYTES_H
#define PLAY_PNG_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct png_bytes {
  uint8_t *data;  // free with free()
  size_t n, capacity;
};

// A frame of an animation: a PNG of its own, shown for so long.
struct png_frame {
  struct png_bytes png;
  int ms;  // 1 to 65535
};

// Appends the picture as a PNG to out, which begins as {0}.
void png_bytes_write(struct png_bytes *out, const uint8_t *rgb, int width, int height);

// Appends n frames of one size, at least 1, which runs over and over.
void png_bytes_animate(struct png_bytes *out, const struct png_frame *frame, int n, int width,
                       int height);

#endif
