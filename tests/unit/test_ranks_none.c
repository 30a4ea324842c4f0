// Tests of a build without MPI: alone it is one rank; under mpirun it refuses, and says so once.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "learner/ranks/ranks.h"
#include "tests/unit/capture.h"

static enum err start(const char *size, const char *rank, const char **said) {
  int argc = 0;
  char **argv = NULL;
  setenv("OMPI_COMM_WORLD_SIZE", size, 1);
  setenv("OMPI_COMM_WORLD_RANK", rank, 1);
  capture_begin();
  const enum err err = ranks_start(&argc, &argv);
  *said = capture_end();
  return err;
}

Test(ranks_none, is_one_rank) {
  const char *said;
  unsetenv("OMPI_COMM_WORLD_SIZE");
  cr_assert_eq(ranks_start(NULL, NULL), ERR_OK);
  cr_assert_eq(start("1", "0", &said), ERR_OK);
  cr_assert_str_empty(said);
  cr_assert(ranks_count() == 1 && ranks_index() == 0);
  ranks_end();
}

Test(ranks_none, refuses_to_be_several) {
  const char *said;
  cr_assert_eq(start("4", "0", &said), ERR_CONFIG);
  cr_assert(strstr(said, "mpirun started 4 learners") && strstr(said, "libopenmpi-dev"), "%s",
            said);
  cr_assert_eq(strchr(said, '\n'), said + strlen(said) - 1, "more than one line: %s", said);
  cr_assert_eq(start("4", "3", &said), ERR_CONFIG);
  cr_assert_str_empty(said);
}
