// compile.c - MuJoCo compiles; what it says is completed with what it does not know.
//
// A model that MuJoCo takes as it is stays what MuJoCo makes of it: the text without includes is
// the second attempt, so that no digest of a model depends on it that was good without. A failed
// second attempt still serves: MuJoCo says "line 0" of what was included, and of that text it says
// a line, which is one of a file.
#include "common/task/compile.h"

#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/task/mj.h"
#include "common/task/mjcf.h"

enum { MAX_TEXT = 2048 };

static bool has(const char *text, const char *words) {
  return strstr(text, words) != NULL;
}

// what to do about a message of MuJoCo's; "" when it says so itself, or nobody knows
static void find_remedy(char remedy[MAX_TEXT], const char *text) {
  const bool unknown = has(text, "unrecognized attribute") || has(text, "unrecognized element") ||
                       has(text, "invalid keyword");
  remedy[0] = '\0';
  if (has(text, "usr/share/mujoco/") && (has(text, "Include error") || has(text, "opening file"))) {
    snprintf(remedy, MAX_TEXT, "; install Debian's libmujoco-samples, which has the models there");
  } else if (unknown && mjVERSION_HEADER < 300) {
    snprintf(remedy, MAX_TEXT,
             "; this is MuJoCo %s, and a model written for MuJoCo 3 needs a build against 3: "
             "./deploy/run.sh --mujoco 3 (CONTRIBUTING.md)",
             mj_versionString());
  } else if (unknown) {
    snprintf(remedy, MAX_TEXT,
             "; this is MuJoCo %s, which has dropped some of what MuJoCo 2 knew "
             "(actor/tasks/README.md, MuJoCo 2.2.2 and 3)",
             mj_versionString());
  } else if (has(text, "plugin") && has(text, "not found")) {
    snprintf(
        remedy, MAX_TEXT,
        "; the plugins that are known are those in the folder plugin/ beside MuJoCo's library");
  } else if (has(text, "but not `limited`")) {
    snprintf(remedy, MAX_TEXT,
             "; <compiler autolimits=\"true\"/> in a wrapper, behind the <include>, holds for the "
             "included model, too");
  }
}

// puts file and line in place of the last "line N" or "line = N" of a message
static void name_file(char *text, size_t n, const struct mjcf *expanded) {
  char *at = NULL;
  for (char *p = text; (p = strstr(p, "line ")) != NULL; p++) {
    at = p;
  }
  if (!at) {
    return;
  }
  char *digits = at + strcspn(at, "0123456789\n"), *end;
  const long line = strtol(digits, &end, 10);
  int origin;
  const char *file = line > 0 && line < 1L << 30 ? mjcf_origin(expanded, (int)line, &origin) : NULL;
  if (file) {
    char rest[MAX_TEXT];
    snprintf(rest, sizeof rest, "%s", end);
    snprintf(at, n - (size_t)(at - text), "%s line %d%s", file, origin, rest);
  }
}

static mjModel *compile_expanded(const struct mjcf *expanded, const char *path, char *text,
                                 size_t n) {
  size_t size;
  const char *xml = mjcf_text(expanded, &size);
  mjModel *model = mj_load_text(path, xml, size, text, n);
  if (model) {
    log_debug("task %s: file names are taken from the files that have them", path);
  } else {
    name_file(text, n, expanded);
  }
  return model;
}

static void append(char *text, size_t n, const char *more) {
  const size_t used = strlen(text);
  snprintf(text + used, n - used, "%s", more);
}

mjModel *compile_file(const char *path, char *text, size_t n) {
  mjModel *model = mj_load_xml(path, text, n);
  if (model) {
    return model;
  }
  char reason[MAX_TEXT], remedy[MAX_TEXT];
  struct mjcf *expanded = mjcf_new(path, reason, sizeof reason);
  if (expanded) {
    model = compile_expanded(expanded, path, text, n);
    mjcf_free(expanded);
  }
  if (!model) {
    const bool not_found = has(text, "open") || has(text, "Include error");
    find_remedy(remedy, text);
    append(text, n, remedy[0] || !not_found ? remedy : reason);
  }
  return model;
}

mjModel *compile_text(const char *xml, size_t size, char *text, size_t n) {
  char remedy[MAX_TEXT];
  mjModel *model = mj_load_text("", xml, size, text, n);
  if (!model) {
    find_remedy(remedy, text);
    append(text, n, remedy);
  }
  return model;
}
