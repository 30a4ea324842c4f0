// verbs.h - the verbs of `telos`; each gets its own arguments (argv[0] is the verb) and returns
// the exit code.
#ifndef LAUNCH_VERBS_H
#define LAUNCH_VERBS_H

#include <stdbool.h>
#include <stddef.h>

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

// Path of telos-play (n bytes), which not every build has: false when it is not there.
bool verbs_find_play(char *path, size_t n);

// Logs that it is not there, and what helps; arguments are those that deploy/run.sh would be given.
void verbs_tell_no_play(const char *path, const char *arguments);

#endif
