// options.c - getopt_long's own state says where it stopped.
//
// For a long option that is unknown or ambiguous optopt is 0 and the word is the one before optind;
// for one with a value too many optopt is the option's code; for an unknown short option it is the
// letter, which may stand in the middle of a word.
#include "common/base/options.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/words.h"

enum { MAX_TEXT = 200 };

static bool is_code(const struct option *options, int code) {
  for (; options->name != NULL; options++) {
    if (options->val == code) {
      return true;
    }
  }
  return false;
}

// the options that begin with name, "--runs or --resume", when there are several
static bool list_ambiguous(char *out, size_t n, const struct option *options, const char *name) {
  int found = 0;
  size_t used = 0;
  for (; options->name != NULL; options++) {
    if (strncmp(options->name, name, strlen(name)) == 0 && used < n) {
      used +=
          (size_t)snprintf(out + used, n - used, "%s--%s", found > 0 ? " or " : "", options->name);
      found++;
    }
  }
  return found > 1;
}

// word: "--name" or "--name=value"; next: the word behind it, or NULL
static void complain_unknown(const struct option *options, const char *word, const char *next,
                             const char *program,
                             bool (*explain)(char *, size_t, const char *, const char *)) {
  char name[MAX_TEXT], text[MAX_TEXT];
  const char *start = word + strspn(word, "-"), *equals = strchr(start, '=');
  const size_t length = equals != NULL ? (size_t)(equals - start) : strlen(start);
  snprintf(name, sizeof name, "%.*s", (int)(length < MAX_TEXT ? length : MAX_TEXT), start);
  const char *value = equals != NULL ? equals + 1 : next != NULL && next[0] != '-' ? next : "";

  struct words_nearest near = {.word = name};
  for (const struct option *o = options; o->name != NULL; o++) {
    words_offer(&near, o->name);
  }
  if (name[0] != '\0' && list_ambiguous(text, sizeof text, options, name)) {
    log_error("%.100s: which one, %s? see %s --help", word, text, program);
  } else if (near.best == NULL && explain != NULL && explain(text, sizeof text, name, value)) {
    log_error("%.100s: unknown option; %s (%s --help)", word, text, program);
  } else if (near.best != NULL) {
    log_error("%.100s: unknown option; did you mean --%s? (%s --help)", word, near.best, program);
  } else {
    log_error("%.100s: unknown option; see %s --help", word, program);
  }
}

void options_complain(int c, const struct option *options, char *const *argv, const char *program,
                      bool (*explain)(char *, size_t, const char *, const char *)) {
  const char *word = argv[optind - 1];
  if (c == ':') {
    log_error("%.100s: its value is missing; see %s --help", word, program);
  } else if (optopt == 0) {
    complain_unknown(options, word, argv[optind], program, explain);
  } else if (is_code(options, optopt)) {
    log_error("%.100s: it takes no value; see %s --help", word, program);
  } else {
    log_error("-%c: unknown option; see %s --help", optopt, program);
  }
}

bool options_keep(const struct options_text *texts, size_t n, int c, const char *value) {
  for (size_t i = 0; i < n; i++) {
    if (texts[i].c == c) {
      *texts[i].at = value;
      return true;
    }
  }
  return false;
}
