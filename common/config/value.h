// value.h - the value of one row of the table, from text and to text.
#ifndef COMMON_CONFIG_VALUE_H
#define COMMON_CONFIG_VALUE_H

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/config/table.h"

enum { CONFIG_VALUE_BYTES = 128 };  // of a value or a range as text

// Sets the row's field. place says where the text stands. ERR_CONFIG (logged), and cfg as it was:
// the text is no value of this row.
NODISCARD enum err config_set_row(struct config *cfg, const struct config_row *row,
                                  const char *text, const char *place);

// The row's value as a person would write it; texts are not quoted.
void config_format_row(char out[CONFIG_VALUE_BYTES], const struct config *cfg,
                       const struct config_row *row);

// What a row accepts, "0.5 to 0.9999" or "laplace or gaussian"; with the unit, "1 to 65536, in
// rows".
void config_format_range(char out[CONFIG_VALUE_BYTES], const struct config_row *row);
void config_format_accepted(char out[2 * CONFIG_VALUE_BYTES], const struct config_row *row);

// The unit, where the row has one and its range does not say it; else "".
const char *config_row_unit(const struct config_row *row);

#endif
