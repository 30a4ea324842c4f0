// bundle.h - settings that go together, by a name: presets (--preset), update rules (--rule).
//
// A bundle is applied after the defaults and before any other source, a rule before a preset. The
// settings of a run tell what it did; the names are for people.
#ifndef COMMON_CONFIG_BUNDLE_H
#define COMMON_CONFIG_BUNDLE_H

#include <stdio.h>

#include "common/base/err.h"

struct config;

enum { BUNDLE_SETTINGS = 24 };

struct bundle {
  const char *name, *help;
  const char *settings[BUNDLE_SETTINGS];  // NULL-terminated "group.name=value"
};

// An update rule by name: see rules.def.
struct named_rule {
  struct bundle bundle;
  const char *nets, *needs, *source;
};

// ERR_CONFIG (logged): there is none of this name.
NODISCARD enum err config_preset(struct config *cfg, const char *name);
NODISCARD enum err config_rule(struct config *cfg, const char *name);

// NULL beyond the last row of rules.def, or of presets.def.
const struct named_rule *config_rule_at(int i);
const struct bundle *config_preset_at(int i);

// The name for what cfg does: of the rows whose settings with words (CHOICE of config.def) all are
// as cfg has them, the most special one; static text.
const char *config_rule_name(const struct config *cfg);

// Where the settings of a command come from, in the order in which they are applied; later ones
// win. Each may be NULL.
struct config_sources {
  const char *rule, *preset;  // names
  const char *file;           // YAML
  char **environ_;            // TELOS_<GROUP>_<NAME>
  char **settings;            // (nsettings) group.name=value
  int nsettings;
};
NODISCARD enum err config_read_sources(struct config *cfg, const struct config_sources *from);

void config_print_presets(FILE *out);

#endif
