// words.c - optimal string alignment: Levenshtein's table with one more move, the swap.
//
// Three rows of the table are enough: a swap looks back two. Words of command lines and settings
// are short, so the quadratic cost does not matter.
#include "common/base/words.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool same(char a, char b) {
  return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int least(int a, int b) {
  return a < b ? a : b;
}

int words_distance(const char *a, const char *b) {
  int rows[3][WORDS_LONGEST + 1];
  const int na = (int)strnlen(a, WORDS_LONGEST), nb = (int)strnlen(b, WORDS_LONGEST);
  for (int j = 0; j <= nb; j++) {
    rows[0][j] = j;
  }
  for (int i = 1; i <= na; i++) {
    // the first i bytes of a, one byte fewer, two fewer
    int *now = rows[i % 3];
    const int *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= nb; j++) {
      now[j] = before[j - 1] + !same(a[i - 1], b[j - 1]);
      now[j] = least(now[j], 1 + least(before[j], now[j - 1]));
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
        now[j] = least(now[j], 1 + two_before[j - 2]);
      }
    }
  }
  return rows[na % 3][nb];
}

bool words_near(const char *a, const char *b) {
  const size_t na = strnlen(a, WORDS_LONGEST), nb = strnlen(b, WORDS_LONGEST);
  const size_t longer = na > nb ? na : nb;
  return words_distance(a, b) <= (int)((longer + 2) / 4);
}

void words_offer(struct words_nearest *n, const char *candidate) {
  if (words_near(n->word, candidate)) {
    const int distance = words_distance(n->word, candidate);
    if (n->best == NULL || distance < n->distance) {
      n->best = candidate;
      n->distance = distance;
    }
  }
}
