// verbs.h - the verbs of `telos`; each gets its own arguments (argv[0] is the verb) and returns
// the exit code.
#ifndef LAUNCH_VERBS_H
#define LAUNCH_VERBS_H

int verb_train(int argc, char **argv);
int verb_eval(int argc, char **argv);
int verb_config(int argc, char **argv);

// Folder of this program, where its siblings are; static storage.
const char *verbs_program_dir(void);

#endif
