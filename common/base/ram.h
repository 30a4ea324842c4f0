// ram.h - how much memory this process may use.
#ifndef COMMON_BASE_RAM_H
#define COMMON_BASE_RAM_H

#include <stdint.h>

// Bytes: what the machine has, or less when a control group or `ulimit -v` grants less.
uint64_t ram_limit(void);

// Bytes of addresses that `ulimit -v` grants, whether memory is behind them or not; UINT64_MAX: no
// limit.
uint64_t ram_space(void);

// Bytes that control groups grant; 0: no limit. Parameters as cgroup_tightest (cgroup.h). Reads
// cgroup v2 (memory.max) and v1 (memory.limit_in_bytes).
uint64_t ram_group_limit(const char *proc_cgroup, const char *root);

// "3.2 GB": three digits and a decimal unit, for people.
enum { RAM_TEXT = 24 };
void ram_format(char out[RAM_TEXT], uint64_t bytes);

#endif
