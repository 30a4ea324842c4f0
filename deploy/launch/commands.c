// commands.c - a program that stands in <root>/build/<preset>/bin belongs to a repository, when
// <root>/deploy/run.sh is there; all else is an installed program.
#include "deploy/launch/commands.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/shell.h"
#include "deploy/launch/verbs.h"

const char *commands_program_dir(void) {
  static char dir[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
  if (n > 0) {
    dir[n] = '\0';
    *strrchr(dir, '/') = '\0';
  }
  return dir;
}

void commands_path(FILE *out, const char *path) {
  char here[PATH_MAX], near[2 * PATH_MAX];
  const size_t n = getcwd(here, sizeof here) != NULL ? strlen(here) : 0;
  const bool below = n > 1 && strncmp(path, here, n) == 0 && path[n] == '/';
  snprintf(near, sizeof near, "%s%s", below ? "." : "", below ? path + n : path);
  shell_quote(out, near);
}

// whether the shell finds this very program by its name
static bool is_in_path(void) {
  char file[2 * PATH_MAX], real[PATH_MAX], own[PATH_MAX];
  snprintf(own, sizeof own, "%.4000s/telos", commands_program_dir());
  for (const char *p = getenv("PATH"); p != NULL && *p != '\0';) {
    const int n = (int)strcspn(p, ":");
    snprintf(file, sizeof file, "%.*s/telos", n < PATH_MAX ? n : PATH_MAX, p);
    if (p[0] == '/' && access(file, X_OK) == 0) {
      return realpath(file, real) != NULL && strcmp(real, own) == 0;
    }
    p += n + (p[n] == ':');
  }
  return false;
}

// the repository's run.sh into path; false: this program belongs to none
static bool find_run_script(char path[PATH_MAX]) {
  char dir[PATH_MAX];
  snprintf(dir, sizeof dir, "%s", commands_program_dir());
  char *bin = strrchr(dir, '/');
  if (bin == NULL || strcmp(bin, "/bin") != 0) {
    return false;
  }
  *bin = '\0';
  char *preset = strrchr(dir, '/');
  if (preset == NULL) {
    return false;
  }
  *preset = '\0';
  char *build = strrchr(dir, '/');
  if (build == NULL || strcmp(build, "/build") != 0) {
    return false;
  }
  *build = '\0';
  const int n = snprintf(path, PATH_MAX, "%s/deploy/run.sh", dir);
  return n < PATH_MAX && access(path, X_OK) == 0;
}

bool commands_run_script(FILE *out) {
  char path[PATH_MAX];
  if (!find_run_script(path)) {
    return false;
  }
  commands_path(out, path);
  return true;
}

void commands_telos(FILE *out) {
  char path[PATH_MAX + 16];
  snprintf(path, sizeof path, "%s/telos", commands_program_dir());
  if (is_in_path()) {
    fputs("telos", out);
  } else {
    commands_path(out, path);
  }
}

void commands_play(FILE *out) {
  char path[PATH_MAX + 16];
  if (verbs_find_play(path, sizeof path) || !commands_run_script(out)) {
    commands_telos(out);
  }
  fputs(" play", out);
}
