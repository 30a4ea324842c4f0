// words.h - the word that was probably meant, for messages that say "did you mean ..?".
//
// The distance of two words is the number of single bytes that are left out, added, replaced or
// swapped with their neighbour between one and the other. Upper and lower case count as equal. A
// word is near another when that is few for their length: one for up to five bytes, two for up to
// nine, and so on. What is not near was not meant: then a message says where the words are listed.
#ifndef COMMON_BASE_WORDS_H
#define COMMON_BASE_WORDS_H

#include <stdbool.h>

enum { WORDS_LONGEST = 64 };  // bytes of a word that are compared

int words_distance(const char *a, const char *b);

bool words_near(const char *a, const char *b);

// The nearest of the candidates that are offered one by one:
//   struct words_nearest n = {.word = typed};  words_offer(&n, "train");  ..  n.best
struct words_nearest {
  const char *word;  // as it was written
  const char *best;  // borrowed from the offer; NULL: none is near
  int distance;      // of best
};

// The first of several that are equally near stays.
void words_offer(struct words_nearest *n, const char *candidate);

#endif
