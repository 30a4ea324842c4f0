// ranks_mpi.c - ranks by Open MPI.
//
// Its blocking calls spin for as long as they wait, a whole core of every idle rank. So each
// message is started, and then looked at: often while it can be a matter of microseconds, as
// between two halves of an update, then with a sleep between looks. A broadcast is sends down the
// tree of ranks_tree.h, for the same reason.
//
// MPI is left alone unless mpirun started several of us: it takes a while to start, and it makes
// files and sockets of its own.
#include "learner/ranks/ranks.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "learner/ranks/ranks_tree.h"

// A count of MPI is an int. A look takes a fraction of a microsecond, or a few when it moves data.
enum { MOST_BYTES = 1 << 30, LOOKS = 100, NAP_NS = 100000 };

// a process has one MPI_COMM_WORLD, set for good by ranks_start
static int count = 1, rank;

enum err ranks_start(int *argc, char ***argv) {
  const char *size = getenv("OMPI_COMM_WORLD_SIZE");
  if (!size || strtol(size, NULL, 10) <= 1) {
    return ERR_OK;
  }
  // Where processes outnumber cores, Open MPI gives the core away at every look, and gets it back
  // after as long as the others like. A short sleep gives it away, too, and comes back in time.
  CHECK(setenv("OMPI_MCA_mpi_yield_when_idle", "0", 0) == 0);
  int granted;
  CHECK(MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &granted) == MPI_SUCCESS);
  CHECK(MPI_Comm_size(MPI_COMM_WORLD, &count) == MPI_SUCCESS);
  CHECK(MPI_Comm_rank(MPI_COMM_WORLD, &rank) == MPI_SUCCESS);
  if (granted >= MPI_THREAD_SERIALIZED) {
    return ERR_OK;
  }
  if (rank == 0) {
    log_error("this Open MPI does not allow calls from several threads; start without mpirun");
  }
  ranks_end();
  return ERR_CONFIG;
}

int ranks_count(void) {
  return count;
}

int ranks_index(void) {
  return rank;
}

static void wait_for(MPI_Request *request) {
  for (int look = 0;; look++) {
    int done;
    CHECK(MPI_Test(request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS);
    if (done) {
      return;
    }
    if (look >= LOOKS) {
      nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
  }
}

void ranks_end(void) {
  if (count == 1) {
    return;
  }
  // MPI_Finalize waits by spinning
  MPI_Request request;
  CHECK(MPI_Ibarrier(MPI_COMM_WORLD, &request) == MPI_SUCCESS);
  wait_for(&request);
  CHECK(MPI_Finalize() == MPI_SUCCESS);
}

static size_t piece(size_t bytes) {
  return bytes < MOST_BYTES ? bytes : MOST_BYTES;
}

void ranks_send(int to, const void *data, size_t bytes) {
  for (const char *at = data, *end = at + bytes; at < end; at += piece((size_t)(end - at))) {
    MPI_Request request;
    CHECK(MPI_Isend(at, (int)piece((size_t)(end - at)), MPI_BYTE, to, 0, MPI_COMM_WORLD,
                    &request) == MPI_SUCCESS);
    wait_for(&request);
  }
}

void ranks_receive(int from, void *data, size_t bytes) {
  for (char *at = data, *end = at + bytes; at < end; at += piece((size_t)(end - at))) {
    MPI_Request request;
    CHECK(MPI_Irecv(at, (int)piece((size_t)(end - at)), MPI_BYTE, from, 0, MPI_COMM_WORLD,
                    &request) == MPI_SUCCESS);
    wait_for(&request);
  }
}

void ranks_broadcast(void *data, size_t bytes) {
  int step = ranks_tree_step(rank, count);
  if (rank > 0) {
    ranks_receive(rank - step, data, bytes);
  }
  for (step /= 2; step >= 1; step /= 2) {
    if (rank + step < count) {
      ranks_send(rank + step, data, bytes);
    }
  }
}
