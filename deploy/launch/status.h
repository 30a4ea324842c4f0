// status.h - progress on standard output: one block redrawn in place on a terminal, else one
// key=value line per interval.
//
// Log lines of children pass through status_log, so that they scroll by above the block.
#ifndef LAUNCH_STATUS_H
#define LAUNCH_STATUS_H

#include <stdbool.h>

#include "common/config/metrics.h"

struct status {
  bool terminal;  // draw, rather than print lines
  bool colour;    // unless NO_COLOR is set
  char title[256];
  int actors_wanted;
  struct metrics last;
  bool drawn;  // a block is on the screen
};

void status_init(struct status *s, const char *title, int actors_wanted);

// A progress line of the learner (without newline).
void status_progress(struct status *s, const char *line);

// Any other line, to standard error.
void status_log(struct status *s, const char *line);

// Leave the last block on the screen and move below it.
void status_end(struct status *s);

#endif
