// yaml_events.c - libyaml's events one by one, with a place for every message.
#include "common/config/yaml_events.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

void yaml_events_open(struct yaml_events *r, const char *text, size_t n, const char *label) {
  *r = (struct yaml_events){.label = label};
  CHECK(yaml_parser_initialize(&r->parser));
  yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, n);
}

void yaml_events_close(struct yaml_events *r) {
  yaml_event_delete(&r->event);
  yaml_parser_delete(&r->parser);
}

const char *yaml_events_place(char place[CONFIG_PLACE_BYTES], const struct yaml_events *r,
                              yaml_mark_t mark) {
  snprintf(place, CONFIG_PLACE_BYTES, "%.400s:%zu:%zu", r->label, mark.line + 1, mark.column + 1);
  return place;
}

enum err yaml_events_complain(const struct yaml_events *r, const char *fmt, ...) {
  char place[CONFIG_PLACE_BYTES], message[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  return config_complain(yaml_events_place(place, r, r->event.start_mark), "%s", message);
}

enum err yaml_events_next(struct yaml_events *r) {
  yaml_event_delete(&r->event);
  if (!yaml_parser_parse(&r->parser, &r->event)) {
    char place[CONFIG_PLACE_BYTES];
    const char *problem = r->parser.problem != NULL ? r->parser.problem : "unreadable";
    if (r->parser.error == YAML_READER_ERROR) {
      return config_complain(r->label,
                             "not valid YAML at byte %zu: %s; the file must be UTF-8 text",
                             r->parser.problem_offset, problem);
    }
    return config_complain(yaml_events_place(place, r, r->parser.problem_mark),
                           "not valid YAML: %s", problem);
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
    return yaml_events_complain(
        r, "anchors and aliases (&%.32s, *%.32s) are not supported; write the value out",
        (const char *)anchor, (const char *)anchor);
  }
  if (tag != NULL) {
    return yaml_events_complain(r, "tags (%.32s) are not supported; write the plain value",
                                (const char *)tag);
  }
  return ERR_OK;
}

const char *yaml_events_scalar(const struct yaml_events *r) {
  return (const char *)r->event.data.scalar.value;
}

size_t yaml_events_length(const struct yaml_events *r) {
  return r->event.data.scalar.length;
}

bool yaml_events_is_empty(const struct yaml_events *r) {
  return r->event.type == YAML_SCALAR_EVENT && yaml_events_length(r) == 0 &&
         r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

enum err yaml_events_require_text(const struct yaml_events *r) {
  return strlen(yaml_events_scalar(r)) == yaml_events_length(r)
             ? ERR_OK
             : yaml_events_complain(r, "a NUL character in a text");
}
