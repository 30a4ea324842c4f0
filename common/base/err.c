// err.c - one table of names and exit codes.
//
// The codes are those of sysexits.h where it has one, so that Slurm, Kubernetes (podFailurePolicy)
// and shell scripts can tell "never try again" (64, 65, 77, 78) from "try again" (69, 74, 75).
#include "common/base/err.h"

#include <sysexits.h>

#include "common/base/check.h"

static const struct {
  const char *name;
  int exit_code;
} errors[] = {
    [ERR_OK] = {"ok", EX_OK},
    [ERR_USAGE] = {"usage", EX_USAGE},
    [ERR_CONFIG] = {"config", EX_CONFIG},
    [ERR_FORMAT] = {"format", EX_DATAERR},
    [ERR_IO] = {"io", EX_IOERR},
    [ERR_UNAVAILABLE] = {"unavailable", EX_UNAVAILABLE},
    [ERR_REFUSED] = {"refused", EX_NOPERM},
    [ERR_NUMERIC] = {"numeric", EX_DATAERR},
    [ERR_INTERRUPTED] = {"interrupted", EX_TEMPFAIL},
};

enum { ERROR_COUNT = sizeof errors / sizeof errors[0] };

int err_exit_code(enum err err) {
  CHECK((unsigned)err < ERROR_COUNT);
  return errors[err].exit_code;
}

const char *err_name(enum err err) {
  CHECK((unsigned)err < ERROR_COUNT);
  return errors[err].name;
}
