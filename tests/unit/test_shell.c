// test_shell.c - what is quoted comes back from a real shell as it was, and what need not be is
// not.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/shell.h"

Test(shell, plain_words_stay_plain) {
  char *plain[] = {"./build/release/bin/telos",
                   "train",
                   "box2d",
                   "--name",
                   "a/c",
                   "run.seed=1",
                   "10%",
                   "a@b:c,d+e^f"};
  char *text = shell_join(plain, 8);
  cr_expect_str_eq(text,
                   "./build/release/bin/telos train box2d --name a/c run.seed=1 10% a@b:c,d+e^f");
  free(text);
}

Test(shell, a_shell_reads_back_what_was_quoted) {
  char *words[] = {"printf",
                   "<%s>\\n",
                   "my runs",
                   "",
                   "it's",
                   "a\"b",
                   "$HOME",
                   "`date`",
                   "*",
                   "a\\b",
                   "net.hidden=[32,32]",
                   "~",
                   "=ls",
                   "#x",
                   "a;b|c&d",
                   "!!",
                   "line\nline",
                   "\xc3\xa9",
                   "(x)",
                   "{a,b}"};
  enum { N = sizeof words / sizeof words[0] };
  char *command = shell_join(words, N), expected[1024] = "", got[1024];
  for (int i = 2; i < N; i++) {
    snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "<%s>\n", words[i]);
  }
  FILE *pipe = popen(command, "r");
  cr_assert_not_null(pipe);
  got[fread(got, 1, sizeof got - 1, pipe)] = '\0';
  cr_expect_eq(pclose(pipe), 0);
  cr_expect_str_eq(got, expected, "%s", command);
  free(command);
}
