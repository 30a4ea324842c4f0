// config.c - one table, one setter, four sources.
//
// Every source ends in set_row() with a row of the table, a text and a place ("run.yaml:3:9"), so
// that a value means the same wherever it was written and every message says where that was. The
// sources work on a copy of the struct, which replaces the caller's when all went well.
//
// YAML is read as libyaml's events, never as a tree: the only shapes are group, name and list, so
// anything deeper is refused when it opens, and anchors, aliases, tags and further documents have
// nothing to stand for.
#include "common/config/config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/words.h"

enum type { INT, REAL, BOOL, WIDTHS, TEXT, CHOICE };

struct row {
  enum type type;
  const char *group, *name;
  const char *def;   // as text, through the same setter as all else
  double min, max;   // integers of the table are below 2^53, so doubles hold them
  const char *unit;  // CHOICE: the choices, a|b|c
  const char *help;
  size_t offset;  // in struct config
};

// a default is a number, a truth value or a quoted text; the last has its quotes stripped on use
static const struct row rows[] = {
#define X(type, group, name, def, min, max, unit, help) \
  {type, #group, #name, #def, min, max, unit, help, offsetof(struct config, group##_##name)},
#include "common/config/config.def"
#undef X
};

enum {
  ROW_COUNT = sizeof rows / sizeof rows[0],
  MAX_FILE_BYTES = 1 << 20,
  KEY_BYTES = 64,      // of a key, as far as it is compared and shown
  PLACE_BYTES = 512,   // "file:line:column"
  VALUE_BYTES = 128,   // a formatted value
  HELP_COLUMNS = 100,  // of --help
  HELP_NAME_COLUMNS = 24,
  HELP_DEFAULT_COLUMNS = 10,
};

// ---- one value as text ----

// the value of a row as a person would write it; texts are not quoted
static void format_row(char out[VALUE_BYTES], const struct config *cfg, const struct row *row) {
  const void *field = (const char *)cfg + row->offset;
  switch (row->type) {
    case INT:
      snprintf(out, VALUE_BYTES, "%" PRId64, *(const int64_t *)field);
      break;
    case REAL:
      number_format_real(out, *(const double *)field);
      break;
    case BOOL:
      snprintf(out, VALUE_BYTES, "%s", *(const bool *)field ? "true" : "false");
      break;
    case WIDTHS: {
      const struct widths *w = field;
      int used = snprintf(out, VALUE_BYTES, "[");
      for (int i = 0; i < w->n; i++) {
        used +=
            snprintf(out + used, VALUE_BYTES - (size_t)used, "%s%d", i > 0 ? ", " : "", w->v[i]);
      }
      snprintf(out + used, VALUE_BYTES - (size_t)used, "]");
      break;
    }
    case TEXT:
    case CHOICE:
      snprintf(out, VALUE_BYTES, "%s", (const char *)field);
      break;
  }
}

// "0.5 to 0.9999", "laplace or gaussian", ...: what a row accepts
static void format_range(char out[VALUE_BYTES], const struct row *row) {
  char min[NUMBER_TEXT], max[NUMBER_TEXT];
  switch (row->type) {
    case INT:
    case WIDTHS:
      snprintf(out, VALUE_BYTES, "%.0f to %.0f", row->min, row->max);
      break;
    case REAL:
      number_format_real(min, row->min);
      number_format_real(max, row->max);
      snprintf(out, VALUE_BYTES, "%s to %s", min, max);
      break;
    case BOOL:
      snprintf(out, VALUE_BYTES, "true or false");
      break;
    case TEXT:
      snprintf(out, VALUE_BYTES, "1 to %d printable ASCII characters", CONFIG_TEXT - 1);
      break;
    case CHOICE: {
      size_t used = 0;
      for (const char *p = row->unit; *p != '\0'; p++) {
        used += (size_t)snprintf(out + used, VALUE_BYTES - used, *p == '|' ? " or " : "%c", *p);
        CHECK(used < VALUE_BYTES);
      }
      break;
    }
  }
}

// the unit, where the row has one and its range does not say it
static const char *unit_of(const struct row *row) {
  return row->type == CHOICE || row->type == TEXT ? "" : row->unit;
}

// the range with its unit, "0.5 to 0.9999" or "1 to 65536, in rows"
static void format_accepted(char out[2 * VALUE_BYTES], const struct row *row) {
  char range[VALUE_BYTES];
  format_range(range, row);
  const char *unit = unit_of(row);
  snprintf(out, 2 * VALUE_BYTES, "%s%s%s", range, *unit != '\0' ? ", in " : "", unit);
}

// ---- errors ----

// logs "<place>: <message>"
__attribute__((format(printf, 2, 3))) static enum err complain(const char *place, const char *fmt,
                                                               ...) {
  char message[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  log_error("%s: %s", place, message);
  return ERR_CONFIG;
}

static enum err out_of_range(const char *place, const struct row *row, const char *value) {
  char accepted[2 * VALUE_BYTES];
  format_accepted(accepted, row);
  return complain(place, "%s.%s = %.64s is out of range; it must be %s", row->group, row->name,
                  value, accepted);
}

// The row that was probably meant; NULL: no name is near. A wrong name weighs more than a wrong
// group: who writes train.lr means some lr.
static const struct row *nearest_row(const char *group, const char *name) {
  const struct row *best = NULL;
  int best_cost = INT32_MAX;
  for (int i = 0; i < ROW_COUNT; i++) {
    int cost = 2 * words_distance(name, rows[i].name) + words_distance(group, rows[i].group);
    if (words_near(name, rows[i].name) && cost < best_cost) {
      best_cost = cost;
      best = &rows[i];
    }
  }
  return best;
}

static const char *nearest_group(const char *group) {
  struct words_nearest near = {.word = group};
  for (int i = 0; i < ROW_COUNT; i++) {
    words_offer(&near, rows[i].group);
  }
  return near.best;
}

// ---- table lookup ----

static const struct row *find_row(const char *group, const char *name) {
  for (int i = 0; i < ROW_COUNT; i++) {
    if (strcmp(rows[i].group, group) == 0 && strcmp(rows[i].name, name) == 0) {
      return &rows[i];
    }
  }
  return NULL;
}

// the index of a group's first row, or -1
static int find_group(const char *group) {
  for (int i = 0; i < ROW_COUNT; i++) {
    if (strcmp(rows[i].group, group) == 0) {
      return i;
    }
  }
  return -1;
}

// the first row of a group stands where the group changes
static bool opens_group(int i) {
  return i == 0 || strcmp(rows[i].group, rows[i - 1].group) != 0;
}

// splits "group.name" at the first point; a key without one has an empty group. What is too long
// is cut: no key of ours is.
static void split_key(char group[KEY_BYTES], char name[KEY_BYTES], const char *key, size_t n) {
  const char *point = memchr(key, '.', n);
  size_t group_length = point != NULL ? (size_t)(point - key) : 0;
  const char *rest = point != NULL ? point + 1 : key;
  snprintf(group, KEY_BYTES, "%.*s", (int)(group_length < KEY_BYTES ? group_length : KEY_BYTES),
           key);
  size_t rest_length = (size_t)(key + n - rest);
  snprintf(name, KEY_BYTES, "%.*s", (int)(rest_length < KEY_BYTES ? rest_length : KEY_BYTES), rest);
}

// the row of a "group.name" of n bytes; logs when there is none
static enum err require_row(const struct row **row, const char *place, const char *key, size_t n) {
  char group[KEY_BYTES], name[KEY_BYTES];
  split_key(group, name, key, n);
  *row = find_row(group, name);
  if (*row != NULL) {
    return ERR_OK;
  }
  int first = group[0] == '\0' ? find_group(name) : -1;
  if (first >= 0) {
    return complain(place, "%s is a group; name one of its settings, e.g. %s.%s", name, name,
                    rows[first].name);
  }
  const struct row *near = nearest_row(group, name);
  if (near == NULL) {
    return complain(place, "unknown setting %.*s; telos config --help lists all",
                    n < 80 ? (int)n : 80, key);
  }
  return complain(place, "unknown setting %.*s; did you mean %s.%s?", n < 80 ? (int)n : 80, key,
                  near->group, near->name);
}

// ---- the setter ----

// "64, 64" with or without brackets
static enum err set_widths(struct widths *out, const struct row *row, const char *text,
                           const char *place) {
  struct widths w = {0};
  size_t n = strlen(text);
  bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
  const char *p = text + bracketed, *end = text + n - bracketed;
  for (;;) {
    const char *comma = memchr(p, ',', (size_t)(end - p));
    const char *stop = comma != NULL ? comma : end;
    // one entry without the blanks around it
    while (p < stop && *p == ' ') {
      p++;
    }
    const char *last = stop;
    while (last > p && last[-1] == ' ') {
      last--;
    }
    char entry[KEY_BYTES];
    int64_t value;
    snprintf(entry, sizeof entry, "%.*s", (int)(last - p < KEY_BYTES ? last - p : KEY_BYTES), p);
    if (w.n == CONFIG_WIDTHS || !number_parse_int(&value, entry)) {
      return complain(place, "%s.%s = %.64s: expected 1 to %d integers, e.g. [64, 64]", row->group,
                      row->name, text, CONFIG_WIDTHS);
    }
    if ((double)value < row->min || (double)value > row->max) {
      return out_of_range(place, row, text);
    }
    w.v[w.n++] = (int)value;
    if (comma == NULL) {
      *out = w;
      return ERR_OK;
    }
    p = comma + 1;
  }
}

// texts stay printable ASCII, so that every source can write what every other can
static bool good_text(const char *text) {
  size_t n = strlen(text);
  for (size_t i = 0; i < n; i++) {
    if (text[i] < 0x20 || text[i] > 0x7e) {
      return false;
    }
  }
  return n > 0 && n < CONFIG_TEXT;
}

// whether text is one of a|b|c
static bool is_choice(const char *choices, const char *text) {
  size_t n = strlen(text);
  for (const char *p = choices;; p++) {
    size_t length = strcspn(p, "|");
    if (length == n && memcmp(p, text, n) == 0) {
      return true;
    }
    p += length;
    if (*p == '\0') {
      return false;
    }
  }
}

static enum err set_row(struct config *cfg, const struct row *row, const char *text,
                        const char *place) {
  void *field = (char *)cfg + row->offset;
  int64_t whole;
  double real;
  switch (row->type) {
    case INT:
      if (!number_parse_int(&whole, text)) {
        return complain(place, "%s.%s = %.64s: expected an integer, e.g. %s", row->group, row->name,
                        text, row->def);
      }
      if ((double)whole < row->min || (double)whole > row->max) {
        return out_of_range(place, row, text);
      }
      *(int64_t *)field = whole;
      return ERR_OK;
    case REAL:
      if (!number_parse_real(&real, text)) {
        return complain(place, "%s.%s = %.64s: expected a number, e.g. %s", row->group, row->name,
                        text, row->def);
      }
      if (!(real >= row->min && real <= row->max)) {
        return out_of_range(place, row, text);
      }
      *(double *)field = real;
      return ERR_OK;
    case BOOL:
      if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return complain(place, "%s.%s = %.64s: expected true or false", row->group, row->name,
                        text);
      }
      *(bool *)field = text[0] == 't';
      return ERR_OK;
    case WIDTHS:
      return set_widths(field, row, text, place);
    case TEXT:
    case CHOICE:
      if (row->type == TEXT ? !good_text(text) : !is_choice(row->unit, text)) {
        char range[VALUE_BYTES];
        format_range(range, row);
        return complain(place, "%s.%s = %.64s: expected %s", row->group, row->name, text, range);
      }
      // the whole array is written, so that equal settings are equal bytes
      memset(field, 0, CONFIG_TEXT);
      memcpy(field, text, strlen(text));
      return ERR_OK;
  }
  return ERR_OK;
}

void config_defaults(struct config *cfg) {
  // padding too, so that equal settings are equal bytes
  memset(cfg, 0, sizeof *cfg);
  for (int i = 0; i < ROW_COUNT; i++) {
    char text[VALUE_BYTES];
    size_t n = strlen(rows[i].def);
    bool quoted = rows[i].def[0] == '"';
    snprintf(text, sizeof text, "%.*s", (int)(n - 2 * quoted), rows[i].def + quoted);
    CHECK(set_row(cfg, &rows[i], text, "common/config/config.def") == ERR_OK);
  }
}

// ---- YAML ----

struct reader {
  yaml_parser_t parser;
  yaml_event_t event;            // the current one, released by the next
  const char *label;             // of the file
  struct config *cfg;            // the working copy
  size_t line[ROW_COUNT];        // where a row was given, from 1; 0: not yet
  size_t group_line[ROW_COUNT];  // where a group was opened, at the index of its first row
};

// "file:line:column" of a mark, counted from 1
static const char *place_at(char place[PLACE_BYTES], const struct reader *r, yaml_mark_t mark) {
  snprintf(place, PLACE_BYTES, "%.400s:%zu:%zu", r->label, mark.line + 1, mark.column + 1);
  return place;
}

// logs an error at the current event
__attribute__((format(printf, 2, 3))) static enum err complain_here(const struct reader *r,
                                                                    const char *fmt, ...) {
  char place[PLACE_BYTES], message[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  return complain(place_at(place, r, r->event.start_mark), "%s", message);
}

// the next event into r->event; what no configuration needs is refused here
static enum err next_event(struct reader *r) {
  yaml_event_delete(&r->event);
  if (!yaml_parser_parse(&r->parser, &r->event)) {
    char place[PLACE_BYTES];
    const char *problem = r->parser.problem != NULL ? r->parser.problem : "unreadable";
    if (r->parser.error == YAML_READER_ERROR) {
      return complain(r->label, "not valid YAML at byte %zu: %s; the file must be UTF-8 text",
                      r->parser.problem_offset, problem);
    }
    return complain(place_at(place, r, r->parser.problem_mark), "not valid YAML: %s", problem);
  }
  const yaml_char_t *anchor = NULL, *tag = NULL;
  switch (r->event.type) {
    case YAML_ALIAS_EVENT:
      anchor = r->event.data.alias.anchor;
      break;
    case YAML_SCALAR_EVENT:
      anchor = r->event.data.scalar.anchor;
      tag = r->event.data.scalar.tag;
      break;
    case YAML_SEQUENCE_START_EVENT:
      anchor = r->event.data.sequence_start.anchor;
      tag = r->event.data.sequence_start.tag;
      break;
    case YAML_MAPPING_START_EVENT:
      anchor = r->event.data.mapping_start.anchor;
      tag = r->event.data.mapping_start.tag;
      break;
    default:
      break;
  }
  if (anchor != NULL) {
    return complain_here(
        r, "anchors and aliases (&%.32s, *%.32s) are not supported; write the value out",
        (const char *)anchor, (const char *)anchor);
  }
  if (tag != NULL) {
    return complain_here(r, "tags (%.32s) are not supported; write the plain value",
                         (const char *)tag);
  }
  return ERR_OK;
}

static const char *scalar(const struct reader *r) {
  return (const char *)r->event.data.scalar.value;
}

static size_t scalar_length(const struct reader *r) {
  return r->event.data.scalar.length;
}

// nothing was written: "odac:" and the end of the line
static bool is_empty_scalar(const struct reader *r) {
  return r->event.type == YAML_SCALAR_EVENT && scalar_length(r) == 0 &&
         r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

// a scalar without NUL inside, which "\0" can write
static enum err require_text(const struct reader *r) {
  return strlen(scalar(r)) == scalar_length(r) ? ERR_OK
                                               : complain_here(r, "a NUL character in a text");
}

// the items of a list joined by commas, up to its end event; out has VALUE_BYTES
static enum err read_list(struct reader *r, const struct row *row, char *out) {
  size_t used = 0;
  for (int count = 0;; count++) {
    enum err err = next_event(r);
    if (err != ERR_OK) {
      return err;
    }
    if (r->event.type == YAML_SEQUENCE_END_EVENT) {
      return ERR_OK;
    }
    bool plain = r->event.type == YAML_SCALAR_EVENT && scalar_length(r) < KEY_BYTES / 2 &&
                 strlen(scalar(r)) == scalar_length(r) && strchr(scalar(r), ',') == NULL;
    if (!plain || count == CONFIG_WIDTHS) {
      return complain_here(r, "%s.%s: expected 1 to %d integers, e.g. [64, 64]", row->group,
                           row->name, CONFIG_WIDTHS);
    }
    used +=
        (size_t)snprintf(out + used, VALUE_BYTES - used, "%s%s", count > 0 ? "," : "", scalar(r));
  }
}

// the value of a row, whose key was at key_mark
static enum err read_value(struct reader *r, const struct row *row, yaml_mark_t key_mark) {
  char place[PLACE_BYTES], list[VALUE_BYTES] = "";
  size_t *line = &r->line[row - rows];
  if (*line != 0) {
    return complain(place_at(place, r, key_mark), "%s.%s is given twice, first in line %zu",
                    row->group, row->name, *line);
  }
  *line = key_mark.line + 1;

  place_at(place, r, r->event.start_mark);
  if (r->event.type == YAML_SEQUENCE_START_EVENT && row->type == WIDTHS) {
    enum err err = read_list(r, row, list);
    return err != ERR_OK ? err : set_row(r->cfg, row, list, place);
  }
  if (r->event.type != YAML_SCALAR_EVENT) {
    return complain_here(r, "%s.%s: expected one value, not a %s", row->group, row->name,
                         r->event.type == YAML_MAPPING_START_EVENT ? "mapping" : "list");
  }
  enum err err = require_text(r);
  if (err != ERR_OK) {
    return err;
  }
  if (scalar_length(r) == 0) {
    return complain_here(r, "%s.%s has no value", row->group, row->name);
  }
  return set_row(r->cfg, row, scalar(r), place);
}

// the current event must be a key
static enum err require_key(const struct reader *r) {
  if (r->event.type != YAML_SCALAR_EVENT) {
    return complain_here(r, "a key must be a word, e.g. gamma");
  }
  return require_text(r);
}

// "name: value" pairs up to the end of the mapping
static enum err read_group(struct reader *r, const char *group) {
  for (;;) {
    enum err err = next_event(r);
    if (err != ERR_OK || r->event.type == YAML_MAPPING_END_EVENT) {
      return err;
    }
    if ((err = require_key(r)) != ERR_OK) {
      return err;
    }
    char key[2 * KEY_BYTES], place[PLACE_BYTES];
    const struct row *row;
    yaml_mark_t mark = r->event.start_mark;
    snprintf(key, sizeof key, "%s.%.64s", group, scalar(r));
    if ((err = require_row(&row, place_at(place, r, mark), key, strlen(key))) != ERR_OK ||
        (err = next_event(r)) != ERR_OK || (err = read_value(r, row, mark)) != ERR_OK) {
      return err;
    }
  }
}

// what follows a top-level key without a point: a mapping, or nothing
static enum err open_group(struct reader *r, const char *key, yaml_mark_t key_mark) {
  char place[PLACE_BYTES];
  place_at(place, r, key_mark);
  bool mapping = r->event.type == YAML_MAPPING_START_EVENT;
  int first = find_group(key);
  if (first < 0 && mapping) {
    const char *near = nearest_group(key);
    if (near == NULL) {
      return complain(place, "unknown group %.64s; telos config --help lists all", key);
    }
    return complain(place, "unknown group %.64s; did you mean %s?", key, near);
  }
  if (first < 0) {
    const struct row *row;
    return require_row(&row, place, key, strlen(key));
  }
  if (!mapping && !is_empty_scalar(r)) {
    return complain(place,
                    "%s is a group; its settings belong below it, one \"name: value\" a line", key);
  }
  if (r->group_line[first] != 0) {
    return complain(place, "group %s is given twice, first in line %zu", key, r->group_line[first]);
  }
  r->group_line[first] = key_mark.line + 1;
  return mapping ? read_group(r, rows[first].group) : ERR_OK;
}

// "group: {...}" and "group.name: value" pairs up to the end of the mapping
static enum err read_top(struct reader *r) {
  for (;;) {
    enum err err = next_event(r);
    if (err != ERR_OK || r->event.type == YAML_MAPPING_END_EVENT) {
      return err;
    }
    if ((err = require_key(r)) != ERR_OK) {
      return err;
    }
    char key[2 * KEY_BYTES], place[PLACE_BYTES];
    yaml_mark_t mark = r->event.start_mark;
    snprintf(key, sizeof key, "%.100s", scalar(r));
    const struct row *row = NULL;
    if (strchr(key, '.') != NULL) {
      err = require_row(&row, place_at(place, r, mark), key, strlen(key));
    }
    if (err != ERR_OK || (err = next_event(r)) != ERR_OK) {
      return err;
    }
    err = row != NULL ? read_value(r, row, mark) : open_group(r, key, mark);
    if (err != ERR_OK) {
      return err;
    }
  }
}

// the whole stream: nothing, or one document that is empty or a mapping
static enum err read_stream(struct reader *r) {
  enum err err;
  if ((err = next_event(r)) != ERR_OK || (err = next_event(r)) != ERR_OK) {
    return err;
  }
  if (r->event.type == YAML_STREAM_END_EVENT) {
    return ERR_OK;
  }
  if ((err = next_event(r)) != ERR_OK) {
    return err;
  }
  if (r->event.type == YAML_MAPPING_START_EVENT) {
    err = read_top(r);
  } else if (!is_empty_scalar(r)) {
    err = complain_here(r, "expected groups of settings, e.g. \"odac: {gamma: 0.98}\"");
  }
  // end of document, end of stream
  if (err != ERR_OK || (err = next_event(r)) != ERR_OK || (err = next_event(r)) != ERR_OK) {
    return err;
  }
  return r->event.type == YAML_STREAM_END_EVENT
             ? ERR_OK
             : complain_here(r, "a second document begins here; one file holds one configuration");
}

enum err config_read_yaml(struct config *cfg, const char *text, size_t n, const char *label) {
  if (n > MAX_FILE_BYTES) {
    return complain(label, "a configuration of %zu bytes; at most %d are read", n, MAX_FILE_BYTES);
  }
  struct config copy = *cfg;
  struct reader r = {.label = label, .cfg = &copy};
  CHECK(yaml_parser_initialize(&r.parser));
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
  enum err err = read_stream(&r);
  yaml_event_delete(&r.event);
  yaml_parser_delete(&r.parser);
  if (err == ERR_OK) {
    *cfg = copy;
  }
  return err;
}

enum err config_read_file(struct config *cfg, const char *path) {
  void *text;
  size_t n;
  enum err err = fsio_read(&text, &n, path, MAX_FILE_BYTES);
  if (err != ERR_OK) {
    // whatever is wrong with the file: trying again does not help
    return ERR_CONFIG;
  }
  err = config_read_yaml(cfg, text, n, path);
  free(text);
  return err;
}

// ---- environment and command line ----

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
  char upper[KEY_BYTES];
  if (n >= KEY_BYTES || n != strlen(word)) {
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
  for (int i = 0; i < ROW_COUNT; i++) {
    if (!is_upper_of(group, (size_t)(bar - group), rows[i].group)) {
      continue;
    }
    ours = rows[i].group;
    if (is_upper_of(name, (size_t)(equals - name), rows[i].name)) {
      char place[PLACE_BYTES];
      snprintf(place, sizeof place, "environment variable %.*s", (int)(equals - variable),
               variable);
      return set_row(cfg, &rows[i], equals + 1, place);
    }
  }
  if (ours == NULL) {
    return ERR_OK;
  }

  // suggest in the spelling that belongs here
  char lower[KEY_BYTES] = "", near_group[KEY_BYTES], near_name[KEY_BYTES];
  for (int i = 0; i < KEY_BYTES - 1 && name + i < equals; i++) {
    lower[i] = (char)tolower((unsigned char)name[i]);
  }
  const struct row *near = nearest_row(ours, lower);
  const int length = equals - variable < 80 ? (int)(equals - variable) : 80;
  if (near == NULL) {
    return complain("environment", "unknown variable %.*s; telos config --help lists all settings",
                    length, variable);
  }
  write_upper(near_group, near->group, strlen(near->group));
  write_upper(near_name, near->name, strlen(near->name));
  return complain("environment", "unknown variable %.*s; did you mean %s%s_%s?", length, variable,
                  ENV_PREFIX, near_group, near_name);
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
  char place[PLACE_BYTES];
  snprintf(place, sizeof place, "argument %.100s", assignment);
  const char *equals = strchr(assignment, '=');
  if (equals == NULL) {
    return complain(place, "expected group.name=value, e.g. odac.gamma=0.98");
  }
  const struct row *row;
  enum err err = require_row(&row, place, assignment, (size_t)(equals - assignment));
  return err != ERR_OK ? err : set_row(cfg, row, equals + 1, place);
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

// ---- rules between settings ----

enum err config_check(const struct config *cfg) {
  static const char place[] = "configuration";
  if (cfg->train_warmup_steps >= cfg->run_steps) {
    return complain(place,
                    "train.warmup_steps = %" PRId64 " must be less than run.steps = %" PRId64
                    ", or nothing is learned",
                    cfg->train_warmup_steps, cfg->run_steps);
  }
  if (cfg->replay_capacity < cfg->train_warmup_steps) {
    return complain(place,
                    "replay.capacity = %" PRId64 " must be at least train.warmup_steps = %" PRId64,
                    cfg->replay_capacity, cfg->train_warmup_steps);
  }
  if (cfg->replay_capacity < cfg->train_batch) {
    return complain(place, "replay.capacity = %" PRId64 " must be at least train.batch = %" PRId64,
                    cfg->replay_capacity, cfg->train_batch);
  }
  if (!(cfg->outcome_scale_min <= cfg->outcome_scale_max)) {
    char min[NUMBER_TEXT], max[NUMBER_TEXT];
    number_format_real(min, cfg->outcome_scale_min);
    number_format_real(max, cfg->outcome_scale_max);
    return complain(place, "outcome.scale_min = %s must not be above outcome.scale_max = %s", min,
                    max);
  }
  return ERR_OK;
}

// ---- writing ----

// a text that grows behind a FILE
struct memory {
  FILE *out;
  char *text;
  size_t n;
};

static void memory_open(struct memory *m) {
  m->out = open_memstream(&m->text, &m->n);
  CHECK(m->out != NULL);
}

static char *memory_take(struct memory *m) {
  CHECK(fclose(m->out) == 0);
  return m->text;
}

char *config_dump(const struct config *cfg) {
  struct memory m;
  memory_open(&m);
  for (int i = 0; i < ROW_COUNT; i++) {
    if (opens_group(i)) {
      fprintf(m.out, "%s:\n", rows[i].group);
    }
    char value[VALUE_BYTES];
    format_row(value, cfg, &rows[i]);
    fprintf(m.out, "  %s: ", rows[i].name);
    if (rows[i].type != TEXT) {
      fprintf(m.out, "%s\n", value);
      continue;
    }
    // a free text may look like anything: quoted, it is a text
    fputc('"', m.out);
    for (const char *p = value; *p != '\0'; p++) {
      fprintf(m.out, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    }
    fputs("\"\n", m.out);
  }
  return memory_take(&m);
}

// what a resumed run may change: how it is served, watched and kept, and how long it goes on
static bool may_change(const struct row *row) {
  static const char *const groups[] = {"wire", "status", "checkpoint", "eval"};
  static const char *const settings[][2] = {
      {"run", "steps"}, {"ledger", "timeout"}, {"ledger", "audit"}};
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
    if (strcmp(row->group, groups[i]) == 0) {
      return true;
    }
  }
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    if (strcmp(row->group, settings[i][0]) == 0 && strcmp(row->name, settings[i][1]) == 0) {
      return true;
    }
  }
  return false;
}

char *config_diff(const struct config *a, const struct config *b, bool only_fixed) {
  struct memory m;
  memory_open(&m);
  for (int i = 0; i < ROW_COUNT; i++) {
    char before[VALUE_BYTES], after[VALUE_BYTES];
    format_row(before, a, &rows[i]);
    format_row(after, b, &rows[i]);
    if (strcmp(before, after) != 0 && !(only_fixed && may_change(&rows[i]))) {
      fprintf(m.out, "%s.%s: %s -> %s\n", rows[i].group, rows[i].name, before, after);
    }
  }
  return memory_take(&m);
}

// text in words, from column on, in lines of at most HELP_COLUMNS; ends the line
static void print_wrapped(FILE *out, const char *text, int column) {
  int at = column;
  for (const char *p = text; *p != '\0';) {
    int word = (int)strcspn(p, " ");
    if (at > column && at + 1 + word > HELP_COLUMNS) {
      fprintf(out, "\n%*s", column, "");
      at = column;
    }
    at += fprintf(out, "%s%.*s", at > column ? " " : "", word, p);
    p += word;
    p += strspn(p, " ");
  }
  fputc('\n', out);
}

void config_print_help(FILE *out) {
  struct config defaults;
  config_defaults(&defaults);
  for (int i = 0; i < ROW_COUNT; i++) {
    const struct row *row = &rows[i];
    if (opens_group(i)) {
      fprintf(out, "%s%s:\n", i > 0 ? "\n" : "", row->group);
    }
    char key[2 * KEY_BYTES], value[VALUE_BYTES], accepted[2 * VALUE_BYTES], text[512];
    snprintf(key, sizeof key, "%s.%s", row->group, row->name);
    format_row(value, &defaults, row);
    format_accepted(accepted, row);
    snprintf(text, sizeof text, "%s (%s)", row->help, accepted);
    fprintf(out, "  %-*s %-*s ", HELP_NAME_COLUMNS, key, HELP_DEFAULT_COLUMNS, value);
    print_wrapped(out, text, 2 + HELP_NAME_COLUMNS + 1 + HELP_DEFAULT_COLUMNS + 1);
  }
}

void config_print_markdown(FILE *out) {
  struct config defaults;
  config_defaults(&defaults);
  for (int i = 0; i < ROW_COUNT; i++) {
    const struct row *row = &rows[i];
    if (opens_group(i)) {
      fprintf(out,
              "%s### %s\n\n| setting | default | range | unit | meaning |\n"
              "| --- | --- | --- | --- | --- |\n",
              i > 0 ? "\n" : "", row->group);
    }
    char value[VALUE_BYTES], range[VALUE_BYTES];
    format_row(value, &defaults, row);
    format_range(range, row);
    fprintf(out, "| `%s.%s` | `%s` | %s | %s | %s |\n", row->group, row->name, value, range,
            unit_of(row), row->help);
  }
}
