// candidates.h - what may stand for the last word of a `telos` command line, for shells.
//
// All of it comes from what the program itself goes by, so that nothing is offered that it would
// refuse: verbs and their operands from the table of verbs, options with what stands for their
// value from each verb's --help, settings and their values from config.def, rules from rules.def,
// tasks from the folders in which they are looked for.
//
// In help and in the table of verbs alternatives are parted by '|'. Words stand for themselves; in
// capitals are TASK, RULE (RULE,.. for several), PRESET, VERB, SETTING (group.name=value), WHICH (a
// checkpoint), FILE or PATH, and RUN or FOLDER. Any other is the user's own.
#ifndef LAUNCH_CANDIDATES_H
#define LAUNCH_CANDIDATES_H

#include <stdio.h>

// words (n >= 1): those behind `telos`, the last one as far as it is typed, maybe "". One line
// each: a whole word in place of the last one, and behind a tab what it is, if there is more to
// say. A line "@files" or "@folders": the shell's own, too.
void candidates_print(FILE *out, char *const *words, int n);

#endif
