// test_words.c - distances by hand, what counts as near, and which of several words is nearest.
#include <criterion/criterion.h>
#include <string.h>

#include "common/base/words.h"

Test(words, distances) {
  static const struct {
    const char *a, *b;
    int distance;
  } cases[] = {{"", "", 0},           {"", "lr", 2},
               {"gama", "gamma", 1},  {"gammma", "gamma", 1},
               {"gemma", "gamma", 1}, {"trian", "train", 1},
               {"odca", "odac", 1},   {"Gamma", "gamma", 0},
               {"boxd", "box2d", 1},  {"kitten", "sitting", 3},
               {"ca", "abc", 3},      {"abcd", "badc", 2},
               {"nothing", "bind", 5}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cr_expect_eq(words_distance(cases[i].a, cases[i].b), cases[i].distance, "%s %s", cases[i].a,
                 cases[i].b);
    cr_expect_eq(words_distance(cases[i].b, cases[i].a), cases[i].distance, "%s %s", cases[i].b,
                 cases[i].a);
  }
}

Test(words, long_words_are_compared_at_their_start) {
  char a[200], b[200];
  memset(a, 'x', sizeof a - 1);
  memset(b, 'x', sizeof b - 1);
  a[199] = b[199] = '\0';
  b[WORDS_LONGEST] = 'y';
  cr_expect_eq(words_distance(a, b), 0);
  b[WORDS_LONGEST - 1] = 'y';
  cr_expect_eq(words_distance(a, b), 1);
}

Test(words, near_is_a_slip_and_no_more) {
  cr_expect(words_near("boxd", "box2d"));
  cr_expect(words_near("rl", "lr"));
  cr_expect(words_near("checkpoints", "checkpoint"));
  cr_expect(words_near("sucess_radus", "success_radius"));
  cr_expect_not(words_near("nothing", "bind"));
  cr_expect_not(words_near("", "lr"));
  cr_expect_not(words_near("x", "lr"));
  cr_expect_not(words_near("ant", "box2d"));
  cr_expect_not(words_near("gauss", "gamma"));
}

Test(words, the_nearest_of_several) {
  static const char *const verbs[] = {"train", "eval", "play", "task"};
  static const struct {
    const char *word, *best;
  } cases[] = {{"trian", "train"}, {"tas", "task"}, {"plya", "play"}, {"fly", NULL}, {"", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct words_nearest n = {.word = cases[i].word};
    for (size_t k = 0; k < sizeof verbs / sizeof verbs[0]; k++) {
      words_offer(&n, verbs[k]);
    }
    cr_expect(cases[i].best == NULL ? n.best == NULL
                                    : n.best != NULL && strcmp(n.best, cases[i].best) == 0,
              "%s: %s", cases[i].word, n.best != NULL ? n.best : "none");
  }
  // of two that are equally near, the first
  struct words_nearest n = {.word = "bat"};
  words_offer(&n, "cat");
  words_offer(&n, "hat");
  cr_expect_str_eq(n.best, "cat");
}
