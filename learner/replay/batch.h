// batch.h - one minibatch: what replay gives and what rules learn from.
//
// B rows; arrays are owned by the object; float32 row-major. Only batch_new allocates.
#ifndef LEARNER_REPLAY_BATCH_H
#define LEARNER_REPLAY_BATCH_H

#include "common/episode.h"

struct batch {
  int B;
  float *obs, *next_obs;            // (B x obs)
  float *act;                       // (B x act)
  float *achieved, *next_achieved;  // (B x goal)  phi(s), phi(s')
  float *goal;                      // (B x goal)  after relabelling
  float *done;                      // (B)         1 at a true end, else 0
};

struct batch *batch_new(const struct dims *dims, int B);
void batch_free(struct batch *b);  // NULL is allowed

#endif
