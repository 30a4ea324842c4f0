// assign.c - settings from the environment and from "group.name=value" of a command line.
//
// Kubernetes tells every container of every Service, in variables that begin with the Service's
// name: a Service called telos-train sets TELOS_TRAIN_SERVICE_HOST and TELOS_TRAIN_PORT. Such a
// variable is told from one of ours by its name and its value together, so TELOS_WIRE_PORT=6000 is
// a setting, and TELOS_WIRE_PORT=tcp://10.0.0.1:80 is not.
#include <arpa/inet.h>
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

static bool ends_in(const char *s, size_t n, const char *end) {
  const size_t k = strlen(end);
  return n >= k && memcmp(s + n - k, end, k) == 0;
}

static bool is_port_number(const char *s) {
  const size_t n = strlen(s);
  return n > 0 && n <= 5 && strspn(s, "0123456789") == n;
}

static bool is_address(const char *s) {
  unsigned char bytes[sizeof(struct in6_addr)];
  return inet_pton(AF_INET, s, bytes) == 1 || inet_pton(AF_INET6, s, bytes) == 1;
}

// "tcp", or the start of "tcp://10.0.0.1:80"
static bool is_protocol(const char *s, const char *behind) {
  static const char *const protocols[] = {"tcp", "udp", "sctp"};
  for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
    const size_t n = strlen(protocols[i]);
    if (strncmp(s, protocols[i], n) == 0 &&
        (behind[0] == '\0' ? s[n] == '\0' : strncmp(s + n, behind, strlen(behind)) == 0)) {
      return true;
    }
  }
  return false;
}

// the place of word in the n bytes at s, or NULL
static const char *find(const char *s, size_t n, const char *word) {
  return memmem(s, n, word, strlen(word));
}

// Whether Kubernetes writes a variable with this name (n bytes) and value for a Service:
// X_SERVICE_HOST, X_SERVICE_PORT[_NAME], X_PORT and X_PORT_<number>_<protocol>[_PROTO|_PORT|_ADDR].
static bool is_of_service(const char *name, size_t n, const char *value) {
  if (ends_in(name, n, "_SERVICE_HOST")) {
    return is_address(value);
  }
  if (find(name, n, "_SERVICE_PORT") != NULL) {
    return is_port_number(value);
  }
  if (find(name, n, "_PORT_") == NULL) {
    return ends_in(name, n, "_PORT") && is_protocol(value, "://");
  }
  return ends_in(name, n, "_PROTO")  ? is_protocol(value, "")
         : ends_in(name, n, "_PORT") ? is_port_number(value)
         : ends_in(name, n, "_ADDR") ? is_address(value)
                                     : is_protocol(value, "://");
}

// one "TELOS_GROUP_NAME=value"; what is not of this form, or not of our groups, is not ours
static enum err set_variable(struct config *cfg, const char *variable) {
  size_t prefix = sizeof ENV_PREFIX - 1;
  const char *equals = strchr(variable, '=');
  if (equals == NULL || strncmp(variable, ENV_PREFIX, prefix) != 0 ||
      is_of_service(variable, (size_t)(equals - variable), equals + 1)) {
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
    return config_complain(place, "expected group.name=value, e.g. agent.gamma=0.98");
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

bool config_explain_option(char *out, size_t n, const char *name, const char *value) {
  char group[CONFIG_KEY_BYTES] = "", own[CONFIG_KEY_BYTES];
  const char *point = strchr(name, '.');
  if (point != NULL) {
    snprintf(group, sizeof group, "%.*s", (int)(point - name < 60 ? point - name : 60), name);
  }
  snprintf(own, sizeof own, "%.60s", point != NULL ? point + 1 : name);
  for (char *p = own; *p != '\0'; p++) {
    *p = *p == '-' ? '_' : *p;
  }
  const struct config_row *row = config_nearest_row(group, own);
  if (row == NULL) {
    return false;
  }
  char text[CONFIG_VALUE_BYTES];
  struct config defaults;
  config_defaults(&defaults);
  config_format_row(text, &defaults, row);
  snprintf(out, n, "settings have no dashes: %s.%s=%.60s", row->group, row->name,
           value[0] != '\0' ? value : text);
  return true;
}
