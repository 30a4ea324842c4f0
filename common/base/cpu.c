// cpu.c - cores, model and instruction set, from the kernel's text files.
//
// The number of cores decides how many threads start by default and never what they compute.
// A file that is missing or unreadable counts as "no limit": containers hide parts of the tree,
// and in one without its own cgroup namespace the path of /proc/self/cgroup is the host's.
#include "common/base/cpu.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODEL_BYTES = 128, MAX_CPUS = 1 << 16 };

// cores of the affinity mask; 1 when the kernel does not tell
static int affinity_cores(void) {
  // the mask must be as wide as the kernel's, which only trying tells
  for (int cpus = 1024; cpus <= MAX_CPUS; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    if (set == NULL) {
      return 1;
    }
    size_t bytes = CPU_ALLOC_SIZE(cpus);
    int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) {
      return count;
    }
  }
  return 1;
}

// the first line of dir/file, without newline; false when there is none
static bool read_line(char *line, int n, const char *dir, const char *file) {
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
  return ok;
}

// ceil(quota / period) of one group; 0 when it has no quota
static int group_cores(const char *dir) {
  char line[64], period_line[64];
  long long quota = -1, period = 0;
  // v2 has both numbers in one file, "max 100000" without a quota; v1 has two files, -1 without
  if (read_line(line, sizeof line, dir, "cpu.max")) {
    if (sscanf(line, "%lld %lld", &quota, &period) != 2) {
      return 0;
    }
  } else if (read_line(line, sizeof line, dir, "cpu.cfs_quota_us") &&
             read_line(period_line, sizeof period_line, dir, "cpu.cfs_period_us")) {
    quota = strtoll(line, NULL, 10);
    period = strtoll(period_line, NULL, 10);
  }
  if (quota <= 0 || period <= 0) {
    return 0;
  }
  long long cores = (quota - 1) / period + 1;
  return cores < INT_MAX ? (int)cores : INT_MAX;
}

// smaller of two core counts, where 0 means no limit
static int tighter(int a, int b) {
  return a == 0 || (b != 0 && b < a) ? b : a;
}

// the tightest quota from mount/group (length bytes) up to mount
static int walk_up(const char *mount, const char *group, int length) {
  int cores = 0;
  char dir[PATH_MAX];
  for (;;) {
    int n = snprintf(dir, sizeof dir, "%s%.*s", mount, length, group);
    if (n > 0 && n < (int)sizeof dir) {
      cores = tighter(cores, group_cores(dir));
    }
    if (length <= 0) {
      return cores;
    }
    // drop the last component with its slash
    do {
      length--;
    } while (length > 0 && group[length] != '/');
  }
}

// whether the comma-separated list of controllers names "cpu"
static bool has_cpu(const char *list, int length) {
  for (int start = 0, end = 0; start < length; start = end + 1) {
    for (end = start; end < length && list[end] != ','; end++) {
    }
    if (end - start == 3 && memcmp(list + start, "cpu", 3) == 0) {
      return true;
    }
  }
  return false;
}

int cpu_quota_cores(const char *proc_cgroup, const char *root) {
  int cores = 0;
  char mount[PATH_MAX];
  // a line is "<id>:<controllers>:<group>"; v2 has id 0 and no controllers
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
        cores = tighter(cores, walk_up(root, group, group_length));
        // beside v1 hierarchies, v2 is mounted one level down
        snprintf(mount, sizeof mount, "%s/unified", root);
        cores = tighter(cores, walk_up(mount, group, group_length));
      } else if (has_cpu(list, list_length)) {
        snprintf(mount, sizeof mount, "%s/cpu", root);
        cores = tighter(cores, walk_up(mount, group, group_length));
      }
    }
    line += length + (line[length] == '\n');
  }
  return cores;
}

int cpu_cores(void) {
  // the file has a dozen lines at most; what does not fit is not needed
  char text[8192];
  size_t n = 0;
  FILE *f = fopen("/proc/self/cgroup", "re");
  if (f != NULL) {
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
  }
  text[n] = '\0';
  return tighter(affinity_cores(), cpu_quota_cores(text, "/sys/fs/cgroup"));
}

static char model[MODEL_BYTES] = "unknown CPU";
static pthread_once_t model_once = PTHREAD_ONCE_INIT;

static void read_model(void) {
  FILE *f = fopen("/proc/cpuinfo", "re");
  if (f == NULL) {
    return;
  }
  char line[512];
  while (fgets(line, sizeof line, f) != NULL) {
    const char *colon = strchr(line, ':');
    if (colon != NULL && strncmp(line, "model name", 10) == 0) {
      colon += 1 + strspn(colon + 1, " \t");
      snprintf(model, sizeof model, "%.*s", (int)strcspn(colon, "\n"), colon);
      break;
    }
  }
  fclose(f);
}

const char *cpu_model(void) {
  pthread_once(&model_once, read_model);
  return model;
}

// Built for every x86-64 and without our logger, since both would end in an illegal instruction
// on the machines that this is about.
__attribute__((target("arch=x86-64"))) enum err cpu_require(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
    return ERR_OK;
  }
  static const char message[] =
      "E telos: this CPU lacks AVX2, FMA or BMI2, which this build uses (x86-64-v3); use a machine "
      "of 2015 or later\n";
  ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
  (void)written;
  return ERR_CONFIG;
}
