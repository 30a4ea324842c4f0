// yaml.c - settings from a YAML file.
//
// The file is read as libyaml's events, never as a tree: the only shapes are group, name and list,
// so anything deeper is refused when it opens, and anchors, aliases, tags and further documents
// have nothing to stand for. It is read into a copy of the struct, which replaces the caller's when
// all went well.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/config/config.h"
#include "common/config/table.h"
#include "common/config/value.h"

enum { MAX_FILE_BYTES = 1 << 20 };

struct reader {
  yaml_parser_t parser;
  yaml_event_t event;              // the current one, released by the next
  const char *label;               // of the file
  struct config *cfg;              // the working copy
  size_t line[CONFIG_ROWS];        // where a row was given, from 1; 0: not yet
  size_t group_line[CONFIG_ROWS];  // where a group was opened, at the index of its first row
};

// "file:line:column" of a mark, counted from 1
static const char *place_at(char place[CONFIG_PLACE_BYTES], const struct reader *r,
                            yaml_mark_t mark) {
  snprintf(place, CONFIG_PLACE_BYTES, "%.400s:%zu:%zu", r->label, mark.line + 1, mark.column + 1);
  return place;
}

// logs an error at the current event
__attribute__((format(printf, 2, 3))) static enum err complain_here(const struct reader *r,
                                                                    const char *fmt, ...) {
  char place[CONFIG_PLACE_BYTES], message[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  return config_complain(place_at(place, r, r->event.start_mark), "%s", message);
}

// the next event into r->event; what no configuration needs is refused here
static enum err next_event(struct reader *r) {
  yaml_event_delete(&r->event);
  if (!yaml_parser_parse(&r->parser, &r->event)) {
    char place[CONFIG_PLACE_BYTES];
    const char *problem = r->parser.problem != NULL ? r->parser.problem : "unreadable";
    if (r->parser.error == YAML_READER_ERROR) {
      return config_complain(r->label,
                             "not valid YAML at byte %zu: %s; the file must be UTF-8 text",
                             r->parser.problem_offset, problem);
    }
    return config_complain(place_at(place, r, r->parser.problem_mark), "not valid YAML: %s",
                           problem);
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

// nothing was written: "agent:" and the end of the line
static bool is_empty_scalar(const struct reader *r) {
  return r->event.type == YAML_SCALAR_EVENT && scalar_length(r) == 0 &&
         r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

// a scalar without NUL inside, which "\0" can write
static enum err require_text(const struct reader *r) {
  return strlen(scalar(r)) == scalar_length(r) ? ERR_OK
                                               : complain_here(r, "a NUL character in a text");
}

// the items of a list joined by commas, up to its end event; out has CONFIG_VALUE_BYTES
static enum err read_list(struct reader *r, const struct config_row *row, char *out) {
  size_t used = 0;
  for (int count = 0;; count++) {
    enum err err = next_event(r);
    if (err != ERR_OK) {
      return err;
    }
    if (r->event.type == YAML_SEQUENCE_END_EVENT) {
      return ERR_OK;
    }
    bool plain = r->event.type == YAML_SCALAR_EVENT && scalar_length(r) < CONFIG_KEY_BYTES / 2 &&
                 strlen(scalar(r)) == scalar_length(r) && strchr(scalar(r), ',') == NULL;
    if (!plain || count == CONFIG_WIDTHS) {
      return complain_here(r, "%s.%s: expected 1 to %d integers, e.g. [64, 64]", row->group,
                           row->name, CONFIG_WIDTHS);
    }
    used += (size_t)snprintf(out + used, CONFIG_VALUE_BYTES - used, "%s%s", count > 0 ? "," : "",
                             scalar(r));
  }
}

// the value of a row, whose key was at key_mark
static enum err read_value(struct reader *r, const struct config_row *row, yaml_mark_t key_mark) {
  char place[CONFIG_PLACE_BYTES], list[CONFIG_VALUE_BYTES] = "";
  size_t *line = &r->line[row - config_rows];
  if (*line != 0) {
    return config_complain(place_at(place, r, key_mark), "%s.%s is given twice, first in line %zu",
                           row->group, row->name, *line);
  }
  *line = key_mark.line + 1;

  place_at(place, r, r->event.start_mark);
  if (r->event.type == YAML_SEQUENCE_START_EVENT && row->type == ROW_WIDTHS) {
    enum err err = read_list(r, row, list);
    return err != ERR_OK ? err : config_set_row(r->cfg, row, list, place);
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
  return config_set_row(r->cfg, row, scalar(r), place);
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
    char key[2 * CONFIG_KEY_BYTES], place[CONFIG_PLACE_BYTES];
    const struct config_row *row;
    yaml_mark_t mark = r->event.start_mark;
    snprintf(key, sizeof key, "%s.%.64s", group, scalar(r));
    if ((err = config_require_row(&row, place_at(place, r, mark), key, strlen(key))) != ERR_OK ||
        (err = next_event(r)) != ERR_OK || (err = read_value(r, row, mark)) != ERR_OK) {
      return err;
    }
  }
}

// what follows a top-level key without a point: a mapping, or nothing
static enum err open_group(struct reader *r, const char *key, yaml_mark_t key_mark) {
  char place[CONFIG_PLACE_BYTES];
  place_at(place, r, key_mark);
  bool mapping = r->event.type == YAML_MAPPING_START_EVENT;
  int first = config_find_group(key);
  if (first < 0 && mapping) {
    const char *near = config_nearest_group(key);
    if (near == NULL) {
      return config_complain(place, "unknown group %.64s; telos config --help lists all", key);
    }
    return config_complain(place, "unknown group %.64s; did you mean %s?", key, near);
  }
  if (first < 0) {
    const struct config_row *row;
    return config_require_row(&row, place, key, strlen(key));
  }
  if (!mapping && !is_empty_scalar(r)) {
    return config_complain(
        place, "%s is a group; its settings belong below it, one \"name: value\" a line", key);
  }
  if (r->group_line[first] != 0) {
    return config_complain(place, "group %s is given twice, first in line %zu", key,
                           r->group_line[first]);
  }
  r->group_line[first] = key_mark.line + 1;
  return mapping ? read_group(r, config_rows[first].group) : ERR_OK;
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
    char key[2 * CONFIG_KEY_BYTES], place[CONFIG_PLACE_BYTES];
    yaml_mark_t mark = r->event.start_mark;
    snprintf(key, sizeof key, "%.100s", scalar(r));
    const struct config_row *row = NULL;
    if (strchr(key, '.') != NULL) {
      err = config_require_row(&row, place_at(place, r, mark), key, strlen(key));
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
    err = complain_here(r, "expected groups of settings, e.g. \"agent: {gamma: 0.98}\"");
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
    return config_complain(label, "a configuration of %zu bytes; at most %d are read", n,
                           MAX_FILE_BYTES);
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
