// yaml_events.h - a YAML text as libyaml's events, for readers that know which shapes they expect.
//
// Anchors, aliases and tags are refused: nothing here needs them. An error is one logged line with
// its place and ERR_CONFIG. One thread.
#ifndef COMMON_CONFIG_YAML_EVENTS_H
#define COMMON_CONFIG_YAML_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "common/base/err.h"
#include "common/config/table.h"

struct yaml_events {
  yaml_parser_t parser;
  yaml_event_t event;  // the current one, released by the next
  const char *label;   // of the file
};

// Text and label are borrowed until yaml_events_close.
void yaml_events_open(struct yaml_events *r, const char *text, size_t n, const char *label);
void yaml_events_close(struct yaml_events *r);

// The next event into r->event.
NODISCARD enum err yaml_events_next(struct yaml_events *r);

// "file:line:column" of a mark, counted from 1; returns place.
const char *yaml_events_place(char place[CONFIG_PLACE_BYTES], const struct yaml_events *r,
                              yaml_mark_t mark);

// Logs an error at the current event and returns ERR_CONFIG.
enum err yaml_events_complain(const struct yaml_events *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// Of the current event, a scalar.
const char *yaml_events_scalar(const struct yaml_events *r);
size_t yaml_events_length(const struct yaml_events *r);

// Nothing was written: "agent:" and the end of the line.
bool yaml_events_is_empty(const struct yaml_events *r);

// The current event, a scalar, has no NUL inside, which "\0" can write.
NODISCARD enum err yaml_events_require_text(const struct yaml_events *r);

#endif
