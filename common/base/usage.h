// usage.h - what this process takes of its machine, from /proc. What cannot be read is NaN.
#ifndef COMMON_BASE_USAGE_H
#define COMMON_BASE_USAGE_H

struct usage {
  double cpu_s;                   // user and system
  double resident, virtual_size;  // bytes
  double open_files, max_files;
  double threads;
  double start_s;  // since the epoch
};

void usage_read(struct usage *out);

#endif
