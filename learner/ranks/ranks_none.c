// ranks_none.c - a build without MPI: one rank. K learners that mpirun started would fight for one
// run folder, so that is refused.
#include "learner/ranks/ranks.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/log.h"

enum err ranks_start(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  const char *size = getenv("OMPI_COMM_WORLD_SIZE"), *rank = getenv("OMPI_COMM_WORLD_RANK");
  if (!size || strtol(size, NULL, 10) <= 1) {
    return ERR_OK;
  }
  if (!rank || strtol(rank, NULL, 10) == 0) {
    log_error(
        "mpirun started %s learners, and this build has no MPI: start one without mpirun, or "
        "install libopenmpi-dev and build again",
        size);
  }
  return ERR_CONFIG;
}

void ranks_end(void) {
}

int ranks_count(void) {
  return 1;
}

int ranks_index(void) {
  return 0;
}

// nobody to send to

void ranks_send(int to, const void *data, size_t bytes) {
  (void)to;
  (void)data;
  (void)bytes;
  CHECK(!"one rank only");
}

void ranks_receive(int from, void *data, size_t bytes) {
  (void)from;
  (void)data;
  (void)bytes;
  CHECK(!"one rank only");
}

void ranks_broadcast(void *data, size_t bytes) {
  (void)data;
  (void)bytes;
}
