// bundle.c - two tables of settings that go together (presets.def, rules.def).
#include "common/config/bundle.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/words.h"
#include "common/config/config.h"
#include "common/config/table.h"

static const struct bundle presets[] = {
#define P(name, help, ...) {#name, help, {__VA_ARGS__, NULL}},
#include "common/config/presets.def"
#undef P
};

static const struct named_rule rules[] = {
#define R(name, nets, needs, help, source, ...) \
  {{name, help, {__VA_ARGS__, NULL}}, nets, needs, source},
#include "common/config/rules.def"
#undef R
};

enum {
  PRESETS = sizeof presets / sizeof *presets,
  RULES = sizeof rules / sizeof *rules,
};

static void apply(struct config *cfg, const struct bundle *bundle) {
  for (const char *const *setting = bundle->settings; *setting; setting++) {
    CHECK(config_set(cfg, *setting) == ERR_OK);
  }
}

static enum err refuse(const char *what, const char *list, const char *name,
                       const struct words_nearest *near) {
  char place[80];
  snprintf(place, sizeof place, "--%s %.60s", what, name);
  if (near->best != NULL) {
    return config_complain(place, "there is no such %s; did you mean %s?", what, near->best);
  }
  return config_complain(place, "there is no such %s; %s lists them", what, list);
}

enum err config_preset(struct config *cfg, const char *name) {
  struct words_nearest near = {.word = name};
  for (int i = 0; i < PRESETS; i++) {
    words_offer(&near, presets[i].name);
    if (strcmp(name, presets[i].name) == 0) {
      apply(cfg, &presets[i]);
      return ERR_OK;
    }
  }
  return refuse("preset", "telos config --help", name, &near);
}

enum err config_rule(struct config *cfg, const char *name) {
  struct words_nearest near = {.word = name};
  for (int i = 0; i < RULES; i++) {
    words_offer(&near, rules[i].bundle.name);
    if (strcmp(name, rules[i].bundle.name) == 0) {
      apply(cfg, &rules[i].bundle);
      return ERR_OK;
    }
  }
  return refuse("rule", "telos rules", name, &near);
}

const struct named_rule *config_rule_at(int i) {
  return i >= 0 && i < RULES ? &rules[i] : NULL;
}

const struct bundle *config_preset_at(int i) {
  return i >= 0 && i < PRESETS ? &presets[i] : NULL;
}

// how many rows with words differ between two configurations
static int other_words(const struct config *a, const struct config *b) {
  int n = 0;
  for (int i = 0; i < CONFIG_ROWS; i++) {
    const size_t at = config_rows[i].offset;
    n += config_rows[i].type == ROW_CHOICE &&
         memcmp((const char *)a + at, (const char *)b + at, sizeof(int)) != 0;
  }
  return n;
}

// numbers tune a rule, words make it another one
const char *config_rule_name(const struct config *cfg) {
  struct config defaults;
  config_defaults(&defaults);
  const char *best = config_rows[CONFIG_ROW_train_rule].words[cfg->train_rule];
  for (int i = 0, most = -1; i < RULES; i++) {
    struct config with = *cfg, plain = defaults;
    apply(&with, &rules[i].bundle);
    apply(&plain, &rules[i].bundle);
    const int n = other_words(&defaults, &plain);
    if (other_words(cfg, &with) == 0 && n > most) {
      most = n;
      best = rules[i].bundle.name;
    }
  }
  return best;
}

enum err config_read_sources(struct config *cfg, const struct config_sources *from) {
  enum err err = from->rule ? config_rule(cfg, from->rule) : ERR_OK;
  if (err == ERR_OK && from->preset) {
    err = config_preset(cfg, from->preset);
  }
  if (err == ERR_OK && from->file) {
    err = config_read_file(cfg, from->file);
  }
  return err == ERR_OK ? config_read_overrides(cfg, from->environ_, from->settings, from->nsettings)
                       : err;
}

void config_print_presets(FILE *out) {
  for (int i = 0; i < PRESETS; i++) {
    fprintf(out, "  --preset %-10s %s\n", presets[i].name, presets[i].help);
    for (const char *const *setting = presets[i].settings; *setting; setting++) {
      fprintf(out, "%22s%s\n", "", *setting);
    }
  }
}
