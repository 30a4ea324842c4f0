// value.c - one setter and one writer for the value of a row.
//
// Every source ends in config_set_row with a row of the table, a text and a place ("run.yaml:3:9"),
// so that a value means the same wherever it was written and every message says where that was.
#include "common/config/value.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/number.h"

// ---- a value as text ----

void config_format_row(char out[CONFIG_VALUE_BYTES], const struct config *cfg,
                       const struct config_row *row) {
  const void *field = (const char *)cfg + row->offset;
  switch (row->type) {
    case ROW_INT:
      snprintf(out, CONFIG_VALUE_BYTES, "%" PRId64, *(const int64_t *)field);
      break;
    case ROW_REAL:
      if (isnan(*(const double *)field)) {
        snprintf(out, CONFIG_VALUE_BYTES, "auto");
      } else {
        number_format_real(out, *(const double *)field);
      }
      break;
    case ROW_BOOL:
      snprintf(out, CONFIG_VALUE_BYTES, "%s", *(const bool *)field ? "true" : "false");
      break;
    case ROW_WIDTHS: {
      const struct widths *w = field;
      int used = snprintf(out, CONFIG_VALUE_BYTES, "[");
      for (int i = 0; i < w->n; i++) {
        used += snprintf(out + used, CONFIG_VALUE_BYTES - (size_t)used, "%s%d", i > 0 ? ", " : "",
                         w->v[i]);
      }
      snprintf(out + used, CONFIG_VALUE_BYTES - (size_t)used, "]");
      break;
    }
    case ROW_TEXT:
      snprintf(out, CONFIG_VALUE_BYTES, "%s", (const char *)field);
      break;
    case ROW_CHOICE:
      snprintf(out, CONFIG_VALUE_BYTES, "%s", row->words[*(const unsigned *)field]);
      break;
  }
}

// the range without the word auto
static void format_range(char out[CONFIG_VALUE_BYTES], const struct config_row *row) {
  char min[NUMBER_TEXT], max[NUMBER_TEXT];
  switch (row->type) {
    case ROW_INT:
    case ROW_WIDTHS:
      snprintf(out, CONFIG_VALUE_BYTES, "%.0f to %.0f", row->min, row->max);
      break;
    case ROW_REAL:
      number_format_real(min, row->min);
      number_format_real(max, row->max);
      snprintf(out, CONFIG_VALUE_BYTES, "%s to %s", min, max);
      break;
    case ROW_BOOL:
      snprintf(out, CONFIG_VALUE_BYTES, "true or false");
      break;
    case ROW_TEXT:
      snprintf(out, CONFIG_VALUE_BYTES, "1 to %d printable ASCII characters", CONFIG_TEXT - 1);
      break;
    case ROW_CHOICE: {
      size_t used = 0;
      for (int i = 0; row->words[i] != NULL; i++) {
        used += (size_t)snprintf(out + used, CONFIG_VALUE_BYTES - used, "%s%s", i > 0 ? " or " : "",
                                 row->words[i]);
        CHECK(used < CONFIG_VALUE_BYTES);
      }
      break;
    }
  }
}

const char *config_row_unit(const struct config_row *row) {
  return row->type == ROW_CHOICE || row->type == ROW_TEXT ? "" : row->unit;
}

void config_format_range(char out[CONFIG_VALUE_BYTES], const struct config_row *row) {
  format_range(out, row);
  const size_t n = strlen(out);
  snprintf(out + n, CONFIG_VALUE_BYTES - n, "%s", config_row_has_auto(row) ? ", or auto" : "");
}

void config_format_accepted(char out[2 * CONFIG_VALUE_BYTES], const struct config_row *row) {
  char range[CONFIG_VALUE_BYTES];
  format_range(range, row);
  const char *unit = config_row_unit(row);
  snprintf(out, 2 * CONFIG_VALUE_BYTES, "%s%s%s%s", range, *unit != '\0' ? ", in " : "", unit,
           config_row_has_auto(row) ? ", or auto" : "");
}

// ---- the setter ----

static enum err out_of_range(const char *place, const struct config_row *row, const char *value) {
  char accepted[2 * CONFIG_VALUE_BYTES];
  config_format_accepted(accepted, row);
  return config_complain(place, "%s.%s = %.64s is out of range; it must be %s", row->group,
                         row->name, value, accepted);
}

// "64, 64" with or without brackets
static enum err set_widths(struct widths *out, const struct config_row *row, const char *text,
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
    char entry[CONFIG_KEY_BYTES];
    int64_t value;
    snprintf(entry, sizeof entry, "%.*s",
             (int)(last - p < CONFIG_KEY_BYTES ? last - p : CONFIG_KEY_BYTES), p);
    if (w.n == CONFIG_WIDTHS || !number_parse_int(&value, entry)) {
      return config_complain(place, "%s.%s = %.64s: expected 1 to %d integers, e.g. [64, 64]",
                             row->group, row->name, text, CONFIG_WIDTHS);
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

// enums of ours have no negative value, so each is an unsigned
static_assert(sizeof(enum outcome_likelihood) == sizeof(unsigned), "a CHOICE field is an unsigned");

// the value that a word of a CHOICE row stands for; false: there is no such word
static bool set_choice(unsigned *out, const struct config_row *row, const char *text) {
  for (unsigned i = 0; row->words[i] != NULL; i++) {
    if (strcmp(row->words[i], text) == 0) {
      *out = i;
      return true;
    }
  }
  return false;
}

static enum err unexpected(const char *place, const struct config_row *row, const char *value) {
  char range[CONFIG_VALUE_BYTES];
  config_format_range(range, row);
  return config_complain(place, "%s.%s = %.64s: expected %s", row->group, row->name, value, range);
}

static enum err set_int(int64_t *out, const struct config_row *row, const char *text,
                        const char *place) {
  int64_t value;
  if (!number_parse_int(&value, text)) {
    return config_complain(place, "%s.%s = %.64s: expected an integer, e.g. %s", row->group,
                           row->name, text, row->def);
  }
  if ((double)value < row->min || (double)value > row->max) {
    return out_of_range(place, row, text);
  }
  *out = value;
  return ERR_OK;
}

static enum err set_real(double *out, const struct config_row *row, const char *text,
                         const char *place) {
  const bool has_auto = config_row_has_auto(row);
  double value;
  if (has_auto && strcmp(text, "auto") == 0) {
    *out = NAN;
    return ERR_OK;
  }
  if (!number_parse_real(&value, text)) {
    return config_complain(place, "%s.%s = %.64s: expected a number%s%s", row->group, row->name,
                           text, has_auto ? ", or auto" : ", e.g. ", has_auto ? "" : row->def);
  }
  if (!(value >= row->min && value <= row->max)) {
    return out_of_range(place, row, text);
  }
  *out = value;
  return ERR_OK;
}

enum err config_set_row(struct config *cfg, const struct config_row *row, const char *text,
                        const char *place) {
  void *field = (char *)cfg + row->offset;
  switch (row->type) {
    case ROW_INT:
      return set_int(field, row, text, place);
    case ROW_REAL:
      return set_real(field, row, text, place);
    case ROW_BOOL:
      if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return unexpected(place, row, text);
      }
      *(bool *)field = text[0] == 't';
      return ERR_OK;
    case ROW_WIDTHS:
      return set_widths(field, row, text, place);
    case ROW_CHOICE:
      return set_choice(field, row, text) ? ERR_OK : unexpected(place, row, text);
    case ROW_TEXT:
      if (!good_text(text)) {
        return unexpected(place, row, text);
      }
      // the whole array is written, so that equal settings are equal bytes
      memset(field, 0, CONFIG_TEXT);
      memcpy(field, text, strlen(text));
      return ERR_OK;
  }
  return ERR_OK;
}

int config_layers(int *width, int in, const struct widths *hidden, int out) {
  width[0] = in;
  memcpy(width + 1, hidden->v, (size_t)hidden->n * sizeof *width);
  width[hidden->n + 1] = out;
  return hidden->n + 1;
}
