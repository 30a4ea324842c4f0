// ranks_tree.h - the fixed tree of ranks: who hands on to whom.
//
// In the round of step 1, 2, 4, .. a rank r with r % (2 step) = 0 is the parent of r + step, if
// there is one. Sums go up in rising order of steps, what rank 0 has to say comes down in falling
// order. Any number of ranks; rank 0 meets log2 of it.
#ifndef LEARNER_RANKS_RANKS_TREE_H
#define LEARNER_RANKS_RANKS_TREE_H

// The step of the round in which a rank is the child; for rank 0 the first that reaches beyond all.
static inline int ranks_tree_step(int rank, int count) {
  int step = 1;
  while (step < count && rank % (2 * step) == 0) {
    step *= 2;
  }
  return step;
}

#endif
