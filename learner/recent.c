// recent.c - a ring of what is known of each episode, summed when somebody asks.
#include "learner/recent.h"

#include <math.h>

#include "common/evaluation.h"

void recent_clear(struct recent *r) {
  r->n = r->next = 0;
}

void recent_add(struct recent *r, const struct episode *ep, const struct task *task) {
  struct recent_figures f = {.length = ep->T, .ret = NAN, .distance = NAN, .success = NAN};
  if (ep->dims.reward) {
    f.ret = evaluation_return(ep);
  }
  if (ep->dims.goal > 0) {
    f.distance = evaluation_distance(ep, ep->T, NULL);
    if (task->success_radius > 0.0) {
      f.success = evaluation_distance(ep, ep->T, task->success_counts) < task->success_radius;
    }
  }
  r->ring[r->next] = f;
  r->next = (r->next + 1) % RECENT_EPISODES;
  r->n += r->n < RECENT_EPISODES;
}

struct recent_figures recent_means(const struct recent *r, int64_t at_most) {
  const int n = at_most < r->n ? (int)at_most : r->n;
  struct recent_figures sum = {0};
  for (int i = n; i > 0; i--) {
    const struct recent_figures *f = &r->ring[(r->next + RECENT_EPISODES - i) % RECENT_EPISODES];
    sum.length += f->length;
    sum.ret += f->ret;
    sum.distance += f->distance;
    sum.success += f->success;
  }
  return (struct recent_figures){sum.length / n, sum.ret / n, sum.distance / n, sum.success / n};
}
