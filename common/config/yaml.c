// yaml.c - settings from a YAML file.
//
// The file is read as libyaml's events, never as a tree: the only shapes are group, name and list,
// so anything deeper is refused when it opens, and anchors, aliases, tags and further documents
// have nothing to stand for. It is read into a copy of the struct, which replaces the caller's when
// all went well.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "common/config/config.h"
#include "common/config/table.h"
#include "common/config/value.h"
#include "common/config/yaml_events.h"

enum { MAX_FILE_BYTES = 1 << 20 };

struct reader {
  struct yaml_events yaml;
  struct config *cfg;              // the working copy
  size_t line[CONFIG_ROWS];        // where a row was given, from 1; 0: not yet
  size_t group_line[CONFIG_ROWS];  // where a group was opened, at the index of its first row
};

// the items of a list joined by commas, up to its end event; out has CONFIG_VALUE_BYTES
static enum err read_list(struct reader *r, const struct config_row *row, char *out) {
  size_t used = 0;
  for (int count = 0;; count++) {
    enum err err = yaml_events_next(&r->yaml);
    if (err != ERR_OK) {
      return err;
    }
    if (r->yaml.event.type == YAML_SEQUENCE_END_EVENT) {
      return ERR_OK;
    }
    bool plain = r->yaml.event.type == YAML_SCALAR_EVENT &&
                 yaml_events_length(&r->yaml) < CONFIG_KEY_BYTES / 2 &&
                 strlen(yaml_events_scalar(&r->yaml)) == yaml_events_length(&r->yaml) &&
                 strchr(yaml_events_scalar(&r->yaml), ',') == NULL;
    if (!plain || count == CONFIG_WIDTHS) {
      return yaml_events_complain(&r->yaml, "%s.%s: expected 1 to %d integers, e.g. [64, 64]",
                                  row->group, row->name, CONFIG_WIDTHS);
    }
    used += (size_t)snprintf(out + used, CONFIG_VALUE_BYTES - used, "%s%s", count > 0 ? "," : "",
                             yaml_events_scalar(&r->yaml));
  }
}

// the value of a row, whose key was at key_mark
static enum err read_value(struct reader *r, const struct config_row *row, yaml_mark_t key_mark) {
  char place[CONFIG_PLACE_BYTES], list[CONFIG_VALUE_BYTES] = "";
  size_t *line = &r->line[row - config_rows];
  if (*line != 0) {
    return config_complain(yaml_events_place(place, &r->yaml, key_mark),
                           "%s.%s is given twice, first in line %zu", row->group, row->name, *line);
  }
  *line = key_mark.line + 1;

  yaml_events_place(place, &r->yaml, r->yaml.event.start_mark);
  if (r->yaml.event.type == YAML_SEQUENCE_START_EVENT && row->type == ROW_WIDTHS) {
    enum err err = read_list(r, row, list);
    return err != ERR_OK ? err : config_set_row(r->cfg, row, list, place);
  }
  if (r->yaml.event.type != YAML_SCALAR_EVENT) {
    return yaml_events_complain(
        &r->yaml, "%s.%s: expected one value, not a %s", row->group, row->name,
        r->yaml.event.type == YAML_MAPPING_START_EVENT ? "mapping" : "list");
  }
  enum err err = yaml_events_require_text(&r->yaml);
  if (err != ERR_OK) {
    return err;
  }
  if (yaml_events_length(&r->yaml) == 0) {
    return yaml_events_complain(&r->yaml, "%s.%s has no value", row->group, row->name);
  }
  return config_set_row(r->cfg, row, yaml_events_scalar(&r->yaml), place);
}

// the current event must be a key
static enum err require_key(const struct reader *r) {
  if (r->yaml.event.type != YAML_SCALAR_EVENT) {
    return yaml_events_complain(&r->yaml, "a key must be a word, e.g. gamma");
  }
  return yaml_events_require_text(&r->yaml);
}

// "name: value" pairs up to the end of the mapping
static enum err read_group(struct reader *r, const char *group) {
  for (;;) {
    enum err err = yaml_events_next(&r->yaml);
    if (err != ERR_OK || r->yaml.event.type == YAML_MAPPING_END_EVENT) {
      return err;
    }
    if ((err = require_key(r)) != ERR_OK) {
      return err;
    }
    char key[2 * CONFIG_KEY_BYTES], place[CONFIG_PLACE_BYTES];
    const struct config_row *row;
    yaml_mark_t mark = r->yaml.event.start_mark;
    snprintf(key, sizeof key, "%s.%.64s", group, yaml_events_scalar(&r->yaml));
    if ((err = config_require_row(&row, yaml_events_place(place, &r->yaml, mark), key,
                                  strlen(key))) != ERR_OK ||
        (err = yaml_events_next(&r->yaml)) != ERR_OK ||
        (err = read_value(r, row, mark)) != ERR_OK) {
      return err;
    }
  }
}

// what follows a top-level key without a point: a mapping, or nothing
static enum err open_group(struct reader *r, const char *key, yaml_mark_t key_mark) {
  char place[CONFIG_PLACE_BYTES];
  yaml_events_place(place, &r->yaml, key_mark);
  bool mapping = r->yaml.event.type == YAML_MAPPING_START_EVENT;
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
  if (!mapping && !yaml_events_is_empty(&r->yaml)) {
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
    enum err err = yaml_events_next(&r->yaml);
    if (err != ERR_OK || r->yaml.event.type == YAML_MAPPING_END_EVENT) {
      return err;
    }
    if ((err = require_key(r)) != ERR_OK) {
      return err;
    }
    char key[2 * CONFIG_KEY_BYTES], place[CONFIG_PLACE_BYTES];
    yaml_mark_t mark = r->yaml.event.start_mark;
    snprintf(key, sizeof key, "%.100s", yaml_events_scalar(&r->yaml));
    const struct config_row *row = NULL;
    if (strchr(key, '.') != NULL) {
      err = config_require_row(&row, yaml_events_place(place, &r->yaml, mark), key, strlen(key));
    }
    if (err != ERR_OK || (err = yaml_events_next(&r->yaml)) != ERR_OK) {
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
  if ((err = yaml_events_next(&r->yaml)) != ERR_OK ||
      (err = yaml_events_next(&r->yaml)) != ERR_OK) {
    return err;
  }
  if (r->yaml.event.type == YAML_STREAM_END_EVENT) {
    return ERR_OK;
  }
  if ((err = yaml_events_next(&r->yaml)) != ERR_OK) {
    return err;
  }
  if (r->yaml.event.type == YAML_MAPPING_START_EVENT) {
    err = read_top(r);
  } else if (!yaml_events_is_empty(&r->yaml)) {
    err = yaml_events_complain(&r->yaml,
                               "expected groups of settings, e.g. \"agent: {gamma: 0.98}\"");
  }
  // end of document, end of stream
  if (err != ERR_OK || (err = yaml_events_next(&r->yaml)) != ERR_OK ||
      (err = yaml_events_next(&r->yaml)) != ERR_OK) {
    return err;
  }
  return r->yaml.event.type == YAML_STREAM_END_EVENT
             ? ERR_OK
             : yaml_events_complain(
                   &r->yaml, "a second document begins here; one file holds one configuration");
}

enum err config_read_yaml(struct config *cfg, const char *text, size_t n, const char *label) {
  if (n > MAX_FILE_BYTES) {
    return config_complain(label, "a configuration of %zu bytes; at most %d are read", n,
                           MAX_FILE_BYTES);
  }
  struct config copy = *cfg;
  struct reader r = {.cfg = &copy};
  yaml_events_open(&r.yaml, text, n, label);
  enum err err = read_stream(&r);
  yaml_events_close(&r.yaml);
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
