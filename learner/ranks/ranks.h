// ranks.h - the processes that one mpirun started, and bytes between them.
//
// A rank is one of them, 0 to ranks_count() - 1. Without mpirun, or when it starts one process,
// there is one rank, and no MPI call is ever made. Two ways to build it: ranks_mpi.c (Open MPI) and
// ranks_none.c, which refuses to run under mpirun; tests have a third, with threads for ranks.
//
// Messages between two ranks arrive in the order in which they were sent, and the receiver knows
// how long the next one is. Who waits for one looks again and again for a short time, then sleeps
// between looks, so that a rank with nothing to do leaves its core to others. No arithmetic: sums
// are made by whoever receives, in an order of his own.
//
// Any thread, one at a time. A rank that is lost takes all others with it (mpirun ends them), so
// nothing here fails. A process has one set of ranks, hence no object.
#ifndef LEARNER_RANKS_RANKS_H
#define LEARNER_RANKS_RANKS_H

#include <stddef.h>

#include "common/base/err.h"

// Once, before anything else here. ERR_CONFIG: started by mpirun with more than one process, which
// this build or this MPI cannot serve; rank 0 has logged why.
NODISCARD enum err ranks_start(int *argc, char ***argv);

// The last call, on every rank: returns when all have come here, and nothing is under way.
void ranks_end(void);

int ranks_count(void);
int ranks_index(void);

void ranks_send(int to, const void *data, size_t bytes);
void ranks_receive(int from, void *data, size_t bytes);

// The bytes of rank 0 to every rank; all of them call it, with the same count.
void ranks_broadcast(void *data, size_t bytes);

#endif
