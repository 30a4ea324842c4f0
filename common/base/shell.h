// shell.h - command lines that can be pasted into a shell as they are printed.
#ifndef COMMON_BASE_SHELL_H
#define COMMON_BASE_SHELL_H

#include <stdio.h>

// The word as a POSIX shell reads it back: bare where that is safe, else in single quotes.
void shell_quote(FILE *out, const char *word);

// n words with a blank between them, each quoted: free with free().
char *shell_join(char *const *words, int n);

#endif
