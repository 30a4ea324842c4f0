// print.c - settings for programs (YAML that reads back, differences) and for people (help,
// README).
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/config/table.h"
#include "common/config/value.h"

enum {
  HELP_COLUMNS = 100,
  HELP_NAME_COLUMNS = 24,
  HELP_DEFAULT_COLUMNS = 10,
};

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
  for (int i = 0; i < CONFIG_ROWS; i++) {
    if (config_opens_group(i)) {
      fprintf(m.out, "%s:\n", config_rows[i].group);
    }
    char value[CONFIG_VALUE_BYTES];
    config_format_row(value, cfg, &config_rows[i]);
    fprintf(m.out, "  %s: ", config_rows[i].name);
    if (config_rows[i].type != ROW_TEXT) {
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

char *config_diff(const struct config *a, const struct config *b, bool only_fixed) {
  struct memory m;
  memory_open(&m);
  for (int i = 0; i < CONFIG_ROWS; i++) {
    char before[CONFIG_VALUE_BYTES], after[CONFIG_VALUE_BYTES];
    config_format_row(before, a, &config_rows[i]);
    config_format_row(after, b, &config_rows[i]);
    if (strcmp(before, after) != 0 && !(only_fixed && config_rows[i].change == CHANGE_FREE)) {
      fprintf(m.out, "%s.%s: %s -> %s\n", config_rows[i].group, config_rows[i].name, before, after);
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
  for (int i = 0; i < CONFIG_ROWS; i++) {
    const struct config_row *row = &config_rows[i];
    if (config_opens_group(i)) {
      fprintf(out, "%s%s:\n", i > 0 ? "\n" : "", row->group);
    }
    char key[2 * CONFIG_KEY_BYTES], value[CONFIG_VALUE_BYTES], accepted[2 * CONFIG_VALUE_BYTES],
        text[512];
    snprintf(key, sizeof key, "%s.%s", row->group, row->name);
    config_format_row(value, &defaults, row);
    config_format_accepted(accepted, row);
    snprintf(text, sizeof text, "%s (%s%s)", row->help, accepted,
             row->change == CHANGE_FREE ? "; may change on resume" : "");
    fprintf(out, "  %-*s %-*s ", HELP_NAME_COLUMNS, key, HELP_DEFAULT_COLUMNS, value);
    print_wrapped(out, text, 2 + HELP_NAME_COLUMNS + 1 + HELP_DEFAULT_COLUMNS + 1);
  }
}

void config_print_markdown(FILE *out) {
  struct config defaults;
  config_defaults(&defaults);
  for (int i = 0; i < CONFIG_ROWS; i++) {
    const struct config_row *row = &config_rows[i];
    if (config_opens_group(i)) {
      fprintf(out,
              "%s### %s\n\n| setting | default | range | unit | may change | meaning |\n"
              "| --- | --- | --- | --- | --- | --- |\n",
              i > 0 ? "\n" : "", row->group);
    }
    char value[CONFIG_VALUE_BYTES], range[CONFIG_VALUE_BYTES];
    config_format_row(value, &defaults, row);
    config_format_range(range, row);
    fprintf(out, "| `%s.%s` | `%s` | %s | %s | %s | %s |\n", row->group, row->name, value, range,
            config_row_unit(row), row->change == CHANGE_FREE ? "yes" : "", row->help);
  }
}
