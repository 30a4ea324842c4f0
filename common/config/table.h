// table.h - the rows of config.def as data, for the files of this folder, and for whoever needs the
// range of a setting.
//
// A row is what the rest of the folder works on: a source looks one up and sets it (value.h), a
// writer walks all of them. Rows of one group stand together, in the order of the table.
#ifndef COMMON_CONFIG_TABLE_H
#define COMMON_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"
#include "common/config/config.h"

enum config_type {
  ROW_INT,
  ROW_REAL,
  ROW_BOOL,
  ROW_WIDTHS,
  ROW_TEXT,
  ROW_CHOICE,
};

// whether a run that is resumed may have another value than before
enum config_change { CHANGE_FIXED, CHANGE_FREE };

struct config_row {
  enum config_type type;
  const char *group, *name;
  const char *def;  // as text, through the same setter as all else
  double min, max;  // integers of the table are below 2^53, so doubles hold them
  const char *unit;
  enum config_change change;
  const char *help;
  const char *const *words;  // CHOICE: by value, then NULL; else NULL
  size_t offset;             // in struct config
};

enum {
  CONFIG_KEY_BYTES = 64,     // of a group or name, as far as it is compared and shown
  CONFIG_PLACE_BYTES = 512,  // "file:line:column"
};

// CONFIG_ROWS of them
extern const struct config_row config_rows[];

enum {
#define X(type, group, name, def, min, max, unit, change, help) CONFIG_ROW_##group##_##name,
#include "common/config/config.def"
#undef X
  CONFIG_ROWS
};

// Whether a REAL row may be unset: NAN in struct config, "auto" as text.
bool config_row_has_auto(const struct config_row *row);

// Logs "<place>: <message>" and returns ERR_CONFIG.
enum err config_complain(const char *place, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// NULL: there is none.
const struct config_row *config_find_row(const char *group, const char *name);

// The index of a group's first row, or -1.
int config_find_group(const char *group);

// Whether row i is the first of its group.
bool config_opens_group(int i);

// The row, or group, that was probably meant; NULL: none is near. A wrong name weighs more than a
// wrong group: who writes train.lr means some lr.
const struct config_row *config_nearest_row(const char *group, const char *name);
const char *config_nearest_group(const char *group);

// The row of a "group.name" of n bytes. ERR_CONFIG (logged): there is none.
NODISCARD enum err config_require_row(const struct config_row **row, const char *place,
                                      const char *key, size_t n);

#endif
