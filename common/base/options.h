// options.h - what is wrong with an option of a command line, in one line of our own words.
//
// For programs that call getopt_long with opterr = 0 and short options that begin with ':', so that
// it tells a missing value (':') from all else ('?').
#ifndef COMMON_BASE_OPTIONS_H
#define COMMON_BASE_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

// An option whose value is kept as it is.
struct options_text {
  int c;  // what getopt_long returns for it
  const char **at;
};

// Keeps value where the option of texts (n) that c is has it; false: it is none of them.
bool options_keep(const struct options_text *texts, size_t n, int c, const char *value);

// Logs what is wrong with the option at which getopt_long returned c, ':' or '?': unknown (with the
// option that is near), ambiguous, without its value, or with one that it does not take. program is
// for "see <program> --help". explain, if not NULL, is asked about an unknown option that is near
// to none: it fills out (n bytes), for instance with "settings have no dashes: run.seed=1", or
// returns false. value is what stood behind the option, "" when nothing did.
void options_complain(int c, const struct option *options, char *const *argv, const char *program,
                      bool (*explain)(char *out, size_t n, const char *name, const char *value));

#endif
