// shell.c - single quotes keep every byte but the single quote itself, which is written '\''.
#include "common/base/shell.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/check.h"

// what no shell gives a meaning to, in the middle of a line; '=' and '~' only at the start
static bool is_bare(const char *word) {
  static const char safe[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%^";
  return word[0] != '\0' && word[0] != '=' && word[strspn(word, safe)] == '\0';
}

void shell_quote(FILE *out, const char *word) {
  if (is_bare(word)) {
    fputs(word, out);
    return;
  }
  fputc('\'', out);
  for (const char *p = word; *p != '\0'; p++) {
    if (*p == '\'') {
      fputs("'\\''", out);
    } else {
      fputc(*p, out);
    }
  }
  fputc('\'', out);
}

char *shell_join(char *const *words, int n) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  CHECK(out != NULL);
  for (int i = 0; i < n; i++) {
    if (i > 0) {
      fputc(' ', out);
    }
    shell_quote(out, words[i]);
  }
  CHECK(fclose(out) == 0);
  return text;
}
