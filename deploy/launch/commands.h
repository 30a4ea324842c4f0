// commands.h - how the programs are called from the current folder, for lines that say what to do
// next. What is printed runs as it is printed.
#ifndef LAUNCH_COMMANDS_H
#define LAUNCH_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

// Folder of this program, where its siblings are; static storage.
const char *commands_program_dir(void);

// A file with an absolute path, as it is named from the current folder; quoted for a shell.
void commands_path(FILE *out, const char *path);

// This `telos`: by its name when PATH finds it, else by a path; quoted for a shell.
void commands_telos(FILE *out);

// The same with " play". In a build folder of the repository that has no telos-play it is
// ./deploy/run.sh play, which installs and builds what drawing needs.
void commands_play(FILE *out);

// The repository's deploy/run.sh; false, and nothing written: this program belongs to none.
bool commands_run_script(FILE *out);

#endif
