// recent.h - how the last training episodes went, with whatever exploration they had.
//
// Means over the last RECENT_EPISODES of those that replay holds: what a resumed run reads back
// into replay gives the same numbers again.
#ifndef LEARNER_RECENT_H
#define LEARNER_RECENT_H

#include "common/episode.h"
#include "common/task/task.h"

enum { RECENT_EPISODES = 100 };

struct recent_figures {
  double length;    // steps
  double ret;       // sum of rewards; NaN: the task has none
  double distance;  // to the goal at the end, goal units; NaN: the task has no goal
  double success;   // share that ends within the task's radius; NaN: it has none
};

struct recent {
  struct recent_figures ring[RECENT_EPISODES];  // of one episode each
  int n, next;
};

void recent_clear(struct recent *r);
void recent_add(struct recent *r, const struct episode *ep, const struct task *task);

// Means over the last episodes, at most so many; NaN without one.
struct recent_figures recent_means(const struct recent *r, int64_t at_most);

#endif
