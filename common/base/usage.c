// usage.c - /proc/self, as proc(5) has it.
#include "common/base/usage.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double count_files(void) {
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL) {
    return NAN;
  }
  int n = -1;  // this one
  for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
    n += e->d_name[0] != '.';
  }
  closedir(dir);
  return n;
}

// when the machine came up, since the epoch
static double boot_s(void) {
  FILE *f = fopen("/proc/stat", "r");
  double at = NAN;
  char line[512];
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    if (sscanf(line, "btime %lf", &at) == 1) {
      break;
    }
  }
  if (f != NULL) {
    fclose(f);
  }
  return at;
}

void usage_read(struct usage *out) {
  *out = (struct usage){NAN, NAN, NAN, count_files(), NAN, NAN, NAN};
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    out->max_files = (double)limit.rlim_cur;
  }
  char text[2048];
  FILE *f = fopen("/proc/self/stat", "r");
  const size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
  if (f != NULL) {
    fclose(f);
  }
  text[n] = '\0';
  // the name, in parentheses, may hold anything; fields 14, 15, 20, 22, 23 and 24 are wanted
  const char *rest = strrchr(text, ')');
  double user, system, threads, start, size, pages;
  if (rest != NULL &&
      sscanf(rest + 1,
             " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lf %lf %*s %*s %*s %*s %lf %*s %lf %lf "
             "%lf",
             &user, &system, &threads, &start, &size, &pages) == 6) {
    const double ticks = (double)sysconf(_SC_CLK_TCK);
    out->cpu_s = (user + system) / ticks;
    out->threads = threads;
    out->start_s = boot_s() + start / ticks;
    out->virtual_size = size;
    out->resident = pages * (double)sysconf(_SC_PAGESIZE);
  }
}
