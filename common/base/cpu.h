// cpu.h - what this process may use of the machine.
#ifndef COMMON_BASE_CPU_H
#define COMMON_BASE_CPU_H

#include "common/base/err.h"

// Cores that the process may use: min(affinity, ceil(cgroup quota / period)), at least 1.
// Reads cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us).
int cpu_cores(void);

// Cores that quotas grant, rounded up; 0 when there is none. proc_cgroup is the text of
// /proc/self/cgroup, root where the cgroup file systems are mounted. Quotas hold for all below, so
// the smallest on the way from the process's group up to the root counts.
int cpu_quota_cores(const char *proc_cgroup, const char *root);

// Model name from /proc/cpuinfo, e.g. "Intel(R) Xeon(R) Processor @ 2.80GHz"; static storage.
const char *cpu_model(void);

// The build uses x86-64-v3 instructions (AVX2, FMA). ERR_CONFIG with one line when the CPU lacks
// them.
NODISCARD enum err cpu_require(void);

#endif
