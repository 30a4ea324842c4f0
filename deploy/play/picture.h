// picture.h - where frames go: numbered PNGs, one PNG, an animated WebP, or an MP4.
//
//   frames/    frame_00000.png, frame_00001.png, .. in a new folder
//   x.png      the last frame added
//   x.webp     animated; equal frames are equal files
//   x.mp4      H.264, by the ffmpeg program, which has to be installed
//
// The file or folder appears whole under its name with picture_finish, or not at all: until then
// frames are in memory or under a temporary name (path.tmp). Errors: one line, ERR_IO when the
// operating system refuses; ERR_USAGE for a name or size that no format can have.
#ifndef PLAY_PICTURE_H
#define PLAY_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct picture;

// True when path asks for one frame only.
bool picture_is_still(const char *path);

// Frames of width x height pixels, shown at fps frames a second.
NODISCARD enum err picture_open(struct picture **out, const char *path, int width, int height,
                                double fps);

// The next frame: rgb (height x width x 3), top row first; copied. An animation shows it for so
// many frame times, at least 1.
NODISCARD enum err picture_add(struct picture *p, const uint8_t *rgb, int times);

// Writes what is left and gives it its name. At least one frame was added.
NODISCARD enum err picture_finish(struct picture *p);

// Frees; what was not finished is removed. NULL is allowed.
void picture_free(struct picture *p);

#endif
