// process.c - prctl(PR_SET_PDEATHSIG) has a gap: a parent that ended before the call sends
// nothing, so the parent is compared afterwards.
#include "common/base/process.h"

#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"

enum err process_follow_parent(long parent) {
  CHECK(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
  if ((long)getppid() != parent) {
    log_error("the process that started us (%ld) is gone; stopping", parent);
    return ERR_INTERRUPTED;
  }
  return ERR_OK;
}

static void ignore(int signum) {
  const struct sigaction action = {.sa_handler = SIG_IGN};
  CHECK(sigaction(signum, &action, NULL) == 0);
}

void process_ignore_stop(void) {
  ignore(SIGINT);
  ignore(SIGTERM);
}

void process_ignore_sigpipe(void) {
  ignore(SIGPIPE);
}

void process_return_memory(void) {
  // once, and no thresholds: those that keep little cost page faults with each version of weights
  (void)malloc_trim(0);
}

void process_raise_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }
}
