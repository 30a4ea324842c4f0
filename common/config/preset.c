// preset.c - settings that go together (presets.def).
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/words.h"
#include "common/config/config.h"
#include "common/config/table.h"

enum { MAX_SETTINGS = 24 };

static const struct preset {
  const char *name, *help;
  const char *settings[MAX_SETTINGS];  // NULL-terminated
} presets[] = {
#define P(name, help, ...) {#name, help, {__VA_ARGS__, NULL}},
#include "common/config/presets.def"
#undef P
};

enum { PRESETS = sizeof presets / sizeof *presets };

enum err config_preset(struct config *cfg, const char *name) {
  struct words_nearest near = {.word = name};
  for (int i = 0; i < PRESETS; i++) {
    words_offer(&near, presets[i].name);
    if (strcmp(name, presets[i].name) == 0) {
      for (const char *const *setting = presets[i].settings; *setting; setting++) {
        CHECK(config_set(cfg, *setting) == ERR_OK);
      }
      return ERR_OK;
    }
  }
  char place[80];
  snprintf(place, sizeof place, "--preset %.60s", name);
  if (near.best != NULL) {
    return config_complain(place, "there is no such preset; did you mean %s?", near.best);
  }
  return config_complain(place, "there is no such preset; telos config --help lists them");
}

void config_print_presets(FILE *out) {
  for (int i = 0; i < PRESETS; i++) {
    fprintf(out, "  --preset %-10s %s\n", presets[i].name, presets[i].help);
    for (const char *const *setting = presets[i].settings; *setting; setting++) {
      fprintf(out, "%22s%s\n", "", *setting);
    }
  }
}
