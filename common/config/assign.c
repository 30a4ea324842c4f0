// assign.c - settings from the environment and from "group.name=value" of a command line.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/config/config.h"
#include "common/config/table.h"
#include "common/config/value.h"

static const char ENV_PREFIX[] = "TELOS_";

// upper case of n bytes of s, and a NUL
static void write_upper(char *out, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    out[i] = (char)toupper((unsigned char)s[i]);
  }
  out[n] = '\0';
}

// whether the n bytes at s are the upper case of word
static bool is_upper_of(const char *s, size_t n, const char *word) {
  char upper[CONFIG_KEY_BYTES];
  if (n >= CONFIG_KEY_BYTES || n != strlen(word)) {
    return false;
  }
  write_upper(upper, word, n);
  return memcmp(upper, s, n) == 0;
}

// one "TELOS_GROUP_NAME=value"; what is not of this form, or not of our groups, is not ours
static enum err set_variable(struct config *cfg, const char *variable) {
  size_t prefix = sizeof ENV_PREFIX - 1;
  const char *equals = strchr(variable, '=');
  if (equals == NULL || strncmp(variable, ENV_PREFIX, prefix) != 0) {
    return ERR_OK;
  }
  const char *group = variable + prefix;
  const char *bar = memchr(group, '_', (size_t)(equals - group));
  if (bar == NULL) {
    return ERR_OK;
  }
  const char *name = bar + 1;
  const char *ours = NULL;
  for (int i = 0; i < CONFIG_ROWS; i++) {
    if (!is_upper_of(group, (size_t)(bar - group), config_rows[i].group)) {
      continue;
    }
    ours = config_rows[i].group;
    if (is_upper_of(name, (size_t)(equals - name), config_rows[i].name)) {
      char place[CONFIG_PLACE_BYTES];
      snprintf(place, sizeof place, "environment variable %.*s", (int)(equals - variable),
               variable);
      return config_set_row(cfg, &config_rows[i], equals + 1, place);
    }
  }
  if (ours == NULL) {
    return ERR_OK;
  }

  // suggest in the spelling that belongs here
  char lower[CONFIG_KEY_BYTES] = "", near_group[CONFIG_KEY_BYTES], near_name[CONFIG_KEY_BYTES];
  for (int i = 0; i < CONFIG_KEY_BYTES - 1 && name + i < equals; i++) {
    lower[i] = (char)tolower((unsigned char)name[i]);
  }
  const struct config_row *near = config_nearest_row(ours, lower);
  const int length = equals - variable < 80 ? (int)(equals - variable) : 80;
  if (near == NULL) {
    return config_complain("environment",
                           "unknown variable %.*s; telos config --help lists all settings", length,
                           variable);
  }
  write_upper(near_group, near->group, strlen(near->group));
  write_upper(near_name, near->name, strlen(near->name));
  return config_complain("environment", "unknown variable %.*s; did you mean %s%s_%s?", length,
                         variable, ENV_PREFIX, near_group, near_name);
}

enum err config_read_env(struct config *cfg, char **environ_) {
  struct config copy = *cfg;
  for (char **variable = environ_; *variable != NULL; variable++) {
    enum err err = set_variable(&copy, *variable);
    if (err != ERR_OK) {
      return err;
    }
  }
  *cfg = copy;
  return ERR_OK;
}

enum err config_set(struct config *cfg, const char *assignment) {
  char place[CONFIG_PLACE_BYTES];
  snprintf(place, sizeof place, "argument %.100s", assignment);
  const char *equals = strchr(assignment, '=');
  if (equals == NULL) {
    return config_complain(place, "expected group.name=value, e.g. odac.gamma=0.98");
  }
  const struct config_row *row;
  enum err err = config_require_row(&row, place, assignment, (size_t)(equals - assignment));
  return err != ERR_OK ? err : config_set_row(cfg, row, equals + 1, place);
}

enum err config_read_overrides(struct config *cfg, char **environ_, char **assignments, int n) {
  struct config copy = *cfg;
  enum err err = config_read_env(&copy, environ_);
  for (int i = 0; err == ERR_OK && i < n; i++) {
    err = config_set(&copy, assignments[i]);
  }
  if (err == ERR_OK) {
    *cfg = copy;
  }
  return err;
}
