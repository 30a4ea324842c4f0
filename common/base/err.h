// err.h - the error codes of fallible calls, and the exit codes they become.
//
// Three kinds of error, three answers:
//   programming error   CHECK (common/base/check.h) aborts with file and line
//   the world           NODISCARD enum err; the call that found it has logged ONE line that names
//                       the thing and the remedy; callers above only clean up and pass it on
//   out of memory       must_alloc (common/base/check.h) ends the process, with one line and the
//                       exit code of ERR_CONFIG
//
// A failed call leaves its object as it was.
#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

#define NODISCARD __attribute__((warn_unused_result))

enum err {
  ERR_OK = 0,
  ERR_USAGE,        // wrong command line
  ERR_CONFIG,       // wrong or incompatible configuration, task or checkpoint
  ERR_FORMAT,       // bytes that are not what they should be: message, file, record
  ERR_IO,           // the operating system refused: read, write, socket
  ERR_UNAVAILABLE,  // a peer did not answer before the deadline
  ERR_REFUSED,      // a peer refused us for good
  ERR_NUMERIC,      // a number stopped being finite
  ERR_INTERRUPTED,  // asked to stop before the end; state is saved
};

// Process exit code of an error (the table in deploy/README.md); ERR_OK gives 0.
int err_exit_code(enum err err);

// Short lower-case name for logs, e.g. "format".
const char *err_name(enum err err);

#endif
