// cgroup.c - the lines of /proc/self/cgroup, and a walk up the tree for each.
//
// A line is "<id>:<controllers>:<group>"; v2 has id 0 and no controllers. Beside v1 hierarchies, v2
// is mounted one level down, in unified/.
#include "common/base/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

bool cgroup_read_line(char *line, int n, const char *dir, const char *file) {
  char path[PATH_MAX];
  int length = snprintf(path, sizeof path, "%s/%s", dir, file);
  if (length < 0 || length >= (int)sizeof path) {
    return false;
  }
  FILE *f = fopen(path, "re");
  if (f == NULL) {
    return false;
  }
  bool ok = fgets(line, n, f) != NULL;
  fclose(f);
  line[ok ? strcspn(line, "\n") : 0] = '\0';
  return ok;
}

// smaller of two limits, where 0 means none
static int64_t tighter(int64_t a, int64_t b) {
  return a == 0 || (b != 0 && b < a) ? b : a;
}

// the tightest limit from mount/group (length bytes) up to mount
static int64_t walk_up(const char *mount, const char *group, int length,
                       int64_t (*read)(const char *dir)) {
  int64_t limit = 0;
  char dir[PATH_MAX];
  for (;;) {
    int n = snprintf(dir, sizeof dir, "%s%.*s", mount, length, group);
    if (n > 0 && n < (int)sizeof dir) {
      limit = tighter(limit, read(dir));
    }
    if (length <= 0) {
      return limit;
    }
    // drop the last component with its slash
    do {
      length--;
    } while (length > 0 && group[length] != '/');
  }
}

// whether the comma-separated list of controllers names this one
static bool has_controller(const char *list, int length, const char *controller) {
  const size_t n = strlen(controller);
  for (int start = 0, end = 0; start < length; start = end + 1) {
    for (end = start; end < length && list[end] != ','; end++) {
    }
    if ((size_t)(end - start) == n && memcmp(list + start, controller, n) == 0) {
      return true;
    }
  }
  return false;
}

int64_t cgroup_tightest(const char *proc_cgroup, const char *root, const char *controller,
                        int64_t (*read)(const char *dir)) {
  int64_t limit = 0;
  char mount[PATH_MAX];
  for (const char *line = proc_cgroup; line != NULL && *line != '\0';) {
    int length = (int)strcspn(line, "\n");
    const char *list = memchr(line, ':', (size_t)length);
    list = list != NULL ? list + 1 : NULL;
    const char *group = list != NULL ? memchr(list, ':', (size_t)(line + length - list)) : NULL;
    if (group != NULL) {
      int list_length = (int)(group - list);
      group++;
      int group_length = (int)(line + length - group);
      if (list_length == 0) {
        limit = tighter(limit, walk_up(root, group, group_length, read));
        snprintf(mount, sizeof mount, "%s/unified", root);
        limit = tighter(limit, walk_up(mount, group, group_length, read));
      } else if (has_controller(list, list_length, controller)) {
        snprintf(mount, sizeof mount, "%s/%s", root, controller);
        limit = tighter(limit, walk_up(mount, group, group_length, read));
      }
    }
    line += length + (line[length] == '\n');
  }
  return limit;
}

int64_t cgroup_own(const char *controller, int64_t (*read)(const char *dir)) {
  // the file has a dozen lines at most; what does not fit is not needed
  char text[8192];
  size_t n = 0;
  FILE *f = fopen("/proc/self/cgroup", "re");
  if (f != NULL) {
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
  }
  text[n] = '\0';
  return cgroup_tightest(text, "/sys/fs/cgroup", controller, read);
}
