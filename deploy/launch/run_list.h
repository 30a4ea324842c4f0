// run_list.h - the runs below folders, oldest first.
#ifndef LAUNCH_RUN_LIST_H
#define LAUNCH_RUN_LIST_H

#include "common/base/err.h"
#include "deploy/launch/run_info.h"

struct run_list {
  struct run_info *v;
  int n;
};

// Those below each of n folders, which may be runs themselves; list is zeroed. A run whose settings
// cannot be read is logged and left out. ERR_IO (logged): a folder cannot be read. Release with
// run_list_release in any case.
NODISCARD enum err run_list_read(struct run_list *list, char *const *folders, int n);
void run_list_release(struct run_list *list);

#endif
