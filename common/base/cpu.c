// cpu.c - cores, model and instruction set, from the kernel's text files.
//
// The number of cores decides how many threads start by default and never what they compute.
#include "common/base/cpu.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cgroup.h"

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

// ceil(quota / period) of one group; 0 when it has no quota
static int64_t group_cores(const char *dir) {
  char line[64], period_line[64];
  long long quota = -1, period = 0;
  // v2 has both numbers in one file, "max 100000" without a quota; v1 has two files, -1 without
  if (cgroup_read_line(line, sizeof line, dir, "cpu.max")) {
    if (sscanf(line, "%lld %lld", &quota, &period) != 2) {
      return 0;
    }
  } else if (cgroup_read_line(line, sizeof line, dir, "cpu.cfs_quota_us") &&
             cgroup_read_line(period_line, sizeof period_line, dir, "cpu.cfs_period_us")) {
    quota = strtoll(line, NULL, 10);
    period = strtoll(period_line, NULL, 10);
  }
  if (quota <= 0 || period <= 0) {
    return 0;
  }
  long long cores = (quota - 1) / period + 1;
  return cores < INT_MAX ? (int)cores : INT_MAX;
}

int cpu_quota_cores(const char *proc_cgroup, const char *root) {
  return (int)cgroup_tightest(proc_cgroup, root, "cpu", group_cores);
}

int cpu_cores(void) {
  const int allowed = affinity_cores(), granted = (int)cgroup_own("cpu", group_cores);
  return granted != 0 && granted < allowed ? granted : allowed;
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
