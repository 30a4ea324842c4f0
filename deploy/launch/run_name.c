// run_name.c - the model's name is read from the first element of the file, not by compiling it:
// compiling can take long, warns, and happens in the learner anyway.
#include "deploy/launch/run_name.h"

#include <ctype.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/shell.h"
#include "common/run_files.h"
#include "common/task/task.h"
#include "deploy/launch/commands.h"

enum { MAX_PATH = 4096, MAX_BYTES = 64 << 20 };

bool run_name_is_good(const char *name) {
  for (const char *p = name;; p++) {
    const size_t n = strcspn(p, "/");
    if (n == 0 || (n <= 2 && strncmp(p, "..", n) == 0)) {
      return false;
    }
    p += n;
    if (*p == '\0') {
      return true;
    }
  }
}

// ---- the model's name ----

static bool ends_in_xml(const char *name) {
  const size_t n = strlen(name);
  return n > 4 && strcmp(name + n - 4, ".xml") == 0;
}

// past blanks, declarations (<?..?>, <!..>) and comments
static const char *skip_prolog(const char *p) {
  static const char *const parts[][2] = {{"<!--", "-->"}, {"<?", "?>"}, {"<!", ">"}};
  if (strncmp(p, "\xEF\xBB\xBF", 3) == 0) {
    p += 3;
  }
  for (size_t i = 0; i < sizeof parts / sizeof parts[0];) {
    p += strspn(p, " \t\r\n");
    i++;
    if (strncmp(p, parts[i - 1][0], strlen(parts[i - 1][0])) == 0) {
      const char *end = strstr(p, parts[i - 1][1]);
      if (end == NULL) {
        return "";
      }
      p = end + strlen(parts[i - 1][1]);
      i = 0;
    }
  }
  return p;
}

// the value of an attribute of the element at p, n bytes; NULL: it has none
static const char *find_attribute(const char *p, const char *name, size_t *n) {
  static const char blank[] = " \t\r\n";
  p += strcspn(p, " \t\r\n/>");
  for (;;) {
    p += strspn(p, blank);
    const size_t length = strcspn(p, " \t\r\n=/>");
    const char *value = p + length + strspn(p + length, blank);
    if (length == 0 || *value != '=') {
      return NULL;
    }
    value += 1 + strspn(value + 1, blank);
    const char *end = *value == '"' || *value == '\'' ? strchr(value + 1, *value) : NULL;
    if (end == NULL) {
      return NULL;
    }
    if (length == strlen(name) && strncmp(p, name, length) == 0) {
      *n = (size_t)(end - value - 1);
      return value + 1;
    }
    p = end + 1;
  }
}

static bool is_folder_name(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!isalnum((unsigned char)s[i]) && strchr("_-.", s[i]) == NULL) {
      return false;
    }
  }
  return n > 0 && n < RUN_NAME_MODEL && s[0] != '.';
}

void run_name_model(char out[RUN_NAME_MODEL], const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
  snprintf(out, RUN_NAME_MODEL, "%.*s", (int)(strlen(base) - (ends_in_xml(base) ? 4 : 0)), base);

  void *bytes = NULL;
  size_t size, n;
  if (fsio_read(&bytes, &size, path, MAX_BYTES) != ERR_OK) {
    return;
  }
  const char *root = skip_prolog(bytes);
  const char *name = strncmp(root, "<mujoco", 7) == 0 ? find_attribute(root, "model", &n) : NULL;
  if (name != NULL && is_folder_name(name, n)) {
    snprintf(out, RUN_NAME_MODEL, "%.*s", (int)n, name);
  }
  free(bytes);
}

// ---- a run's folder in place of a task ----

struct named {
  const char *name;
  char path[MAX_PATH];
};

static void keep_path(void *ctx, const char *name, const char *path) {
  struct named *f = ctx;
  if (strcmp(f->name, name) == 0) {
    snprintf(f->path, sizeof f->path, "%s", path);
  }
}

static bool read_task_name(char out[RUN_NAME_MODEL], const char *run) {
  char *path = run_files_path(run, "manifest.json");
  json_t *root = json_load_file(path, 0, NULL);
  const char *name = json_string_value(json_object_get(root, "task"));
  snprintf(out, RUN_NAME_MODEL, "%s", name != NULL ? name : "");
  json_decref(root);
  free(path);
  return out[0] != '\0';
}

// cuts <runs>/<model>/<name> at the last component that is the model's name; returns the name
static char *cut_run(char *run, const char *model) {
  const size_t n = strlen(model);
  for (char *p = run + strlen(run); p > run; p--) {
    if (p[0] == '/' && strncmp(p + 1, model, n) == 0 && p[1 + n] == '/' && p > run) {
      *p = '\0';
      return p + 2 + n;
    }
  }
  return NULL;
}

void run_name_tell(const char *run) {
  char folder[PATH_MAX], model[RUN_NAME_MODEL], *command = NULL;
  struct named file = {.name = model};
  size_t n;
  FILE *out = open_memstream(&command, &n);
  CHECK(out != NULL);
  char *name = realpath(run, folder) != NULL && read_task_name(model, folder)
                   ? cut_run(folder, model)
                   : NULL;
  commands_telos(out);
  fputs(" train ", out);
  if (name != NULL) {
    // a task that is not found by its name was given as a file
    task_list(keep_path, &file);
    fputs(file.path[0] != '\0' ? model : "FILE.xml", out);
    fputs(" --runs ", out);
    commands_path(out, folder);
    fputs(" --name ", out);
    shell_quote(out, name);
  } else {
    fputs("TASK --runs FOLDER --name NAME", out);
  }
  CHECK(fclose(out) == 0);
  log_error("%s is a run, not a task; to go on with it: %s", run, command);
  free(command);
}
