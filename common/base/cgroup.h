// cgroup.h - limits that control groups (v1 and v2) set for this process.
//
// A limit of a group holds for all groups below it, so the tightest on the way from the process's
// group up to the root counts. What cannot be read is no limit: containers hide parts of the tree,
// and in one without a cgroup namespace of its own the path of /proc/self/cgroup is the host's.
#ifndef COMMON_BASE_CGROUP_H
#define COMMON_BASE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

// The smallest limit of a controller ("cpu", "memory"), or 0 when there is none. proc_cgroup is the
// text of /proc/self/cgroup, root where the cgroup file systems are mounted. read gives the limit
// of one group's folder, 0: none.
int64_t cgroup_tightest(const char *proc_cgroup, const char *root, const char *controller,
                        int64_t (*read)(const char *dir));

// The same for this process.
int64_t cgroup_own(const char *controller, int64_t (*read)(const char *dir));

// The first line of dir/file, without newline; false when there is none.
bool cgroup_read_line(char *line, int n, const char *dir, const char *file);

#endif
