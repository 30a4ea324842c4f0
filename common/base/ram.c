// ram.c - the smallest of three limits; swap does not count, since training that swaps stands
// still.
#include "common/base/ram.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/cgroup.h"
#include "common/base/number.h"

// v1 writes "no limit" as a number near the largest, which is above what any machine has
static int64_t group_bytes(const char *dir) {
  char line[64];
  int64_t bytes;
  if ((cgroup_read_line(line, sizeof line, dir, "memory.max") ||
       cgroup_read_line(line, sizeof line, dir, "memory.limit_in_bytes")) &&
      number_parse_int(&bytes, line) && bytes > 0) {
    return bytes;
  }
  return 0;
}

uint64_t ram_group_limit(const char *proc_cgroup, const char *root) {
  return (uint64_t)cgroup_tightest(proc_cgroup, root, "memory", group_bytes);
}

uint64_t ram_space(void) {
  struct rlimit space;
  return getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY ? space.rlim_cur
                                                                              : UINT64_MAX;
}

uint64_t ram_limit(void) {
  uint64_t limit = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
  const uint64_t group = (uint64_t)cgroup_own("memory", group_bytes);
  if (group != 0 && group < limit) {
    limit = group;
  }
  const uint64_t space = ram_space();
  return space < limit ? space : limit;
}

void ram_format(char out[RAM_TEXT], uint64_t bytes) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  double value = (double)bytes;
  int unit = 0;
  for (; value >= 999.5 && unit < 6; unit++) {
    value /= 1000;
  }
  snprintf(out, RAM_TEXT, "%.3g %s", value, units[unit]);
}
