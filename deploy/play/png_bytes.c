// png_bytes.c - libpng encodes frames, and writes the chunks of an animation.
//
// An animation (www.w3.org/TR/png-3, "Animated Portable Network Graphics") is the PNG of its first
// frame with a chunk acTL, how many frames there are, and a chunk fcTL before each frame; the data
// of frames after the first are in chunks fdAT in place of IDAT. Those two count together.
#include "deploy/play/png_bytes.h"

#include <png.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum {
  SIGNATURE = 8,
  CHUNK = 12,
  NUMBER = 4,
  CONTROL = 26
};  // bytes; a chunk's are beside its data

static void append(struct png_bytes *b, const void *data, size_t n) {
  while (b->n + n > b->capacity) {
    b->capacity = 2 * b->capacity + 65536;
    b->data = must_realloc(b->data, b->capacity, 1);
  }
  memcpy(b->data + b->n, data, n);
  b->n += n;
}

static void take_bytes(png_structp png, png_bytep data, size_t n) {
  append(png_get_io_ptr(png), data, n);
}

static png_structp writer(struct png_bytes *out) {
  // libpng ends the process when it is out of memory; nothing else can fail here
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  CHECK(png != NULL);
  png_set_write_fn(png, out, take_bytes, NULL);
  return png;
}

void png_bytes_write(struct png_bytes *out, const uint8_t *rgb, int width, int height) {
  png_structp png = writer(out);
  png_infop info = png_create_info_struct(png);
  CHECK(info != NULL);
  png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < height; y++) {
    png_write_row(png, rgb + (size_t)y * (size_t)width * 3);
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
}

static void write_control(png_structp png, uint32_t number, int width, int height, int ms) {
  uint8_t data[CONTROL] = {0};
  png_save_uint_32(data, number);
  png_save_uint_32(data + 4, (png_uint_32)width);
  png_save_uint_32(data + 8, (png_uint_32)height);
  // offsets are 0, and what was there before is replaced
  png_save_uint_16(data + 20, (unsigned)ms);
  png_save_uint_16(data + 22, 1000);
  png_write_chunk(png, (png_const_bytep) "fcTL", data, sizeof data);
}

// the data of a frame; the next number
static uint32_t write_data(png_structp png, const struct png_bytes *frame, uint32_t number,
                           bool first) {
  for (size_t at = SIGNATURE; at < frame->n;) {
    const uint8_t *chunk = frame->data + at;
    const size_t n = png_get_uint_32(chunk);
    if (memcmp(chunk + 4, "IDAT", 4) == 0 && first) {
      png_write_chunk(png, (png_const_bytep) "IDAT", chunk + 8, n);
    } else if (memcmp(chunk + 4, "IDAT", 4) == 0) {
      uint8_t *data = must_alloc(NUMBER + n, 1);
      png_save_uint_32(data, number++);
      memcpy(data + NUMBER, chunk + 8, n);
      png_write_chunk(png, (png_const_bytep) "fdAT", data, NUMBER + n);
      free(data);
    }
    at += CHUNK + n;
  }
  return number;
}

void png_bytes_animate(struct png_bytes *out, const struct png_frame *frame, int n, int width,
                       int height) {
  CHECK(n >= 1);
  // signature and IHDR are those of any frame
  const uint8_t *ihdr = frame[0].png.data + SIGNATURE;
  append(out, frame[0].png.data, SIGNATURE + CHUNK + png_get_uint_32(ihdr));
  png_structp png = writer(out);
  uint8_t control[2 * NUMBER] = {0};  // the second number: for ever
  png_save_uint_32(control, (png_uint_32)n);
  png_write_chunk(png, (png_const_bytep) "acTL", control, sizeof control);
  uint32_t number = 0;
  for (int i = 0; i < n; i++) {
    write_control(png, number++, width, height, frame[i].ms);
    number = write_data(png, &frame[i].png, number, i == 0);
  }
  png_write_chunk(png, (png_const_bytep) "IEND", NULL, 0);
  png_destroy_write_struct(&png, NULL);
}
