// rules.c - telos rules: the update rules that a run can have.
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/config/bundle.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  telos rules\n"
    "  telos train fetch-push --rule her\n"
    "\n"
    "Usage: telos rules [--json]\n"
    "\n"
    "Lists the update rules: what each does and needs, the networks that it learns, the settings\n"
    "that its name stands for, and its source.\n"
    "\n"
    "  --json    one JSON array\n"
    "  --help\n";

static void print_text(const struct named_rule *rule) {
  printf("%s\n  %s\n", rule->bundle.name, rule->bundle.help);
  printf("  needs     %s\n  networks  %s\n  settings ", rule->needs, rule->nets);
  for (const char *const *setting = rule->bundle.settings; *setting; setting++) {
    printf(" %s", *setting);
  }
  printf("\n  source    %s\n", rule->source);
}

static json_t *to_json(const struct named_rule *rule) {
  json_t *settings = json_array();
  for (const char *const *setting = rule->bundle.settings; *setting; setting++) {
    json_array_append_new(settings, json_string(*setting));
  }
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "name", rule->bundle.name, "help",
                   rule->bundle.help, "needs", rule->needs, "networks", rule->nets, "settings",
                   settings, "source", rule->source);
}

int verb_rules(int argc, char **argv) {
  static const struct option options[] = {
      {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  bool json = false;
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'j':
        json = true;
        break;
      case 'h':
        fputs(help, stdout);
        return 0;
      default:
        options_complain(c, options, argv, "telos rules", NULL);
        return err_exit_code(ERR_USAGE);
    }
  }
  if (optind < argc) {
    log_error("telos rules takes no '%s' (telos rules --help)", argv[optind]);
    return err_exit_code(ERR_USAGE);
  }
  json_t *all = json_array();
  const struct named_rule *rule;
  for (int i = 0; (rule = config_rule_at(i)) != NULL; i++) {
    if (json) {
      CHECK(json_array_append_new(all, to_json(rule)) == 0);
    } else {
      print_text(rule);
    }
  }
  if (json) {
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
  }
  json_decref(all);
  return 0;
}
