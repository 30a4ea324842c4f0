// table.c - the table of settings, who is who in it, and the rules between its rows.
//
// Defaults go through the same setter as what people write, so a default that its own range refuses
// aborts at the first start.
#include "common/config/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/words.h"
#include "common/config/value.h"

// the words of a CHOICE row are <group>_<name>_words
#define CHOICE(constant, word) [constant] = (word)
#define CHOICES(group, name, ...) \
  static const char *const group##_##name##_words[] = {__VA_ARGS__, NULL};
#include "common/config/choices.def"
#undef CHOICES
#undef CHOICE

#define WORDS_INT(row) NULL
#define WORDS_REAL(row) NULL
#define WORDS_BOOL(row) NULL
#define WORDS_WIDTHS(row) NULL
#define WORDS_TEXT(row) NULL
#define WORDS_CHOICE(row) row##_words

// a default is a number, a truth value or a quoted text; the last has its quotes stripped on use
const struct config_row config_rows[CONFIG_ROWS] = {
#define X(t, g, n, d, lowest, highest, u, c, h) \
  {.type = ROW_##t,                             \
   .group = #g,                                 \
   .name = #n,                                  \
   .def = #d,                                   \
   .min = lowest,                               \
   .max = highest,                              \
   .unit = u,                                   \
   .change = CHANGE_##c,                        \
   .help = h,                                   \
   .words = WORDS_##t(g##_##n),                 \
   .offset = offsetof(struct config, g##_##n)},
#include "common/config/config.def"
#undef X
};

bool config_row_has_auto(const struct config_row *row) {
  return row->type == ROW_REAL && strcmp(row->def, "NAN") == 0;
}

enum err config_complain(const char *place, const char *fmt, ...) {
  char message[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  log_error("%s: %s", place, message);
  return ERR_CONFIG;
}

// ---- look-up ----

const struct config_row *config_find_row(const char *group, const char *name) {
  for (int i = 0; i < CONFIG_ROWS; i++) {
    if (strcmp(config_rows[i].group, group) == 0 && strcmp(config_rows[i].name, name) == 0) {
      return &config_rows[i];
    }
  }
  return NULL;
}

int config_find_group(const char *group) {
  for (int i = 0; i < CONFIG_ROWS; i++) {
    if (strcmp(config_rows[i].group, group) == 0) {
      return i;
    }
  }
  return -1;
}

// the first row of a group stands where the group changes
bool config_opens_group(int i) {
  return i == 0 || strcmp(config_rows[i].group, config_rows[i - 1].group) != 0;
}

// splits "group.name" at the first point; a key without one has an empty group. What is too long
// is cut: no key of ours is.
static void split_key(char group[CONFIG_KEY_BYTES], char name[CONFIG_KEY_BYTES], const char *key,
                      size_t n) {
  const char *point = memchr(key, '.', n);
  size_t group_length = point != NULL ? (size_t)(point - key) : 0;
  const char *rest = point != NULL ? point + 1 : key;
  snprintf(group, CONFIG_KEY_BYTES, "%.*s",
           (int)(group_length < CONFIG_KEY_BYTES ? group_length : CONFIG_KEY_BYTES), key);
  size_t rest_length = (size_t)(key + n - rest);
  snprintf(name, CONFIG_KEY_BYTES, "%.*s",
           (int)(rest_length < CONFIG_KEY_BYTES ? rest_length : CONFIG_KEY_BYTES), rest);
}

const struct config_row *config_nearest_row(const char *group, const char *name) {
  const struct config_row *best = NULL;
  int best_cost = INT32_MAX;
  for (int i = 0; i < CONFIG_ROWS; i++) {
    int cost =
        2 * words_distance(name, config_rows[i].name) + words_distance(group, config_rows[i].group);
    if (words_near(name, config_rows[i].name) && cost < best_cost) {
      best_cost = cost;
      best = &config_rows[i];
    }
  }
  return best;
}

const char *config_nearest_group(const char *group) {
  struct words_nearest near = {.word = group};
  for (int i = 0; i < CONFIG_ROWS; i++) {
    words_offer(&near, config_rows[i].group);
  }
  return near.best;
}

enum err config_require_row(const struct config_row **row, const char *place, const char *key,
                            size_t n) {
  char group[CONFIG_KEY_BYTES], name[CONFIG_KEY_BYTES];
  split_key(group, name, key, n);
  *row = config_find_row(group, name);
  if (*row != NULL) {
    return ERR_OK;
  }
  int first = group[0] == '\0' ? config_find_group(name) : -1;
  if (first >= 0) {
    return config_complain(place, "%s is a group; name one of its settings, e.g. %s.%s", name, name,
                           config_rows[first].name);
  }
  const struct config_row *near = config_nearest_row(group, name);
  if (near == NULL) {
    return config_complain(place, "unknown setting %.*s; telos config --help lists all",
                           n < 80 ? (int)n : 80, key);
  }
  return config_complain(place, "unknown setting %.*s; did you mean %s.%s?", n < 80 ? (int)n : 80,
                         key, near->group, near->name);
}

// ---- defaults ----

void config_defaults(struct config *cfg) {
  // padding too, so that equal settings are equal bytes
  memset(cfg, 0, sizeof *cfg);
  for (int i = 0; i < CONFIG_ROWS; i++) {
    const struct config_row *row = &config_rows[i];
    const char *def = config_row_has_auto(row) ? "auto" : row->def;
    char text[CONFIG_VALUE_BYTES];
    size_t n = strlen(def);
    bool quoted = def[0] == '"';
    snprintf(text, sizeof text, "%.*s", (int)(n - 2 * quoted), def + quoted);
    CHECK(config_set_row(cfg, row, text, "common/config/config.def") == ERR_OK);
  }
}

// ---- rules between settings ----

bool config_has_demos(const struct config *cfg) {
  return strcmp(cfg->demos_digest, "none") != 0;
}

bool config_has_start(const struct config *cfg) {
  return strcmp(cfg->start_policy, "none") != 0;
}

enum err config_check(const struct config *cfg) {
  static const char place[] = "configuration";
  if (cfg->train_warmup_steps >= cfg->run_steps) {
    return config_complain(place,
                           "train.warmup_steps = %" PRId64 " must be less than run.steps = %" PRId64
                           ", or nothing is learned",
                           cfg->train_warmup_steps, cfg->run_steps);
  }
  if (cfg->replay_capacity < cfg->train_warmup_steps) {
    return config_complain(
        place, "replay.capacity = %" PRId64 " must be at least train.warmup_steps = %" PRId64,
        cfg->replay_capacity, cfg->train_warmup_steps);
  }
  if (cfg->replay_capacity < cfg->train_batch) {
    return config_complain(place,
                           "replay.capacity = %" PRId64 " must be at least train.batch = %" PRId64,
                           cfg->replay_capacity, cfg->train_batch);
  }
  if (!(cfg->outcome_scale_min <= cfg->outcome_scale_max)) {
    char min[NUMBER_TEXT], max[NUMBER_TEXT];
    number_format_real(min, cfg->outcome_scale_min);
    number_format_real(max, cfg->outcome_scale_max);
    return config_complain(place, "outcome.scale_min = %s must not be above outcome.scale_max = %s",
                           min, max);
  }
  return ERR_OK;
}
