// test_options.c - what getopt_long refuses, told in one line.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base/options.h"
#include "common/config/config.h"
#include "tests/unit/capture.h"

static const struct option options[] = {
    {"actors", required_argument, NULL, 'a'},    {"runs", required_argument, NULL, 'r'},
    {"resume", required_argument, NULL, 'R'},    {"threads", required_argument, NULL, 't'},
    {"insecure", no_argument, NULL, 'i'},        {"help", no_argument, NULL, 'h'},
    {"task-path", required_argument, NULL, 'T'}, {NULL, 0, NULL, 0}};

// what is logged of the first option that getopt_long refuses
static const char *complaint(const char *const *words,
                             bool (*explain)(char *, size_t, const char *, const char *)) {
  char *argv[8] = {(char *)(uintptr_t) "telos"};
  int argc = 1;
  for (; words[argc - 1] != NULL; argc++) {
    argv[argc] = (char *)(uintptr_t)words[argc - 1];
  }
  optind = 0;  // from the start again
  opterr = 0;
  capture_begin();
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    if (c == '?' || c == ':') {
      options_complain(c, options, argv, "telos train", explain);
      break;
    }
  }
  return capture_end();
}

Test(options, each_fault_is_one_line) {
  static const struct {
    const char *words[5], *line;
  } cases[] = {
      {{"--fast"}, "--fast: unknown option; see telos train --help"},
      {{"--fast=1"}, "--fast=1: unknown option; see telos train --help"},
      {{"box2d", "--thread", "2"}, ""},  // an abbreviation
      {{"--thraeds", "2"},
       "--thraeds: unknown option; did you mean --threads? (telos train --help)"},
      {{"--actor=2", "--inscure"},
       "--inscure: unknown option; did you mean --insecure? (telos train --help)"},
      {{"--actors"}, "--actors: its value is missing; see telos train --help"},
      {{"--insecure=1"}, "--insecure=1: it takes no value; see telos train --help"},
      {{"--r", "x"}, "--r: which one, --runs or --resume? see telos train --help"},
      {{"-x"}, "-x: unknown option; see telos train --help"},
      {{"-hx"}, "-x: unknown option; see telos train --help"},
      {{"--seed", "1"}, "--seed: unknown option; see telos train --help"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char line[256];
    snprintf(line, sizeof line, "%s%s%s", cases[i].line[0] != '\0' ? "E telos: " : "",
             cases[i].line, cases[i].line[0] != '\0' ? "\n" : "");
    cr_expect_str_eq(complaint(cases[i].words, NULL), line);
  }
}

Test(options, settings_are_told_from_options) {
  static const struct {
    const char *words[4], *meant;
  } cases[] = {
      {{"--seed", "1"}, "--seed: unknown option; settings have no dashes: run.seed=1"},
      {{"--seed=7"}, "--seed=7: unknown option; settings have no dashes: run.seed=7"},
      {{"box2d", "--steps"}, "--steps: unknown option; settings have no dashes: run.steps=40000"},
      {{"--run.seed", "3"}, "--run.seed: unknown option; settings have no dashes: run.seed=3"},
      {{"--warmup-steps", "--insecure"},
       "--warmup-steps: unknown option; settings have no dashes: train.warmup_steps=1000"},
      {{"--fast"}, "--fast: unknown option; see telos train --help\n"},
      {{"--thraeds", "2"}, "--thraeds: unknown option; did you mean --threads?"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *line = complaint(cases[i].words, config_explain_option);
    cr_expect(strstr(line, cases[i].meant) != NULL, "%s", line);
    cr_expect_eq(strchr(line, '\n'), line + strlen(line) - 1, "%s", line);
  }
}
