// verbs.h - the verbs of `telos`; each gets its own arguments (argv[0] is the verb) and returns
// the exit code.
#ifndef LAUNCH_VERBS_H
#define LAUNCH_VERBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

int verb_train(int argc, char **argv);
int verb_eval(int argc, char **argv);
int verb_play(int argc, char **argv);
int verb_sweep(int argc, char **argv);
int verb_record(int argc, char **argv);
int verb_export(int argc, char **argv);
int verb_task(int argc, char **argv);
int verb_rules(int argc, char **argv);
int verb_runs(int argc, char **argv);
int verb_compare(int argc, char **argv);
int verb_plot(int argc, char **argv);
int verb_keys(int argc, char **argv);
int verb_fleet(int argc, char **argv);
int verb_health(int argc, char **argv);
int verb_config(int argc, char **argv);
int verb_completion(int argc, char **argv);

struct verb {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *operand;  // as `telos --help` shows it behind the name
  const char *help;
  // What a shell may complete, alternatives parted by '|': words, or in capitals what they are
  // (deploy/launch/candidates.h). first: the first operand; other: those behind it.
  const char *first, *other;
};

// In the order of `telos --help`; the last one's name is NULL.
extern const struct verb verbs[];

// NULL: there is none of this name.
const struct verb *verbs_find(const char *name);

// The table as the lines of `telos --help`; the names in one line, "train, eval or version".
void verbs_print_help(FILE *out);
void verbs_print_names(FILE *out);

// Path of telos-play (n bytes), which not every build has: false when it is not there.
bool verbs_find_play(char *path, size_t n);

// Logs that it is not there, and what helps; arguments are those that deploy/run.sh would be given.
void verbs_tell_no_play(const char *path, const char *arguments);

#endif
