// config.c - telos config: the settings that a run would have.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/options.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  telos config\n"
    "  telos config --config my.yaml agent.gamma=0.98\n"
    "\n"
    "Usage: telos config [options] [group.name=value ...]\n"
    "\n"
    "Prints the resolved settings as YAML that --config reads back.\n"
    "\n"
    "  --rule RULE      those of an update rule; `telos rules` lists them\n"
    "  --preset PRESET  settings that go together; listed below\n"
    "  --config FILE    YAML settings\n"
    "  --markdown       the reference table instead\n"
    "  --help\n"
    "\n"
    "Presets, settings that go together; any other source is stronger:\n";

static const char settings_help[] =
    "\n"
    "Settings (TELOS_GROUP_NAME in the environment, group.name=value here):\n";

int verb_config(int argc, char **argv) {
  static const struct option options[] = {
      {"config", required_argument, NULL, 'c'}, {"rule", required_argument, NULL, 'u'},
      {"preset", required_argument, NULL, 'P'}, {"markdown", no_argument, NULL, 'm'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  struct config_sources from = {.environ_ = environ};
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'c':
        from.file = optarg;
        break;
      case 'u':
        from.rule = optarg;
        break;
      case 'P':
        from.preset = optarg;
        break;
      case 'm':
        config_print_markdown(stdout);
        return 0;
      case 'h':
        fputs(help, stdout);
        config_print_presets(stdout);
        fputs(settings_help, stdout);
        config_print_help(stdout);
        return 0;
      default:
        options_complain(c, options, argv, "telos config", config_explain_option);
        return err_exit_code(ERR_USAGE);
    }
  }
  struct config cfg;
  config_defaults(&cfg);
  from.settings = argv + optind;
  from.nsettings = argc - optind;
  enum err err = config_read_sources(&cfg, &from);
  if (err == ERR_OK && (err = config_check(&cfg)) == ERR_OK) {
    char *text = config_dump(&cfg);
    fputs(text, stdout);
    free(text);
  }
  return err_exit_code(err);
}
