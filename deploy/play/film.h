// film.h - what telos-play draws, once more, for TensorBoard: it shows animated PNGs, and no WebP.
//
// Small, since PNGs are large: at most FILM_WIDTH pixels wide, and about FILM_FRAMES frames.
#ifndef PLAY_FILM_H
#define PLAY_FILM_H

#include <stdint.h>

enum { FILM_WIDTH = 320, FILM_FRAMES = 60 };

struct film;

// Of frames of width x height pixels, at fps frames a second, about so many in all.
struct film *film_new(int width, int height, double fps, double frames);
void film_free(struct film *f);  // NULL is allowed

// The next frame, shown for so many frame times; rgb as picture_add has it.
void film_add(struct film *f, const uint8_t *rgb, int times);

// Adds an event file with the film, as the image of this step, to a folder. What fails is warned
// of.
void film_write(struct film *f, const char *folder, uint64_t step);

#endif
